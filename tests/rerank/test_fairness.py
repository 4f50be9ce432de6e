import itertools
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, lists, sampled_from, sets
from scipy.stats import binom

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import RecipeError
from tastemaker.recipe import Column, Role
from tastemaker.recipe.reranking import FairnessRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.fairness import PLACES, Fairness, merge
from tastemaker.rerank.ledger import Ledger
from tastemaker.rerank.quotas import adjusted, dues_of, lots, minimums, owing, that_fit


@pytest.fixture(scope="module")
def facts_of(by_hand: Bundle):
    """`facts_of([["Korean"], [], …])`: a catalogue whose item n speaks these languages."""

    def build(languages) -> Facts:
        values = [list(own) for own in languages]
        ids = [f"i{n}" for n in range(len(values))]
        frame = pl.DataFrame(
            {"id": ids, "language": values}, schema={"id": pl.String, "language": pl.List(pl.String)}
        )
        columns = (Column(name="id", role=Role.ID), Column(name="language", role=Role.CATEGORIES))
        arrays = {**by_hand.arrays, "popularity": np.arange(len(values), 0, -1).astype(np.float32)}
        vectors = np.ones((len(values), 1), np.float32)
        return Facts(replace(by_hand, catalogue=Catalogue(frame, columns), arrays=arrays), vectors)

    return build


def draft_of(count: int) -> Draft:
    """Items 0, 1, 2 … with scores that fall evenly from 1."""
    return Draft(np.arange(count, dtype=np.int32), np.linspace(1, 0.1, count, dtype=np.float32))


def knobs(significance=0.1, over_time=False, of="language", **shares: float) -> FairnessRule:
    return FairnessRule(of=of, shares=shares, significance=significance, over_time=over_time)


def begun(rows, languages, name) -> list[int]:
    """How many of the first 1, 2, 3 … are of a language."""
    return np.cumsum([name in languages[row] for row in rows]).tolist()


# --- how many are wanted ----------------------------------------------------------------------


def test_the_fewest_are_those_of_the_paper():
    # Zehlike et al., CIKM 2017, table of m(k) for alpha = 0.1 and p = 0.5, k from 1 to 12.
    assert minimums(12, 0.5, 0.1).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]


@given(share=sampled_from([0.0, 0.07, 0.3, 0.5, 0.9, 1.0]), level=sampled_from([0.01, 0.1, 0.4]))
@settings(max_examples=8, deadline=None)
def test_the_fewest_are_quantiles_of_a_binomial(share, level):
    slow = []
    for places in range(1, 31):
        count = 0
        while binom.cdf(count, places, share) <= level:
            count += 1
        slow.append(count)
    assert minimums(30, share, level).tolist() == slow


@pytest.mark.parametrize(("share", "level"), [(0.5, 0.1), (0.3, 0.1), (0.2, 0.05)])
def test_a_fair_coin_is_called_unfair_as_seldom_as_was_asked(share, level):
    k, draws = 30, 40_000
    counts = np.cumsum(np.random.default_rng(5).random((draws, k)) < share, axis=1)
    refused = (counts < minimums(k, share, adjusted(k, share, level))).any(1).mean()
    noise = 3 * math.sqrt(level * (1 - level) / draws)
    assert refused <= level + noise
    # The next step of whole numbers would refuse too many; without the adjustment far too many are.
    later = np.nextafter(adjusted(k, share, level), 1)
    steps = [binom.cdf(m, i, share) for i in range(1, k + 1) for m in range(i)]
    stricter = min(step for step in steps if step > later * (1 + 1e-9))
    assert (counts < minimums(k, share, stricter)).any(1).mean() > level - noise
    assert (counts < minimums(k, share, level)).any(1).mean() > 1.5 * level


def test_what_a_test_wants_of_beginnings_is_due_by_places():
    assert dues_of(np.array([0, 0, 1, 1, 2])) == [3, 5]
    assert dues_of(np.array([0, 0, 2, 2])) == [2, 3]  # two at once: one comes before
    assert dues_of(np.array([3, 0, 0])) == [1]  # more than there is room for, and then no more is wanted
    assert dues_of(np.array([0, 0])) == []


def test_no_more_is_due_than_there_is_room_for():
    # Places 1 and 2 are taken by the first three of four.
    assert that_fit([[1, 2], [1, 3]]) == [[1, 2], [3]]
    assert that_fit([[2, 3], [4]]) == [[2, 3], [4]]


