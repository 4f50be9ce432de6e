import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.features.tfidf import Tfidf
from tastemaker.retrieve.neighbours import Neighbours

VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
TEXTS = Tfidf.fit(["abcd", "abcd", "wxyz"])


def row(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def share(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_without_texts_the_score_is_the_product_of_the_mix():
    scores = Neighbours(VECTORS, VECTORS).scores(row(0, 1), share(0.75, 0.25))
    # 0.75 (1, 0) + 0.25 (0, 1) = (0.75, 0.25); with (0.6, 0.8) that is 0.45 + 0.2
    assert scores[0] == pytest.approx([0.75, 0.25, 0.65])


def test_texts_count_with_their_share():
    scores = Neighbours(VECTORS, VECTORS, TEXTS, 0.5).scores(row(0), share(1))
    # vectors say 1, 0, 0.6; texts say 1 for the same, 0 for nothing in common
    assert scores[0] == pytest.approx([1, 0.5, 0.3])


def test_texts_alone():
    assert Neighbours(VECTORS, VECTORS, TEXTS, 1.0).scores(row(2), share(1))[0] == pytest.approx(
        [0, 0, 1], abs=1e-6
    )


def test_a_pad_of_weight_nothing_says_nothing():
    whole, padded = Neighbours(VECTORS, VECTORS, TEXTS, 0.5), Neighbours(VECTORS, VECTORS, TEXTS, 0.5)
    assert padded.scores(row(2, 0), share(1, 0))[0] == pytest.approx(whole.scores(row(2), share(1))[0])


def test_asked_from_may_differ_from_found_by():
    queries = np.array([[0, 1], [1, 0], [0, 0]], np.float32)
    assert Neighbours(VECTORS, queries).scores(row(0), share(1))[0] == pytest.approx([0, 1, 0.8])
    assert Neighbours(VECTORS, queries).scores(row(2), share(1))[0] == pytest.approx([0, 0, 0])


def test_the_search_keeps_the_promises_of_an_index():
    twins = Neighbours(np.tile(VECTORS, (2, 1)), np.tile(VECTORS, (2, 1)))
    hits = twins.search(np.array([[0], [2]], np.int32), np.ones((2, 1), np.float32), 5, [[0, 1], [2]])
    # From row 0: its twin 3 has 1, rows 2 and 5 have 0.6, row 4 has 0. From row 2: 5 has 1, 1 and 4 have 0.8.
    assert hits.rows.tolist() == [[3, 2, 5, 4, PAD], [5, 1, 4, 0, 3]]
    assert hits.scores[0].tolist() == pytest.approx([1, 0.6, 0.6, 0, -np.inf])


@pytest.mark.parametrize("tfidf_share", [0.0, 0.3])
def test_alone_or_in_a_batch_the_answer_is_the_same(tfidf_share):
    rng = np.random.default_rng(1)
    vectors = np.tile(rng.normal(size=(40, 33)), (2, 1)).astype(np.float32)
    texts = Tfidf.fit([f"title {n % 7} of {n % 11}" for n in range(40)] * 2)
    neighbours = Neighbours(vectors, vectors, texts, tfidf_share)
    rows = rng.integers(0, 80, (17, 6)).astype(np.int32)
    weights = rng.random((17, 6)).astype(np.float32)
    together = neighbours.search(rows, weights, 9, [()] * 17)
    for n in range(17):
        alone = neighbours.search(rows[n : n + 1], weights[n : n + 1], 9, [()])
        np.testing.assert_array_equal(alone.rows[0], together.rows[n])
        np.testing.assert_array_equal(alone.scores[0], together.scores[n])
