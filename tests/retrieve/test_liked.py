import numpy as np
import pytest
from scipy import sparse

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.hits import Hits
from tastemaker.retrieve.liked import FADING, LIKED, Alike, LikeTheLiked


def one(rows: list[int], weights: list[float] | None = None) -> Interactions:
    given = None if weights is None else np.array(weights, np.float32)
    return Interactions.from_events(
        ["u"], np.zeros(len(rows), np.int32), np.array(rows, np.int32), weights=given, is_ordered=True
    )


def by_slow_loop(known: np.ndarray, liked: list[int], seen: list[int], k: int) -> dict[int, float]:
    """`liked` newest first."""
    scores: dict[int, float] = {}
    for age, row in enumerate(liked):
        for other in range(len(known)):
            likeness = float(known[row] @ known[other])
            if other not in seen and likeness > 0:
                scores[other] = max(scores.get(other, -np.inf), 0.9**age * likeness)
    best = sorted(scores, key=lambda row: (-scores[row], row))[:k]
    return {row: scores[row] for row in best}


def found(hits: Hits) -> dict[int, float]:
    return {int(r): float(s) for r, s in zip(hits.rows[0], hits.scores[0], strict=True) if r != PAD}


@pytest.mark.parametrize("seed", range(20))
def test_each_liked_item_speaks_for_itself(seed):
    rng = np.random.default_rng(seed)
    known = (rng.random((30, 6)) * (rng.random((30, 6)) < 0.3)).astype(np.float32)
    history = rng.integers(0, 30, 6).tolist()
    source = LikeTheLiked(Alike(sparse.csr_array(known)), 30)
    only = rng.random(30) < 0.6
    newest_first = list(dict.fromkeys(history[::-1]))
    for k in (1, 4, 30):
        hits = source.search(one(history), np.zeros(1, np.int32), k)
        expected = by_slow_loop(known, newest_first, history, k)
        assert list(found(hits)) == list(expected)
        assert list(found(hits).values()) == pytest.approx(list(expected.values()))
        held = source.search(one(history), np.zeros(1, np.int32), k, only)
        barred = [*history, *np.flatnonzero(~only)]
        assert list(found(held)) == list(by_slow_loop(known, newest_first, barred, k))
    assert FADING == 0.9


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    source = LikeTheLiked(Alike(sparse.csr_array(rng.random((20, 5)).astype(np.float32))), 20)
    log, user = one([3, 7, 1, 9, 2]), np.zeros(1, np.int32)
    whole = source.search(log, user, 9)
    monkeypatch.setattr("tastemaker.retrieve.liked.BLOCK_SCORES", 41)  # two items at once
    np.testing.assert_array_equal(source.search(log, user, 9).rows, whole.rows)


def test_what_was_touched_less_than_usual_is_not_liked():
    pairs = np.kron(np.eye(3), np.ones((2, 2))).astype(np.float32)  # 0-1, 2-3 and 4-5 are alike
    source = LikeTheLiked(Alike(sparse.csr_array(pairs)), 6)
    user = np.zeros(1, np.int32)
    assert list(found(source.search(one([0, 2, 4], [5, 1, 4]), user, 6))) == [5, 1]
    assert list(found(source.search(one([0, 2, 4]), user, 6))) == [5, 3, 1]
    assert found(source.search(one([]), user, 6)) == {}


def test_only_the_newest_are_asked():
    items = 2 * (LIKED + 1)
    pairs = np.kron(np.eye(LIKED + 1), np.ones((2, 2))).astype(np.float32)
    source = LikeTheLiked(Alike(sparse.csr_array(pairs)), items)
    rows = found(source.search(one(list(range(0, items, 2))), np.zeros(1, np.int32), items))
    assert list(rows) == list(range(items - 1, 1, -2))
