"""What was shown: each array worked out by hand, and the same arrays whatever order the rows are in."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemaker.data import read
from tastemaker.data.catalogue import PAD
from tastemaker.data.impressions import OUTCOMES, Impressions, Labels
from tastemaker.errors import DataError
from tastemaker.recipe import DataRecipe

nan = np.nan


def reading(*lines, columns, stated=None):
    """Impressions of the items x, y, z and w, read from lines of CSV; and what is stated of columns."""
    cells = [line.split(",") for line in lines]
    frame = pl.DataFrame(cells, schema=columns.split(","), orient="row")
    return read(
        pl.DataFrame({"item_id": list("xyzw")}),
        impressions=frame,
        recipe=DataRecipe.model_validate({"columns": stated or {}}),
    )


def file_of(data):
    return data.report.files[-1]


def names(labels):
    return [labels.names[code] for code in labels.codes]


ALL = (
    "user_id,item_id,timestamp,position,recommendation_id,source,device,"
    "click,watch_time_s,completed,liked,hidden"
)
LINES = [
    "b,y,50,1,r1,als,tv,1,120,1,1,0",
    "a,z,20,2,r2,als,phone,0,0,0,0,1",
    "a,x,20,1,r2,popular,phone,1,30.5,0,,0",
    "b,w,50,2,r1,,tv,0,,,0,0",
    "a,y,10,1,r1,als,tablet,0,0,0,0,0",
]


def test_every_array_goes_by_the_events_of_shown():
    found = reading(*LINES, columns=ALL).impressions
    # a: y at 10, x and z at 20; b: y and w at 50. r1 of a and r1 of b are two lists.
    assert found.shown.user_ids == ["a", "b"]
    assert found.shown.rows.tolist() == [1, 0, 2, 1, 3]
    assert found.shown.times.tolist() == [10, 20, 20, 50, 50]
    assert found.shown.weights.tolist() == [0, 1, 0, 1, 0]
    assert found.positions.tolist() == [1, 1, 2, 1, 2]
    assert found.lists.tolist() == [0, 1, 1, 2, 2]
    assert found.list_ids == ("r1", "r2", "r1")
    assert found.sources.names == ("", "als", "popular")
    assert names(found.sources) == ["als", "popular", "als", "als", ""]
    assert names(found.devices) == ["tablet", "phone", "phone", "tv", "tv"]
    assert tuple(found.outcomes) == OUTCOMES
    for name, wanted in {
        "click": [0, 1, 0, 1, 0],
        "watch_time": [0, 30.5, 0, 120, nan],
        "completion": [0, 0, 0, 1, nan],
        "like": [0, nan, 0, 1, 0],
        "hidden": [0, 0, 1, 0, 0],
    }.items():
        assert found.outcomes[name].dtype == np.float32
        np.testing.assert_array_equal(found.outcomes[name], wanted, err_msg=name)
    assert found.is_random.tolist() == [False] * 5
    assert (found.positions.dtype, found.lists.dtype, found.sources.codes.dtype) == (np.int32,) * 3
    assert found.size == 5


def test_the_report_tells_the_roles_the_lists_and_how_the_first_places_did():
    file = file_of(reading(*LINES, columns=ALL))
    roles = [str(column.role) for column in file.columns]
    stated = ["position", "recommendation", "source", "device"]
    assert roles == ["user", "item", "time", *stated, *OUTCOMES]
    assert file.notes == (
        "3 lists by recommendation id; 5 of 5 have a place",
        "chosen at places 1 to 5: 66.7%, 0.0%, –, –, –",
        "'click' says of 2 of 5 that they were chosen",
        "'watch_time_s' says of 4 of 5 how long they were watched, in seconds",
        "'completed' says of 1 of 5 that they were completed",
        "'liked' says of 1 of 5 that they were liked",
        "'hidden' says of 1 of 5 that they were hidden",
    )


def test_a_file_that_says_only_who_what_and_when_knows_nothing_more():
    data = reading("a,z,20", "a,x,10", "b,x,10", "a,w,20", columns="user_id,item_id,timestamp")
    found = data.impressions
    assert found.positions.tolist() == [0, 0, 0, 0]
    assert (found.lists.tolist(), found.list_ids) == ([0, 1, 1, 2], ("", "", ""))
    assert names(found.sources) == names(found.devices) == [""] * 4
    assert found.outcomes == {}
    assert found.shown.weights.tolist() == [0] * 4
    assert file_of(data).notes[-2:] == (
        "3 lists by user and moment; 0 of 4 have a place",
        "no column says what was chosen: only the log tells",
    )


# --- positions -------------------------------------------------------------------------------


def places(*cells, name="position"):
    lines = [f"a,{item},{5 + at},{cell}" for at, (item, cell) in enumerate(zip("xyzw", cells, strict=False))]
    data = reading(*lines, columns=f"user_id,item_id,timestamp,{name}")
    return data.impressions.positions.tolist(), file_of(data)


def test_places_count_from_one():
    assert places("2", "1", "", "3")[0] == [2, 1, 0, 3]
    found, file = places("1", "0", "", "2")
    assert found == [2, 1, 0, 3]
    assert "'position' counts from 0: each place is raised by one" in file.notes


def test_at_one_moment_the_first_place_comes_first_and_an_unknown_one_last():
    lines = ["a,x,5,3", "a,y,5,", "a,z,5,1", "a,w,5,2"]
    found = reading(*lines, columns="user_id,item_id,timestamp,position").impressions
    assert found.shown.rows.tolist() == [2, 3, 0, 1]
    assert found.positions.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("name", ["rank", "Place", "slot", "displayPosition"])
def test_places_have_other_names(name):
    assert places("2", "1", name=name)[0] == [2, 1]


@pytest.mark.parametrize("cell", ["-1", "1.5", "99999999999", "1e400", "-inf"])
def test_what_is_no_place_is_left_empty_and_counted(cell):
    found, file = places(cell, "2", "3")
    assert found == [0, 2, 3]
    (finding,) = file.repaired
    assert (finding.count, finding.examples) == (1, (cell,))


def test_words_are_no_places():
    found, file = places("first", "2", "top")
    assert found == [0, 2, 0]
    assert [(finding.count, finding.examples) for finding in file.repaired] == [(2, ("first", "top"))]


# --- lists -----------------------------------------------------------------------------------


def lists(*lines, columns="user_id,item_id,timestamp,recommendation_id"):
    found = reading(*lines, columns=columns).impressions
    assert found.list_count == len(found.list_ids) == len(set(found.lists.tolist()))
    return found.lists.tolist(), found.list_ids


def test_one_recommendation_may_be_written_at_several_moments_and_two_at_one():
    found = lists("a,x,1,r", "a,y,2,s", "a,z,3,r", "a,w,3,t")
    assert found == ([0, 1, 0, 2], ("r", "s", "t"))


def test_without_an_id_a_list_is_what_was_shown_at_one_moment():
    found = lists("a,x,1,", "a,y,1,null", "a,z,1,r", "a,w,2,")
    # At 1: x and y without an id come before z with one.
    assert found == ([0, 0, 1, 2], ("", "r", ""))


def test_what_was_shown_nobody_knows_when_has_nothing_in_common():
    found = lists("a,x,soon,", "a,y,late,", "a,z,soon,r", "a,w,soon,r", "b,x,1,")
    assert found == ([0, 1, 2, 2, 3], ("", "", "r", ""))


def test_an_impression_id_names_a_list_where_it_comes_again():
    columns = "user_id,item_id,timestamp,impression_id"
    again = lists("a,x,1,p", "a,y,2,p", "a,z,3,p", "b,x,3,q", columns=columns)
    assert again == ([0, 0, 0, 1], ("p", "q"))
    own = lists("a,x,1,p", "a,y,1,q", "a,z,3,r", "b,x,3,s", columns=columns)
    assert own == ([0, 0, 1, 2], ("", "", ""))


# --- the same twice ---------------------------------------------------------------------------


def test_the_same_at_one_moment_is_merged_by_value():
    columns = (
        "user_id,item_id,timestamp,position,recommendation_id,source,click,watch_time_ms,hidden,randomised"
    )
    lines = ["a,x,1,3,s,als,0,2000,1,0", "a,x,1,2,r,,1,500,0,1", "a,x,1,,,knn,,,,", "a,y,1,1,s,als,0,0,0,0"]
    data = reading(*lines, columns=columns)
    found = data.impressions
    assert found.shown.rows.tolist() == [0, 1]
    assert found.positions.tolist() == [2, 1]
    assert [found.list_ids[number] for number in found.lists] == ["r", "s"]
    assert names(found.sources) == ["als", "als"]
    assert {name: values.tolist() for name, values in found.outcomes.items()} == {
        "click": [1, 0],
        "watch_time": [2, 0],
        "hidden": [1, 0],
    }
    assert found.is_random.tolist() == [True, False]
    assert file_of(data).duplicates == 2


# --- roles -----------------------------------------------------------------------------------


def test_roles_can_be_stated():
    stated = {"ort": "position", "liste": "recommendation", "woher": "source", "worauf": "device"}
    stated |= {"getippt": "click", "dauer_min": "watch_time", "ganz": "completion", "schoen": "like"}
    stated |= {"weg": "hidden", "gewuerfelt": "randomised", "position": "ignored"}
    columns = ",".join(["user_id", "item_id", "timestamp", *stated])
    said = {name: {"role": role} for name, role in stated.items()}
    lines = ["a,x,1,4,r,als,tv,1,2,1,0,0,1,9", "a,y,1,5,r,knn,tv,0,0,0,1,1,0,8"]
    data = reading(*lines, columns=columns, stated=said)
    found = data.impressions
    assert found.positions.tolist() == [4, 5]
    assert found.list_ids == ("r",)
    assert (names(found.sources), names(found.devices)) == (["als", "knn"], ["tv", "tv"])
    assert {name: values.tolist() for name, values in found.outcomes.items()} == {
        "click": [1, 0],
        "watch_time": [120, 0],
        "completion": [1, 0],
        "like": [0, 1],
        "hidden": [0, 1],
    }
    assert found.is_random.tolist() == [True, False]


def test_a_role_of_impressions_is_none_of_a_log_and_only_one_column_has_it():
    log = pl.DataFrame(
        {"user_id": ["a", "b"], "item_id": ["x", "y"], "place": ["1", "2"], "spot": ["1", "2"]}
    )
    stated = DataRecipe.model_validate({"columns": {"place": {"role": "position"}}})
    with pytest.raises(DataError, match="'place' of the interactions can't have the role 'position'"):
        read(interactions=log, recipe=stated)
    both = {name: {"role": "position"} for name in ("place", "spot")}
    with pytest.raises(DataError, match="the role 'position' to two columns of the impressions"):
        read(
            pl.DataFrame({"item_id": list("xy")}),
            impressions=log.with_columns(timestamp=pl.lit("1")),
            recipe=DataRecipe.model_validate({"columns": both}),
        )


def test_cells_that_hold_lists_are_repaired_or_refused_in_words(written):
    both = [
        {"user_id": "a", "item_id": "x", "timestamp": 1, "position": [1, 2], "click": [1], "liked": {"a": 1}},
        {"user_id": "a", "item_id": "y", "timestamp": 2, "position": 2, "click": 0, "liked": False},
    ]
    shown = written("".join(f"{json.dumps(row)}\n" for row in both), "shown.jsonl")
    data = read(pl.DataFrame({"item_id": list("xy")}), impressions=shown)
    assert data.impressions.positions.tolist() == [0, 2]
    assert data.impressions.shown.weights.tolist() == [1, 0]
    assert [finding.examples for finding in file_of(data).repaired] == [("1, 2",), ('{"a": 1}',)]


# --- views -----------------------------------------------------------------------------------

rows_of_a_file = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", "10", "9"]),
        st.sampled_from(list("xyzw")),
        st.sampled_from(["1", "2", "2.5", "soon", ""]),
        st.sampled_from(["", "0", "1", "2", "7", "-1", "x"]),
        st.sampled_from(["", "r", "s"]),
        st.sampled_from(["", "als", "knn"]),
        st.sampled_from(["", "tv"]),
        st.sampled_from(["0", "1", "", "play", "no"]),
        st.sampled_from(["", "0", "12.5", "-3", "nan"]),
        st.sampled_from(["", "0.5", "1", "0"]),
        st.sampled_from(["", "up", "down", "hm"]),
        st.sampled_from(["", "0", "1"]),
        st.sampled_from(["", "0", "1"]),
    ),
    min_size=1,
    max_size=14,
)
WIDE = f"{ALL},is_random"


def same(one, other):
    """Whether two impressions are equal, array by array."""
    np.testing.assert_array_equal(one.shown.user_ids, other.shown.user_ids)
    for name in ("offsets", "rows", "times", "weights"):
        np.testing.assert_array_equal(getattr(one.shown, name), getattr(other.shown, name), err_msg=name)
    for name in ("positions", "lists", "is_random"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.list_ids == other.list_ids
    assert (names(one.sources), names(one.devices)) == (names(other.sources), names(other.devices))
    assert set(one.outcomes) == set(other.outcomes)
    for name, values in one.outcomes.items():
        np.testing.assert_array_equal(values, other.outcomes[name], err_msg=name)


@settings(max_examples=12, deadline=None)
@given(rows=rows_of_a_file, data=st.data())
def test_the_order_of_the_rows_says_nothing(rows, data):
    rows = [("z", "w", "5", *["1"] * 10), *rows]  # no column is empty throughout
    once = reading(*map(",".join, rows), columns=WIDE)
    again = reading(*map(",".join, data.draw(st.permutations(rows))), columns=WIDE)
    same(once.impressions, again.impressions)
    assert once.fingerprint == again.fingerprint
    assert file_of(once).notes == file_of(again).notes


@st.composite
def impressions(draw):
    """Any, of three users and four items."""
    size = draw(st.integers(0, 14))

    def each(values):
        return draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))

    return Impressions.from_events(
        ["u", "v", "w"],
        np.array(each([0, 1, 2]), np.int32),
        np.array(each([0, 1, 2, 3]), np.int32),
        np.array(each([0.0, 1.0, 2.0, 2.5, np.inf])),
        positions=np.array(each([0, 1, 2, 7]), np.int32),
        list_ids=each(["", "r", "s"]),
        sources=each(["", "als", "knn"]),
        devices=each(["", "tv"]),
        outcomes={name: np.array(each([0, 1, nan]), np.float32) for name in OUTCOMES},
        is_random=np.array(each([False, True]), bool),
    )


def told(found):
    """Each event in words, with all that is known of it."""
    return [
        (
            found.shown.user_ids[found.shown.users[at]],
            int(found.shown.rows[at]),
            float(found.shown.times[at]),
            float(found.shown.weights[at]),
            int(found.positions[at]),
            found.list_ids[found.lists[at]],
            names(found.sources)[at],
            names(found.devices)[at],
            *(str(values[at]) for values in found.outcomes.values()),
            bool(found.is_random[at]),
        )
        for at in range(found.size)
    ]


@settings(max_examples=60, deadline=None)
@given(whole=impressions(), data=st.data())
def test_a_part_keeps_all_arrays_in_step_and_numbers_its_lists_anew(whole, data):
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=whole.size, max_size=whole.size)), bool)
    part = whole.where(keep)
    assert told(part) == [line for line, kept in zip(told(whole), keep, strict=True) if kept]
    # First appearance: 0 comes first, and every new number is one more than all before it.
    highest = -1
    for number in part.lists.tolist():
        assert number <= highest + 1
        highest = max(highest, number)
    assert part.list_count == highest + 1
    kept = np.flatnonzero(keep)
    for one in range(len(kept)):
        for other in range(one):
            together = whole.lists[kept[one]] == whole.lists[kept[other]]
            assert (part.lists[one] == part.lists[other]) == together

    time = data.draw(st.sampled_from([0.5, 1.0, 2.0, 3.0]))
    wanted = [line for line in told(whole) if line[2] <= time] if whole.shown.is_clock else []
    assert told(whole.until(time)) == wanted

    moved = np.array([2, PAD, 0, 1], np.int32)
    expected = [(line[0], int(moved[line[1]]), *line[2:]) for line in told(whole) if line[1] != 1]
    assert told(whole.renumbered(moved)) == expected


def test_without_a_clock_nothing_is_known_at_any_time():
    found = reading("a,x,0,1", "a,y,1,2", "b,x,0,1", columns="user_id,item_id,timestamp,position").impressions
    assert not found.shown.is_clock
    assert found.until(100.0).size == 0


def test_the_fingerprint_knows_every_array():
    lines = ["a,x,10,1,r,als,tv,1,5,1,1,0,0", "a,y,10,2,r,knn,tv,0,0,0,0,0,0"]
    changes = [(3, "3"), (4, "s"), (5, "knn"), (6, "pc"), (7, "0"), (8, "6"), (9, "0"), (10, "0"), (11, "1")]
    prints = {reading(*lines, columns=WIDE).impressions.fingerprint}
    for at, cell in [*changes, (12, "1"), (1, "z"), (2, "9")]:
        cells = lines[0].split(",")
        cells[at] = cell
        prints.add(reading(",".join(cells), lines[1], columns=WIDE).impressions.fingerprint)
    assert len(prints) == len(changes) + 4


def test_events_from_elsewhere_are_put_in_order():
    found = Impressions.from_events(
        ["u", "v"],
        np.array([1, 0, 0], np.int32),
        np.array([4, 5, 6], np.int32),
        np.array([3.0, 2.0, 2.0]),
        positions=np.array([1, 2, 1], np.int32),
        outcomes={"watch_time": np.array([0, nan, 8], np.float32), "hidden": np.array([1, 0, 0], np.float32)},
    )
    assert found.shown.rows.tolist() == [6, 5, 4]
    assert found.shown.weights.tolist() == [1, 0, 0]
    assert found.lists.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(found.outcomes["watch_time"], [8, nan, 0])
    assert list(found.outcomes) == ["watch_time", "hidden"]


def test_nothing_at_all_is_still_in_shape():
    found = Impressions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    assert (found.size, found.list_count) == (0, 0)
    assert found.until(1.0).size == 0
    assert Labels.of(["b", "", "a", "b"]).codes.tolist() == [2, 0, 1, 2]
