"""What popularity explains, and what stays with the asker's kind: against scipy, a slow loop and by hand."""

import numpy as np
import pytest
from scipy import stats

from tastemaker.data.catalogue import PAD
from tastemaker.evaluation.dossier.bias import own_share, popularity_bias
from tastemaker.rerank.facts import Groups


def test_correlation_and_explained_are_those_of_scipy_with_ties(log_of):
    rng = np.random.default_rng(3)
    rows = np.stack([rng.choice(30, 5, replace=False) for _ in range(40)]).astype(np.int32)
    popularity = rng.integers(0, 6, 30).astype(float)
    found = popularity_bias(rows, log_of(*([0, 1] for _ in range(40))), popularity)
    times = np.array([(rows == item).sum() for item in range(30)])
    assert found.correlation == pytest.approx(stats.spearmanr(times, popularity).statistic)
    straight = stats.linregress(np.log1p(popularity), np.log1p(times))
    assert found.explained == pytest.approx(straight.rvalue**2)
    pairs = sum(abs(one - other) for one in times for other in times)
    assert found.gini == pytest.approx(pairs / (2 * 30**2 * times.mean()))
    assert found.shown == (times > 0).mean()


def test_lists_of_what_is_popular_are_told_by_hand(log_of):
    # Everybody is given item 0, which has 8 of 10 events, and has touched items 1 and 2, with 1 each.
    rows = np.array([[0, PAD], [0, PAD]], np.int32)
    found = popularity_bias(rows, log_of([1, 2], [2]), np.array([8.0, 1.0, 1.0]))
    assert (found.lift, found.head, found.head_popularity, found.shown) == (7, 1, 0.8, 1 / 3)
    same = popularity_bias(rows, log_of([1], [2]), np.ones(3))
    assert (same.correlation, same.explained, same.lift) == (None, None, 0)


def test_a_list_stays_with_its_own_group_by_hand(log_of):
    groups = Groups.of([["x"], ["x"], ["y"], ["y"], ["x", "y"], []])
    rows = np.array([[1, 2, 4], [3, 0, PAD], [5, 1, 0]], np.int32)
    # The first touched x twice and y once: 1 and 4 are x. The second touched y: 3. The third nothing grouped.
    found = own_share(rows, log_of([0, 1, 2], [2], [5]), groups)
    assert found.own == pytest.approx(3 / 5)
    assert found.chance == pytest.approx(0.5)  # three of six items are x, and three are y
    lines = {line.name: (line.lists, line.own, line.catalogue) for line in found.lines}
    assert lines == {"x": (1, pytest.approx(2 / 3), 0.5), "y": (1, pytest.approx(1 / 2), 0.5)}
