"""What was known of people at a moment."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.rank.asking import _labels, as_of

LOG = Interactions.from_events(
    ["a", "b", "c"],
    np.array([0, 0, 0, 1, 1], np.int32),
    np.array([5, 6, 7, 8, 9], np.int32),
    np.array([10.0, 20, 30, 15, 25]),
    np.array([1, 2, 3, 4, 5], np.float32),
)


def test_only_what_came_before_is_known_and_one_person_may_be_asked_often():
    then = as_of(LOG, [0, 1, 0, 2, 0], [20.0, 99.0, 30.5, 50.0, 10.0])
    assert [rows.tolist() for rows in then] == [[5], [8, 9], [5, 6, 7], [], []]
    assert then.times.tolist() == [10, 15, 25, 10, 20, 30]
    assert then.weights.tolist() == [1, 4, 5, 1, 2, 3]
    assert then.user_ids == ["a", "b", "a", "c", "a"]
    assert (then.is_clock, then.is_ordered) == (True, True)


@given(seed=some.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_what_happens_later_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 30))
    users, rows = rng.integers(0, 4, size).astype(np.int32), rng.integers(0, 9, size).astype(np.int32)
    times = rng.integers(0, 10, size).astype(np.float64)
    names = list("wxyz")
    asked = rng.integers(0, 4, 6).tolist()
    now = rng.integers(0, 11, 6).astype(float)
    then = as_of(Interactions.from_events(names, users, rows, times), asked, now.tolist())
    other = np.where(times < now.min(), rows, rng.permutation(rows))  # the future of all, shuffled
    again = as_of(Interactions.from_events(names, users, other, times), asked, now.tolist())
    for place, (user, moment) in enumerate(zip(asked, now, strict=True)):
        own = [(t, n) for n, t in enumerate(times) if users[n] == user and t < moment]
        assert then.of(place).tolist() == [rows[n] for _, n in sorted(own)]
        if moment == now.min():
            assert again.of(place).tolist() == then.of(place).tolist()


def test_of_what_nobody_chose_nothing_was_watched():
    nan = np.nan
    shown = Impressions.from_events(
        ["a"],
        np.zeros(4, np.int32),
        np.arange(4, dtype=np.int32),
        np.array([1.0, 2, 3, 4]),
        chosen=np.array([0, 1, 1, 0], np.float32),
        outcomes={
            "watch_time": np.array([nan, 60, nan, 0], np.float32),
            "completion": np.array([nan, 1, nan, 0], np.float32),
            "like": np.array([nan, 1, 0, nan], np.float32),
            "hidden": np.array([1, 0, 0, 0], np.float32),
        },
    )
    labels = _labels(shown, np.array([0, 1, 2, 3]))
    assert sorted(labels) == ["click", "completion", "like", "watch_time"]
    np.testing.assert_array_equal(labels["click"], [0, 1, 1, 0])
    np.testing.assert_array_equal(labels["watch_time"], [0, 60, nan, 0])  # chosen, and nobody knows how long
    np.testing.assert_array_equal(labels["completion"], [0, 1, nan, 0])
    np.testing.assert_array_equal(labels["like"], [nan, 1, 0, nan])
    np.testing.assert_array_equal(_labels(shown, np.array([2, 0]))["watch_time"], [nan, 0])
