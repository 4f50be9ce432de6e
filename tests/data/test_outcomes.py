"""What the cells beside an impression say: yes, no, seconds or nothing, and which of it is choice."""

import numpy as np
import polars as pl
import pytest

from tastemaker.data import read

nan = np.nan


def reading(*lines, columns):
    """Impressions of the items x, y, z and w, read from lines of CSV."""
    cells = [line.split(",") for line in lines]
    frame = pl.DataFrame(cells, schema=columns.split(","), orient="row")
    return read(pl.DataFrame({"item_id": list("xyzw")}), impressions=frame)


def file_of(data):
    return data.report.files[-1]


def outcome(name, *cells):
    """outcomes and weights of x, y, z …, shown one after the other, and the report"""
    lines = [f"a,{item},{5 + at},{cell}" for at, (item, cell) in enumerate(zip("xyzw", cells, strict=False))]
    data = reading(*lines, columns=f"user_id,item_id,timestamp,{name}")
    found = data.impressions
    return found.outcomes, found.shown.weights.tolist(), file_of(data)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *[("watch_time", 90), ("watch_time_s", 90), ("dwell_time", 90), ("watchSeconds", 90)],
        *[("watch_time_ms", 0.09), ("Watch time (min)", 5400), ("watch_hours", 324_000)],
    ],
)
def test_watch_time_is_in_seconds_whatever_unit_its_name_says(name, seconds):
    found, weights, _ = outcome(name, "90", "0", "")
    np.testing.assert_allclose(found["watch_time"], [seconds, 0, nan], rtol=1e-6)
    np.testing.assert_array_equal(found["click"], [1, 0, nan])
    assert weights == [1, 0, 0]


@pytest.mark.parametrize(
    ("cell", "chosen"), [("-3", 0), ("1e39", 1), ("1e400", 1), ("many", 1), ("12:30", 1)]
)
def test_what_is_no_length_of_time_is_left_empty_and_counted(cell, chosen):
    found, weights, file = outcome("watch_time", cell, "60", "0")
    np.testing.assert_array_equal(found["watch_time"], [nan, 60, 0])
    assert weights == [chosen, 1, 0]
    assert [(finding.count, finding.examples) for finding in file.repaired] == [(1, (cell,))]


@pytest.mark.parametrize("cell", ["nan", "NULL", "", "n/a"])
def test_a_watch_time_that_nobody_knows_is_no_mistake(cell):
    found, weights, file = outcome("watch_time", cell, "60", "0")
    np.testing.assert_array_equal(found["watch_time"], [nan, 60, 0])
    assert (weights, file.repaired) == ([0, 1, 0], ())


@pytest.mark.parametrize("name", ["click", "completed", "liked", "hidden"])
def test_an_empty_cell_is_a_no_only_where_there_is_no_other(name):
    outcome_of = {"click": "click", "completed": "completion", "liked": "like", "hidden": "hidden"}[name]
    np.testing.assert_array_equal(outcome(name, "1", "", "1")[0][outcome_of], [1, 0, 1])
    np.testing.assert_array_equal(outcome(name, "1", "", "0")[0][outcome_of], [1, nan, 0])


def test_who_hides_something_did_not_choose_it():
    found, weights, _ = outcome("hidden", "1", "0", "hidden", "no")
    assert weights == [0, 0, 0, 0]
    assert list(found) == ["hidden"]
    np.testing.assert_array_equal(found["hidden"], [1, 0, 1, 0])


def test_who_likes_or_completes_something_chose_it():
    for name, cells in {"thumbs_up": ["up", "down", "like"], "finished": ["yes", "no", "TRUE"]}.items():
        found, weights, _ = outcome(name, *cells)
        assert weights == [1, 0, 1]
        np.testing.assert_array_equal(found["click"], [1, 0, 1])


def test_a_share_is_complete_from_nine_tenths_on():
    for cells in (["0.95", "0.4", "0", "1"], ["95%", "40 %", "0%", "100%"], ["95", "40", "0", "100"]):
        found, weights, file = outcome("completion", *cells)
        np.testing.assert_array_equal(found["completion"], [1, 0, 0, 1])
        assert (weights, file.repaired) == ([1, 1, 0, 1], ())  # who saw some of it chose it
    np.testing.assert_array_equal(outcome("completion", "2", "1", "0")[0]["completion"], [1, 1, 0])


def test_a_word_that_is_neither_yes_nor_no_is_left_empty_and_counted():
    for name, outcome_of in {"liked": "like", "completed": "completion", "hidden": "hidden"}.items():
        found, _, file = outcome(name, "perhaps", "1", "0")
        np.testing.assert_array_equal(found[outcome_of], [nan, 1, 0])
        assert [(finding.count, finding.examples) for finding in file.repaired] == [(1, ("perhaps",))]


@pytest.mark.parametrize("name", ["purchase", "event", "rating", "chosen", "watched"])
def test_without_a_column_of_clicks_any_sign_of_choice_is_one(name):
    found, weights, _ = outcome(name, "5", "", "0")
    assert weights == [1, 0, 0]
    np.testing.assert_array_equal(found["click"], [1, 0, 0])
    assert list(found) == ["click"]


def test_a_click_is_what_its_column_says_though_more_was_chosen():
    columns = "user_id,item_id,timestamp,click,purchase"
    found = reading("a,x,1,0,1", "a,y,2,1,0", "a,z,3,0,0", columns=columns).impressions
    assert found.shown.weights.tolist() == [1, 1, 0]
    np.testing.assert_array_equal(found.outcomes["click"], [0, 1, 0])


def test_chance_is_believed_only_where_the_file_says_so():
    columns = "user_id,item_id,timestamp,is_random"
    data = reading("a,x,1,1", "a,y,2,", "a,z,3,model", "a,w,4,dice", columns=columns)
    assert data.impressions.is_random.tolist() == [True, False, False, False]
    assert [finding.examples for finding in file_of(data).repaired] == [("dice",)]
