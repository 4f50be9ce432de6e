"""Finds nearest items by looking at all of them: one product and a partial sort.

Takes query vectors, gives ranked rows.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.hits import Bools, Hits, Recount, best, joined, longest, one_by_one, rounding
from tastemaker.retrieve.index import Index

Floats = npt.NDArray[np.float32]

BLOCK_SCORES = 1 << 22
"""Scores held at once, 16 MB: more is no faster, because it outgrows the cache."""


class Exact(Index):
    """The plain product, in blocks of queries.

    Args:
        vectors: (N, D) float32; the score is the dot product.
    """

    def __init__(self, vectors: Floats) -> None:
        self.vectors = vectors

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        step = max(1, BLOCK_SCORES // max(1, len(self.vectors)))
        blocks = [
            self._block(queries[at : at + step], k, exclude[at : at + step], only)
            for at in range(0, len(queries), step)
        ]
        return joined(blocks, k)

    def _block(self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None) -> Hits:
        def again(query: int, rows: Rows) -> Floats:
            return one_by_one(queries[query], self.vectors[rows])

        slack = rounding(queries, self._longest)
        return best(queries @ self.vectors.T, k, exclude, Recount(slack, again), only)

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)
