"""Lists to learn an order from: which of them, which of their places, and in what space."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import tastemaker as tm
from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.evaluation.intervals import Interval
from tastemaker.features.lessons import Lessons
from tastemaker.rank.ranker import RankerNote
from tastemaker.training.ranking import (
    Ranking,
    _between,
    _shares,
    lists_to_come,
    parts_of,
    with_rivals,
)

NOTE = RankerNote(kind="found", heads=("click",), features=(), objective="click", scaling={})


# --- a rotation from one training's vectors to another's --------------------------------------


def some_ranking(vectors: np.ndarray, low: float = 0.1) -> Ranking:
    return Ranking(NOTE, b"", b"", vectors, Interval(0.2, low, 0.3), 9)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_vectors_that_were_turned_are_turned_back(is_mirrored):
    rng = np.random.default_rng(2)
    learnt, queries = unit(rng, 50, 6), unit(rng, 9, 6)
    planted = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    if (np.linalg.det(planted) < 0) != is_mirrored:
        planted[:, 0] *= -1
    planted = planted.astype(np.float32)
    found = some_ranking(learnt).turn(learnt @ planted)
    assert found == pytest.approx(planted.T, abs=1e-5)
    assert (learnt @ planted) @ found == pytest.approx(learnt, abs=1e-5)
    # Nothing becomes more alike by it, nor less.
    other = unit(rng, 50, 6)
    turn = some_ranking(learnt).turn(other)
    assert (queries @ turn) @ (other @ turn).T == pytest.approx(queries @ other.T, abs=1e-5)


def test_no_other_rotation_comes_nearer():
    rng = np.random.default_rng(3)
    learnt = unit(rng, 40, 4)
    other = learnt @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.3 * rng.normal(size=(40, 4))
    turn = some_ranking(learnt).turn(other.astype(np.float32))
    assert turn.T @ turn == pytest.approx(np.eye(4), abs=1e-5)
    least = np.linalg.norm(other @ turn - learnt)
    for _ in range(200):
        aside = np.linalg.qr(np.eye(4) + 0.1 * rng.normal(size=(4, 4)))[0]
        aside *= np.sign(np.diag(aside))
        assert np.linalg.norm(other @ turn @ aside - learnt) >= least - 1e-6


@pytest.mark.parametrize(
    ("low", "is_better"), [(0.001, True), (0.0, False), (-0.001, False), (np.nan, False)]
)
def test_better_is_an_interval_that_leaves_out_nothing(low, is_better):
    assert some_ranking(np.eye(2, dtype=np.float32), low).is_better is is_better


# --- which places of a list ---------------------------------------------------------------------


def lists_of(lengths: Sequence[int], rng: np.random.Generator, clicks: float = 0.02) -> Lessons:
    lists = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    size = len(lists)
    return Lessons(
        numbers=rng.normal(1, 1, (size, 2)).astype(np.float32),
        queries=np.zeros((len(lengths), 0), np.float32),
        vectors=np.zeros((0, 0), np.float32),
        rows=np.arange(size, dtype=np.int32),
        lists=lists,
        positions=np.zeros(size, np.int32),
        labels={"click": (rng.random(size) < clicks).astype(np.float32)},
    )


def test_of_each_list_sums_over_what_was_kept_are_those_over_all_of_it():
    rng = np.random.default_rng(6)
    given = lists_of([500, 120, 30], rng)
    whole = np.stack([np.bincount(given.lists, given.numbers[:, 0]), np.bincount(given.lists)])
    found = np.zeros_like(whole, np.float64)
    times = 800
    for _ in range(times):
        kept = with_rivals(given, rng)
        weighed = kept.stands_for * kept.numbers[:, 0]
        found += np.stack([np.bincount(kept.lists, weighed), np.bincount(kept.lists, kept.stands_for)])
    # A sum over 450 drawn with chance 1 in 9 goes astray by some 20 × √50; the mean of 800, by 1/28 of it.
    assert found / times == pytest.approx(whole, rel=0.04)
    assert found[:, 2] / times == pytest.approx(whole[:, 2])  # of a short list all is kept


def test_what_was_chosen_and_what_stands_first_is_always_kept_and_stands_for_itself():
    rng = np.random.default_rng(7)
    given = lists_of([400, 400], rng)
    for _ in range(20):
        kept = with_rivals(given, rng)
        times = dict(zip(kept.rows.tolist(), kept.stands_for.tolist(), strict=True))
        for row in range(given.size):
            if given.labels["click"][row] or row % 400 < 50:
                assert times[row] == 1
        assert 130 < kept.size < 300  # of 800
        assert kept.list_count == 2


@given(lists=some.integers(1, 60), seed=some.integers(0, 9))
@settings(deadline=None)
def test_each_found_list_is_ordered_once_and_of_shown_ones_only_the_newest(lists, seed):
    found = parts_of(lists, "found", np.random.default_rng(seed))
    assert sorted(np.concatenate(found).tolist()) == list(range(lists))
    assert all((np.diff(part) > 0).all() for part in found)
    (newest,) = parts_of(lists, "shown", np.random.default_rng(seed))
    assert newest[-1] == lists - 1
    assert (np.diff(newest) == 1).all()
    assert 1 <= len(newest) <= max(1, lists / 4)


# --- how far from retrieval's order ---------------------------------------------------------------


def test_a_part_goes_as_far_from_retrieval_as_is_best_for_the_others():
    """One list a part; retrieval has the first on top, the network the last, and between a quarter and a half
    of the way the second stands there, with the last third, then second. Which of them was chosen?"""
    start, output = (np.array(each, np.float32)[:, None] for each in ((3, 2, 0), (0, 3.4, 5)))
    chosen = (1, 1, 1, 2)
    held = [
        replace(
            lists_of([3], np.random.default_rng(1)),
            labels={"click": (np.arange(3) == which).astype(np.float32)},
        )
        for which in chosen
    ]
    found, share = _shares(held, [output] * 4, [start] * 4, [np.ones(1, np.int64)] * 4)
    # Of all four: 3 + 1/2 at a quarter, 3 + 0.63 at a half, 3 × 0.63 + 1 from three quarters on.
    assert share == 0.5
    # The last part's own choice is what spoke for a half: it is judged by what the others would take.
    for got, way in zip(found, (0.5, 0.5, 0.5, 0.25), strict=True):
        assert got == pytest.approx(way * output + (1 - way) * start)


# --- which lists that somebody was shown ------------------------------------------------------


def read(events: list[tuple], shown: list[tuple]) -> tm.Dataset:
    columns = ["user_id", "item_id", "timestamp"]
    return tm.read(
        items=pl.DataFrame({"item_id": [f"i{n}" for n in range(9)]}),
        interactions=pl.DataFrame(events, schema=columns, orient="row"),
        impressions=pl.DataFrame(shown, schema=[*columns, "click"], orient="row"),
    )


EVENTS = [
    *(("u", "i0", 1000), ("u", "i1", 1100), ("u", "i2", 3000), ("u", "i3", 5000)),
    *(("v", "i0", 1050), ("v", "i4", 1200), ("v", "i5", 2500), ("v", "i6", 4000)),
    *(("x", "i0", 1010), ("x", "i1", 4500), ("x", "i2", 6000)),
]
SHOWN = [
    ("u", "i8", 1150, 0),  # retrieval has learnt from later things
    *(("u", "i2", 2900, 1), ("u", "i7", 2900, 0)),  # u is asked for i3 alone: to be learnt from
    *(("u", "i3", 4900, 0), ("u", "i7", 4900, 1)),  # after all that is known of anybody
    *(("v", "i5", 2400, 1), ("v", "i3", 2400, 0)),  # i3 is u's answer, not v's: to be learnt from
    *(("v", "i6", 2950, 1), ("v", "i8", 2950, 0)),  # the click came later, and is what v is asked for
    *(("v", "i7", 4100, 1), ("v", "i8", 4100, 0)),  # after v's answer
    ("w", "i8", 2600, 0),  # nobody asks for w
]


def folds(log: Interactions) -> tuple[Fold, Fold]:
    """Until 1200 is learnt, what came before each person's last event is known, that is asked for."""
    train = log.where(log.times <= 1200)
    is_last = np.isin(np.arange(log.size), log.offsets[1:] - 1)
    history = log.where(~is_last)
    strict = Fold(train, history, log.where(is_last))
    return Fold(train, train, history.where(history.times > 1200)), strict


