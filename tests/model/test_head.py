from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from tastemaker.model.head import Candidates, Head  # noqa: E402
from tastemaker.model.losses import Loss, bpr, gbce, softmax, triplet  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

MARGIN, BETA = 0.7, 0.4
LOSSES = {
    "softmax": softmax(),
    "bpr": bpr(),
    "triplet": triplet(MARGIN),
    "gbce": gbce(sampled=0.2, calibration=0.75),  # β = 0.2 × (0.75 × (1 − 5) + 5) = 0.4
}
DIM = 5


def drawn(size: int, count: int = 70, seed: int = 0) -> tuple[np.ndarray, Candidates]:
    """Queries and candidates as training has them: repeated labels, a few known, some nobody counts on."""
    rng = np.random.default_rng([seed, size])
    columns = rng.integers(0, count, size).astype(np.int32)
    is_known = rng.random((size, count)) < 0.1
    is_known[np.arange(size), columns] = False
    weights = rng.gamma(1, 20, count) * (rng.random(count) > 0.1)
    candidates = Candidates(
        vectors=rng.normal(size=(count, DIM)).astype(np.float32),
        bias=rng.normal(size=count).astype(np.float32),
        weights=weights.astype(np.float32),
        columns=columns,
        known=np.nonzero(is_known)[1].astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(is_known.sum(1))]).astype(np.int32),
    )
    return rng.normal(size=(size, DIM)).astype(np.float32), candidates


def queries_of(candidates: Candidates) -> np.ndarray:
    """(P,) whose each of `known` is."""
    return np.repeat(np.arange(len(candidates.columns)), np.diff(candidates.starts))


def by_autodiff(name: str, queries: np.ndarray, candidates: Candidates) -> tuple[float, list[np.ndarray]]:
    """The formula on the whole matrix of scores, in double precision: mean loss, and its gradients."""
    size, count = len(queries), len(candidates.vectors)
    given = [tf.Variable(part, dtype=tf.float64) for part in (queries, candidates.vectors, candidates.bias)]
    is_rival = np.ones((size, count), bool)
    is_rival[np.arange(size), candidates.columns] = False
    is_rival[queries_of(candidates), candidates.known] = False
    weights = tf.constant(is_rival * candidates.weights.astype(float))
    with tf.GradientTape() as tape:
        scores = tf.matmul(given[0], given[1], transpose_b=True) + given[2]
        own = tf.gather(scores, candidates.columns, batch_dims=1)
        gap = own[:, None] - scores
        if name == "softmax":
            losses = tf.math.log(tf.exp(own) + tf.reduce_sum(weights * tf.exp(scores), 1)) - own
        elif name == "bpr":
            losses = -tf.reduce_sum(weights * tf.math.log_sigmoid(gap), 1) / tf.reduce_sum(weights, 1)
        elif name == "triplet":
            short = tf.maximum(MARGIN - gap, 0)
            losses = tf.reduce_sum(weights * short, 1) / tf.reduce_sum(weights, 1)
        else:
            counted = tf.cast(weights > 0, tf.float64)
            losses = tf.reduce_sum(counted * tf.math.softplus(scores), 1) - BETA * tf.math.log_sigmoid(own)
        loss = tf.reduce_mean(losses)
    return float(loss), [slope.numpy() for slope in tape.gradient(loss, given)]


def assert_same(graded: Any, wanted: tuple[float, list[np.ndarray]], rel: float = 2e-5) -> None:
    assert float(graded[0]) == pytest.approx(wanted[0], rel=rel)
    for slopes, right in zip(graded[1:], wanted[1], strict=True):
        assert np.asarray(slopes) == pytest.approx(right, rel=1e-4, abs=rel * float(np.abs(right).max()))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])  # 256 queries are scored at once
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradients_are_those_of_the_whole_formula(name, size, workers):
    queries, candidates = drawn(size)
    graded = Head(LOSSES[name], workers).grade(queries, candidates)
    assert_same(graded, by_autodiff(name, queries, candidates))


def in_sets(candidates: Candidates, counts: np.ndarray) -> tuple[Candidates, Candidates]:
    """Queries with `counts` (S,) own items each, in one row each, and the same with a row for each item."""
    rng = np.random.default_rng(3)
    size, count = len(counts), len(candidates.vectors)
    own = [np.sort(rng.permutation(count)[:n]) for n in counts]
    known = [np.unique([*mine, *rng.integers(0, count, 5)]) for mine in own]
    starts = np.cumsum([0, *map(len, known)]).astype(np.int32)
    shared = candidates._replace(
        columns=np.concatenate(own).astype(np.int32),
        known=np.concatenate(known).astype(np.int32),
        starts=starts,
        own_starts=np.cumsum([0, *counts]).astype(np.int32),
    )
    each = [known[query] for query in np.repeat(np.arange(size), counts)]
    alone = shared._replace(
        known=np.concatenate(each).astype(np.int32),
        starts=np.cumsum([0, *map(len, each)]).astype(np.int32),
        own_starts=None,
    )
    return shared, alone


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("size", [1, 256, 600])
def test_several_answers_to_one_query_are_graded_as_if_each_had_been_asked_for_alone(size, workers):
    queries, candidates = drawn(size)
    counts = np.random.default_rng(size).integers(1, 7, size)
    shared, alone = in_sets(candidates, counts)
    loss, (into_queries, *rest) = by_autodiff("softmax", np.repeat(queries, counts, axis=0), alone)
    by_query = np.add.reduceat(into_queries, np.cumsum(counts) - counts)
    assert_same(Head(softmax(), workers).grade(queries, shared), (loss, [by_query, *rest]))


