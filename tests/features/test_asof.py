import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tastemaker.data.interactions import Interactions
from tastemaker.features.asof import AsOf

DAY = 86_400.0
HALF_LIVES = (0.5, 20.0)

events = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=40)
"""(row, day)"""


def log_of(told: Sequence[tuple[float, ...]], *, is_clock: bool = True) -> Interactions:
    users = np.arange(len(told), dtype=np.int32) % 3
    rows = np.array([row for row, *_ in told], np.int32)
    times = np.array([day * DAY for _, day, *_ in told], np.float64)
    weights = np.array([weight[0] if weight else 1 for _, _, *weight in told], np.float32)
    return Interactions.from_events(
        ["u", "v", "w"], users, rows, times, weights, is_ordered=True, is_clock=is_clock
    )


def slowly(told: list[tuple[int, float]], row: int, day: float) -> tuple[int, list[float], float]:
    before = [when for other, when in told if other == row and when < day]
    decayed = [sum(math.pow(2, -(day - when) / half_life) for when in before) for half_life in HALF_LIVES]
    return len(before), decayed, min(before) * DAY if before else math.inf


def agree(told: list[tuple[int, float]], items: int, day: float) -> None:
    rows = np.arange(items, dtype=np.int32)[::-1]
    past = AsOf(log_of(told), items, HALF_LIVES).of(rows, day * DAY)
    for place, row in enumerate(rows):
        counts, decayed, first = slowly(told, int(row), day)
        assert past.counts[place] == counts
        assert past.decayed[place] == pytest.approx(decayed, rel=1e-12, abs=1e-290)
        assert past.first[place] == first


@given(told=events, day=st.integers(-1, 31) | st.sampled_from([0.5, 7.25]))
def test_counts_and_sums_are_those_of_a_slow_loop(told, day):
    agree(told, 6, day)


weighed = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.sampled_from([1.0, 0.0, 2.5, 1e5, -3.0])), max_size=40
)
"""(row, day, weight)"""


@given(told=weighed, day=st.integers(-1, 31), is_clock=st.booleans())
def test_strengths_are_those_of_a_slow_loop(told, day, is_clock):
    before = [event for event in told if event[1] < day or not is_clock]
    strengths = [math.log1p(max(weight, 0)) for _, _, weight in before]
    past = AsOf(log_of(told, is_clock=is_clock), 6, HALF_LIVES).of(np.arange(6, dtype=np.int32), day * DAY)
    if all(weight == 1 for _, _, weight in before):
        assert np.isnan(past.strength).all()
        return
    usual = math.fsum(strengths) / len(strengths)
    for row, found in enumerate(past.strength):
        own = [strength for strength, event in zip(strengths, before, strict=True) if event[0] == row]
        assert found == pytest.approx((math.fsum(own) + 5 * usual) / (len(own) + 5), rel=1e-12)


def test_the_strength_of_two_items_by_hand():
    # Before day 4: item 0 has e² − 1 and e⁸ − 1, item 1 has e² − 1; their mean is (2 + 8 + 2) / 3 = 4.
    two, eight = math.expm1(2), math.expm1(8)
    told = [(0, 1, two), (0, 2, eight), (1, 3, two), (1, 4, 1e30)]
    past = AsOf(log_of(told), 3, ()).of(np.array([0, 1, 2], np.int32), 4 * DAY)
    assert past.strength == pytest.approx([(10 + 20) / 7, (2 + 20) / 6, 4])


@pytest.mark.parametrize("day", [0, 0.001, 3, 9.5, 10])
def test_an_item_with_thousands_of_events_in_one_place_is_searched_to_the_end(day):
    rng = np.random.default_rng(5)
    told = [(0, when) for when in np.round(rng.normal(9.5, 0.01, 3000), 4)]
    told += [
        (int(row), when) for row, when in zip(rng.integers(1, 50, 500), rng.random(500) * 10, strict=True)
    ]
    agree(told, 52, day)


# Another event may number the people otherwise, and so the order of events of one moment.
@example(past=[(0, 0, 1.0)] * 5 + [(0, 0, 2.5), (0, 0, 1.0)], ahead=([], [(0, 0, 1.0)]), now=1)
@given(past=weighed, ahead=st.tuples(weighed, weighed), now=st.integers(0, 30))
def test_what_comes_later_changes_no_bit(past, ahead, now):
    before = [event for event in past if event[1] < now]
    answers = []
    for later in ahead:
        told = before + [(row, now + day, weight) for row, day, weight in later]
        answer = AsOf(log_of(told[::-1]), 5, HALF_LIVES).of(np.arange(5, dtype=np.int32), now * DAY)
        answers.append([np.ascontiguousarray(part).tobytes() for part in answer])
    assert answers[0] == answers[1]


def test_what_was_touched_ages_ago_has_faded_and_isnt_slow_to_say_so():
    # 2^-1040 has no normal number.
    past = AsOf(log_of([(0, 0)]), 1, (1.0,)).of(np.array([0, 0], np.int32), 1040 * DAY)
    assert past.counts.tolist() == [1, 1]
    assert past.decayed[:, 0] == pytest.approx([0, 0], abs=1e-290)


def test_without_a_clock_every_event_counts_and_none_fades():
    past = AsOf(log_of([(0, 1), (0, 9), (2, 1)], is_clock=False), 3, HALF_LIVES).of(
        np.array([2, 0, 1, 0], np.int32), 2 * DAY
    )
    assert past.counts.tolist() == [1, 2, 0, 2]
    assert past.decayed.tolist() == [[1, 1], [2, 2], [0, 0], [2, 2]]
    assert past.first.tolist() == [-np.inf, -np.inf, np.inf, -np.inf]


def test_a_log_of_nothing_has_no_past():
    past = AsOf(log_of([]), 3, HALF_LIVES).of(np.array([1, 2], np.int32), 5 * DAY)
    assert (past.counts.tolist(), past.decayed.tolist()) == ([0, 0], [[0, 0], [0, 0]])
    assert past.first.tolist() == [np.inf, np.inf]
    assert AsOf(log_of([(0, 1)]), 3, ()).of(np.array([], np.int32), 5.0).decayed.shape == (0, 0)


def test_a_moment_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        AsOf(log_of([(0, 1)]), 1, HALF_LIVES).of(np.array([0], np.int32), np.nan)