def told(shown: Impressions | None) -> list[tuple[str, str, int]]:
    assert shown is not None
    log = shown.shown
    places = zip(log.users, log.rows, log.times, strict=True)
    return sorted((log.user_ids[user], f"i{row}", int(time)) for user, row, time in places)


def test_between_what_was_learnt_and_what_is_asked_for_no_answer_can_be_seen():
    data = read(EVENTS, SHOWN)
    found = _between(data.impressions, *folds(data.interactions))
    assert told(found) == [
        *(("u", "i2", 2900), ("u", "i7", 2900)),
        *(("v", "i3", 2400), ("v", "i5", 2400), ("w", "i8", 2600)),
    ]


def test_what_is_asked_for_changes_nothing_in_what_is_learnt_from():
    data = read(EVENTS, SHOWN)
    others = [event for event in EVENTS if event[1] not in ("i3", "i6")]
    other = read(
        [*others, ("u", "i8", 5000), ("v", "i8", 4000)],
        [(user, item, time, 0 if item in ("i6", "i3") else click) for user, item, time, click in SHOWN],
    )
    kept = told(_between(data.impressions, *folds(data.interactions)))
    again = told(_between(other.impressions, *folds(other.interactions)))
    # v's answer was in a list that can be learnt from once it is no answer; all else is the same.
    assert set(again) - set(kept) == {("v", "i6", 2950), ("v", "i8", 2950)}
    assert set(kept) <= set(again)


