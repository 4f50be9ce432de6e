"""Against the same in NumPy's einsum and double precision: a place is a column of ones and zeros there."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tastemaker.features.batches import cut
from tastemaker.model import kernels

sizes = pytest.mark.parametrize(
    ("heads", "length", "dim"), [(1, 1, 1), (1, 7, 16), (3, 5, 17), (4, 40, 3), (2, 0, 4)]
)
VECTORS, QUERIES = 6, 9


def drawn(heads: int, length: int, dim: int):
    """Few vectors, so that places repeat; one row is nothing but padding, and padding has weights too."""
    rng = np.random.default_rng(heads)
    places = rng.integers(-1, VECTORS, (QUERIES, length)).astype(np.int32)
    places[0] = -1
    shapes = (VECTORS, dim), (QUERIES, heads, length), (QUERIES, heads, dim)
    vectors, weights, slopes = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return vectors, places, weights, slopes


def one_hot(places: np.ndarray) -> np.ndarray:
    """(B, T, U)"""
    return (places[:, :, None] == np.arange(VECTORS)).astype(float)


@sizes
def test_a_bag_is_the_weighted_sum_of_the_vectors_at_its_places(heads, length, dim):
    vectors, places, weights, _ = drawn(heads, length, dim)
    wanted = np.einsum("bht,btu,ud->bhd", weights, one_hot(places), vectors)
    assert kernels.bag(vectors, places, weights) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@sizes
def test_the_gradients_of_a_bag_are_those_of_the_sum(heads, length, dim):
    vectors, places, weights, slopes = drawn(heads, length, dim)
    into = np.full((VECTORS, dim), 2, np.float32)  # what is there already stays, and more is added
    kernels.bag_to_vectors(slopes, places, weights, into)
    wanted = 2 + np.einsum("bhd,bht,btu->ud", slopes, weights, one_hot(places))
    assert into == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    wanted = np.einsum("bhd,btu,ud->bht", slopes, one_hot(places), vectors)
    assert kernels.bag_to_weights(slopes, vectors, places) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@sizes
def test_vectors_are_looked_up_at_their_places_and_their_gradient_goes_back_there(heads, length, dim):
    vectors, places, _, _ = drawn(heads, length, dim)
    found = kernels.looked_up(vectors, places)
    assert found.tolist() == np.where(places[:, :, None] >= 0, vectors[places], np.float32(0)).tolist()
    slopes = np.random.default_rng(1).normal(size=found.shape).astype(np.float32)  # in the padding, too
    into = np.full((VECTORS, dim), 2, np.float32)  # what is there already stays, and more is added
    kernels.scattered(slopes, places, into)
    assert into == pytest.approx(2 + np.einsum("btd,btu->ud", slopes, one_hot(places)), rel=1e-4, abs=1e-5)


def test_a_bag_by_hand_with_a_repeated_place_and_padding():
    vectors = np.array([[1, 10], [2, 20]], np.float32)
    places = np.array([[1, 0, 1, -1], [-1, -1, -1, -1]], np.int32)
    weights = np.array([[[1, 0.5, 2, 7]], [[1, 1, 1, 1]]], np.float32)
    slopes, into = np.ones((2, 1, 2), np.float32), np.zeros((2, 2), np.float32)
    assert kernels.bag(vectors, places, weights).tolist() == [[[6.5, 65]], [[0, 0]]]
    kernels.bag_to_vectors(slopes, places, weights, into)
    assert into.tolist() == [[0.5, 0.5], [3, 3]]
    assert kernels.bag_to_weights(slopes, vectors, places).tolist() == [[[22, 11, 22, 0]], [[0, 0, 0, 0]]]


def test_places_are_given_in_the_order_of_meeting_and_taken_back():
    place, found = np.full(6, -1, np.int32), np.zeros(6, np.int32)
    assert kernels.distinct(np.array([4, 2, 4, -1], np.int32), place, found, 0) == 2
    assert kernels.distinct(np.array([2, 5], np.int32), place, found, 2) == 3
    assert found[:3].tolist() == [4, 2, 5]
    rows = np.array([[5, -1], [4, 2]], np.int32)
    assert kernels.placed(rows, place).tolist() == [[2, -1], [0, 1]]
    kernels.forget(place, found[:3])
    assert place.tolist() == [-1] * 6


def test_windows_are_cut_as_in_serving():
    rng = np.random.default_rng(5)
    rows, strengths = rng.integers(0, 9, 30).astype(np.int32), rng.normal(size=30).astype(np.float32)
    starts = np.repeat([0, 8, 8, 21], [8, 1, 12, 9])  # of the user of each event
    ends = np.arange(30)
    for length in (1, 5, 40):
        wanted = cut(rows, strengths, ends, starts, length)
        for found, right in zip(kernels.cut(rows, strengths, ends, starts, length), wanted, strict=True):
            assert found.dtype == right.dtype
            assert found.tolist() == right.tolist()


def test_a_gathered_vector_is_its_row_and_its_features_and_so_is_the_gradient():
    rng = np.random.default_rng(6)
    values, more, slopes = (rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 4, 3))
    features = np.array([[0, -1], [2, 0], [-1, -1], [2, 2], [3, 1]], np.int32)
    weights = rng.normal(size=(5, 2)).astype(np.float32)
    rows, keep = np.array([3, 1, 2], np.int32), np.array([1, 0, 1], np.float32)
    counts = np.zeros((5, 4))  # how much of each feature is in each item
    for item, at in np.argwhere(features >= 0):
        counts[item, features[item, at]] += weights[item, at]
    found = kernels.gathered(values, rows, keep, more, features, weights)
    assert found == pytest.approx(keep[:, None] * values[rows] + counts[rows] @ more, rel=1e-5)
    place, met, into = np.full(4, -1, np.int32), np.zeros(4, np.int32), np.full((4, 3), 7, np.float32)
    count = kernels.gathered_back(slopes, rows, features, weights, place, met, into)
    assert met[:count].tolist() == [2, 0]  # those of items 3 and 1, as they are met
    assert into[:count] == pytest.approx((counts[rows].T @ slopes)[[2, 0]], rel=1e-5)
    assert place.tolist() == [1, -1, 0, -1]
