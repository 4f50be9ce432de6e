import numpy as np
import pytest
from scipy import sparse
from test_kin import ITEMS, NEW, counts, encoded, kernel

from tastemaker.data.catalogue import PAD
from tastemaker.features import newcomers
from tastemaker.features.kin import NOISE, Kin
from tastemaker.features.newcomers import Newcomers
from tastemaker.features.pairs import Pairs

SPREAD = 1.6


def said() -> np.ndarray:
    """(N, N) what items say of each other, in whole numbers; of new ones nothing is known yet."""
    weights = np.random.default_rng(5).integers(-4, 5, (ITEMS, ITEMS)).astype(np.float32)
    weights[:, counts() == 0] = 0
    weights[counts() == 0] = 0
    return weights


def by_ridge(kin: Kin, table: np.ndarray) -> np.ndarray:
    """(S, V) mean + spread × kernel ridge regression, of a table (n, V) of the known."""
    between, mean = kernel(encoded()), table.mean(0)
    among = between[np.ix_(kin.known, kin.known)] + NOISE * np.eye(len(kin.known))
    weights = np.linalg.solve(among, table - mean)
    return mean + SPREAD * between[np.ix_(kin.new, kin.known)] @ weights


def test_what_is_said_of_new_items_is_the_regression_spread_about_the_mean(monkeypatch):
    kin, weights = Kin(encoded(), counts()), said()
    expected = weights.copy()
    expected[:, kin.new] = by_ridge(kin, weights.T[kin.known].astype(float)).T
    for at_once in (256, 3):
        monkeypatch.setattr(newcomers, "AT_ONCE", at_once)
        found = Newcomers(SPREAD).pairs(kin, Pairs(sparse.csr_array(weights), 0.5)).weights.toarray()
        assert found == pytest.approx(expected, abs=2e-3)
    assert np.abs(expected[:, kin.new]).max() > 0.5


def test_tables_keep_the_known_and_foretell_the_new():
    kin = Kin(encoded(), counts())
    table = np.random.default_rng(6).normal(size=(ITEMS, 3)).astype(np.float32)
    found = Newcomers(SPREAD).arrays(kin, {"item_vectors": table, "neighbour_vectors": table})
    expected = by_ridge(kin, table[kin.known].astype(float))
    assert found["item_vectors"][kin.new] == pytest.approx(expected, abs=2e-3)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert found["neighbour_vectors"][kin.new] == pytest.approx(expected / lengths, abs=2e-2)
    for array in found.values():
        assert np.array_equal(array[kin.known], table[kin.known])


def test_known_items_that_have_gone_or_moved_are_heard_no_more_or_where_they_are():
    kin, weights = Kin(encoded(), counts()), said()
    near = kin.near(kin.new)
    order = np.random.default_rng(7).permutation(ITEMS)
    place = np.argsort(order).astype(np.int32)
    moved = Pairs(sparse.csr_array(weights[np.ix_(order, order)]), 0.5)
    here = (
        Newcomers(SPREAD).with_columns(kin, place[kin.known], moved, place[kin.new], near).weights.toarray()
    )
    there = Newcomers(SPREAD).pairs(kin, Pairs(sparse.csr_array(weights), 0.5)).weights.toarray()
    assert here[np.ix_(place, place)] == pytest.approx(there, abs=1e-4)
    # One that has gone says nothing, so all that the others say is as if its column were at their mean.
    known = kin.known.copy()
    known[0] = PAD
    left = (
        Newcomers(SPREAD)
        .with_columns(kin, known, Pairs(sparse.csr_array(weights), 0.5), kin.new, near)
        .weights.toarray()
    )
    stays = kin.known[1:]
    means = weights[:, stays].mean(1, keepdims=True)
    shares = kin.shares(near)[:, 1:]
    expected = means + SPREAD * (weights[:, stays] - means) @ shares.T
    assert left[:, kin.new] == pytest.approx(expected, abs=1e-3)


def test_of_too_many_items_nothing_is_said(monkeypatch):
    kin, pairs = Kin(encoded(), counts()), Pairs(sparse.csr_array(said()), 0.5)
    monkeypatch.setattr(newcomers, "EASE_ITEMS", ITEMS - 1)
    assert Newcomers().pairs(kin, pairs) is pairs
    assert len(kin.new) == NEW
