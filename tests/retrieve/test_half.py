import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats as numbers
from hypothesis.strategies import integers
from index_contract import floats

from tastemaker.retrieve import native
from tastemaker.retrieve.half import Half


@given(seed=integers(0, 999), dim=integers(1, 70), size=numbers(-12, 12), spread=numbers(0, 6))
@settings(max_examples=60, deadline=None)
def test_scores_in_half_precision_are_no_further_off_than_is_said(seed, dim, size, spread):
    # Of one length, or some a million times as long as others, which half precision then loses.
    lengths = 10.0 ** (size + spread * np.random.default_rng(seed).random((200, 1)))
    vectors, queries = (floats(seed, 200, dim) * lengths).astype(np.float32), floats(seed + 1, 5, dim)
    how = Half.of(vectors)
    scores, rows = native.search(native.halved(vectors, how), queries, 200)
    truth = queries.astype(float) @ vectors.astype(float).T
    off = np.abs(scores.astype(float) / how.scale - np.take_along_axis(truth, rows, 1))
    slack = how.slack(queries)
    assert (off <= slack[:, None]).all()
    # And the bound is of use: scores differ by much more.
    assert (slack < 0.002 * np.linalg.norm(queries, axis=1) * np.linalg.norm(vectors, axis=1).max()).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_what_has_no_length_is_not_fit_for_it(odd):
    vectors = floats(0, 10, 3)
    vectors[4, 1] = odd
    assert not Half.of(vectors).is_fit


def test_nothing_at_all_is_fit():
    assert Half.of(np.zeros((0, 3), np.float32)).is_fit
    assert Half.of(np.zeros((4, 3), np.float32)).error == 0
