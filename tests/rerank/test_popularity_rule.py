import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import draft_of, facts_of

from tastemaker.recipe.reranking import PopularityRule
from tastemaker.rerank.draft import Request
from tastemaker.rerank.popularity import Popularity

KNOWN = facts_of(6, popularity=[0, 0, 9, 99, 99, 999])
"""log10(1 + figure) is 0, 0, 1, 2, 2 and 3; over the highest, 0, 0, 1/3, 2/3, 2/3 and 1."""


def asked(strength, rows, scores=None, facts=KNOWN):
    return Popularity(PopularityRule(strength=strength), facts)(draft_of(rows, scores), Request(k=3))


def test_half_of_the_score_is_the_logarithm_of_the_figure():
    got = asked(0.5, [0, 2, 5, 3], [4, 3, 2, 0])
    # Relevance 1, 3/4, 1/2, 0 and signal 0, 1/3, 1, 2/3: halves of 1, 13/12, 3/2 and 2/3.
    assert got.rows.tolist() == [5, 2, 0, 3]
    assert got.scores == pytest.approx([3 / 4, 13 / 24, 1 / 2, 1 / 3])


def test_below_zero_it_is_against_popularity():
    got = asked(-0.5, [5, 3, 2, 0], [4, 3, 2, 0])
    # Relevance 1, 3/4, 1/2, 0 and signal 0, 1/3, 2/3, 1: halves of 1, 13/12, 7/6 and 1; a tie stays.
    assert got.rows.tolist() == [2, 3, 5, 0]
    assert got.scores == pytest.approx([7 / 12, 13 / 24, 1 / 2, 1 / 2])


def test_all_the_way_it_is_the_figure_alone_and_ties_stay():
    assert asked(1, [1, 0, 4, 3, 5, 2]).rows.tolist() == [5, 4, 3, 2, 1, 0]
    assert asked(-1, [4, 3, 0, 1]).rows.tolist() == [0, 1, 4, 3]


def test_only_what_came_forward_for_being_popular_is_called_so():
    # Of 1206 touches item 5 alone has the first half: it is the head. Items 3 and 4 are in the middle.
    got = asked(1, [0, 2, 3, 5])
    assert got.reasons == {5: ("watched by many",)}
    assert asked(1, [5, 3, 0]).reasons == {}


def test_only_the_little_known_that_came_forward_is_called_so():
    got = asked(-1, [5, 3, 2, 0])
    # 999, 99 and 99 are 0.99 of all: what follows is the tail.
    assert got.reasons == {0: ("little known",), 2: ("little known",)}


def test_at_strength_zero_there_is_no_rule():
    draft = draft_of([3, 1, 5])
    assert Popularity(PopularityRule(), KNOWN)(draft, Request(k=3)) is draft


def test_nothing_stays_nothing_and_one_stays_one():
    assert len(asked(0.5, [])) == 0
    assert asked(0.5, [4]).rows.tolist() == [4]


def test_where_nothing_was_ever_touched_the_order_stays():
    assert asked(0.9, [2, 0, 1], facts=facts_of(3, popularity=[0, 0, 0])).rows.tolist() == [2, 0, 1]


@settings(max_examples=40, deadline=None)
@given(
    strength=st.floats(-1, 1),
    rows=st.permutations(range(6)),
    scores=st.lists(st.integers(-3, 3), min_size=6, max_size=6),
)
def test_nothing_is_lost_scores_fall_and_who_is_better_in_both_stands_first(strength, rows, scores):
    falling = sorted(scores, reverse=True)
    got = asked(strength, rows, falling)
    assert sorted(got.rows.tolist()) == list(range(6))
    assert (np.diff(got.scores) <= 0).all()
    place = {row: at for at, row in enumerate(got.rows.tolist())}
    signal = KNOWN.popularity if strength >= 0 else -KNOWN.popularity
    for first, before in enumerate(rows):
        for after in rows[first + 1 :]:
            if signal[before] >= signal[after]:
                assert place[before] < place[after]
