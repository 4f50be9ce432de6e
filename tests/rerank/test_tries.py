import json
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemaker.data.impressions import Impressions
from tastemaker.rerank.tries import Tries

ALL = np.arange(4, dtype=np.int32)


def rows(*given):
    return np.array(given, np.int32)


def test_shows_and_clicks_are_counted_an_item_that_comes_twice_twice():
    tries = Tries.empty(4)
    tries.add(rows(2, 0, 2), [True, False, True])
    tries.add(rows(2), False)
    shows, clicks = tries.of(ALL)
    assert shows.tolist() == [1, 0, 3, 0]
    assert clicks.tolist() == [0, 0, 2, 0]
    assert tries.total == (4, 2)


def test_what_nobody_looked_at_counts_for_as_much_as_was_looked():
    tries = Tries.empty(4)
    tries.add(rows(0, 1), [False, True], [1.0, 0.25])
    assert tries.of(ALL)[0].tolist() == [1, 0.25, 0, 0]
    assert tries.of(ALL)[1].tolist() == [0, 1, 0, 0]


def log():
    return Impressions.from_events(
        ["ann", "bob"],
        users=rows(0, 0, 0, 1),
        rows=rows(3, 1, 2, 1),
        times=np.array([1.0, 1, 1, 5]),
        positions=rows(1, 2, 9, 0),
        outcomes={
            "click": np.array([0, 1, 0, np.nan], np.float32),
            "like": np.array([np.nan] * 3 + [1.0], np.float32),
        },
    )


def test_a_log_of_impressions_is_counted():
    shows, clicks = Tries.of_impressions(log(), 4).of(ALL)
    assert shows.tolist() == [0, 2, 1, 1]
    assert clicks.tolist() == [0, 2, 0, 0]


def test_places_of_a_log_count_by_how_often_they_are_looked_at():
    tries = Tries.of_impressions(log(), 4, looks=np.array([1.0, 0.5, 0.25]))
    # Row 3 stood first, row 1 second and once nobody knows where, row 2 behind the last that is told.
    assert tries.of(ALL)[0].tolist() == [0, 1.5, 0.25, 1]


def test_no_count_is_lost_where_many_threads_add():
    tries = Tries.empty(4)

    def add():
        for _ in range(300):
            tries.add(rows(0, 1, 1), [1, 0, 1])

    between = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(between)
    assert tries.of(ALL)[0].tolist() == [2400, 4800, 0, 0]
    assert tries.of(ALL)[1].tolist() == [2400, 2400, 0, 0]
    assert tries.total == (7200, 4800)


def test_in_another_catalogue_counts_go_with_their_items():
    tries = Tries([1, 2, 3, 4], [0, 1, 0, 2])
    moved = tries.renumbered(rows(2, -1, 0, 1), 5)
    shows, clicks = moved.of(np.arange(5, dtype=np.int32))
    assert shows.tolist() == [3, 4, 1, 0, 0]
    assert clicks.tolist() == [0, 2, 0, 0, 0]
    assert moved.total == (8, 2)


def test_what_was_handed_out_is_not_what_is_counted_in():
    given = np.zeros(4)
    tries = Tries(given, given)
    kept = tries.arrays()
    tries.add(rows(1), True)
    assert given.tolist() == kept["shows"].tolist() == [0, 0, 0, 0]
    assert tries.of(rows(1))[1].tolist() == [1]


def test_counts_of_different_lengths_are_no_tries():
    with pytest.raises(ValueError, match=r"\(2,\) and clicks \(3,\)"):
        Tries([1, 2], [1, 2, 3])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 1)), max_size=20))
def test_saved_and_loaded_they_are_the_same(events):
    tries = Tries.empty(6)
    for row, clicked, looks in events:
        tries.add(rows(row), clicked, looks)
    every = np.arange(6, dtype=np.int32)
    for same in (Tries(**tries.arrays()), Tries.from_json(json.loads(json.dumps(tries.as_json())))):
        assert len(same) == 6
        for before, after in zip(tries.of(every), same.of(every), strict=True):
            np.testing.assert_array_equal(before, after)
        assert same.total == pytest.approx(tries.total)
