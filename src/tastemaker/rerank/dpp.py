"""Determinantal point processes: each item against all of those above it together."""

import math

import numpy as np
import numpy.typing as npt

from tastemaker.rerank.ties import NEAR, FirstBest

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Order = npt.NDArray[np.intp]

OWN = 0.3
"""Share of an item that no other has, whatever the vectors say. With none, a list from D-dimensional vectors
would come to an end after D picks, all determinants 0, and a second item of a language could never stand
before the first of another, however weak that is. With it, one exact copy costs 0.67 nats, twenty 1.16.

At 0.3 a strength is about as strong as with MMR (ML-1M, benchmarks/results/rerank.jsonl)."""


def greedy_dpp(
    relevance: Floats, vectors: Floats, k: int, strength: float, window: int = 0, own: float = OWN
) -> Order:
    """Picks one item after the other, each time the one that makes det(L) of those picked the highest.

    L = diag(q) S diag(q) with q = exp(α · relevance) and α = (1 − strength) / (2 · strength): fast greedy
    MAP (Chen, Zhang & Zhou, NeurIPS 2018, their θ = 1 − strength). S is 1 on its diagonal and (1 − own)
    times the dot products beside it, as in Wilhelm et al. (CIKM 2018). Worked out as a logarithm, an item
    is worth (1 − strength) · relevance + strength · log(variance left), where the variance left is 1 less
    what those picked tell of the item, and never less than `own`: so no determinant runs out, and no q
    grows beyond what a float holds.

    The first pick is the most relevant. The picks for a smaller k are the first of those for a larger one.

    Args:
        relevance: (n,) from 0 to 1.
        vectors: (n, D) unit vectors, or zeros for what is like nothing.
        k: how many to pick; all where it is more than n.
        strength: from 0 (or less than rounding), by relevance alone, to 1, by the determinant of S alone.
        window: only so many picked last count, as in the paper's second algorithm; 0: all.
        own: above 0, up to 1: nothing is like anything.
    Returns: (min(k, n),) places, first pick first; ties, also those to within rounding, go to the one that
        stands first.
    """
    k = min(k, len(relevance))
    if strength < NEAR or k == 0:
        return np.argsort(-relevance, kind="stable")[:k]
    # All in units of strength, so that a logarithm is added as it comes.
    gain = np.asarray(relevance * ((1 - strength) / strength), np.float32)
    first_best = FirstBest(len(gain), NEAR / strength)
    vectors = vectors * np.float32(math.sqrt(1 - own))
    told: _All | _Window = _All(vectors, min(window, k) or k)
    worth = np.empty(len(gain), np.float32)
    picks = [first_best(gain)]
    while len(picks) < k:
        gain[picks[-1]] = -np.inf
        if len(picks) == window + 1 > 1:
            told = _Window(vectors, picks[:-1], told.left)
        told.add(picks[-1])
        np.log(told.left, out=worth)
        np.add(worth, gain, out=worth)
        picks.append(first_best(worth))
    return np.array(picks, np.intp)


class _All:
    """What all picked items tell of each other one.

    The paper grows a row of the Cholesky factor for every item with every pick. All these rows are products
    of the items with one vector a pick, so that only the vector is worked out: one product a pick.

    Attributes:
        left: (n,) variance left of each. A picked item counts as its own copy, so it never falls below `own`.
    """

    def __init__(self, vectors: Floats, size: int) -> None:
        self.left = np.ones(len(vectors), np.float32)
        self._vectors = vectors
        self._factors = np.empty((size, vectors.shape[1]), np.float32)
        self._told = np.empty((size, len(vectors)), np.float32)
        self._squares = np.empty(len(vectors), np.float32)
        self._count = 0

    def add(self, pick: int) -> None:
        count, factor, told = self._count, self._factors[self._count], self._told[self._count]
        self._told[:count, pick].dot(self._factors[:count], out=factor)
        np.subtract(self._vectors[pick], factor, out=factor)
        factor *= 1 / math.sqrt(self.left.item(pick))
        self._vectors.dot(factor, out=told)
        np.multiply(told, told, out=self._squares)
        np.subtract(self.left, self._squares, out=self.left)
        self._count += 1


class _Window:
    """What the items picked last tell of each other one: each one that comes sends away the oldest.

    Beside the vectors of the window W stand the inverse of its S and, in the same array, that inverse times
    W: a pick that comes, or one that goes, changes both by one outer product. The paper rotates a Cholesky
    factor of every item instead, `size` times a pick. Rounding adds up in `left` only: to 8e-6 of its
    logarithm after 4,000 picks.

    Args:
        picks: those of the first window, oldest first.
        left: (n,) variance that they leave of each.
    """

    def __init__(self, vectors: Floats, picks: list[int], left: Floats) -> None:
        self.left = left
        self._vectors, self._size = vectors, len(picks)
        self._within: Doubles = vectors[picks].astype(np.float64)
        shared = self._within @ self._within.T
        np.fill_diagonal(shared, 1)
        inverse = np.linalg.inv(shared)
        self._inverse: Doubles = np.concatenate([inverse, inverse @ self._within], axis=1)
        self._outer = np.empty_like(self._inverse)
        self._change = np.empty((2, vectors.shape[1]), np.float32)  # of who goes, of who comes
        self._told = np.empty((len(vectors), 2), np.float32)
        self._count = 0

    def add(self, pick: int) -> None:
        slot = self._count % self._size
        self._forget(slot)
        self._learn(slot, self._vectors[pick])
        self._count += 1
        told = self._vectors.dot(self._change.T, out=self._told)
        np.multiply(told, told, out=told)
        np.add(self.left, told[:, 0], out=self.left)
        np.subtract(self.left, told[:, 1], out=self.left)

    def _forget(self, slot: int) -> None:
        line = self._inverse[slot] * (1 / math.sqrt(self._inverse.item(slot, slot)))
        self._change[0] = line[self._size :]
        line[: self._size, None].dot(line[None], out=self._outer)
        np.subtract(self._inverse, self._outer, out=self._inverse)
        self._within[slot] = 0  # of the inverse there, nothing but rounding is left

    def _learn(self, slot: int, vector: Floats) -> None:
        shared = self._within.dot(vector)
        line = shared.dot(self._inverse)
        np.negative(line, out=line)
        line[slot] = 1
        line[self._size :] += vector
        line *= 1 / math.sqrt(1 + shared.dot(line[: self._size]))
        self._change[1] = line[self._size :]
        line[: self._size, None].dot(line[None], out=self._outer)
        np.add(self._inverse, self._outer, out=self._inverse)
        self._within[slot] = vector
