import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import draft_of
from scipy.integrate import quad
from scipy.stats import beta, chi2

from tastemaker.recipe.reranking import ExplorationRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.exploration import Exploration, chances_of_winning
from tastemaker.rerank.tries import Tries

SHOWS = [900, 800, 900, 700, 5, 12, 0]
CLICKS = [270, 200, 180, 90, 2, 0, 0]
"""Four known items, at 0.3, 0.25, 0.2 and 0.13 clicks a look, and three new ones."""


def rule_of(shows=SHOWS, clicks=CLICKS, **knobs):
    return Exploration(ExplorationRule(**knobs), Tries(shows, clicks))


def asked(rule, draft, k, seed=0):
    return rule(draft, Request(k=k, seed=seed))


def chi_square(rule, draft, k, draws):
    """Chance of counts at least as far from what the logged propensities say, list by list."""
    counts, chances = Counter(), {}
    for seed in range(draws):
        got = asked(rule, draft, k, seed)
        shown = tuple(got.rows[:k].tolist())
        counts[shown] += 1
        product = float(np.prod(got.propensities[:k]))
        assert chances.setdefault(shown, product) == pytest.approx(product)
    often = sorted(
        (shown for shown in chances if chances[shown] * draws >= 5), key=lambda shown: -chances[shown]
    )
    while draws * (1 - sum(chances[shown] for shown in often)) < 5:  # the others together, too
        often.pop()
    expected = np.array([chances[shown] * draws for shown in often])
    seen = np.array([counts[shown] for shown in often])
    expected, seen = np.append(expected, draws - expected.sum()), np.append(seen, draws - seen.sum())
    return float(chi2.sf(((seen - expected) ** 2 / expected).sum(), len(seen) - 1))


def test_lists_come_as_often_as_the_product_of_their_propensities_says():
    # Seeds are fixed: with propensities a tenth off, both are far below 0.001.
    draft = draft_of([0, 1, 2, 3, 4])
    assert chi_square(rule_of(method="epsilon", epsilon=0.4), draft, 3, 2000) > 0.01
    draft = draft_of([0, 1, 2, 3, 4, 5, 6])
    assert chi_square(rule_of(method="thompson", places=2), draft, 4, 1000) > 0.01


def test_epsilon_gives_each_place_to_whichever_is_left_with_the_same_chance():
    rule, draft = rule_of(method="epsilon", epsilon=0.3), draft_of([4, 2, 0])
    chances = {}
    for seed in range(300):
        got = asked(rule, draft, 2, seed)
        chances[tuple(got.rows[:2].tolist())] = got.propensities
    # The next in order has 0.7 and its part of 0.3; the others their part. The third place isn't drawn.
    assert set(chances) == set(permutations([4, 2, 0], 2))
    assert chances[4, 2] == pytest.approx([0.8, 0.85, 1])
    assert chances[4, 0] == pytest.approx([0.8, 0.15, 1])
    assert chances[0, 4] == pytest.approx([0.1, 0.85, 1])
    assert chances[2, 0] == pytest.approx([0.1, 0.15, 1])


def test_epsilon_without_chance_is_the_order_and_with_nothing_else_all_the_same():
    draft = draft_of([4, 2, 0])
    got = asked(rule_of(method="epsilon", epsilon=0), draft, 3)
    assert got.rows.tolist() == [4, 2, 0]
    assert got.propensities.tolist() == [1, 1, 1]
    assert asked(rule_of(method="epsilon", epsilon=1), draft, 3).propensities == pytest.approx(
        [1 / 3, 1 / 2, 1]
    )


@pytest.mark.parametrize(
    ("a", "b", "bars"),
    [([1, 2, 3], [9, 8, 20], [0.3, 0.2, 0.2, 0.1]), ([0.3, 0.5, 60], [9.7, 9.5, 540], [0.12, 0.1, 0.001])],
)
def test_the_chance_of_winning_a_place_is_the_integral_over_what_is_between_its_bars(a, b, bars):
    found = chances_of_winning(np.array(a, float), np.array(b, float), np.array(bars))
    assert found.shape == (3, len(bars))
    for one in range(3):

        def best(x, one=one):
            others = [beta.cdf(x, a[other], b[other]) for other in range(3) if other != one]
            return beta.pdf(x, a[one], b[one]) * math.prod(others)

        for place, (low, high) in enumerate(zip(bars, [1.0, *bars], strict=False)):
            assert found[one, place] == pytest.approx(quad(best, low, high, limit=200)[0], abs=1e-3)