SHARES = [(0.5, 0.5), (0.3, 0.7), (0.317, 0.2, 0.483), (0.1, 0.15, 0.2, 0.25, 0.3), (1.0,), (0.0, 1.0)]


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("k", [1, 7, 20])
def test_lots_give_shares_rounded_up_or_down_and_exact_on_the_whole(shares, k):
    found = lots(k, shares)
    target = np.outer(shares, np.arange(1, k + 1))
    mean = np.zeros_like(target)
    for part, dues in zip(np.diff(found.ends, prepend=0), found.dues, strict=True):
        counts = np.array([[sum(due <= place for due in own) for place in range(1, k + 1)] for own in dues])
        assert (counts.sum(0) == np.arange(1, k + 1)).all()  # each place is somebody's
        assert (counts >= np.floor(target + 1e-9)).all()
        assert (counts <= np.ceil(target - 1e-9)).all()
        mean += part * counts
    assert found.ends[-1] == pytest.approx(1)
    assert np.abs(mean - target).max() < 1e-7


def test_a_lot_is_drawn_by_its_chance():
    found = lots(1, (0.3, 0.7))
    first = [bool(found.drawn(chance)[0]) for chance in np.arange(0.005, 1, 0.01)]
    assert sum(first) == 30


def test_each_place_goes_to_who_lags_most():
    # Half each and nothing owed: the first of two that lag alike, then the other. Owed one: it comes first.
    halves = np.outer([0.5, 0.5], np.arange(1, 5))
    assert owing(halves) == [[1, 3], [2, 4]]
    # Half an item is owed to the second by the first. Lags are 0 and 1; then ½ and ½; 0 and 1; ½ and ½.
    assert owing(halves + np.array([[-0.5], [0.5]])) == [[2, 4], [1, 3]]
    # Of two lists' halves at place 1, and nothing since: 1½ and -½, then 1 and 0, then ½ and ½, 0 and 1.
    assert owing(halves + np.array([[1.0], [-1.0]])) == [[1, 2, 3], [4]]


# --- the order --------------------------------------------------------------------------------


def dcg(order, gains) -> float:
    return sum(gains[at] / math.log2(place + 2) for place, at in enumerate(order))


def holds(order, groups_of, dues) -> bool:
    for group, own in enumerate(dues):
        at = [place for place, item in enumerate(order, 1) if group in groups_of[item]]
        if any(nth >= len(at) or at[nth] > due for nth, due in enumerate(own)):
            return False
    return True


def cells_of(groups_of):
    cells = {}
    for at, groups in enumerate(groups_of):
        cells.setdefault(tuple(sorted(groups)), []).append(at)
    return list(cells.items())


def planted_case(rng, groups, items, k, overlap):
    """Items in groups, gains that fall, dues, and those of them that there are items for."""
    if overlap:
        groups_of = [tuple(np.flatnonzero(rng.random(groups) < 0.4).tolist()) for _ in range(items)]
    else:
        groups_of = [(int(own),) if own < groups else () for own in rng.integers(0, groups + 1, items)]
    gains = np.sort(rng.random(items) ** 3)[::-1]
    dues = that_fit([dues_of(np.sort(rng.integers(0, 3, k))) for _ in range(groups)])
    supply = [sum(group in own for own in groups_of) for group in range(groups)]
    return groups_of, gains, dues, [own[:most] for own, most in zip(dues, supply, strict=True)]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_no_order_that_holds_the_shares_has_more_dcg(groups):
    """Against all orders there are."""
    rng = np.random.default_rng(groups)
    moved = 0
    for _ in range(60):
        groups_of, gains, dues, held = planted_case(rng, groups, items=7, k=4, overlap=False)
        order = merge(cells_of(groups_of), dues, 4).order
        fair = [each for each in itertools.permutations(range(7), 4) if holds(each, groups_of, held)]
        assert holds(order, groups_of, held)
        assert dcg(order, gains) == pytest.approx(max(dcg(each, gains) for each in fair), abs=1e-12)
        moved += order != [0, 1, 2, 3]
    assert moved > 20  # the cases ask something


