"""What every index has to pass: subclass `IndexContract` and say how to `build`."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import data, integers, sampled_from, sets

from tastemaker.data.catalogue import PAD
from tastemaker.retrieve.index import Index


def examples(count: int) -> settings:
    """So many, also where several classes inherit the test."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
    )


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_slow_loop(vectors: np.ndarray, query: np.ndarray, k: int, gone: set[int]) -> list[int]:
    score = {
        row: float(np.dot(vectors[row].astype(float), query.astype(float))) for row in range(len(vectors))
    }
    return sorted(set(score) - gone, key=lambda row: (-score[row], row))[:k]


def agree(one, other) -> None:
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.scores, other.scores)


class IndexContract:
    """The promises of `Index`; a new index subclasses this and says how to `build` itself."""

    least = 1.0
    """share of the true nearest of `test_the_best_are_found` that is enough"""

    def build(self, vectors: np.ndarray) -> Index:
        raise NotImplementedError

    def again(self, index: Index, vectors: np.ndarray) -> Index:
        """Saved and loaded."""
        return self.build(vectors)

    @given(seed=integers(0, 999), items=integers(1, 30), k=integers(1, 40), data=data())
    @examples(50)
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

    @given(
        seed=integers(0, 999),
        k=integers(2, 20),
        left=sampled_from(["none", "one", "k - 1", "k", "many"]),
        data=data(),
    )
    @examples(50)
    def test_a_filter_leaves_exactly_as_many_as_pass(self, seed, k, left, data):
        items = 60
        count = {"none": 0, "one": 1, "k - 1": k - 1, "k": k, "many": 50}[left]
        vectors, queries = floats(seed, items, 8), floats(seed + 1, 3, 8)
        passing = set(np.random.default_rng(seed).permutation(items)[:count].tolist())
        only = np.zeros(items, bool)
        only[list(passing)] = True
        seen = data.draw(sets(integers(0, items - 1), max_size=8))
        hits = self.build(vectors).search(queries, k, [list(seen), [], list(passing)], only)
        survivors = (passing - seen, passing, set())
        for query, rows, scores, able in zip(queries, *hits, survivors, strict=True):
            found = rows[rows != PAD].tolist()
            assert len(found) == len(set(found)) == min(k, len(able))
            assert set(found) <= able
            assert rows[: len(found)].tolist() == found
            assert (scores[len(found) :] == -np.inf).all()
            truth = by_slow_loop(vectors, query, k, set(range(items)) - able)
            assert len(set(found) & set(truth)) >= self.least * len(truth)

    @given(seed=integers(0, 999), copies=integers(2, 7), items=integers(1, 9), k=integers(1, 20))
    @examples(50)
    def test_of_equal_items_the_smaller_row_comes_first(self, seed, copies, items, k):
        vectors = np.tile(floats(seed, items, 33), (copies, 1))
        rows = self.build(vectors).search(floats(seed + 1, 3, 33), k, [()] * 3).rows
        for row in rows:
            found = row[row != PAD]
            of = found % items
            # copies of one item stand together, in order, and the first copy is in before the second
            for item in of:
                here = found[of == item]
                assert list(here) == [item + items * copy for copy in range(len(here))]
            assert all((np.diff(np.flatnonzero(of == item)) == 1).all() for item in of)

    @given(seed=integers(0, 999), queries=integers(1, 20), dim=integers(1, 40))
    @examples(30)
    def test_alone_or_in_a_batch_the_answer_is_the_same(self, seed, queries, dim):
        vectors = np.tile(floats(seed, 50, dim), (2, 1))
        index, asked = self.build(vectors), floats(seed + 1, queries, dim)
        only = np.random.default_rng(seed).random(100) < 0.7
        # Some have seen much, so that not all of a batch fetch equally many.
        seen = [list(range(n * n % 67)) for n in range(queries)]
        for passing in (None, only):
            together = index.search(asked, 7, seen, passing)
            for n in range(queries):
                alone = index.search(asked[n : n + 1], 7, seen[n : n + 1], passing)
                np.testing.assert_array_equal(alone.rows[0], together.rows[n])
                np.testing.assert_array_equal(alone.scores[0], together.scores[n])

    @given(seed=integers(0, 999), items=integers(1, 200), k=integers(1, 12), data=data())
    @examples(50)
    def test_the_best_are_found(self, seed, items, k, data):
        vectors, query = floats(seed, items, 8), floats(seed + 1, 8)
        seen = data.draw(sets(integers(0, items - 1)))
        rows = self.build(vectors).search(query[None], k, [list(seen)]).rows[0]
        truth = by_slow_loop(vectors, query, k, seen)
        found = [row for row in rows if row != PAD]
        assert found == truth if self.least == 1 else len(set(found) & set(truth)) >= self.least * len(truth)

    @given(seed=integers(0, 999), items=integers(1, 200))
    @examples(20)
    def test_saved_and_loaded_the_answers_are_the_same(self, seed, items):
        vectors, asked = floats(seed, items, 8), floats(seed + 1, 4, 8)
        index = self.build(vectors)
        first = index.search(asked, 5, [()] * 4)
        agree(self.again(index, vectors).search(asked, 5, [()] * 4), first)

    def test_nobody_asks(self):
        hits = self.build(floats(0, 5, 4)).search(floats(1, 0, 4), 3, [])
        assert hits.rows.shape == hits.scores.shape == (0, 3)

    @pytest.mark.parametrize("items", [9, 300])
    def test_a_query_of_zeros_gives_the_first_rows(self, items):
        hits = self.build(floats(0, items, 4)).search(np.zeros((2, 4), np.float32), 3, [[1], [0, 3]])
        assert hits.rows.tolist() == [[0, 2, 3], [1, 2, 4]]

    def test_what_is_no_number_never_comes_back(self):
        vectors = floats(0, 300, 4)
        vectors[7, 2] = np.nan
        hits = self.build(vectors).search(floats(1, 2, 4), 300, [()] * 2)
        assert all(sorted(row[:-1].tolist()) == [n for n in range(300) if n != 7] for row in hits.rows)
        assert (hits.rows[:, -1] == PAD).all()

    @pytest.mark.parametrize("size", [1e-30, 1e-6, 1e6, 1e15])
    def test_vectors_of_any_length_are_found(self, size):
        vectors, asked = floats(2, 300, 8), floats(3, 3, 8)
        hits = self.build(vectors * np.float32(size)).search(asked, 5, [()] * 3)
        for query, rows in zip(asked, hits.rows, strict=True):
            assert len(set(rows) & set(by_slow_loop(vectors, query, 5, set()))) >= 5 * self.least
