"""Choices among the places of a list, against a regression that others wrote and against a slow loop;
seconds, against the whole matrix of what places share.
"""

import math

import numpy as np
import pytest
from scipy.special import expit

from tastemaker.features.lessons import Lessons
from tastemaker.model.wide import PRIOR, best_slopes, dwell_slopes


def lessons(lists: list[int], clicks: list[int], stands_for: list[float] | None = None) -> Lessons:
    size = len(lists)
    return Lessons(
        numbers=np.zeros((size, 0), np.float32),
        queries=np.zeros((max(lists) + 1, 0), np.float32),
        vectors=np.zeros((0, 0), np.float32),
        rows=np.zeros(size, np.int32),
        lists=np.array(lists, np.int32),
        positions=np.zeros(size, np.int32),
        labels={"click": np.array(clicks, np.float32)},
        stands_for=None if stands_for is None else np.array(stands_for, np.float32),
    )


def slow_cost(given: Lessons, numbers: np.ndarray, slopes: np.ndarray, base: int) -> float:
    """Nats, summed over lists: of a list with several choices, the mean of theirs."""
    total = PRIOR * sum(slope**2 for place, slope in enumerate(slopes) if place != base)
    for one in range(given.list_count):
        places = [n for n in range(given.size) if given.lists[n] == one]
        score = {n: float(numbers[n] @ slopes) for n in places}
        weight = {n: 1.0 if given.stands_for is None else float(given.stands_for[n]) for n in places}
        rivals = math.log(sum(weight[n] * math.exp(score[n]) for n in places))
        chosen = [n for n in places if given.labels["click"][n] == 1]
        total += sum(rivals - score[n] for n in chosen) / len(chosen)
    return total


def test_no_step_from_the_slopes_found_is_cheaper():
    rng = np.random.default_rng(4)
    lists = sorted(rng.integers(0, 12, 60).tolist() + list(range(12)))
    first = [n for n in range(len(lists)) if n == 0 or lists[n] != lists[n - 1]]
    clicks = [
        int(n in first or rng.random() < 0.2) for n in range(len(lists))
    ]  # some lists have two or three
    given = lessons(lists, clicks, rng.integers(1, 9, len(lists)).tolist())
    assert max(np.bincount(lists, clicks)) > 1
    numbers = rng.normal(size=(len(lists), 3)).astype(np.float32)
    slopes = best_slopes(given, numbers, base=1).astype(np.float64)
    least = slow_cost(given, numbers, slopes, base=1)
    for place in range(3):
        for step in (-1e-2, 1e-2):
            aside = slopes.copy()
            aside[place] += step
            assert slow_cost(given, numbers, aside, base=1) > least
            # At the bottom of a bowl both sides rise alike.
            other = slopes.copy()
            other[place] -= step
            assert slow_cost(given, numbers, other, base=1) == pytest.approx(
                slow_cost(given, numbers, aside, base=1), abs=2e-4
            )


def test_of_pairs_it_is_a_logistic_regression_of_their_differences():
    rng = np.random.default_rng(5)
    pairs = 400
    numbers = rng.normal(size=(2 * pairs, 2)).astype(np.float32)
    gap = numbers[::2] - numbers[1::2]
    is_first = rng.random(pairs) < expit(gap @ [1.5, -0.7])
    clicks = np.stack([is_first, ~is_first], 1).ravel().astype(int).tolist()
    found = best_slopes(lessons(np.repeat(np.arange(pairs), 2).tolist(), clicks), numbers, base=0)
    # Newton's method of the textbook; the second slope alone is pulled towards 0.
    slopes, pull = np.zeros(2), 2 * PRIOR * np.diag([0.0, 1.0])
    for _ in range(30):
        chance = expit(gap @ slopes)
        bend = gap.T @ (gap * (chance * (1 - chance))[:, None]) + pull
        slopes += np.linalg.solve(bend, gap.T @ (is_first - chance) - pull @ slopes)
    assert found == pytest.approx(slopes, abs=2e-3)
    assert found == pytest.approx([1.5, -0.7], abs=0.35)


def test_a_place_that_stands_for_many_is_as_good_as_many():
    numbers = np.array([[1.0, 0.5], [0.0, 1.0], [0.4, -1.0], [0.3, 0.2]], np.float32)
    short = lessons([0, 0, 1, 1], [1, 0, 0, 1], [1, 3, 2, 1])
    spelled = [0, 1, 1, 1, 2, 2, 3]
    long = lessons([0, 0, 0, 0, 1, 1, 1], [1, 0, 0, 0, 0, 0, 1])
    # Two lists leave the free slope without an end, so that one is held by a column of nothing.
    numbers = np.concatenate([np.zeros((4, 1), np.float32), numbers], 1)
    assert best_slopes(short, numbers, 0) == pytest.approx(best_slopes(long, numbers[spelled], 0), abs=1e-4)


def test_seconds_of_one_list_share_an_intercept():
    rng = np.random.default_rng(6)
    lists = np.sort(rng.integers(0, 40, 150)).astype(np.int32)
    numbers = rng.normal(size=(150, 2)).astype(np.float32)
    seconds = (2 * rng.normal(size=40)[lists] + numbers @ [0.5, -0.2] + rng.normal(size=150)).astype(
        np.float32
    )
    seconds[rng.random(150) < 0.2] = np.nan
    known = np.flatnonzero(~np.isnan(seconds))
    y, own = seconds[known].astype(float), lists[known]
    groups = [y[own == one] for one in np.unique(own)]
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (len(y) - len(groups))
    spread = np.var([group.mean() for group in groups], ddof=1)
    between = spread - within * np.mean([1 / len(group) for group in groups])
    # Generalised least squares by the book, each squared slope pulled by PRIOR.
    together = within * np.eye(len(y)) + between * (own[:, None] == own[None, :])
    x = np.column_stack([numbers[known], np.ones(len(y))])
    bend = x.T @ np.linalg.solve(together, x) + PRIOR * np.diag([1, 1, 0])
    expected = np.linalg.solve(bend, x.T @ np.linalg.solve(together, y))
    assert dwell_slopes(seconds, numbers, lists) == pytest.approx(expected[:2], abs=1e-4)


def test_what_one_person_made_of_several_counts_and_not_who_they_are():
    """Everybody watches longer what has more of it; who is given more of it watches less of all."""
    people, more = np.repeat(np.arange(300, dtype=np.int32), 4), np.tile([0.0, 1, 2, 3], 300)
    numbers = (more + people / 30)[:, None].astype(np.float32)
    seconds = (more - people / 3).astype(np.float32)
    assert np.polyfit(numbers[:, 0], seconds, 1)[0] < -5
    assert dwell_slopes(seconds, numbers, people) == pytest.approx([1], abs=0.1)


def test_of_lists_of_one_place_it_is_a_straight_line():
    rng = np.random.default_rng(7)
    numbers = rng.normal(size=(5000, 1)).astype(np.float32)
    seconds = (3 - 2 * numbers[:, 0] + rng.normal(size=5000)).astype(np.float32)
    expected = np.polyfit(numbers[:, 0], seconds, 1)[0]
    assert dwell_slopes(seconds, numbers, np.arange(5000, dtype=np.int32)) == pytest.approx(
        [expected], rel=0.01
    )
    assert dwell_slopes(seconds[:1], numbers[:1], np.zeros(1, np.int32)) == pytest.approx([0], abs=0.01)