def test_lists_that_nobody_can_date_are_not_learnt_from():
    data = read(EVENTS, SHOWN)
    fold, strict = folds(data.interactions)
    undated = read(EVENTS, [("u", "i8", 0, 0), ("u", "i7", 1, 0), ("v", "i7", 0, 1)])
    assert not undated.impressions.shown.is_clock
    assert _between(undated.impressions, fold, strict) is None
    late = read(EVENTS, [("u", "i8", 9000, 1), ("v", "i8", 9001, 1)])
    assert _between(late.impressions, fold, strict) is None


def many(people: int, first: float = 0.0) -> tm.Dataset:
    """Each does something at 1000, …, 9000, and is shown a list before that; half of them choose from it."""
    events = [
        (f"u{n}", f"i{(n + step) % 9}", 1000 * step + n) for n in range(people) for step in range(1, 10)
    ]
    shown = [
        (f"u{n}", f"i{(n + step + place) % 9}", first + 1000 * step + n - 500, int(n % 2 == 0 and place == 0))
        for n in range(people)
        for step in range(1, 10)
        for place in range(3)
    ]
    return read(events, shown)


def test_the_newest_third_of_what_was_shown_is_kept_for_the_order():
    data = many(200)
    fold = lists_to_come(data.interactions, data.impressions, tm.Recipe())
    assert fold is not None
    cut = fold.train.times.max()
    shown = data.impressions.shown
    assert np.mean(shown.times > cut) == pytest.approx(0.3, abs=0.12)
    assert (fold.targets.times > cut).all()
    assert fold.train.size + fold.targets.size <= data.interactions.size


@pytest.mark.parametrize(
    ("people", "first", "knobs"),
    [(40, 0.0, []), (200, 1e6, []), (200, 0.0, ["ranking.use=never"])],
    ids=["too few", "all of it later than the log", "not wanted"],
)
def test_no_lists_are_kept_where_no_order_is_learnt_from_them(people, first, knobs):
    data = many(people, first)
    assert lists_to_come(data.interactions, data.impressions, tm.Recipe.read(None, knobs)) is None
    assert lists_to_come(data.interactions, None, tm.Recipe()) is None