def test_with_two_groups_held_from_both_sides_too_no_order_has_more_dcg():
    rng = np.random.default_rng(7)
    for _ in range(40):
        sides = rng.integers(0, 2, 8).tolist()
        gains = np.sort(rng.random(8))[::-1]
        dues = lots(4, (0.4, 0.6)).drawn(rng.random())
        if any(sides.count(group) < len(own) for group, own in enumerate(dues)):
            continue
        order = merge(cells_of([(side,) for side in sides]), dues, 4, is_capped=True).order
        fair = [
            each
            for each in itertools.permutations(range(8), 4)
            if all([place for place, at in enumerate(each, 1) if sides[at] == g] == dues[g] for g in (0, 1))
        ]
        assert dcg(order, gains) == pytest.approx(max(dcg(each, gains) for each in fair), abs=1e-12)


def test_where_items_are_in_several_groups_shares_hold_and_little_is_lost():
    """The best order is a set-cover problem: dues always hold, and DCG is near the best, not at it."""
    rng = np.random.default_rng(11)
    gaps = []
    for _ in range(120):
        groups_of, gains, dues, held = planted_case(rng, 3, items=7, k=4, overlap=True)
        order = merge(cells_of(groups_of), dues, 4).order
        assert holds(order, groups_of, held)
        fair = [each for each in itertools.permutations(range(7), 4) if holds(each, groups_of, held)]
        gaps.append(1 - dcg(order, gains) / max(dcg(each, gains) for each in fair))
    assert min(gaps) > -1e-12
    assert np.mean(np.array(gaps) < 1e-12) > 0.8
    assert np.mean(gaps) < 0.02


# --- the rule ---------------------------------------------------------------------------------


def test_two_koreans_of_ten_come_as_late_as_the_test_lets_them(facts_of):
    languages = [["English"]] * 10 + [["Korean"]] * 2 + [["English"]] * 3
    rule = Fairness(knobs(Korean=0.5), facts_of(languages))
    after = rule(draft_of(15), Request(k=10))
    # adjusted(10, 0.5, 0.1) asks for one by place 5, two by 8 (worked out below by a slow loop) and no more.
    level = adjusted(10, 0.5, 0.1)
    wanted = [sum(binom.cdf(m, i, 0.5) <= level for m in range(i)) for i in range(1, 11)]
    found = begun(after.rows[:10], languages, "Korean")
    assert all(have >= least or have == 2 for have, least in zip(found, wanted, strict=True))
    first = wanted.index(1)
    assert found[first] == 1
    assert found[first - 1] == 0  # and not sooner
    assert after.rows.tolist()[:first] == list(range(first))
    assert after.reasons == {10: ("to give Korean its share",), 11: ("to give Korean its share",)}
    assert after.scores.tolist() == draft_of(15).scores.tolist()


def test_what_there_isnt_is_said_in_words(facts_of):
    languages = [["English"]] * 12 + [["Korean"]] * 2
    rule = Fairness(knobs(significance=0, Korean=0.3), facts_of(languages))
    after = rule(draft_of(14), Request(k=10))
    assert after.notes == ("Korean: 2 of 3 wanted in the first 10, there are no more",)
    assert begun(after.rows[:10], languages, "Korean")[-1] == 2
    assert sorted(after.rows.tolist()) == list(range(14))


def test_a_test_so_strict_that_no_list_can_pass_it_says_so(facts_of):
    languages = [["A"], ["B"], ["C"]] * 6
    rule = Fairness(knobs(significance=0.95, A=0.33, B=0.33, C=0.33), facts_of(languages))
    notes = rule(draft_of(18), Request(k=6)).notes
    assert notes
    assert all(note.endswith("in the first 6, the others leave no room") for note in notes)


