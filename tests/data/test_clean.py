from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data import read
from tastemaker.errors import DataError
from tastemaker.recipe import DataRecipe, Role

SAMPLES = Path(__file__).parent / "samples"
LENIENT = DataRecipe.model_validate({"max_rejected": 0.9})


def test_a_dirty_catalogue_is_repaired_and_every_repair_is_reported():
    data = read(SAMPLES / "dirty_items.csv", recipe=DataRecipe.model_validate({"max_rejected": 0.2}))
    assert data.items.frame.rows() == [
        # Three rows: hours add up, the earlier date stays, genres unite.
        ("Wednesday: Season 1", date(2022, 7, 2), 527_700_000.0, ["Comedy", "Horror", "Mystery"]),
        ("The Glory: Season 1 // 더 글로리: 시즌 1", date(2022, 12, 30), 622_800_000.0, ["Drama"]),
        ("Two\nlines", None, None, None),
        ("22-Jul", None, 100_000.0, ["Drama"]),
        ("Up", None, None, None),
        ("Heat", date(1995, 12, 15), 200_000.0, ["Crime"]),
        ("Jaws", date(1975, 6, 20), 200_000.0, ["Horror"]),
    ]
    file = data.report.files[0]
    assert (file.read, file.kept, file.merged, file.rejected.height) == (11, 7, 2, 2)
    assert data.report.rejected.rows() == [
        (file.name, 4, "no title: 'Title' is empty", ",,1,00,000,Drama"),
        (file.name, 9, "5 cells where the header has 4", "too,many,cells,in,this row"),
    ]
    repaired = [(finding.count, finding.lines, finding.examples) for finding in file.repaired]
    assert repaired == [(1, (5,), ("soon",)), (1, (5,), ("many",))]
    assert [(finding.lines, finding.examples) for finding in file.suspicious] == [((8,), ("22-Jul",))]
    (counted,) = data.report.counted()
    assert counted["rows"] == {"read": 11, "kept": 7, "merged": 2, "duplicates": 0, "rejected": 2}
    assert [each["count"] for each in counted["repaired"]] == [1, 1]
    for value in ("soon", "many", "22-Jul", "dirty_items"):  # what stood there, and where, stays out
        assert value not in str(counted)


def test_in_a_file_with_ids_a_whole_row_twice_says_nothing_new():
    frame = pl.DataFrame(
        {"item_id": ["a", "a", "b", "a"], "views": [5, 5, 1, 7], "title": ["x", "x", "y", None]}
    )
    data = read(frame)
    assert data.items.frame.rows() == [("a", 12.0, "x"), ("b", 1.0, "y")]
    assert (data.report.files[0].duplicates, data.report.files[0].merged) == (1, 1)


def test_in_a_file_known_by_titles_every_row_counts():
    data = read(pl.DataFrame({"title": ["x", "x", "y"], "views": [5, 5, 1]}))
    assert data.items.frame.rows() == [("x", 10.0), ("y", 1.0)]


def test_a_sum_of_nothing_is_nothing():
    data = read(pl.DataFrame({"title": ["x", "x", "y"], "views": [None, None, 1]}))
    assert data.items.frame["views"].to_list() == [None, 1.0]


def test_json_lists_become_categories():
    cells = ['[{"id": 1, "name": "Drama"}, {"id": 2, "name": "Crime"}]', "[]", "['Up', 'Down']"]
    data = read(pl.DataFrame({"item_id": ["a", "b", "c"], "genres": cells}))
    assert data.items.frame["genres"].to_list() == [["Drama", "Crime"], None, ["Up", "Down"]]


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x1f", exclude_categories=["Cs"]), min_size=1)


@given(
    ids=st.lists(IDS.filter(lambda text: text.strip()), min_size=2, max_size=6, unique=True),
    seed=st.randoms(),
)
def test_ids_come_out_as_they_went_in(ids, seed):
    shuffled = seed.sample(ids, len(ids))
    items = pl.DataFrame({"item_id": ids, "n": ["x"] * len(ids)})
    log = pl.DataFrame({"user_id": ids, "item_id": shuffled, "timestamp": range(len(ids))})
    data = read(items, log)
    assert data.items.ids == ids
    assert list(data.interactions.user_ids) == ids
    assert data.items.id_list(data.interactions.rows) == shuffled


AWKWARD = ["007", "a,b", 'say "x"', "two\nlines", "🎬", "../etc/passwd", "null", "NA", " a ", "1.0", "1"]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_awkward_ids_come_out_of_every_format(tmp_path, suffix):
    path = tmp_path / f"items.{suffix}"
    frame = pl.DataFrame({"item_id": AWKWARD, "kind": ["x"] * len(AWKWARD)})
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[suffix](path)
    assert read(path).items.ids == AWKWARD


