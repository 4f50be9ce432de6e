import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import data, integers, sampled_from, sets
from scipy import sparse

from tastemaker.data.catalogue import PAD
from tastemaker.features.pairs import Pairs
from tastemaker.hits import Hits
from tastemaker.retrieve.blend import Blend
from tastemaker.retrieve.ivf import Ivf

DECAY = 0.7


def blend(vectors: np.ndarray, weights: np.ndarray, weight: float) -> Blend:
    """`weights` of the pairs, and the `weight` of what they say beside the products."""
    return Blend(vectors, Pairs(sparse.csr_array(weights), DECAY), weight)


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def counted(seed: int, *shape: int) -> np.ndarray:
    """Weights as pairs have them: most are 0, the others above."""
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * (rng.random(shape) < 0.4)).astype(np.float32)


def pasts(seed: int, queries: int, items: int) -> np.ndarray:
    """Histories of 6, some with repeats, some with less."""
    return np.random.default_rng(seed).integers(PAD, items, (queries, 6)).astype(np.int32)


def slowly(
    vectors: np.ndarray, weights: np.ndarray, weight: float, query: np.ndarray, past: np.ndarray
) -> np.ndarray:
    """(N,) the scores of one query in double precision, one item of the history after the other."""
    said = np.zeros(len(vectors))
    for place, row in enumerate(past):
        if row != PAD and row not in past[:place]:
            said += DECAY**place * weights[row].astype(float)
    near = np.array([np.dot(vector.astype(float), query.astype(float)) for vector in vectors])
    return near + weight * said


def ranked(scores: np.ndarray, k: int, excluded: set[int] = frozenset()) -> list[int]:
    return sorted(set(range(len(scores))) - excluded, key=lambda row: (-scores[row], row))[:k]


# --- scores ---------------------------------------------------------------------------------


def test_one_case_by_hand():
    # The products are 2, 0, 0, -2. The pairs say 0, 0, 0, 4, and three quarters of that count.
    vectors = np.array([[2, 0], [0, 1], [0, 7], [-2, 0]], np.float32)
    weights = np.zeros((4, 4), np.float32)
    weights[1, 3] = 4
    query, past = np.array([[1, 0]], np.float32), np.array([[1, PAD]], np.int32)
    both = blend(vectors, weights, 0.75)
    assert both.scores(query, past).tolist() == [[2, 0, 0, 1]]
    hits = both.search(query, past, 3, [[0]])
    assert hits.rows.tolist() == [[3, 1, 2]]
    assert hits.scores.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("weight", [0.0, 0.3, 8.0])
def test_scores_are_the_products_and_what_pairs_say_as_they_stand(weight):
    # Neither the items nor their columns are of one size, and their mean is far from 0.
    vectors = 3 + floats(1, 37, 5) * np.array([1, 5, 0.2, 1, 2], np.float32)
    weights, queries, histories = counted(2, 37, 37), floats(3, 11, 5), pasts(4, 11, 37)
    scores = blend(vectors, weights, weight).scores(queries, histories)
    assert scores.shape == (11, 37)
    assert scores.dtype == np.float32
    for n in range(11):
        expected = slowly(vectors, weights, weight, queries[n], histories[n])
        assert scores[n] == pytest.approx(expected, abs=2e-5)


# --- one opinion alone ----------------------------------------------------------------------


@pytest.mark.parametrize("past", [[PAD, PAD], [5, PAD], [5, 5]], ids=["no history", "unpaired", "twice"])
def test_where_no_pairs_speak_the_network_decides(past):
    vectors, weights, query = floats(1, 12, 4), counted(2, 12, 12), floats(3, 1, 4)
    weights[5] = 0
    hits = blend(vectors, weights, 3.0).search(query, np.array([past], np.int32), 12, [()])
    near = vectors.astype(float) @ query[0].astype(float)
    assert hits.rows[0].tolist() == ranked(near, 12)
    assert hits.scores[0] == pytest.approx(np.sort(near)[::-1], abs=1e-5)


def same(*values: float) -> np.ndarray:
    return np.tile(np.array(values, np.float32), (6, 1))


RISING = np.arange(6, dtype=np.float32)[:, None]  # the later row lies further along
FALLING = same(5, 4, 3, 2, 1, 0)  # every item says more of the earlier row
FALLEN = 2 * (1 + DECAY) * FALLING[0]  # what two items say together, with weight 2


@pytest.mark.parametrize(
    ("vectors", "weights", "query", "expected"),
    [
        (RISING, FALLING, 0.0, FALLEN),
        (same(0.1), FALLING, 0.3, 0.03 + FALLEN),
        (RISING, same(*[0.1] * 6), 0.3, 0.34 + 0.3 * np.arange(6)),
        (same(0.1), same(*[0.1] * 6), 0.3, np.full(6, 0.37)),
    ],
    ids=["a query of zeros", "equal vectors", "equal pairs", "equal both"],
)
@pytest.mark.filterwarnings("error")
def test_who_says_the_same_of_every_item_changes_no_order(vectors, weights, query, expected):
    asked, past = np.array([[query]], np.float32), np.array([[3, 1]], np.int32)
    both = blend(vectors, weights, 2.0)
    assert both.scores(asked, past)[0] == pytest.approx(expected, abs=1e-6)
    assert both.search(asked, past, 6, [()]).rows[0].tolist() == ranked(expected, 6)


