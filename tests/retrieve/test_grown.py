import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from index_contract import IndexContract, floats

from tastemaker.data.catalogue import PAD, Move
from tastemaker.retrieve import grown
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.grown import Grown


def nothing() -> np.ndarray:
    return np.zeros(0, np.int32)


def removal(size: int, gone: np.ndarray) -> Move:
    rows = np.full(size, PAD, np.int32)
    kept = np.setdiff1d(np.arange(size), gone)
    rows[kept] = np.arange(len(kept))
    return Move(rows, nothing(), nothing())


def after_much(vectors: np.ndarray, step: int) -> Grown:
    """An index whose rows have gone, changed and come until it is of `vectors`, in one move or in three.

    Before every row that stays stood one that goes, and each `step`-th had another vector: all of them far
    longer than what is there now, so that they would be seen.
    """
    size = len(vectors)
    stays = size - size // 3
    before = 100 * floats(size, 2 * stays, vectors.shape[1])
    before[1::2] = vectors[:stays]
    changed = np.arange(0, stays, step, dtype=np.int32)
    before[2 * changed + 1] *= -100
    rows = np.full(2 * stays, PAD, np.int32)
    rows[1::2] = np.arange(stays)
    placed = np.concatenate([changed, np.arange(stays, size, dtype=np.int32)])
    if step % 2:
        whole = Grown.of(Exact(before), Move(rows, placed, placed), vectors)
        assert whole is not None
        return whole
    came = np.concatenate([before, vectors[stays:]])
    same = np.arange(len(before), dtype=np.int32)
    late = np.arange(len(before), len(came), dtype=np.int32)
    first = Grown.of(Exact(before), Move(same, late, late), came)
    assert first is not None
    went = removal(len(came), 2 * np.arange(stays))
    second = Grown.of(first, went, came[went.rows != PAD])
    assert second is not None
    third = Grown.of(second, Move(np.arange(size, dtype=np.int32), changed, changed), vectors)
    assert third is not None
    assert third.base is first.base
    return third


class TestGrownAtOnce(IndexContract):
    def build(self, vectors: np.ndarray) -> Grown:
        return after_much(vectors, step=3)


class TestGrownBitByBit(IndexContract):
    def build(self, vectors: np.ndarray) -> Grown:
        return after_much(vectors, step=4)


@given(seed=integers(0, 999), size=integers(1, 40), step=integers(1, 6), k=integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_a_grown_index_answers_as_one_built_anew(seed, size, step, k):
    rng = np.random.default_rng(seed)
    vectors, asked = floats(seed, size, 8), floats(seed + 1, 3, 8)
    only = None if seed % 2 else rng.random(size) < 0.5
    seen = [rng.choice(size, rng.integers(0, size + 1), replace=False) for _ in asked]
    seen[0] = np.append(seen[0], PAD)
    ours = after_much(vectors, step).search(asked, k, seen, only)
    anew = Exact(vectors).search(asked, k, seen, only)
    np.testing.assert_array_equal(ours.rows, anew.rows)
    np.testing.assert_array_equal(ours.scores, anew.scores)


def test_what_has_changed_too_much_is_built_anew(monkeypatch):
    monkeypatch.setattr(grown, "FEW", 3)
    index = Exact(floats(0, 20, 4))
    same = np.arange(20, dtype=np.int32)

    def come(count: int) -> Grown | None:
        late = np.arange(20, 20 + count, dtype=np.int32)
        return Grown.of(index, Move(same, late, late), floats(1, 20 + count, 4))

    assert come(3) is not None
    assert come(4) is None
    assert Grown.of(index, removal(20, np.arange(4)), floats(1, 16, 4)) is None
    monkeypatch.setattr(grown, "SHARE", 0.25)
    assert come(5) is not None
    assert come(6) is None


def test_the_index_before_stays_as_it_was():
    vectors, asked = floats(0, 9, 4), floats(1, 2, 4)
    before = Exact(vectors)
    first = before.search(asked, 9, [(), ()])
    Grown.of(before, removal(9, np.array([0, 5])), np.delete(vectors, [0, 5], 0)).search(asked, 9, [(), ()])
    again = before.search(asked, 9, [(), ()])
    np.testing.assert_array_equal(first.rows, again.rows)


@pytest.mark.parametrize("gone", [[], [0], [8], [0, 1, 2, 3, 4, 5, 6, 7]])
def test_rows_are_those_of_the_catalogue_as_it_is_now(gone):
    vectors = floats(0, 9, 4)
    left = np.delete(vectors, gone, 0)
    index = Grown.of(Exact(vectors), removal(9, np.array(gone, int)), left)
    assert index is not None
    rows = index.search(left[:1], 9, [()]).rows[0]
    assert sorted(rows[rows != PAD]) == list(range(len(left)))
    assert rows.tolist() == Exact(left).search(left[:1], 9, [()]).rows[0].tolist()
