import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import DAY, NOW, draft_of, facts_of

from tastemaker.recipe.reranking import FreshnessRule
from tastemaker.rerank.draft import Request
from tastemaker.rerank.freshness import Freshness
from tastemaker.rerank.tries import Tries


def asked(facts, rows, scores=None, *, k=10, now=NOW, shows=None, **knobs):
    items = facts.catalogue.size
    tries = Tries.empty(items) if shows is None else Tries(shows, np.zeros(items))
    rule = Freshness(FreshnessRule(**knobs), facts, tries)
    return rule(draft_of(rows, scores), Request(k=k, now=now))


AGED = facts_of(5, ages=[0, 30, 60, 90, 600])


def test_after_each_half_life_half_of_it_is_left():
    got = asked(AGED, [4, 3, 2, 1, 0], [4, 3, 2, 1, 0], strength=0.5, half_life_days=30)
    # Relevance 1, 3/4, 1/2, 1/4, 0; of 600, 90, 60, 30, 0 days there are 2⁻²⁰, 1/8, 1/4, 1/2 and 1 left.
    assert got.scores == pytest.approx([1 / 2, 1 / 2, 7 / 16, 3 / 8, 3 / 8], abs=1e-6)
    assert got.rows[0] == 4  # by 2⁻²¹
    assert got.rows.tolist() == [4, 0, 3, 2, 1]  # 3/8 each: a tie stays


def test_all_the_way_it_is_age_alone():
    assert asked(AGED, [4, 2, 0, 3, 1], strength=1).rows.tolist() == [0, 1, 2, 3, 4]


def test_an_unknown_age_counts_as_the_mean_of_the_others():
    facts = facts_of(4, ages=[0, 30, 3000, None])
    got = asked(facts, [2, 3, 1, 0], [0, 0, 0, 0], strength=1, half_life_days=30)
    # 1, 1/2, 2⁻¹⁰⁰, and so 1/2 for the unknown: a tie with the one behind it, which stays there.
    assert got.rows.tolist() == [0, 3, 1, 2]
    assert got.scores == pytest.approx([1, 1 / 2, 1 / 2, 0])
    assert 3 not in got.reasons


def test_without_any_age_or_any_moment_the_order_stays():
    draft = [2, 0, 1]
    assert asked(facts_of(3, ages=[None, None, None]), draft, strength=1).rows.tolist() == draft
    assert asked(AGED, draft, strength=1, now=math.nan).rows.tolist() == draft


def test_reasons_say_how_new_and_only_of_what_came_forward_for_it():
    facts = facts_of(6, ages=[3, 20, 250, 1000, 4000, 5000])
    got = asked(facts, [5, 4, 3, 2, 1, 0], strength=1, half_life_days=300)
    assert got.reasons == {0: ("new this week",), 1: ("new this month",), 2: ("new this year",)}
    assert asked(facts, [0, 3, 4], strength=1).reasons == {}
    # The third passed something older, but beside the others it's nothing new.
    got = asked(facts, [0, 1, 4, 2], strength=1, half_life_days=300)
    assert got.rows.tolist() == [0, 1, 2, 4]
    assert got.reasons == {}


def test_who_knows_but_years_speaks_of_no_weeks():
    got = asked(facts_of(3, years=[2024, 2010, 1999]), [2, 1, 0], strength=1, now=NOW + 2 * DAY)
    assert got.rows.tolist() == [0, 1, 2]
    assert got.reasons == {0: ("new this year",)}


def test_what_a_log_has_never_met_is_called_that():
    facts = facts_of(4, touched=[(1, NOW - 3 * DAY), (2, NOW - 900 * DAY), (3, NOW - 900 * DAY)])
    got = asked(facts, [3, 2, 1, 0], strength=1)
    assert got.rows.tolist() == [0, 1, 3, 2]
    assert got.reasons == {0: ("not chosen by anyone yet",), 1: ("new this week",)}


def test_kept_places_lie_in_the_middle_of_equal_stretches():
    facts = facts_of(20)
    shows = [500] * 10 + [0] * 10
    got = asked(facts, range(20), k=10, shows=shows, quota=0.2)
    # Of ten places two: of 1 … 5 and of 6 … 10 the middle ones. They come in their own order.
    assert got.rows[:10].tolist() == [0, 1, 10, 2, 3, 4, 5, 11, 6, 7]
    assert got.rows[10:].tolist() == [8, 9, *range(12, 20)]
    assert got.reasons == {10: ("hardly shown so far",), 11: ("hardly shown so far",)}
    assert (np.diff(got.scores) < 0).all()


def test_who_stands_better_than_its_place_uses_it_up():
    shows = [0 if item in (1, 7, 9) else 500 for item in range(10)]
    got = asked(facts_of(10), range(10), k=10, shows=shows, quota=0.2)
    assert got.rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    got = asked(facts_of(10), range(10), k=10, shows=shows, quota=0.3)
    # Places 2, 5 and 9: the first stands there, the second comes to the fifth.
    assert got.rows.tolist() == [0, 1, 2, 3, 7, 4, 5, 6, 9, 8]


def test_a_show_more_and_it_is_no_longer_hardly_shown():
    shows = [500, 500, 20, 19]
    got = asked(facts_of(4), range(4), k=2, shows=shows, quota=0.5, quota_shows=20)
    assert got.rows.tolist() == [3, 0, 1, 2]


def test_without_a_strength_or_a_quota_there_is_no_rule():
    draft = draft_of([3, 1, 2])
    rule = Freshness(FreshnessRule(), AGED, Tries.empty(5))
    assert rule(draft, Request(k=3, now=NOW)) is draft


def slowly(rows, is_hardly, k, quota):
    """Place by place: whoever was hardly shown comes next where too few of them would have come so far."""
    left, got = list(rows), []
    for place in range(1, len(rows) + 1):
        due = math.floor(quota * place + 0.5 + 1e-9) if place <= k else 0
        waiting = [row for row in left if is_hardly[row]]
        is_due = waiting and sum(is_hardly[row] for row in got) < due
        got.append(waiting[0] if is_due else left[0])
        left.remove(got[-1])
    return got


@settings(max_examples=40, deadline=None)
@given(
    rows=st.permutations(range(12)),
    hardly=st.lists(st.booleans(), min_size=12, max_size=12),
    k=st.integers(0, 15),
    quota=st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0]),
)
def test_the_quota_holds_at_every_beginning_as_place_by_place(rows, hardly, k, quota):
    shows = [0 if own else 500 for own in hardly]
    got = asked(facts_of(12), rows, k=k, shows=shows, quota=quota).rows.tolist()
    assert got == slowly(rows, hardly, min(k, 12), quota)


@settings(max_examples=40, deadline=None)
@given(
    strength=st.floats(0, 1),
    ages=st.lists(st.none() | st.integers(0, 5000), min_size=6, max_size=6),
    rows=st.permutations(range(6)),
    half_life=st.floats(0.5, 1000),
)
def test_nothing_is_lost_and_who_is_newer_and_better_stands_first(strength, ages, rows, half_life):
    got = asked(facts_of(6, ages=ages), rows, strength=strength, half_life_days=half_life)
    assert sorted(got.rows.tolist()) == list(range(6))
    place = {row: at for at, row in enumerate(got.rows.tolist())}
    for first, before in enumerate(rows):
        for after in rows[first + 1 :]:
            if ages[before] is not None and ages[after] is not None and ages[before] <= ages[after]:
                assert place[before] < place[after]
