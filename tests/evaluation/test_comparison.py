import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tastemaker.evaluation.comparison import contests, detectable, holm, permutation_test

RNG = np.random.default_rng


def mean_of(one, other, axis=-1):
    return (one - other).mean(axis)


def test_few_users_are_swapped_in_every_way():
    differences = np.array([0.5, -0.25, 1.0, 0.0, 0.75, 0.5])
    # All signs of the five that differ: only those that turn none, or 0.25 alone, come to 2.5 or more.
    sums = [abs(np.dot(signs, [0.5, 0.25, 1, 0.75, 0.5])) for signs in itertools.product([-1, 1], repeat=5)]
    assert permutation_test(differences, RNG(0)) == sum(each >= 2.5 for each in sums) / 32 == 4 / 32


@pytest.mark.parametrize("users", [9, 40])
def test_the_chance_is_that_of_another_library(users):
    rng = RNG(users)
    ours, theirs = rng.random(users) + 0.15, rng.random(users)
    found = stats.permutation_test(
        (ours, theirs), mean_of, permutation_type="samples", n_resamples=20_000, vectorized=True, rng=RNG(1)
    )
    assert permutation_test(ours - theirs, RNG(2)) == pytest.approx(found.pvalue, abs=0.01)


def test_hits_that_differ_for_many_are_a_matter_of_coins():
    # 40 users who only the one found, 20 who only the other did, 940 alike: the sign test of 40 out of 60.
    differences = np.repeat([1.0, -1.0, 0.0], [40, 20, 940])
    exact = stats.binomtest(40, 60).pvalue
    assert permutation_test(differences, RNG(3), shuffles=40_000) == pytest.approx(exact, abs=0.002)


def test_either_way_is_the_same_and_nobody_different_is_no_evidence():
    differences = RNG(4).normal(0.2, 1, 60)
    assert permutation_test(differences, RNG(5)) == permutation_test(-differences, RNG(5))
    assert permutation_test(np.zeros(50), RNG(6)) == 1
    assert permutation_test(np.full(60, 0.1), RNG(6)) == 1 / 10_001  # never 0


def test_users_not_asked_are_left_out():
    differences = np.array([1.0, np.nan, 1.0, 1.0, np.nan])
    assert permutation_test(differences, RNG(7)) == 2 / 8


def test_a_little_memory_gives_chances_as_good(monkeypatch):
    differences = RNG(8).normal(0.3, 1, 50)
    whole = permutation_test(differences, RNG(9), 4000)
    monkeypatch.setattr("tastemaker.evaluation.comparison.DRAWS_AT_ONCE", 500)  # ten swaps at a time
    assert permutation_test(differences, RNG(10), 4000) == pytest.approx(whole, abs=0.02)


def test_several_chances_are_corrected_one_after_the_other():
    # In rising order 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 · 1, which may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


def test_a_difference_of_the_smallest_detectable_size_shows_four_times_in_five():
    rng = RNG(11)
    spread = rng.normal(0, 0.3, 40)
    spread -= spread.mean()
    least = detectable(spread)
    assert least is not None
    shown = sum(
        stats.ttest_1samp(rng.normal(least, spread.std(ddof=1), 40), 0).pvalue <= 0.05 for _ in range(1000)
    )
    assert 760 <= shown <= 840  # three standard errors of 800 are 38
    assert least == pytest.approx(2.802 * 0.3 / math.sqrt(40), rel=0.2)  # Cohen's 1.96 + 0.84


def test_nothing_is_detectable_where_nothing_varies():
    assert detectable(np.zeros(20)) is None
    assert detectable(np.array([0.3])) is None
    assert detectable(np.full(9, 0.1)) is None


def test_every_pair_is_tested_by_every_metric_in_every_group():
    rng = RNG(12)
    base = rng.random(300) * 0.5

    def marks(gain):
        return {
            "a": {"ndcg": base + gain, "recall": base},
            "b": {"ndcg": base, "recall": base},
            "c": {"ndcg": rng.permutation(base), "recall": base},
        }

    pairs = [("a", "b"), ("a", "c")]
    found, other = contests([marks(0.1), marks(0.0)], pairs, ["ndcg", "recall"], rng, 200)
    assert [(each.metric, each.ours, each.theirs) for each in found] == [
        (metric, *pair) for metric in ("ndcg", "recall") for pair in pairs
    ]
    assert {each.among for each in (*found, *other)} == {8}
    assert found[0].verdict == "better"
    # The least of eight chances is multiplied by eight.
    assert found[0].corrected == pytest.approx(8 * found[0].chance)
    assert found[0].difference.mean == pytest.approx(0.1)
    assert other[0].verdict == "no difference can be shown"
    assert other[0].detectable is None
    assert other[1].detectable == pytest.approx(
        detectable(marks(0)["b"]["ndcg"] - rng.permutation(base), 0.05 / 8), rel=0.2
    )
    (turned,), _ = contests([marks(0.1), marks(0.0)], [("b", "a")], ["ndcg"], rng, 200)
    assert turned.verdict == "worse"


def test_nobody_asked_is_no_contest():
    nobody = {"a": {"ndcg": np.zeros(0)}, "b": {"ndcg": np.zeros(0)}}
    ((held,),) = contests([nobody], [("a", "b")], ["ndcg"], RNG(0))
    assert (held.chance, held.corrected, held.difference.mean) == (None, None, None)
    assert held.verdict == "no difference can be shown"
