import numpy as np
import polars as pl

from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.features.encode import Encoder
from tastemaker.features.matching import match
from tastemaker.recipe import Column, FeatureRecipe, Role

KNOBS = FeatureRecipe(min_count=1, buckets=4)


def encoder(frame: dict, roles: dict[str, Role], knobs: FeatureRecipe = KNOBS) -> tuple[Encoder, Catalogue]:
    columns = tuple(Column(name=name, role=roles[name]) for name in frame)
    things = Catalogue(pl.DataFrame(frame), columns)
    return Encoder.fit(things, knobs), things


def matched(now: dict, before: dict, roles: dict[str, Role], left_out: str = "", **other: FeatureRecipe):
    fitted, things = encoder(now, roles)
    older, _ = encoder(before, roles, **other)
    return match(fitted.encode(things), fitted, older, left_out)


def test_a_value_is_itself_wherever_it_stands_in_the_vocabulary():
    # Rows: 0 missing, then the values in alphabetical order.
    found = matched({"kind": ["b", "c", "d"]}, {"kind": ["a", "c", "d"]}, {"kind": Role.CATEGORY})
    assert found.features.tolist() == [0, PAD, 2, 3]


def test_a_column_behind_others_is_found_behind_theirs():
    roles = {"kind": Role.CATEGORY, "tone": Role.CATEGORY, "mood": Role.CATEGORY}
    before = {"kind": ["a", "b"], "tone": ["x", "y"]}  # rows 0 to 2, 3 to 5
    now = {"tone": ["y", "z"], "mood": ["m", "m"]}
    assert matched(now, before, roles).features.tolist() == [3, 5, PAD, PAD, PAD]


def test_a_bucket_goes_on_from_the_one_that_its_middle_fell_into():
    # Before: a bucket each for 0, 10, 20, 30, the first being row 1. Now: from 12 to 18, to 28, to 29, 29.
    now, before = {"hours": [12.0, 18, 28, 29]}, {"hours": [0.0, 10, 20, 30]}
    # Middles 15, 23, 28.5, 29 → the buckets of 10, 20, 20, 20.
    found = matched(now, before, {"hours": Role.NUMBER})
    assert found.features.tolist() == [0, 2, 3, 3, 3]
    assert found.numbers.tolist() == [0]


def test_a_number_is_found_by_the_name_of_its_column():
    roles = {"a": Role.NUMBER, "b": Role.NUMBER, "c": Role.NUMBER}
    found = matched({"c": [1.0, 2], "b": [1.0, 2]}, {"a": [1.0, 2], "b": [1.0, 2]}, roles)
    assert found.numbers.tolist() == [PAD, 1]


def test_a_word_is_the_slot_it_is_hashed_to_and_nothing_where_it_is_hashed_otherwise():
    roles = {"title": Role.TEXT}
    now, before = {"title": ["red fox", "blue fox"]}, {"title": ["red fox", "red hen"]}
    fitted, things = encoder(now, roles)
    older, older_things = encoder(before, roles)
    rows = match(fitted.encode(things), fitted, older).features
    # "red" stands in both: the row that its bag has now leads to the one it had.
    words = [each.encode(thing).bags[0] for each, thing in ((fitted, things), (older, older_things))]
    now_rows, before_rows = ({int(row) for row in bag.ids[0][bag.weights[0] > 0]} for bag in words)
    assert {int(row) for row in rows[list(now_rows)]} == before_rows  # red and fox
    blue = ({int(row) for row in words[0].ids[1][words[0].weights[1] > 0]} - now_rows).pop()
    assert rows[blue] == PAD
    hashed = KNOBS.model_copy(update={"hash_rows": 512})
    other = matched(now, before, roles, knobs=hashed).features
    of_texts = [field.name for field in fitted.fields]
    assert of_texts == ["title/words", "title/ngrams"]
    assert {int(row) for row in other} == {
        PAD,
        0,
        1 + len(set(encoder(before, roles, hashed)[0].parts[0].table.slots)),
    }


def test_fields_that_the_older_model_never_saw_take_no_place():
    roles = {"title": Role.TEXT, "kind": Role.CATEGORY}
    before = {"title": ["red fox", "blue fox"], "kind": ["a", "b"]}
    fitted, things = encoder(before, roles)
    seen = fitted.encode(things).without("/ngrams")
    rows = match(seen, fitted, fitted, "/ngrams").features
    assert rows.tolist() == list(range(seen.table_size))
    assert match(seen, fitted, fitted).features.tolist() != rows.tolist()


def test_where_one_of_both_saw_nothing_all_is_new():
    fitted, things = encoder({"kind": ["a", "b"]}, {"kind": Role.CATEGORY})
    assert match(fitted.encode(things), fitted, None).features.tolist() == [PAD] * 3
    nothing = match(None, None, fitted)
    assert (len(nothing.features), len(nothing.numbers)) == (0, 0)
    assert nothing.features.dtype == np.int32