def test_what_may_be_the_best_stands_above_all_and_what_may_be_fair_stands_low():
    rule, draft = rule_of(method="thompson"), draft_of([0, 1, 2, 3, 4, 5, 6])
    where = Counter()
    for seed in range(400):
        got = asked(rule, draft, 4, seed)
        where.update((place, row) for place, row in enumerate(got.rows[:4].tolist()) if row >= 4)
    # Item 4 was clicked twice in five; item 5 never in twelve.
    assert where[0, 4] > 5 * where[0, 5]
    assert sum(where[place, 4] for place in range(4)) > 3 * sum(where[place, 5] for place in range(4))
    assert all(where[place, 5] <= where[3, 5] for place in range(3))


def test_what_was_tried_and_is_poor_is_let_go_though_it_is_new():
    shows, clicks = [900, 800, 900, 99], [270, 240, 250, 1]
    rule = rule_of(shows, clicks, method="thompson")
    got = [asked(rule, draft_of([0, 1, 2, 3]), 3, seed) for seed in range(200)]
    assert all(each.rows.tolist() == [0, 1, 2, 3] for each in got)


def test_who_already_stands_where_its_draw_puts_it_stays():
    rule = rule_of([0, 900, 900], [0, 90, 80], method="thompson", prior_shows=1)
    for seed in range(100):
        assert asked(rule, draft_of([0, 1, 2]), 3, seed).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("shows", "clicks"), [([900] * 4, [90] * 4), ([0] * 4, [0] * 4), ([5] * 4, [1] * 4)])
def test_where_nothing_is_new_or_all_is_the_list_stays(shows, clicks):
    got = asked(rule_of(shows, clicks, method="thompson"), draft_of([2, 0, 3, 1]), 3)
    assert got.rows.tolist() == [2, 0, 3, 1]
    assert got.propensities.tolist() == [1, 1, 1, 1]


def test_only_what_chance_brought_forward_is_said_to_be_so():
    rule = rule_of(method="thompson", places=2)
    draft = draft_of([0, 1, 2, 3, 4, 5, 6])
    for seed in range(30):
        got = asked(rule, draft, 4, seed)
        assert set(got.reasons) == {row for row in got.rows[:4].tolist() if row >= 4}
        assert set(got.reasons.values()) <= {("new, and being tried out",)}
    got = asked(rule_of(method="epsilon", epsilon=1), draft_of([0, 1, 2]), 1, 3)
    assert got.reasons == (
        {} if got.rows[0] == 0 else {int(got.rows[0]): ("drawn by chance, to learn from",)}
    )


def test_without_a_method_there_is_no_rule():
    draft = draft_of([3, 1, 2])
    assert asked(rule_of(), draft, 3) is draft


@settings(max_examples=40, deadline=None)
@given(
    tries=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), min_size=9, max_size=9),
    rows=st.permutations(range(9)),
    scores=st.lists(st.integers(0, 4), min_size=9, max_size=9),
    length=st.integers(0, 9),
    k=st.integers(0, 12),
    seed=st.integers(0, 99),
    knobs=st.sampled_from(
        [
            {"method": "epsilon", "epsilon": 0.5},
            {"method": "thompson"},
            {"method": "thompson", "places": 5, "new_shows": 50, "prior_shows": 0.5},
        ]
    ),
)
def test_nothing_is_lost_and_a_seed_gives_one_list(tries, rows, scores, length, k, seed, knobs):
    rule = rule_of([shows for shows, _ in tries], [clicks for _, clicks in tries], **knobs)
    draft = draft_of(rows[:length], sorted(scores[:length], reverse=True))
    got, again = asked(rule, draft, k, seed), asked(rule, draft, k, seed)
    assert sorted(got.rows.tolist()) == sorted(rows[:length])
    assert got.rows.tolist() == again.rows.tolist()
    assert got.scores.tolist() == draft.scores.tolist()
    if got.propensities is not None:
        assert ((got.propensities > 0) & (got.propensities <= 1)).all()
        assert (got.propensities[k:] == 1).all()
        assert got.propensities.tolist() == again.propensities.tolist()


def test_it_learns_which_new_item_is_good():
    """Five known items of rate 0.2, and five new ones, the last at 0.5; the ranker never learns."""
    rates = np.array([0.2] * 5 + [0.05] * 4 + [0.5])
    tries = Tries([500] * 5 + [0] * 5, [100] * 5 + [0] * 5)
    rule = Exploration(ExplorationRule(method="thompson", new_shows=450), tries)
    draft, rng = (
        Draft(np.arange(10, dtype=np.int32), np.linspace(1, 0, 10, dtype=np.float32)),
        np.random.default_rng(3),
    )
    late = 0
    for number in range(400):
        shown = asked(rule, draft, 3, number).rows[:3]
        tries.add(shown, rng.random(3) < rates[shown])
        late += number >= 300 and shown[0] == 9
    assert late > 95
