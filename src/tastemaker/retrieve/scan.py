"""Looks at every item, or at every one that a filter leaves: one product and a partial sort."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.hits import Bools, Floats, Hits, Recount, best, joined, longest, one_by_one, rounding
from tastemaker.retrieve.index import Index

BLOCK_SCORES = 1 << 22
"""Scores held at once, 16 MB: more is no faster, because it outgrows the cache."""

FEWEST = 16
"""Queries of a block, however large the catalogue: with fewer, the vectors are read too often. Of a million
items each of 4, 8 and 16 took 4.8, 3.1 and 2.6 ms."""

GATHERED = 1 / 3
"""Survivors of a filter are gathered where they are no larger a share of the catalogue than this, which then
takes less time than the product with all of it."""


class Scan(Index):
    """The plain product, in blocks of queries.

    Args:
        vectors: (N, D) float32; the score is the dot product.
    """

    def __init__(self, vectors: Floats) -> None:
        self.vectors = vectors

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        if only is not None and np.count_nonzero(only) <= GATHERED * len(only):
            return self._among(np.flatnonzero(only), queries, k, exclude)
        step = max(FEWEST, BLOCK_SCORES // max(1, len(self.vectors)))
        blocks = [
            self._block(queries[at : at + step], k, exclude[at : at + step], only)
            for at in range(0, len(queries), step)
        ]
        return joined(blocks, k) if len(blocks) != 1 else blocks[0]

    def _block(self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None) -> Hits:
        def again(query: int, rows: Rows) -> Floats:
            return one_by_one(queries[query], self.vectors.take(rows, 0))

        slack = rounding(queries, self._longest)
        return best(queries @ self.vectors.T, k, exclude, Recount(slack, again), only)

    def _among(
        self, left: npt.NDArray[np.int64], queries: Floats, k: int, exclude: Sequence[npt.ArrayLike]
    ) -> Hits:
        """Of the rows `left` (n,) alone, in order."""
        hits = Scan(self.vectors.take(left, 0)).search(queries, k, [_places(rows, left) for rows in exclude])
        if len(left):
            hits.rows[:] = np.where(hits.rows == PAD, PAD, left[hits.rows])
        return hits

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)


def _places(rows: npt.ArrayLike, left: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where those of `rows` stand in `left` that are there."""
    rows = np.asarray(rows, np.int64)
    if not len(rows) or not len(left):
        return np.zeros(0, np.int64)
    places = np.minimum(np.searchsorted(left, rows), len(left) - 1)
    return np.asarray(places[left[places] == rows])
