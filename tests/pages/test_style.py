"""Drawings are the same twice, hold text as text, and fit any width."""

import pytest

from tastemaker.pages import style


def drawn():
    figure, (panel,) = style.figure()
    panel.plot([0, 1], [0, 1])
    panel.set_title("A title & more")
    return figure


def test_a_drawing_is_an_element_without_a_size_of_its_own():
    svg = style.svg(drawn())
    head = svg[: svg.index(">")]
    assert head.startswith("<svg")
    assert "viewBox" in head
    assert " width=" not in head
    assert " height=" not in head
    assert "A title &amp; more" in svg
    assert svg == style.svg(drawn())


@pytest.mark.parametrize("suffix", style.SUFFIXES)
def test_a_figure_becomes_a_file(tmp_path, suffix):
    style.write(drawn(), tmp_path / f"figure{suffix}")
    assert (tmp_path / f"figure{suffix}").stat().st_size > 1000
