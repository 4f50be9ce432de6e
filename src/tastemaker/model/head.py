"""The last step of every model here: scores of many candidates, the loss, and its gradient, by hand.

A few rows at a time, in one buffer that is kept: the matrix of scores (B, C) never exists as a whole, and
neither do the copies of it that automatic differentiation makes. The products are BLAS's.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.linalg import blas

from tastemaker.model import kernels
from tastemaker.model.compiled import Floats, Ints
from tastemaker.model.losses import NEVER, Loss

ROWS = 256
"""Queries scored at once."""

MOST_SCORES = 1 << 25
"""Scores held at once, 128 MB; a catalogue of millions takes fewer queries at a time."""


NOBODY = np.float32(1e-30)
"""Weight of a candidate that only stands there as somebody's own item."""


class Candidates(NamedTuple):
    """What B queries are scored against.

    vectors: (C, D) float32.
    bias: (C,) added to each score.
    weights: (C,) how many items of the catalogue each stands for; 1 where all are there.
    columns: (B,) int32, where each query's own item stands.
    known: (P,) int32 candidates that are no negatives for a query, by query.
    starts: (B + 1,) int32, where each query's `known` begin.
    own_starts: (S + 1,) int32, where the own items of each of S queries begin in `columns`, if they have
        several each, all of which are among their `known`; else None.
    """

    vectors: Floats
    bias: Floats
    weights: Floats
    columns: Ints
    known: Ints
    starts: Ints
    own_starts: Ints | None = None


class Graded(NamedTuple):
    """A batch's mean loss, and its gradient in queries (B, D), vectors (C, D) and bias (C,)."""

    loss: float
    queries: Floats
    vectors: Floats
    bias: Floats


class Head:
    """Grades queries against candidates.

    Args:
        loss: of rows of scores.
        workers: threads, each with rows of its own: BLAS's own threads wait for each other in circles where
            another process takes a core, so it should be given one (`learn` does).
    """

    def __init__(self, loss: Loss, workers: int | None = None) -> None:
        self.loss = loss
        self.workers = workers or cores()
        self._buffers = [np.empty(0, np.float32) for _ in range(self.workers)]
        self._threads = ThreadPoolExecutor(self.workers) if self.workers > 1 else None

    def grade(self, queries: Floats, candidates: Candidates) -> Graded:
        """Loss and gradient of `queries` (B, D), or (S, D) where they have several own items each."""
        vectors, bias, weights, columns, known, starts, own_starts = candidates
        size, count = len(queries), len(vectors)
        asked = queries if own_starts is None else np.repeat(queries, np.diff(own_starts), axis=0)
        offset = bias + np.log(np.maximum(weights, NOBODY)) if self.loss.takes_logs else bias
        own_vectors = vectors[columns]
        own = np.einsum("bd,bd->b", asked, own_vectors) + bias[columns]
        losses, own_slopes = np.empty(len(own), np.float32), np.empty(len(own), np.float32)
        into_queries = np.empty_like(queries)
        rows = max(1, min(ROWS, MOST_SCORES // max(1, count), -(-size // self.workers)))

        def work(worker: int) -> tuple[Floats, Floats]:
            into_vectors, into_bias = np.zeros_like(vectors), np.zeros(count, np.float32)
            for start in range(worker * rows, size, self.workers * rows):
                part = slice(start, start + rows)
                scores = self._scores(worker, len(queries[part]), count)
                np.matmul(queries[part], vectors.T, out=scores)
                kernels.strike(scores, known, starts, start, NEVER)
                units = np.empty(len(scores), np.float32)
                if own_starts is None:
                    scores[np.arange(len(scores)), columns[part]] = NEVER
                    given = scores, offset, own[part], weights, self.loss.knob
                    self.loss.rows(*given, losses[part], own_slopes[part], units)
                else:
                    assert self.loss.sets is not None
                    begins = own_starts[start : start + len(scores) + 1]
                    mine = slice(begins[0], begins[-1])
                    self.loss.sets(scores, offset, own[mine], begins, losses[mine], own_slopes[mine], units)
                np.matmul(scores, vectors, out=into_queries[part])
                into_queries[part] *= units[:, None]
                _add_product(into_vectors, scores, queries[part] * units[:, None])
                into_bias += units @ scores
            return into_vectors, into_bias

        (into_vectors, into_bias), *more = self._each(work)
        for other_vectors, other_bias in more:  # in the same order every time
            into_vectors += other_vectors
            into_bias += other_bias
        own_vectors *= own_slopes[:, None]
        into_queries += own_vectors if own_starts is None else np.add.reduceat(own_vectors, own_starts[:-1])
        kernels.add_own(into_vectors, into_bias, columns, own_slopes, asked)
        share = np.float32(1 / len(own))
        return Graded(float(losses.mean()), into_queries * share, into_vectors * share, into_bias * share)

    def _each(self, work: Callable[[int], tuple[Floats, Floats]]) -> list[tuple[Floats, Floats]]:
        if self._threads is None:
            return [work(0)]
        return list(self._threads.map(work, range(self.workers)))

    def _scores(self, worker: int, rows: int, count: int) -> Floats:
        if self._buffers[worker].size < rows * count:
            # With room to spare: the number of distinct candidates changes with every batch.
            self._buffers[worker] = np.empty(rows * count * 9 // 8, np.float32)
        return self._buffers[worker][: rows * count].reshape(rows, count)


def _add_product(into: Floats, slopes: Floats, queries: Floats) -> None:
    """into (C, D) += slopesᵀ (C, b) · queries (b, D), without a temporary: BLAS adds as it multiplies."""
    blas.sgemm(1.0, queries.T, slopes.T, beta=1.0, c=into.T, trans_b=1, overwrite_c=1)


def cores() -> int:
    """Processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
