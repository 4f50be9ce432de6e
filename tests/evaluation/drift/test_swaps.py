from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, lists
from scipy.sparse import csr_matrix
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from tastemaker.evaluation import metrics
from tastemaker.evaluation.drift import measures
from tastemaker.evaluation.drift.swaps import holm, swapped


def test_the_chance_is_that_of_all_ways_to_swap():
    before, after = np.array([[1.0, 1], [2, 1], [3, 1]]), np.array([[4.0, 1], [5, 1], [4, 1]])
    gaps = (after - before)[:, 0]  # 3, 3, 1: by hand, only no swap and all swaps are as far apart as 7 / 3
    as_far = [abs(np.dot(signs, gaps)) >= 7 - 1e-9 for signs in product((1, -1), repeat=3)]
    found, chance = swapped(before, after, measures.change, np.random.default_rng(0), 4000)
    assert found == pytest.approx(7 / 3)
    assert chance == pytest.approx(np.mean(as_far), abs=0.03)


def test_sparse_and_dense_are_the_same():
    rng = np.random.default_rng(0)
    before, after = rng.poisson(1, (30, 12)).astype(float), rng.poisson(2, (30, 12)).astype(float)
    dense = swapped(before, after, measures.gini_change, np.random.default_rng(1), 199)
    sparse = swapped(
        csr_matrix(before), csr_matrix(after), measures.gini_change, np.random.default_rng(1), 199
    )
    assert dense == pytest.approx(sparse)


def test_holm_by_hand():
    # Sorted: 0.01 · 3, 0.02 · 2, 0.03 · 1, never less than the one before.
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]) == []


counts = lists(integers(0, 30), min_size=10, max_size=10).filter(any)


@settings(max_examples=30, deadline=None)
@given(before=counts, after=counts)
def test_distances_are_those_of_other_libraries(before, after):
    one, two = np.array([before], float), np.array([after], float)
    js = jensenshannon(one[0], two[0], base=2) ** 2
    assert measures.jensen_shannon(one, two)[0] == pytest.approx(js, abs=1e-9)
    bins = np.arange(10)
    ks = ks_2samp(np.repeat(bins, before), np.repeat(bins, after)).statistic
    assert measures.kolmogorov(one, two)[0] == pytest.approx(ks, abs=1e-9)
    rows = np.repeat(bins, before).astype(np.int32)[:, None]
    assert measures.gini(one)[0] == pytest.approx(metrics.gini(rows, 10))


def test_the_stability_index_by_hand():
    # 1 and 2 against 2 and 1, with half an event added to each: 1.5 and 2.5 of 4, and the other way round.
    p, q = np.array([1.5, 2.5]) / 4, np.array([2.5, 1.5]) / 4
    expected = sum((p - q) * np.log(p / q))
    assert measures.psi(np.array([[1.0, 2]]), np.array([[2.0, 1]]))[0] == pytest.approx(expected)
    folded = measures.in_bins(measures.psi, 2)(np.array([[1.0, 0, 1, 1]]), np.array([[1.0, 1, 0, 1]]))
    assert folded[0] == pytest.approx(expected)


def test_the_top_hundredth_is_one_item_at_least():
    assert measures.top_share(np.array([[1.0, 3, 6]]))[0] == 0.6