def test_whole_numbers_as_ids_are_their_digits():
    data = read(
        pl.DataFrame({"item_id": [10, 2]}), pl.DataFrame({"user_id": [7.0, 8.0], "item_id": [2.0, 10.0]})
    )
    assert data.items.ids == ["10", "2"]
    assert data.interactions.user_ids == ["7", "8"]
    assert data.interactions.rows.tolist() == [1, 0]


def log_of(*events, columns="user_id,item_id,timestamp,rating"):
    names = columns.split(",")
    return pl.DataFrame([[None if cell == "" else cell for cell in event.split(",")] for event in events],
                        schema=names, orient="row")  # fmt: skip


def test_a_log_is_sorted_by_time_within_each_user():
    data = read(interactions=log_of("b,x,30,1", "a,y,20,2", "b,y,10,3", "a,x,20,4"))
    log = data.interactions
    assert (log.user_ids, data.items.ids) == (["b", "a"], ["x", "y"])
    assert log.offsets.tolist() == [0, 2, 4]
    assert log.rows.tolist() == [1, 0, 1, 0]  # the two events at time 20 keep the order of the file
    assert log.times.tolist() == [10, 30, 20, 20]
    assert log.weights.tolist() == [3, 1, 2, 4]
    assert log.is_ordered
    assert log.is_clock


def test_unusable_events_are_refused_with_their_lines(written):
    items = written("item_id,title\nx,X\ny,Y\n", "items.csv")
    log = written("user_id,item_id,timestamp\na,x,1\n,x,2\na,,3\na,z,4\n ,y,5\na,y,6\n", "log.csv")
    data = read(items, log, recipe=LENIENT)
    assert data.interactions.size == 2
    assert data.report.rejected.select("line", "reason").rows() == [
        (3, "no user: 'user_id' is empty"),
        (4, "no item: 'item_id' is empty"),
        (5, "the item isn't in the catalogue"),
        (6, "no user: 'user_id' is empty"),
    ]


def test_the_same_event_twice_is_one():
    data = read(interactions=log_of("a,x,1,5", "a,x,1,5", "a,x,2,5", "b,y,1,5"))
    assert data.interactions.size == 3
    assert data.report.files[0].duplicates == 1


def test_an_unreadable_time_counts_as_the_oldest_and_an_unreadable_weight_as_the_middle_one():
    data = read(interactions=log_of("a,x,7,1", "a,y,soon,3", "a,z,9,many", "b,x,8,"))
    log = data.interactions
    assert log.times.tolist() == [7, 7, 9, 8]
    assert log.weights.tolist() == [1, 3, 2, 2]
    assert [finding.examples for finding in data.report.files[0].repaired] == [("soon",), ("many",)]


def test_without_times_the_order_means_nothing():
    data = read(interactions=log_of("a,y", "a,x", "b,y", columns="user_id,item_id"))
    assert data.interactions.rows.tolist() == [0, 1, 0]
    assert not data.interactions.is_ordered
    assert np.all(data.interactions.weights == 1)


def test_too_many_bad_rows_stop_the_run_and_name_the_most_common_reason(written):
    items = written("item_id\nx\ny\n", "items.csv")
    log = written("user_id,item_id\na,x\na,z\nb,z2\nb,\n", "log.csv")
    with pytest.raises(DataError, match=r"3 of 4 rows .* more than the 10% allowed") as refusal:
        read(items, log)
    assert "Mostly (2): the item isn't in the catalogue; line 3: a,z" in str(refusal.value)
    assert read(items, log, recipe=LENIENT).interactions.size == 1