@given(
    languages=lists(sets(sampled_from("ABC"), max_size=2), min_size=1, max_size=30),
    k=integers(1, 14),
    significance=sampled_from([0.0, 0.1, 0.3]),
    over_time=booleans(),
    seed=integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_nothing_is_lost_likes_keep_their_order_and_shares_hold_or_a_note_says_so(
    facts_of, languages, k, significance, over_time, seed
):
    shares = {"A": 0.5, "B": 0.2}
    rule = Fairness(knobs(significance, over_time, **shares), facts_of(languages))
    before, request = draft_of(len(languages)), Request(k=k, seed=seed)
    after = rule(before, request)
    rows = after.rows.tolist()
    assert sorted(rows) == list(range(len(languages)))
    assert (after.scores == before.scores).all()
    places = min(k, len(rows))
    for kind in {frozenset(own & set(shares)) for own in languages}:
        own = [row for row in rows[:places] if languages[row] & set(shares) == kind]
        assert own == sorted(own)
    assert rows[places:] == sorted(rows[places:])
    assert set(after.reasons) <= {row for place, row in enumerate(rows) if place < row}
    for name, share in shares.items():
        if significance:
            level = adjusted(places, share, significance)
            least = [sum(binom.cdf(m, i, share) <= level for m in range(i)) for i in range(1, places + 1)]
        else:
            least = [math.floor(share * i + 1e-9) for i in range(1, places + 1)]
        found = begun(rows[:places], languages, name)
        short = any(have < wanted for have, wanted in zip(found, least, strict=True))
        supply = sum(name in own for own in languages)
        # Of the first list of a ledger nothing is owed yet, but it rounds to the nearest.
        if short and not (over_time and not significance):
            assert found[-1] == supply
            if supply < least[-1]:
                assert any(note.startswith(f"{name}: {supply} of ") for note in after.notes)
    again = Fairness(knobs(significance, over_time, **shares), facts_of(languages))(before, request)
    assert again.rows.tolist() == rows


def test_without_significance_each_beginning_is_within_one_item_from_both_sides(facts_of):
    languages = [["A"]] * 20 + [["B"]] * 20 + [["C"]] * 20
    rule = Fairness(knobs(significance=0, A=0.2, B=0.35), facts_of(languages))
    targets = {"A": 0.2, "B": 0.35, "C": 0.45}
    for number in range(40):
        rows = rule(draft_of(60), Request(k=18, user_id=str(number))).rows
        for name, share in targets.items():
            for place, have in enumerate(begun(rows[:18], languages, name), 1):
                assert abs(have - share * place) < 1


def test_an_item_of_two_groups_gives_neither_more_than_its_share_where_others_can_stand_there(facts_of):
    languages = [["A", "B"]] * 10 + [["A"]] * 10 + [["B"]] * 10
    rule = Fairness(knobs(significance=0, A=0.5, B=0.5), facts_of(languages))
    for number in range(10):
        rows = rule(draft_of(30), Request(k=8, user_id=str(number))).rows
        for name in "AB":
            for place, have in enumerate(begun(rows[:8], languages, name), 1):
                assert abs(have - place / 2) < 1


@pytest.mark.parametrize("over_time", [False, True])
def test_over_many_requests_each_beginning_is_on_target(facts_of, over_time):
    rng = np.random.default_rng(3)
    languages = [["A"] if n % 2 else ["B"] if n % 3 else [] for n in range(90)]
    rule = Fairness(knobs(0, over_time, A=0.3, B=0.4), facts_of(languages))
    requests, k = 400, 12
    shares = {"A": np.zeros(k), "B": np.zeros(k)}
    for number in range(requests):
        rows = rng.permutation(90).astype(np.int32)
        after = rule(Draft(rows, draft_of(90).scores), Request(k=k, user_id=str(number)))
        for name in shares:
            shares[name] += np.array(begun(after.rows[:k], languages, name)) / np.arange(1, k + 1) / requests
    # By lot: 1.96 deviations of a coin of 400 draws at place 1 are 5 points; there is less at each later one.
    noise = 0.02 / 12 if over_time else 3 * 0.5 / math.sqrt(requests)
    for name, target in (("A", 0.3), ("B", 0.4)):
        assert np.abs(shares[name] - target).max() <= noise + (1 / requests if over_time else 0)


def test_the_same_request_has_the_same_lot_and_others_another(facts_of):
    languages = [["A"]] * 10 + [["B"]] * 10
    rule = Fairness(knobs(0, A=0.5), facts_of(languages))
    firsts = [int(rule(draft_of(20), Request(k=5, user_id=str(n))).rows[0]) for n in range(30)]
    assert {0, 10} == set(firsts)
    assert firsts == [int(rule(draft_of(20), Request(k=5, user_id=str(n))).rows[0]) for n in range(30)]


def test_tiers_of_popularity_are_groups_too(facts_of):
    # Popularity 10, 9, … 1 of 55: 10 + 9 + 8 have not half yet, so the fourth is of the head as well.
    rule = Fairness(knobs(0, of="popularity_tier", tail=1.0), facts_of([[]] * 10))
    assert rule(draft_of(10), Request(k=3)).rows.tolist()[:3] == [6, 7, 8]


def test_behind_the_places_that_are_held_all_stands_as_it_stood(facts_of):
    languages = [["A"]] * 300 + [["B"]] * 300
    rule = Fairness(knobs(0.1, B=0.5), facts_of(languages))
    rows = rule(draft_of(600), Request(k=500)).rows.tolist()
    assert any(row >= 300 for row in rows[:PLACES])
    assert rows[PLACES:] == sorted(rows[PLACES:])


def test_nothing_and_one_item(facts_of):
    rule = Fairness(knobs(0, A=0.5), facts_of([["A"]]))
    assert len(rule(draft_of(1).where(np.array([False])), Request(k=10))) == 0
    assert rule(draft_of(1), Request(k=10)).rows.tolist() == [0]


def test_a_group_that_nobody_knows_is_refused_where_its_like_is_known(facts_of):
    with pytest.raises(RecipeError, match=r"language is never 'Koraen'\. Did you mean 'Korean'\?"):
        Fairness(knobs(Koraen=0.3), facts_of([["Korean"]]))
    # One whose last item has gone is no mistake of anybody's.
    after = Fairness(knobs(0, Thai=0.5), facts_of([["Korean"]] * 4))(draft_of(4), Request(k=4))
    assert after.notes == ("Thai: 0 of 2 wanted in the first 4, there are no more",)


def test_a_ledger_of_other_groups_is_refused(facts_of):
    with pytest.raises(RecipeError, match=r"The ledger is of A, but .* makes it B, others"):
        Fairness(knobs(0, over_time=True, B=0.5), facts_of([["B"]]), Ledger(["A"], PLACES))


# --- over time --------------------------------------------------------------------------------


@pytest.mark.parametrize("significance", [0.0, 0.1])
def test_what_one_list_could_not_give_is_made_up_for_by_those_after_it(facts_of, significance):
    languages = [["English"]] * 30 + [["Korean"]] * 30
    english = Draft(np.arange(30, dtype=np.int32), draft_of(30).scores)
    rule = Fairness(knobs(significance, over_time=True, Korean=0.4), facts_of(languages))
    plain = Fairness(knobs(significance, Korean=0.4), facts_of(languages))
    request = Request(k=10)
    for _ in range(3):
        assert begun(rule(english, request).rows[:10], languages, "Korean")[-1] == 0
    assert rule.ledger is not None
    missed = rule.ledger.owed(10)[0, -1]
    level = adjusted(10, 0.4, 0.1)
    each = sum(binom.cdf(m, 10, 0.4) <= level for m in range(10)) if significance else 4
    assert missed == pytest.approx(3 * each)
    usual = begun(plain(draft_of(60), request).rows[:10], languages, "Korean")[-1]
    given = [begun(rule(draft_of(60), request).rows[:10], languages, "Korean")[-1] for _ in range(12)]
    assert given[0] > usual
    assert max(given) <= 2 * each + 1  # nobody gets a list of nothing else
    assert given[-1] == usual  # and when all is paid, lists are as they were
    assert sum(given) == pytest.approx(12 * each + missed, abs=1)


def test_lists_in_one_order_make_one_ledger_and_it_can_be_given_back(facts_of):
    languages = [["A"], ["B"], ["B"]] * 10
    asked = [Request(k=k, user_id=str(k)) for k in (3, 7, 5, 10, 4, 6)]

    def listed(rule, requests):
        return [rule(draft_of(30), request).rows.tolist() for request in requests]

    one, other = (Fairness(knobs(0, over_time=True, A=0.6), facts_of(languages)) for _ in range(2))
    whole = listed(one, asked)
    begun_with = listed(other, asked[:3])
    assert other.ledger is not None
    after = Fairness(
        knobs(0, over_time=True, A=0.6), facts_of(languages), Ledger.from_json(other.ledger.as_json())
    )
    assert begun_with + listed(after, asked[3:]) == whole
    fresh = Fairness(knobs(0, over_time=True, A=0.6), facts_of(languages))
    assert listed(fresh, asked[3:]) != whole[3:]  # what was given before matters
