import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import data, integers, sets

from tastemaker.data.catalogue import PAD
from tastemaker.hits import best, joined
from tastemaker.retrieve.exact import BLOCK_SCORES, Exact, Index


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_slow_loop(vectors: np.ndarray, query: np.ndarray, k: int, excluded: set[int]) -> list[int]:
    score = {
        row: float(np.dot(vectors[row].astype(float), query.astype(float))) for row in range(len(vectors))
    }
    return sorted(set(score) - excluded, key=lambda row: (-score[row], row))[:k]


class IndexContract:
    """The promises of `Index`; a new index subclasses this and says how to `build` itself."""

    def build(self, vectors: np.ndarray) -> Index:
        raise NotImplementedError

    @given(seed=integers(0, 999), items=integers(1, 30), k=integers(1, 40), data=data())
    def test_the_excluded_never_come_back_nobody_twice_and_the_rest_is_pad(self, seed, items, k, data):
        index = self.build(floats(seed, items, 8))
        seen = data.draw(sets(integers(0, items - 1)))
        hits = index.search(floats(seed + 1, 1, 8), k, [list(seen)])
        found = [row for row in hits.rows[0] if row != PAD]
        assert hits.rows.shape == hits.scores.shape == (1, k)
        assert not seen & set(found)
        assert len(found) == len(set(found)) == min(k, items - len(seen))
        assert list(hits.rows[0][: len(found)]) == found
        assert (hits.scores[0][len(found) :] == -np.inf).all()
        assert (np.diff(hits.scores[0][: len(found)]) <= 0).all()

    @given(seed=integers(0, 999), copies=integers(2, 7), items=integers(1, 9), k=integers(1, 20))
    @settings(max_examples=50)
    def test_of_equal_items_the_smaller_row_comes_first(self, seed, copies, items, k):
        vectors = np.tile(floats(seed, items, 33), (copies, 1))
        rows = self.build(vectors).search(floats(seed + 1, 3, 33), k, [()] * 3).rows
        for row in rows:
            found = row[row != PAD]
            of = found % items
            # copies of one item stand together, in order, and the first copy is in before the second
            assert all(list(found[of == item]) == sorted(found[of == item]) for item in of)
            assert all((np.diff(np.flatnonzero(of == item)) == 1).all() for item in of)

    @given(seed=integers(0, 999), queries=integers(1, 20), dim=integers(1, 40))
    @settings(max_examples=50)
    def test_alone_or_in_a_batch_the_answer_is_the_same(self, seed, queries, dim):
        vectors = np.tile(floats(seed, 50, dim), (2, 1))
        index, asked = self.build(vectors), floats(seed + 1, queries, dim)
        together = index.search(asked, 7, [[n] for n in range(queries)])
        for n in range(queries):
            alone = index.search(asked[n : n + 1], 7, [[n]])
            np.testing.assert_array_equal(alone.rows[0], together.rows[n])
            np.testing.assert_array_equal(alone.scores[0], together.scores[n])

    @given(seed=integers(0, 999), items=integers(1, 40), k=integers(1, 12), data=data())
    @settings(max_examples=50)
    def test_the_best_are_found(self, seed, items, k, data):
        vectors, query = floats(seed, items, 8), floats(seed + 1, 8)
        seen = data.draw(sets(integers(0, items - 1)))
        rows = self.build(vectors).search(query[None], k, [list(seen)]).rows[0]
        assert [row for row in rows if row != PAD] == by_slow_loop(vectors, query, k, seen)

    def test_nobody_asks(self):
        hits = self.build(floats(0, 5, 4)).search(floats(1, 0, 4), 3, [])
        assert hits.rows.shape == hits.scores.shape == (0, 3)

    def test_a_query_of_zeros_gives_the_first_rows(self):
        hits = self.build(floats(0, 9, 4)).search(np.zeros((1, 4), np.float32), 3, [[1]])
        assert hits.rows.tolist() == [[0, 2, 3]]


class TestExact(IndexContract):
    def build(self, vectors: np.ndarray) -> Exact:
        return Exact(vectors)

    def test_more_queries_than_fit_a_block(self, monkeypatch):
        assert BLOCK_SCORES >= 1 << 20
        monkeypatch.setattr("tastemaker.retrieve.exact.BLOCK_SCORES", 21)  # two queries of ten items
        vectors, asked = floats(0, 10, 4), floats(1, 5, 4)
        rows = Exact(vectors).search(asked, 3, [[n] for n in range(5)]).rows
        assert rows.tolist() == [by_slow_loop(vectors, asked[n], 3, {n}) for n in range(5)]


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