def test_a_history_of_which_the_pairs_know_little_is_moved_little():
    # A step of the network's is worth 0.3 upwards; of the pairs' 2 downwards, where they speak up, else 0.02.
    weights = FALLING.copy()
    weights[1] /= 100
    hits = blend(RISING, weights, 2.0).search(
        np.full((2, 1), 0.3, np.float32), np.array([[3], [1]], np.int32), 6, [()] * 2
    )
    assert hits.rows.tolist() == [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]]
    assert hits.scores[1] == pytest.approx([1.5, 1.22, 0.94, 0.66, 0.38, 0.1])


# --- the promises of an index ---------------------------------------------------------------


@given(seed=integers(0, 999), items=integers(1, 40), k=integers(1, 50), data=data())
@settings(max_examples=50)
def test_the_best_are_found_none_excluded_none_twice_and_the_rest_is_pad(seed, items, k, data):
    vectors, weights = floats(seed, items, 8), counted(seed, items, items)
    query, past = floats(seed + 1, 1, 8), pasts(seed, 1, items)
    seen = data.draw(sets(integers(0, items - 1)))
    hits = blend(vectors, weights, 1.5).search(query, past, k, [list(seen)])
    slow = slowly(vectors, weights, 1.5, query[0], past[0])
    expected = ranked(slow, k, seen)
    found = hits.rows[0][: len(expected)]
    assert hits.rows.shape == hits.scores.shape == (1, k)
    assert PAD not in found
    assert len(set(found)) == len(found)
    assert not seen & set(found.tolist())
    # By their scores: two that are equal in single precision may change places.
    assert slow[found] == pytest.approx(slow[expected], abs=1e-4)
    assert hits.scores[0][: len(found)] == pytest.approx(slow[expected], abs=1e-4)
    assert (hits.rows[0][len(found) :] == PAD).all()
    assert (hits.scores[0][len(found) :] == -np.inf).all()


def twins(seed: int, items: int, copies: int, dim: int, weight: float) -> Blend:
    """Rows r, r + items, r + 2 · items … are alike: of one vector, and all say the same of them."""
    vectors = np.tile(floats(seed, items, dim), (copies, 1))
    return blend(vectors, np.tile(counted(seed, items * copies, items), (1, copies)), weight)


@given(
    seed=integers(0, 999),
    copies=integers(2, 7),
    items=integers(2, 9),
    k=integers(1, 20),
    weight=sampled_from([0.0, 0.1, 1.0, 8.0]),
)
@settings(max_examples=50)
def test_of_equal_items_the_smaller_row_comes_first(seed, copies, items, k, weight):
    size = items * copies
    hits = twins(seed, items, copies, 33, weight).search(
        floats(seed, 3, 33), pasts(seed, 3, size), k, [()] * 3
    )
    for row, score in zip(*hits, strict=True):
        rows, scores = row[row != PAD], score[row != PAD]
        for item in range(items):
            copies_found = rows[rows % items == item]
            assert copies_found.tolist() == [item + items * copy for copy in range(len(copies_found))]
            assert len(set(scores[rows % items == item])) <= 1
        assert (np.diff(rows)[np.diff(scores) == 0] > 0).all()


def agree(alone: Hits, together: Hits, n: int) -> None:
    np.testing.assert_array_equal(alone.rows[0], together.rows[n])
    np.testing.assert_array_equal(alone.scores[0], together.scores[n])


@given(
    seed=integers(0, 999),
    queries=integers(1, 20),
    dim=integers(1, 40),
    weight=sampled_from([0.0, 0.1, 1.0, 8.0]),
)
@settings(max_examples=50)
def test_alone_or_in_a_batch_the_answer_is_the_same(seed, queries, dim, weight):
    index = twins(seed, 23, 3, dim, weight)
    asked, histories = floats(seed + 1, queries, dim), pasts(seed, queries, 69)
    together = index.search(asked, histories, 7, [[n] for n in range(queries)])
    for n in range(queries):
        agree(index.search(asked[n : n + 1], histories[n : n + 1], 7, [[n]]), together, n)


def test_alone_or_in_a_batch_of_a_large_catalogue_too():
    items = 2051
    # Every ninth item has the same vector, and the pairs hardly speak of any: they tie.
    vectors, asked, histories = floats(1, items, 33), floats(2, 17, 33), pasts(3, 17, items)
    vectors[::9] = vectors[0]
    weights = sparse.random_array(
        (items, items), density=0.002, rng=np.random.default_rng(4), dtype=np.float32
    )
    index = Blend(vectors, Pairs(weights.tocsr(), DECAY), 0.8)
    together = index.search(asked, histories, 50, [()] * 17)
    for n in range(17):
        agree(index.search(asked[n : n + 1], histories[n : n + 1], 50, [()]), together, n)


