from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.data.catalogue import PAD
from tastemaker.hits import Hits
from tastemaker.retrieve.candidates import Candidates, merged, stacked

NAMES = ("p", "q", "r", "s")


def hits(*rows: int, first: float = 100.0) -> Hits:
    """Scores fall by one a place."""
    scores = [-np.inf if row == PAD else first - n for n, row in enumerate(rows)]
    return Hits(np.array([rows], np.int32), np.array([scores], np.float32))


def merge(shares: list[float], lists: list[Hits], k: int) -> Candidates:
    return merged(NAMES[: len(lists)], shares, lists, k)


def counts(found: Candidates) -> list[int]:
    return np.bincount(found.by, minlength=len(found.names)).tolist()


def test_one_source_alone_keeps_its_list_and_its_scores():
    found = merge([0.3], [hits(4, 2, 9, PAD)], 2)
    assert found.rows.tolist() == [4, 2]
    assert found.scores.tolist() == [100, 99]
    assert found.sources == (("p",), ("p",))


def test_places_go_by_highest_quotient():
    # Quotients of 3 : 1 are 6, 2, 6/5, 6/7, 2/3 … and 2, 2/3 …; p wins the ties.
    found = merge([3, 1], [hits(0, 1, 2, 3, 4, 5), hits(10, 11, 12)], 7)
    assert found.rows.tolist() == [0, 1, 10, 2, 3, 4, 11]
    assert found.scores.tolist() == pytest.approx([6, 2, 2, 6 / 5, 6 / 7, 2 / 3, 2 / 3])


@given(parts=some.lists(some.integers(0, 9), min_size=1, max_size=4).filter(any), times=some.integers(1, 4))
@settings(deadline=None)
def test_quotas_hold_exactly_where_they_are_whole(parts, times):
    k = sum(parts) * times
    lists = [hits(*range(100 * source, 100 * source + k)) for source in range(len(parts))]
    found = merge([part / 7 for part in parts], lists, k)
    assert counts(found) == [part * times for part in parts]


def test_what_stands_in_two_lists_counts_once_for_who_came_first():
    found = merge([1, 1], [hits(1, 2, 3), hits(1, 2, 4, first=50)], 4)
    assert found.rows.tolist() == [1, 2, 3, 4]
    assert found.by.tolist() == [0, 1, 0, 1]
    assert found.sources == (("p", "q"), ("q", "p"), ("p",), ("q",))
    np.testing.assert_array_equal(found.said, [[100, 50], [99, 49], [98, np.nan], [np.nan, 48]])


def test_what_a_dry_source_leaves_goes_to_the_others():
    found = merge([0.8, 0.1, 0.1], [hits(1, PAD), hits(10, 11, 12, 13), hits(20, 21, 22, 23)], 7)
    assert counts(found) == [1, 3, 3]
    assert len(merge([1, 1], [hits(1, 2), hits(2, 1)], 9)) == 2
    assert len(merge([1, 1], [hits(PAD), hits(PAD)], 9)) == 0


def test_without_a_share_a_source_comes_last_and_is_named_only_for_what_it_brings():
    found = merge([1, 0, 1, 0], [hits(1), hits(1, 5, 6), hits(2, PAD), hits(7, 5)], 6)
    assert found.rows.tolist() == [1, 2, 5, 6, 7]
    assert found.sources == (("p",), ("r",), ("q",), ("q",), ("s",))
    assert (np.diff(found.scores) <= 0).all()


LISTS = some.lists(some.lists(some.integers(0, 15), unique=True, max_size=12), min_size=1, max_size=4)


SHARES = some.lists(some.sampled_from([0, 0.1, 0.5, 2]), min_size=4, max_size=4)


