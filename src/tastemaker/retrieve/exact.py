"""Finds the nearest items, all of them and no others.

A few queries of a large catalogue look at all of it in half precision, which says who comes into question;
where it can't, and otherwise, it is a scan.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy.typing as npt

from tastemaker.hits import Bools, Floats, Hits
from tastemaker.retrieve import native
from tastemaker.retrieve.shortlist import Look, Shortlist

HALVED = 16_000
"""Items from which half precision is the quicker look, for one query on one core: at 10,000 a product in
single precision takes 45 µs and FAISS 52, at 60,000 they take 0.6 and 0.2 ms (benchmarks.retrieval)."""

TOGETHER = 8
"""Queries from which one product of matrices is quicker than a look for each."""


class Exact(Shortlist):
    """The index that finds them all.

    Args:
        vectors: (N, D) float32; the score is the dot product.
    """

    finds_all = True

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        if len(self.vectors) < HALVED or len(queries) >= TOGETHER:
            return self._scan.search(queries, k, exclude, only)
        return super().search(queries, k, exclude, only)

    def look(self, queries: Floats, wanted: int, share: float) -> Look:
        scores, rows = native.search(self.halved, queries, wanted)
        return Look(rows, self.half.bar(scores[:, -1], queries))

    @cached_property
    def halved(self) -> Any:
        """FAISS's own, of all vectors in half precision."""
        return native.halved(self.vectors, self.half)
