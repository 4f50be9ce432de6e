"""For indexes that lose their way among equal vectors: they see each once, and all its copies come back.

Titles that differ only in what a model doesn't see have equal vectors. In a graph or a tree of them some
would never be found, and which, chance would say.
"""

import math
from abc import abstractmethod
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.hits import Floats
from tastemaker.retrieve.shortlist import Approximate, Found, Look


class Distinct(Approximate):
    """A short list of distinct vectors, and then of who has them.

    What is found isn't known to be all there is.
    """

    @abstractmethod
    def near(self, queries: Floats, wanted: int, width: int) -> Found:
        """(B, wanted) numbers of distinct vectors that are high, each once; -1 where there are no more."""

    def look(self, queries: Floats, wanted: int, share: float) -> Look:
        found = self.near(queries, wanted, max(wanted, round(self.width / share)))
        # To a query of zeros all are equal, so none is near, and a scan gives the first.
        bar = [-math.inf if query.any() else math.inf for query in queries]
        return Look(self.copies.of(found, wanted), bar)

    @cached_property
    def copies(self) -> "Copies":
        return Copies(self.vectors)


def evened(vectors: Floats, room: int = 1) -> Floats:
    """(N, D + room) with one more number each that makes all equally long, and zeros.

    It is √(L² − |v|²), L the longest length. To a query that has 0 there, the order of distances and of
    angles is then that of products (Bachrach et al., RecSys 2014): what a graph and trees can go by.
    """
    squares = np.einsum("nd,nd->n", vectors, vectors)
    longer = np.zeros((len(vectors), vectors.shape[1] + room), np.float32)
    longer[:, : vectors.shape[1]] = vectors
    longer[:, vectors.shape[1]] = np.sqrt(np.maximum(squares.max(initial=0) - squares, 0))
    return longer


class Copies:
    """Which rows have equal vectors.

    Attributes:
        first: (U,) the smallest row of each distinct vector, ascending.
    """

    def __init__(self, vectors: Floats) -> None:
        width = vectors.shape[1] * vectors.itemsize
        # Compared as bytes; adding 0 makes -0 the same as 0.
        raw = np.ascontiguousarray(vectors + np.float32(0)).view(np.dtype((np.void, max(1, width))))
        _, first, number = np.unique(raw.ravel(), return_index=True, return_inverse=True)
        place = np.argsort(first)
        self.first: npt.NDArray[np.int64] = first[place]
        number = np.argsort(place)[number.ravel()]
        self._rows = np.argsort(number, kind="stable")
        self._counts = np.bincount(number, minlength=len(first))
        self._starts = np.cumsum(self._counts) - self._counts

    def of(self, found: Found, most: int) -> Found:
        """(B, m') rows of distinct vectors `found` (B, m), the `most` smallest of each at most; -1 pads."""
        if len(self.first) == len(self._rows):
            return np.where(found < 0, -1, self.first.take(found, mode="clip"))
        counts = np.where(found < 0, 0, np.minimum(self._counts.take(found, mode="clip"), most))
        starts = self._starts.take(found, mode="clip")
        sums = counts.sum(1)
        out = np.full((len(found), sums.max(initial=1)), -1, np.int64)
        for query, (count, start) in enumerate(zip(counts, starts, strict=True)):
            step = np.arange(sums[query]) - np.repeat(np.cumsum(count) - count, count)
            out[query, : sums[query]] = self._rows[np.repeat(start, count) + step]
        return out
