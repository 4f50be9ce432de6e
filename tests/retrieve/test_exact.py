import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from index_contract import IndexContract, agree, by_slow_loop, floats

from tastemaker.data.catalogue import PAD
from tastemaker.hits import Hits, best, joined, ranked
from tastemaker.retrieve import exact, scan, shortlist
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.scan import BLOCK_SCORES, Scan


class TestScan(IndexContract):
    def build(self, vectors: np.ndarray) -> Scan:
        return Scan(vectors)

    def test_more_queries_than_fit_a_block(self, monkeypatch):
        assert BLOCK_SCORES >= 1 << 20
        monkeypatch.setattr(scan, "BLOCK_SCORES", 21)  # two queries of ten items
        monkeypatch.setattr(scan, "FEWEST", 1)
        vectors, asked = floats(0, 10, 4), floats(1, 5, 4)
        rows = Scan(vectors).search(asked, 3, [[n] for n in range(5)]).rows
        assert rows.tolist() == [by_slow_loop(vectors, asked[n], 3, {n}) for n in range(5)]


class TestExact(IndexContract):
    def build(self, vectors: np.ndarray) -> Exact:
        return Exact(vectors)


@pytest.fixture(scope="class")
def alwayshalved():
    """Even the smallest catalogue is looked at in half precision first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "HALVED", 0)
        patch.setattr(exact, "TOGETHER", 1000)
        patch.setattr(shortlist, "TOO_MANY", 1)
        yield


@pytest.mark.usefixtures("alwayshalved")
class TestExactByHalves(TestExact):
    pass


def clustered(seed: int, items: int, dim: int) -> np.ndarray:
    """Far from the middle and close together: half precision can't tell most of them apart."""
    return (100 + floats(seed, items, dim) * 0.05).astype(np.float32)


@given(seed=integers(0, 99), k=integers(1, 150))
@settings(max_examples=20, deadline=None)
def test_what_half_precision_cannot_tell_apart_is_told_apart(seed, k):
    vectors, asked = clustered(seed, 20_000, 12), floats(seed + 1, 3, 12)
    seen = [[n, 5 * n, 19_999] for n in range(3)]
    agree(Exact(vectors).search(asked, k, seen), Scan(vectors).search(asked, k, seen))


@pytest.mark.parametrize("passing", [1.0, 0.9, 0.5, 0.2, 0.1, 0.001])
@pytest.mark.parametrize("queries", [1, 3, 20])
def test_a_large_catalogue_is_looked_at_in_half_precision_and_answers_as_a_scan(passing, queries):
    rng = np.random.default_rng(4)
    vectors, asked = floats(5, 30_000, 16), floats(6, queries, 16)
    vectors[1000:1300] = vectors[0]
    seen = [rng.integers(0, 30_000, rng.integers(0, 400)) for _ in range(queries)]
    only = None if passing == 1 else rng.random(30_000) < passing
    index = Exact(vectors)
    agree(index.search(asked, 100, seen, only), Scan(vectors).search(asked, 100, seen, only))
    # Else this test would say nothing of half precision.
    assert ("halved" in index.__dict__) == (queries < 8 and passing > 0.125)


def test_what_is_no_number_never_comes_back():
    scores = np.array([[np.nan, 1, -np.inf, 2, np.nan]], np.float32)
    hits = best(scores, 4, [()])
    assert hits.rows.tolist() == [[3, 1, PAD, PAD]]
    assert hits.scores.tolist() == [[2, 1, -np.inf, -np.inf]]


@given(
    seed=integers(0, 999),
    items=integers(1, 3000),
    k=integers(1, 40),
    kinds=integers(1, 300),
    odd=integers(0, 9),
)
@settings(max_examples=200)
def test_of_many_the_best_are_those_of_a_whole_sort(seed, items, k, kinds, odd):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, kinds, items).astype(np.float32)  # few kinds: many ties
    scores[rng.random(items) < odd / 10] = rng.choice([np.nan, -np.inf])
    only = rng.random(items) < 0.9
    seen = rng.integers(0, items, 3)
    able = [row for row in np.flatnonzero(only & np.isfinite(scores)) if row not in seen]
    expected = sorted(able, key=lambda row: (-scores[row], row))[:k]
    hits = best(scores[None].copy(), k, [seen], only=only)
    assert [row for row in hits.rows[0] if row != PAD] == expected


def test_a_tie_across_the_cut_is_broken_by_row():
    assert best(np.array([[0, 7, 7, 9, 7]], np.float32), 3, [()]).rows.tolist() == [[3, 1, 2]]


def test_a_row_excluded_twice_is_excluded_once():
    assert best(np.array([[3, 2, 1]], np.float32), 3, [[0, 0]]).rows.tolist() == [[1, 2, PAD]]


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_blocks_are_joined_in_order(blocks):
    parts = [best(np.array([[n, 0]], np.float32), 2, [()]) for n in range(blocks)]
    assert joined(parts, 2).scores.tolist() == [[n, 0] for n in range(blocks)]


def test_ranked_puts_numbers_of_either_sign_in_order():
    rows = np.array([[5, 9, 2, 7, 3, 1, 4, 2**31 - 2]] * 2)
    scores = np.array([[-1, 0.5, -0.0, 0.0, 3e38, -3e38, np.nan, -np.inf]] * 2, np.float32)
    hits = ranked(rows, scores, 10)
    assert hits.rows.tolist() == [[3, 9, 2, 7, 5, 1, PAD, PAD, PAD, PAD]] * 2
    agree(ranked(rows[:1], scores[:1], 10), Hits(hits.rows[:1], hits.scores[:1]))
    assert hits.scores[0].tolist() == [np.float32(3e38), 0.5, 0, 0, -1, np.float32(-3e38), *[-np.inf] * 4]
    assert hits.rows.dtype == np.int32
    assert hits.scores.dtype == np.float32