def test_an_answer_far_below_another_of_the_same_query_is_heard():
    # Own scores 200 and −200 against a rival at 0: losses 0 and 200; only the second says anything.
    vectors = np.array([[200.0], [-200.0], [0.0]], np.float32)
    columns, own = np.array([0, 1], np.int32), np.array([0, 2], np.int32)
    candidates = Candidates(
        vectors, np.zeros(3, np.float32), np.ones(3, np.float32), columns, columns, own, own
    )
    graded = Head(softmax()).grade(np.ones((1, 1), np.float32), candidates)
    assert graded.loss == pytest.approx(100)
    assert graded.bias.tolist() == pytest.approx([0, -0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_head_keeps_nothing_of_the_batch_before(workers):
    head = Head(softmax(), workers)
    first = drawn(300, count=90)
    wanted = head.grade(*first)
    head.grade(*drawn(40, count=200, seed=1))
    head.grade(*drawn(700, count=3, seed=2))
    for part, again in zip(wanted, head.grade(*first), strict=True):
        assert np.asarray(part).tolist() == np.asarray(again).tolist()


def test_over_the_whole_catalogue_the_sampled_softmax_is_the_full_one():
    queries, candidates = drawn(40)
    everything = candidates._replace(
        weights=np.ones(70, np.float32), known=np.zeros(0, np.int32), starts=np.zeros(41, np.int32)
    )
    given = [tf.constant(part) for part in (queries, candidates.vectors, candidates.bias)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        scores = tf.matmul(given[0], given[1], transpose_b=True) + given[2]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(candidates.columns, scores)
        loss = tf.reduce_mean(losses)
    wanted = float(loss), [slope.numpy() for slope in tape.gradient(loss, given)]
    assert_same(Head(softmax()).grade(queries, everything), wanted)


@pytest.mark.parametrize("name", ["softmax", "bpr", "triplet"])  # gbce asks only whether an item is there
def test_folding_copies_of_a_candidate_together_changes_nothing(name):
    rng = np.random.default_rng(4)
    queries, folded = drawn(30, count=12)
    expected = rng.gamma(2, 1, 12)
    # A list of 60 draws, of which the first 12 are all the items; each is weighed by 1 / expected.
    items = np.concatenate([np.arange(12), rng.integers(0, 12, 48)])
    folded = folded._replace(weights=(np.bincount(items) / expected).astype(np.float32))
    # Another copy of the own item, or of one that is known, is an accidental hit.
    is_rival = np.ones((30, 12), bool)
    is_rival[np.arange(30), folded.columns] = False
    is_rival[queries_of(folded), folded.known] = False
    struck = ~is_rival[:, items]
    listed = Candidates(
        vectors=folded.vectors[items],
        bias=folded.bias[items],
        weights=(1 / expected[items]).astype(np.float32),
        columns=folded.columns,
        known=np.nonzero(struck)[1].astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(struck.sum(1))]).astype(np.int32),
    )
    assert (np.bincount(items) > 1).all()
    head = Head(LOSSES[name])
    of_list = head.grade(queries, listed)
    vectors, bias = np.zeros((12, DIM)), np.zeros(12)
    np.add.at(vectors, items, of_list.vectors)
    np.add.at(bias, items, of_list.bias)
    assert_same(head.grade(queries, folded), (float(of_list.loss), [of_list.queries, vectors, bias]))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["softmax", "triplet"])
def test_one_query_against_its_own_item_alone_learns_nothing(name, workers):
    queries, candidates = drawn(1, count=1)
    graded = Head(LOSSES[name], workers).grade(queries, candidates)
    assert float(graded.loss) == pytest.approx(0, abs=1e-6)
    assert not any(np.abs(part).max() > 1e-6 for part in graded[1:])


def test_a_loss_of_ones_own_is_a_function_of_rows():
    """What `Loss` promises to one who adds a loss, with slopes in halves."""

    def rows(scores, bias, own, weights, knob, losses, slopes, units):
        there = scores > -1e8
        losses[:] = (there * (scores + bias)).sum(1) - knob * own
        scores[:], units[:] = 2 * there, 0.5
        slopes[:] = -knob

    queries, candidates = drawn(300)
    graded = Head(Loss(rows, 2.0), 2).grade(queries, candidates)
    scores = queries.astype(float) @ candidates.vectors.T + candidates.bias
    there = np.ones((300, 70))
    there[np.arange(300), candidates.columns] = 0
    there[queries_of(candidates), candidates.known] = 0
    into = there.copy()
    into[np.arange(300), candidates.columns] = -2
    assert float(graded.loss) == pytest.approx((into * scores).sum() / 300, rel=1e-4)
    assert graded.queries == pytest.approx(into @ candidates.vectors / 300, rel=1e-4, abs=1e-5)
    assert graded.vectors == pytest.approx(into.T @ queries / 300, rel=1e-4, abs=1e-5)
    assert graded.bias == pytest.approx(into.sum(0) / 300, rel=1e-4, abs=1e-5)
