import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.lengths import lengths_s
from tastemaker.recipe import Column, Role


def catalogue(name: str, cells: list[float | None], role: Role = Role.NUMBER) -> Catalogue:
    frame = pl.DataFrame({"title": [f"t{n}" for n in range(len(cells))], name: cells}, strict=False)
    return Catalogue(frame, (Column(name="title", role=Role.TITLE), Column(name=name, role=role)))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("duration", 90),
        ("length", 90),
        ("runtime", 5400),  # of films, and so in minutes
        ("Duration (min)", 5400),
        ("runtimeMinutes", 5400),
        ("length_s", 90),
        ("duration_ms", 0.09),
        ("Runtime hours", 324_000),
    ],
)
def test_the_name_tells_the_unit(name, seconds):
    found = lengths_s(catalogue(name, [90.0, None, 0.0, -5.0]))
    assert found is not None
    assert found[0] == pytest.approx(seconds)
    assert np.isnan(found[1:]).all()


def test_a_catalogue_that_doesnt_tell():
    assert lengths_s(catalogue("year", [1990.0])) is None
    assert lengths_s(catalogue("title_length", [12.0])) is None
    assert lengths_s(catalogue("duration", [90.0], Role.IGNORED)) is None