@pytest.mark.parametrize(
    ("items", "log", "says"),
    [
        ("item_id\nx\n", None, "1 usable item in 1 rows"),
        ("item_id\nx\nx\n", None, "1 usable item in 2 rows"),
        (None, "user_id,item_id\na,x\nb,x\n", "1 item in 2 rows"),
        ("item_id\nx\ny\n", "user_id,item_id\na,q\nb,r\n", "2 of 2 rows"),
        ("price,note\n1,2\n2,2\n2,2\n", None, "no column that looks like an id or a title"),
        (None, None, "nothing to read"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(written, items, log, says):
    paths = [text and written(text, name) for text, name in ((items, "items.csv"), (log, "log.csv"))]
    with pytest.raises(DataError, match=says):
        read(*paths)


def test_all_events_gone_is_an_error_even_when_all_may_go(written):
    items, log = written("item_id\nx\ny\n", "i.csv"), written("user_id,item_id\na,q\n", "l.csv")
    with pytest.raises(DataError, match="No event"):
        read(items, log, recipe=DataRecipe.model_validate({"max_rejected": 1}))


def test_one_user_is_enough():
    assert read(interactions=log_of("a,x,1,1", "a,y,2,1")).interactions.user_count == 1


def test_an_empty_column_is_ignored_and_said():
    data = read(
        pl.DataFrame({"item_id": ["a", "b"], "year": [None, None]}, schema_overrides={"year": pl.String})
    )
    assert [str(column.role) for column in data.items.columns] == ["id", "ignored"]
    assert data.report.files[0].notes == ("column 'year' is empty throughout and is ignored",)


def test_users_are_kept_in_the_same_form():
    users = pl.DataFrame({"userId": ["a", "b"], "age": [30, None], "gender": ["F", "M"]})
    data = read(interactions=log_of("a,x,1,1", "c,y,2,1"), users=users)
    assert data.users.ids == ["a", "b"]
    assert data.users.frame["age"].to_list() == [30.0, None]
    assert data.users.by_role(Role.CATEGORY) == ["gender"]


# --- impressions -----------------------------------------------------------------------------


def impressions_of(*rows, columns="user_id,item_id,timestamp,click"):
    """Read beside four items, a log of two events, and with one bad row in five allowed."""
    recipe = DataRecipe.model_validate({"max_rejected": 0.2})
    return read(
        pl.DataFrame({"item_id": list("xyzw")}),
        log_of("a,x,1,1", "b,y,2,1"),
        recipe=recipe,
        impressions=log_of(*rows, columns=columns),
    )


def test_impressions_are_read_as_a_log_is():
    data = impressions_of("b,y,30,1", "c,x,10,0", "b,z,20,0", "b,q,5,0", "b,y,30,0")
    shown = data.impressions.shown
    assert shown.user_ids == ["b", "c"]
    assert data.items.id_list(shown.rows) == ["z", "y", "x"]
    assert shown.times.tolist() == [20, 30, 10]
    assert shown.weights.tolist() == [0, 1, 0]
    (file,) = [file for file in data.report.files if file.kind == "impressions"]
    assert (file.read, file.kept, file.duplicates) == (5, 3, 1)
    assert file.rejected["reason"].to_list() == ["the item isn't in the catalogue"]
    assert file.notes[-1] == "'click' says of 1 of 4 that they were chosen"


def test_at_one_moment_a_click_outweighs_a_row_without_one():
    shown = impressions_of("a,z,1,0", "a,z,1,1", "a,w,1,1", "a,w,1,0", "b,z,9,0").impressions.shown
    assert shown.weights.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("cell", "weight"),
    [
        *[("1", 1), ("12.5", 1), ("0", 0), ("0.0", 0), ("-1", 0), ("", 0), ("none", 0)],
        *[("true", 1), ("False", 0), ("YES", 1), (" no ", 0)],
        *[("play", 1), ("impression", 0), ("skipped", 0)],
    ],
)
def test_an_outcome_says_chosen_unless_it_says_no(cell, weight):
    shown = impressions_of(f"a,z,1,{cell}", "b,z,2,1").impressions.shown
    assert shown.weights.tolist() == [weight, 1]


def test_any_of_several_outcomes_will_do_and_what_else_stands_there_is_ignored():
    columns = "user_id,item_id,timestamp,clicked,watch_time,purchase,note,rated"
    data = impressions_of(
        "a,z,1,0,0,,x,1", "a,w,1,0,30,0,x,0", "b,z,2,1,0,0,x,0", "b,x,2,0,0,1,,0", columns=columns
    )
    assert data.impressions.shown.weights.tolist() == [0, 1, 1, 1]
    roles = [str(column.role) for column in data.report.files[-1].columns]
    assert roles == ["user", "item", "time", "click", "watch_time", "outcome", "ignored", "ignored"]


def test_an_outcome_of_another_name_can_be_stated():
    recipe = DataRecipe.model_validate({"columns": {"tapped": {"role": "outcome"}}})
    shown = log_of("a,z,1,1", "b,z,2,0", columns="user_id,item_id,timestamp,tapped")
    data = read(pl.DataFrame({"item_id": ["x", "z"]}), impressions=shown, recipe=recipe)
    assert data.impressions.shown.weights.tolist() == [1, 0]
    assert data.interactions is None


def test_an_impression_without_a_readable_time_is_known_to_nobody():
    data = impressions_of("a,z,7,0", "a,w,soon,0", "b,z,9,0")
    assert data.impressions.shown.times.tolist() == [7, np.inf, 9]
    assert [finding.examples for finding in data.report.files[-1].repaired] == [("soon",)]


def test_impressions_without_a_time_are_refused(written):
    shown = written("user_id,item_id\na,x\n", "shown.csv")
    with pytest.raises(DataError, match=r"shown\.csv has no column that looks like the time"):
        read(interactions=log_of("a,x,1,1", "b,y,2,1"), impressions=shown)


@pytest.mark.parametrize("kind", ["interactions", "impressions"])
def test_a_row_for_a_whole_list_is_refused_in_words(written, kind):
    files = {"interactions": log_of("a,x,1,1", "b,y,2,1")}
    lists = '{"user_id": "a", "item_id": ["x", "y"], "timestamp": 1}\n'
    with pytest.raises(DataError, match=r"'item_id' of .* holds lists; write one event a row"):
        read(**{**files, kind: written(lists, "lists.jsonl")})
