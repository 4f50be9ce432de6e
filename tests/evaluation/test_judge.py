import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import against
from tastemaker.evaluation.judge import series_fold
from tastemaker.recipe import Column, Role


def catalogue(*titles: str) -> Catalogue:
    return Catalogue(pl.DataFrame({"Title": titles}), (Column(name="Title", role=Role.TITLE),))


def log(users: list[str], events: list[tuple[int, int]]) -> Interactions:
    """(user, row) pairs, in time order."""
    pairs = np.array(events, np.int32).reshape(-1, 2)
    return Interactions.from_events(users, pairs[:, 0], pairs[:, 1], np.arange(len(pairs), dtype=float))


def test_each_season_asks_for_the_others_of_its_series():
    films = [f"Film number {n}" for n in "abcdefghij"]
    seasons = [f"{name}: Season {n}" for name in ("Dark", "Elite", "Narcos", "Ozark") for n in range(1, 6)]
    fold = series_fold(catalogue(*films, *seasons))
    assert fold is not None
    assert fold.history.user_count == 20
    dark_3 = fold.history.user("Dark: Season 3")
    assert dark_3 is not None
    assert fold.history.of(dark_3).tolist() == [12]
    assert sorted(fold.targets.of(dark_3)) == [10, 11, 13, 14]
    assert fold.train.size == 0


def test_a_catalogue_with_few_series_is_not_examined():
    assert series_fold(catalogue("Dark: Season 1", "Dark: Season 2", "Roma")) is None


def test_later_events_are_asked_of_those_who_are_known_by_name_in_any_order():
    known = log(["ann", "bob"], [(0, 1), (0, 2), (1, 3)])
    later = log(["eve", "bob", "ann"], [(0, 1), (1, 3), (1, 4), (2, 5), (2, 5)])
    fold = against(known, later)
    assert list(fold.history.user_ids) == ["ann", "bob", "eve"]
    assert [rows.tolist() for rows in fold.history] == [[1, 2], [3], []]
    # bob's 3 was there before, ann's 5 is asked for once.
    assert [rows.tolist() for rows in fold.targets] == [[5], [4], [1]]


def test_a_newer_history_is_what_is_known_but_not_what_was_learnt():
    known = log(["ann"], [(0, 1)])
    fold = against(known, log(["ann"], [(0, 3)]), history=log(["ann"], [(0, 1), (0, 2)]))
    assert fold.train.of(0).tolist() == [1]
    assert fold.history.of(0).tolist() == [1, 2]
    assert fold.targets.of(0).tolist() == [3]
