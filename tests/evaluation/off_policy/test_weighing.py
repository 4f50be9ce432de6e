"""Estimators against worlds that are counted out, slow loops and numbers by hand."""

from fractions import Fraction
from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers

from tastemaker.evaluation.off_policy.logs import Logs
from tastemaker.evaluation.off_policy.weighing import Weights, effective, ratios, values

LOGGER = {0: Fraction(1, 2), 1: Fraction(3, 10), 2: Fraction(1, 5)}
TARGET = {0: Fraction(1, 10), 1: Fraction(2, 5), 2: Fraction(1, 2)}


def drawn_in_turn(first: dict[int, Fraction], items: tuple[int, ...]) -> list[Fraction]:
    """The chance of each item of a list, given those above it: by what is left."""
    found, left = [], Fraction(1)
    for item in items:
        found.append(first[item] / left)
        left -= first[item]
    return found


def clicks(items: tuple[int, ...], place: int) -> Fraction:
    """What a place brings: less of the same item where item 2 stands above."""
    rate = Fraction(1 + items[place], 5)
    return rate / 2 if 2 in items[:place] else rate


@cache
def counted_out() -> tuple[Logs, np.ndarray, Fraction]:
    """Every list of two of three items as often as it comes; chances of the target, and what it comes to.

    7,000 lists: 1/2 · 3/5, 1/2 · 2/5, 3/10 · 5/7 … are all whole numbers of them.
    """
    rows, truth = [], Fraction(0)
    number = 0
    for items in permutations(range(3), 2):
        old, other = drawn_in_turn(LOGGER, items), drawn_in_turn(TARGET, items)
        times = old[0] * old[1] * 7000
        assert times.denominator == 1
        truth += other[0] * other[1] * sum(clicks(items, place) for place in (0, 1)) / 2
        shown = [
            (items[place], float(old[place]), float(clicks(items, place)), place, float(other[place]))
            for place in (0, 1)
        ]
        for _ in range(int(times)):
            rows += [(*row, number) for row in shown]
            number += 1
    items_, chances, rewards, places, new, lists = zip(*rows, strict=True)
    return Logs.of(items_, chances, rewards, places=places, lists=lists), np.array(new), truth


def estimates(logs: Logs, chances: np.ndarray, told: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    found = ratios(logs, Weights.of(logs, chances), told, expected)
    return {
        name: each.mean
        for name, each in values(logs, found, np.random.default_rng(0), resamples=1)[0].items()
    }


def test_where_every_list_comes_as_often_as_it_should_weighing_gives_the_truth():
    logs, new, truth = counted_out()
    zero = np.zeros(logs.size)
    found = estimates(logs, new, zero, zero)
    for name in ("slate", "snslate", "rips", "snrips"):
        assert found[name] == pytest.approx(float(truth), rel=1e-9)
    # What stands above matters here, which a place by itself doesn't see.
    assert abs(found["iips"] - float(truth)) > 0.005
    # As logged: 1/2 · 1/5 and so on, by hand.
    old = sum(
        np.prod([float(each) for each in drawn_in_turn(LOGGER, items)])
        * float(sum(clicks(items, place) for place in (0, 1)))
        / 2
        for items in permutations(range(3), 2)
    )
    assert found["logged"] == pytest.approx(old)


@settings(max_examples=3, deadline=None)
@given(seed=integers(0, 999))
def test_doubly_robust_is_right_whatever_the_model_says(seed):
    logs, new, truth = counted_out()
    # A model of an item at a place below another: any numbers, the same wherever the same stands.
    model = np.random.default_rng(seed).normal(size=(2, 4, 3))
    above = np.where(logs.places == 0, 3, np.roll(logs.items, 1))
    told = model[logs.places, above, logs.items]
    expected = np.zeros(logs.size)
    for row in range(logs.size):
        first, place = int(above[row]), int(logs.places[row])
        left = [item for item in range(3) if item != first]
        whole = sum(TARGET[item] for item in left)
        expected[row] = sum(float(TARGET[item] / whole) * model[place, first, item] for item in left)
    found = estimates(logs, new, told, expected)
    assert found["dr"] == pytest.approx(float(truth), rel=1e-9)
    assert found["sndr"] == pytest.approx(float(truth), rel=1e-9)
    assert found["dm"] == pytest.approx(float(expected.mean()))


@settings(max_examples=25, deadline=None)
@given(seed=integers(0, 9999))
def test_weights_of_lists_are_those_of_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, rng.integers(1, 8))
    lists = np.repeat(np.arange(len(lengths)), lengths)
    places = np.concatenate([np.arange(length) for length in lengths])
    size = len(lists)
    logs = Logs.of(np.zeros(size), rng.uniform(0.1, 1, size), rng.random(size), places=places, lists=lists)
    chances, told, expected = rng.random(size), rng.random(size), rng.random(size)
    whole = down = alone = robust = 0.0
    for number in range(len(lengths)):
        rows = np.flatnonzero(lists == number)
        product = np.prod([chances[row] / logs.chances[row] for row in rows])
        so_far = 1.0
        for row in rows:
            ratio = chances[row] / logs.chances[row]
            robust += so_far * expected[row]
            so_far *= ratio
            whole += product * logs.rewards[row]
            down += so_far * logs.rewards[row]
            alone += ratio * logs.rewards[row]
            robust += so_far * (logs.rewards[row] - told[row])
    found = estimates(logs, chances, told, expected)
    several = size > len(lengths)
    names = {"slate": whole, "rips": down, "iips": alone} if several else {"ips": alone}
    for name, total in (names | {"dr": robust}).items():
        assert found[name] == pytest.approx(total / size, abs=1e-12)


def test_a_weight_above_the_most_is_cut():
    logs = Logs.of([0, 0], [0.1, 0.5], [1, 1])
    assert Weights.of(logs, np.array([1.0, 0.5]), most=4).place.tolist() == [4, 1]


def test_effective_rows_by_hand():
    assert effective(np.array([1.0, 1, 2])) == pytest.approx(16 / 6)
    assert effective(np.ones(9)) == pytest.approx(9)
    assert effective(np.zeros(3)) == 0


def test_people_are_weighed_whole():
    # One always clicks, the other never: two people weighed by chance make a mean anywhere from 0 to 1,
    # whatever number of rows they have; of 200 rows each for itself it would hardly leave a half.
    logs = Logs.of([0] * 200, [1.0] * 200, [1] * 100 + [0] * 100, units=np.repeat([0, 1], 100), unit="people")
    found, drawn = values(
        logs, {"logged": [(logs.rewards, np.ones(200))]}, np.random.default_rng(0), resamples=4000
    )
    assert np.quantile(drawn["logged"], [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)
    assert found["logged"].high - found["logged"].low == pytest.approx(0.95, abs=0.03)
