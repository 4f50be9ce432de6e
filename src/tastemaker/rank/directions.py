"""Where items lie in the eyes of a ranker: vectors of length 1, made of the bundle's own when asked for.

The whole of them would be held beside those that retrieval looks at, and read from other places in memory
just after them.
"""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows

Floats = npt.NDArray[np.float32]

BLOCK = 4096
"""Rows that are worked on at once, where all would be held twice."""
SHORTEST = np.float32(1e-12)
"""A vector that is shorter stays as short as it is."""


class Directions:
    """Of all items of one bundle; many threads may ask at once.

    Args:
        item_vectors: (N, D + 1), whose last number is an item's own bias, that every query meets with a 1:
            popularity is told to the ranker otherwise.
        rotation: (D, D) turns them into those that a network has learnt from; None leaves them as they lie,
            which is as good where nothing but angles between them is looked at.
    """

    def __init__(self, item_vectors: npt.NDArray[Any], rotation: Floats | None = None) -> None:
        self._vectors = np.asarray(item_vectors)
        self.rotation = rotation
        self._turned = None if rotation is None else self.whole
        self._lengths = np.concatenate(
            [np.zeros((0, 1), np.float32), *(_lengths(part) for part in self._blocks())]
        )

    def take(self, rows: Rows) -> Floats:
        """(n, D) of `rows` (n,)."""
        if self._turned is not None:
            return self._turned.take(rows, axis=0)
        return np.asarray(self._vectors.take(rows, axis=0)[:, :-1] / self._lengths.take(rows, axis=0))

    def turned(self, query: Floats) -> Floats:
        """(D,) a query vector (D,) of any length among them."""
        unit = query[None] / _lengths(query[None])
        return np.asarray((unit if self.rotation is None else unit @ self.rotation)[0], np.float32)

    @cached_property
    def whole(self) -> Floats:
        """(N, D) of all items."""
        whole = np.empty((len(self._vectors), self._vectors.shape[1] - 1), np.float32)
        at = 0
        for part in self._blocks():
            unit = part / _lengths(part)
            whole[at : at + len(part)] = unit if self.rotation is None else unit @ self.rotation
            at += len(part)
        return whole

    def _blocks(self) -> list[Floats]:
        steps = range(0, len(self._vectors), BLOCK)
        return [self._vectors[at : at + BLOCK, :-1] for at in steps]


def _lengths(vectors: Floats) -> Floats:
    """(n, 1)"""
    return np.asarray(np.maximum(np.sqrt((vectors * vectors).sum(-1, keepdims=True)), SHORTEST), np.float32)
