import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.recipe import Column, Role

COLUMNS = tuple(
    Column(name=name, role=role)
    for name, role in (("id", Role.ID), ("tags", Role.CATEGORIES), ("seen", Role.POPULARITY))
)


def catalogue(*rows: tuple) -> Catalogue:
    schema = {"id": pl.String, "tags": pl.List(pl.String), "seen": pl.Float64}
    return Catalogue(pl.DataFrame(list(rows), schema=schema, orient="row"), COLUMNS)


OLD = catalogue(("a", ["x", "y"], 1.0), ("b", None, None), ("c", ["x"], 3.0))


def test_items_take_the_place_of_those_with_their_ids_and_others_come_behind():
    new = catalogue(("z", None, 9.0), ("b", ["y"], 2.0), ("y", None, None), ("a", None, 0.0))
    both, rows = OLD.having(new)
    assert both.ids == ["a", "b", "c", "z", "y"]
    assert rows.tolist() == [3, 1, 4, 0]
    assert both.frame["seen"].to_list() == [0.0, 2.0, 3.0, 9.0, None]
    assert both.frame["tags"].to_list() == [None, ["y"], ["x"], None, None]
    assert OLD.ids == ["a", "b", "c"]
    assert both.popularity.tolist() == [0, 2, 3, 9, 0]


def test_an_item_stands_there_when_all_its_values_do():
    asked = catalogue(
        ("c", ["x"], 3.0), ("b", None, None), ("a", ["y", "x"], 1.0), ("q", None, None), ("b", None, 0.0)
    )
    assert OLD.has(asked).tolist() == [True, True, False, False, False]
    assert OLD.has(catalogue(("q", None, None))).tolist() == [False]


def test_only_some_in_another_order():
    assert OLD.only(np.array([2, 0], np.int32)).ids == ["c", "a"]
