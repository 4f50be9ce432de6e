"""The page of a study, as a rater meets it: a whole study by keyboard, in Chromium."""

import json

import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.evaluation.raters.answers import read_answers
from tastemaker.evaluation.raters.asking import Query
from tastemaker.evaluation.raters.study import Asked, Key, page_data, write
from tastemaker.pages.page import page
from tastemaker.recipe import Column, Role

HOSTILE = "</script><img src=x onerror=\"document.title='taken over'\"><b>Roma</b>"
TITLES = [HOSTILE, "A" * 90, "아이 // Child", "Dune (1984)", "Dune (2021)", "Oslo", "Comet", "Kalo"]


@pytest.fixture
def study(tmp_path):
    frame = pl.DataFrame({"id": [f"id-{n}" for n in range(8)], "title": TITLES, "genre": ["Drama"] * 8})
    roles = (Role.ID, Role.TITLE, Role.CATEGORY)
    catalogue = Catalogue(
        frame, tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    )
    sides = [("a", "b"), ("b", "a"), ("a", "b"), ("a", "chance"), ("b", "a")]
    questions = tuple(
        Asked(
            *(number, "check" if "chance" in pair else "question", None, f"id-{number}", *pair),
            *(("id-0", "id-1", "id-3"), ("id-4", "id-2", "id-6")),
        )
        for number, pair in enumerate(sides, 1)
    )
    key = Key("abcdefghjk", "the-new-one", "the-old-one", "titles", 3, 1, 0, questions)
    queries = {f"id-{n}": Query(f"id-{n}", (n,)) for n in range(8)}
    data = page_data(key, queries, catalogue)
    write(tmp_path / "study", key, page("rate.html", title="Which?", scripts=["rate.js"], data=data))
    return tmp_path / "study"


def begun(opened, name="Ann O'Neil"):
    opened.page.fill("#rater", name)
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#ask:not([hidden])")


def test_a_whole_study_by_keyboard_with_a_reload_in_the_middle(open_page, study, tmp_path):
    opened = open_page(study / "rate.html")
    tab = opened.page
    for key in ("Tab", *"Ann O'Neil", "Enter"):
        tab.keyboard.press(key)
    assert tab.inner_text("#count") == "Question 1 of 5"
    tab.keyboard.press("Enter")  # nothing chosen yet
    assert tab.inner_text("#count") == "Question 1 of 5"
    for key in ("Tab", "Tab", "Space"):  # from the heading to the second title on the left
        tab.keyboard.press(key)
    for key in ("1", "ArrowRight", "Enter", "3", "Enter"):
        tab.keyboard.press(key)
    assert tab.inner_text("#count") == "Question 3 of 5"

    tab.reload()
    tab.get_by_text("Go on as Ann O'Neil (2 of 5)").focus()
    tab.keyboard.press("Enter")
    assert tab.inner_text("#count") == "Question 3 of 5"
    for key in ("ArrowLeft", "Enter", "5", "Enter"):
        tab.keyboard.press(key)
    with tab.expect_download() as loaded:
        for key in ("4", "Enter"):
            tab.keyboard.press(key)
    assert loaded.value.suggested_filename == "answers-Ann-O-Neil.json"
    file = tmp_path / loaded.value.suggested_filename
    loaded.value.save_as(file)
    assert tab.inner_text("#thanks") == "Thank you."

    (sheet,) = read_answers([file], Key.read(study))
    assert sheet.rater == "Ann O'Neil"
    assert [answer.choice for answer in sheet.answers.values()] == [
        "right",
        "both",
        "left",
        "unknown",
        "neither",
    ]
    assert (sheet.answers[1].left, sheet.answers[1].right, sheet.answers[2].left) == ((1,), (), ())
    assert [answer.meaning for answer in sheet.answers.values()] == ["b", "both", "a", "unknown", "neither"]
    assert all(0 <= answer.seconds < 60 for answer in sheet.answers.values())
    assert not opened.complaints


@pytest.mark.slow
def test_on_a_phone_titles_stay_text_both_lists_are_seen_and_two_raters_share_a_browser(open_page, study):
    opened = open_page(study / "rate.html", width=360, height=740, color_scheme="dark", has_touch=True)
    tab = opened.page
    begun(opened, "Ann")
    assert tab.inner_text("#left ol li:first-child b") == HOSTILE
    assert tab.title() == "Which?"
    html = (study / "rate.html").read_text(encoding="utf-8")
    assert not any(hidden in html for hidden in ("id-0", "id-4", "the-new-one", "the-old-one"))
    assert not opened.is_wider_than_the_window()
    left, right = (tab.locator(f"#{side}").bounding_box() for side in ("left", "right"))
    assert left["x"] + left["width"] <= right["x"]
    for button in tab.locator("[data-choice], #next, #back").all():
        box = button.bounding_box()
        assert box["height"] >= 24  # WCAG 2.2, 2.5.8
        assert box["y"] + box["height"] <= 740
    assert tab.locator("body").evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(21, 24, 27)"
    tab.get_by_text("Equally bad").tap()
    tab.tap("#next")
    tab.tap("#back")
    assert tab.get_by_text("Equally bad").get_attribute("aria-pressed") == "true"
    tab.get_by_text("Right is better").tap()
    tab.reload()
    begun(opened, "Bob")
    assert tab.inner_text("#count") == "Question 1 of 5"
    assert tab.get_attribute("[data-choice=right]", "aria-pressed") == "false"
    kept = json.loads(tab.evaluate("localStorage.getItem('tastemaker raters abcdefghjk Ann')"))
    assert kept["answers"]["1"]["choice"] == "right"
    assert not opened.complaints