@given(lists=LISTS, shares=SHARES, k=some.integers(1, 20))
@settings(deadline=None)
def test_nothing_twice_all_that_there_is_falling_scores_and_a_shorter_list_is_its_beginning(lists, shares, k):
    asked = [hits(*rows, PAD) for rows in lists]
    found = merge(shares[: len(lists)], asked, k)
    every = {row for rows in lists for row in rows}
    assert len(set(found.rows.tolist())) == len(found) == min(k, len(every))
    assert (np.diff(found.scores) <= 0).all()
    for row, said in zip(found.rows.tolist(), found.said, strict=True):
        for rows, score in zip(lists, said, strict=True):
            assert np.isnan(score) or (row in rows and score == 100 - rows.index(row))
    # Each source's own order is kept among what it took.
    for source, rows in enumerate(lists):
        took = [rows.index(row) for row in found.rows[found.by == source].tolist()]
        assert took == sorted(took)
    shorter = [hits(*rows[: k // 2], PAD) for rows in lists]
    if k // 2:
        half = merge(shares[: len(lists)], shorter, k // 2)
        assert half.rows.tolist() == found.rows[: k // 2].tolist()
        assert half.by.tolist() == found.by[: k // 2].tolist()


# --- put into another order ------------------------------------------------------------------


def named(found: Candidates) -> Candidates:
    return replace(found, ids=tuple(f"i{row}" for row in found.rows))


def test_by_other_scores_every_item_keeps_what_is_known_of_it():
    found = named(merge([1, 1], [hits(1, 2, 3), hits(5, 2, first=50)], 4))  # rows 1, 5, 2, 3
    other = found.sorted_by(np.array([0.1, 0.3, 0.2, 0.3], np.float32))
    assert other.rows.tolist() == [5, 3, 2, 1]  # 5 and 3 tie, and stand as they stood
    assert other.scores.tolist() == pytest.approx([0.3, 0.3, 0.2, 0.1])
    assert other.ids == ("i5", "i3", "i2", "i1")
    known = dict(zip(found.rows.tolist(), zip(found.sources, found.said.tolist(), strict=True), strict=True))
    for row, sources, said in zip(other.rows.tolist(), other.sources, other.said.tolist(), strict=True):
        assert sources == known[row][0]
        np.testing.assert_array_equal(said, known[row][1])


@given(scores=some.lists(some.integers(-2, 2), max_size=8))
@settings(deadline=None)
def test_sorting_is_that_of_python(scores):
    found = merge([1], [hits(*range(len(scores)))], len(scores))
    ours = found.sorted_by(np.array(scores, np.float32)).rows.tolist()
    assert ours == sorted(range(len(scores)), key=lambda row: -scores[row])


@pytest.mark.parametrize(("k", "rows"), [(0, []), (2, [1, 5]), (4, [1, 5, 2, 3]), (9, [1, 5, 2, 3])])
def test_the_first_are_cut_off_with_all_that_is_known_of_them(k, rows):
    found = named(merge([1, 1], [hits(1, 2, 3), hits(5, 2, first=50)], 4)).first(k)
    assert found.rows.tolist() == rows
    assert found.ids == tuple(f"i{row}" for row in rows)
    assert len(found.sources) == len(found.scores) == len(found.said) == len(rows)


def test_more_items_are_placed_by_the_scores_of_a_single_source():
    found = merge([1], [hits(4, 2, 9)], 3)  # 100, 99, 98
    more = found.having(Hits(np.array([[7, 8]], np.int32), np.array([[98.5, 101]], np.float32)))
    assert more.rows.tolist() == [8, 4, 2, 7, 9]
    assert more.scores.tolist() == [101, 100, 99, 98.5, 98]
    assert np.isnan(more.said[[0, 3]]).all()  # nobody brought them


def test_beside_shares_of_several_sources_more_items_stand_last():
    found = merge([1, 1], [hits(1, 2), hits(5, 6)], 4)
    more = found.having(Hits(np.array([[7, 8]], np.int32), np.array([[1000, 2000]], np.float32)))
    assert more.rows.tolist() == [*found.rows.tolist(), 7, 8]
    assert (np.diff(more.scores) <= 0).all()
    assert np.isnan(more.said[-2:]).all()


def test_nothing_more_changes_nothing():
    found = merge([1, 1], [hits(1, 2), hits(5, 6)], 4)
    more = found.having(Hits(np.zeros((1, 0), np.int32), np.zeros((1, 0), np.float32)))
    assert more.rows.tolist() == found.rows.tolist()
    assert more.scores.tolist() == found.scores.tolist()


def test_lists_are_stacked_with_nothing_where_one_ends():
    lists = [merge([1], [hits(4, 2)], 2), merge([1], [hits(PAD)], 2), merge([1], [hits(3, 1, 0)], 3)]
    found = stacked(lists, 3)
    assert found.rows.tolist() == [[4, 2, PAD], [PAD, PAD, PAD], [3, 1, 0]]
    assert found.scores.tolist() == [[100, 99, -np.inf], [-np.inf] * 3, [100, 99, 98]]
    assert stacked([], 3).rows.shape == (0, 3)