def test_more_queries_than_fit_a_block(monkeypatch):
    monkeypatch.setattr("tastemaker.retrieve.blend.BLOCK_SCORES", 21)  # two queries of ten items
    vectors, weights = floats(0, 10, 4), counted(1, 10, 10)
    asked, histories = floats(2, 5, 4), pasts(3, 5, 10)
    rows = blend(vectors, weights, 0.5).search(asked, histories, 3, [[n] for n in range(5)]).rows
    expected = [slowly(vectors, weights, 0.5, asked[n], histories[n]) for n in range(5)]
    assert rows.tolist() == [ranked(expected[n], 3, {n}) for n in range(5)]


def test_nobody_asks():
    nobody = blend(floats(0, 5, 4), counted(1, 5, 5), 0.5)
    hits = nobody.search(floats(1, 0, 4), np.zeros((0, 3), np.int32), 3, [])
    assert hits.rows.shape == hits.scores.shape == (0, 3)
    assert nobody.scores(floats(1, 0, 4), np.zeros((0, 3), np.int32)).shape == (0, 5)


def test_several_weights_at_once_find_what_each_finds_alone(monkeypatch):
    monkeypatch.setattr("tastemaker.retrieve.blend.BLOCK_SCORES", 3 * 23)  # three queries a block
    vectors, weights, queries, histories = (
        floats(1, 23, 4),
        counted(2, 23, 23),
        floats(3, 8, 4),
        pasts(4, 8, 23),
    )
    exclude = [row[row != PAD] for row in histories]
    tried = [0.0, 0.7, 5.0]
    together = blend(vectors, weights, 99.0).search_each(tried, queries, histories, 5, exclude)
    for weight, found in zip(tried, together, strict=True):
        alone = blend(vectors, weights, weight).search(queries, histories, 5, exclude)
        np.testing.assert_array_equal(found.rows, alone.rows)
        np.testing.assert_array_equal(found.scores, alone.scores)


# --- over an index of some -------------------------------------------------------------------


def grouped(seed: int, items: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(size=(60, 16))
    return (middles[rng.integers(0, 60, items)] + 0.5 * rng.normal(size=(items, 16))).astype(np.float32)


def sparsely(seed: int, items: int) -> Pairs:
    """What follows what, of a large catalogue: a row says something of few."""
    rng = np.random.default_rng(seed)
    weights = sparse.random_array((items, items), density=20 / items, rng=rng, dtype=np.float32)
    return Pairs(weights.tocsr(), DECAY)


@pytest.mark.parametrize("passing", [1.0, 0.5, 0.01, 0.0])
@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_the_nearest_and_who_is_spoken_of_are_all_that_can_be_best(weight, passing):
    items, queries = 4000, 12
    vectors, asked, histories = grouped(1, items), grouped(2, queries), pasts(3, queries, items)
    rng = np.random.default_rng(4)
    seen = [rng.integers(0, items, n * n) for n in range(queries)]
    seen[0] = np.array([PAD, 1, 2])
    only = None if passing == 1 else rng.random(items) < passing
    pairs = sparsely(5, items)
    # The index is exact as long as all its lists are looked at, so every difference would be the blend's.
    index = Ivf.built(vectors, width=10_000)
    some = Blend(vectors, pairs, weight, index).search(asked, histories, 30, seen, only)
    every = Blend(vectors, pairs, weight).search(asked, histories, 30, seen, only)
    np.testing.assert_array_equal(some.rows, every.rows)
    np.testing.assert_array_equal(some.scores, every.scores)
    if passing == weight == 1:
        near = index.search(asked, 30, seen).rows
        assert (some.rows != near).any()  # else the pairs have said nothing


def test_over_few_lists_nearly_all_of_the_best_are_found_and_those_spoken_of_always():
    items, queries = 4000, 30
    vectors, asked, histories = grouped(1, items), grouped(2, queries), pasts(3, queries, items)
    pairs = sparsely(5, items)
    index = Ivf.built(vectors, width=12)
    some = Blend(vectors, pairs, 30.0, index).search(asked, histories, 30, [()] * queries).rows
    every = Blend(vectors, pairs, 30.0).search(asked, histories, 30, [()] * queries).rows
    spoken = pairs.scores(histories)
    for query in range(queries):
        due = {row for row in every[query] if spoken[query, row] > 0}
        assert due <= set(some[query])
    assert np.mean([np.isin(a, b).mean() for a, b in zip(every, some, strict=True)]) > 0.9


def test_where_pairs_can_lower_an_item_all_are_looked_at():
    vectors, asked, histories = grouped(1, 4000), grouped(2, 5), pasts(3, 5, 4000)
    pairs = sparsely(5, 4000)
    pairs.weights.data -= 0.5
    # Of so few lists the index would miss most.
    some = Blend(vectors, pairs, 9.0, Ivf.built(vectors, width=1)).search(asked, histories, 30, [()] * 5)
    every = Blend(vectors, pairs, 9.0).search(asked, histories, 30, [()] * 5)
    np.testing.assert_array_equal(some.rows, every.rows)
