"""The indexes that see equal vectors once: a graph, and trees."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from index_contract import IndexContract

from tastemaker.retrieve import shortlist
from tastemaker.retrieve.annoy import Annoy
from tastemaker.retrieve.distinct import Copies
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.hnsw import Hnsw

with_annoy = pytest.mark.skipif(
    importlib.util.find_spec("annoy") is None, reason="annoy isn't installed: pip install '.[annoy]'"
)


class TestHnsw(IndexContract):
    def build(self, vectors: np.ndarray) -> Hnsw:
        return Hnsw(vectors)


@with_annoy
class TestAnnoy(IndexContract):
    def build(self, vectors: np.ndarray) -> Annoy:
        return Annoy(vectors)


@pytest.fixture(scope="class")
def never_scanned():
    """Even a small catalogue is searched along its graph, or down its trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "TOO_MANY", 1)
        yield


@pytest.mark.usefixtures("never_scanned")
class TestHnswOfFew(TestHnsw):
    least = 0.5


@with_annoy
@pytest.mark.usefixtures("never_scanned")
class TestAnnoyOfFew(TestAnnoy):
    least = 0.5


@given(seed=integers(0, 999), items=integers(1, 40), most=integers(1, 9))
def test_copies_are_who_has_the_same_vector(seed, items, most):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (items, 3)).astype(np.float32) * rng.choice([-1, 1], (items, 1))
    copies = Copies(vectors.astype(np.float32))
    same = {tuple(vector): [n for n in range(items) if (vectors[n] == vector).all()] for vector in vectors}
    assert copies.first.tolist() == sorted(rows[0] for rows in same.values())
    asked = rng.integers(-1, len(copies.first), (4, 3))
    for found, rows in zip(asked, copies.of(asked, most), strict=True):
        expected = [same[tuple(vectors[copies.first[n]])][:most] for n in found if n >= 0]
        assert rows[rows >= 0].tolist() == [row for each in expected for row in each]


def grouped(seed: int, items: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(size=(50, 16))
    return (middles[rng.integers(0, 50, items)] + 0.5 * rng.normal(size=(items, 16))).astype(np.float32)


@pytest.mark.parametrize(
    ("build", "widths"), [(Hnsw, (16, 400)), pytest.param(Annoy, (50, 20_000), marks=with_annoy)]
)
def test_looking_harder_finds_more_and_nearly_all(build, widths):
    vectors, asked = grouped(1, 4000), grouped(2, 40)
    truth = Exact(vectors).search(asked, 20, [()] * 40).rows
    index, found = build(vectors), []
    for index.width in widths:
        rows = index.search(asked, 20, [()] * 40).rows
        found.append(np.mean([np.isin(a, b).mean() for a, b in zip(truth, rows, strict=True)]))
    assert found[0] < found[1]
    assert found[1] > 0.98


@pytest.mark.parametrize("build", [Hnsw, pytest.param(Annoy, marks=with_annoy)])
def test_of_many_equal_vectors_none_is_lost(build):
    vectors = grouped(3, 2000)
    vectors[500:1500] = vectors[3]
    hits = build(vectors).search(vectors[3:4], 150, [range(600, 700)])
    assert hits.rows[0, hits.scores[0] == hits.scores[0, 60]].tolist()[:102] == [3, *range(500, 600), 700]
