"""Finds nearly all of the nearest items along a graph of neighbours (Malkov and Yashunin, 2016)."""

from functools import cached_property
from typing import Any

import numpy as np

from tastemaker.hits import Floats
from tastemaker.retrieve import native
from tastemaker.retrieve.distinct import Distinct
from tastemaker.retrieve.shortlist import Found

LINKS = 32
"""Neighbours kept of each vector, twice as many at the bottom."""

BUILT = 80
"""Candidates for them."""

WIDTH = 128
"""Candidates kept while searching, where nobody has tuned it."""

WIDEST = 8192


class Hnsw(Distinct):
    """The index of neighbours, over vectors in half precision.

    Args:
        vectors: (N, D) float32; the score is the dot product.
        width: candidates kept while searching.
    """

    fewest = 16

    def __init__(self, vectors: Floats, width: int = WIDTH) -> None:
        super().__init__(vectors, width)

    @property
    def widest(self) -> int:
        """Width beyond which another index is the better choice."""
        return min(WIDEST, len(self.vectors))

    def near(self, queries: Floats, wanted: int, width: int) -> Found:
        parameters = native.library().SearchParametersHNSW(efSearch=width)
        return native.search(self.graph, queries, wanted, parameters)[1]

    @cached_property
    def graph(self) -> Any:
        """Built by one thread, because several would build another each time."""
        faiss = native.library()
        dim, kind = self.vectors.shape[1], faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexHNSWSQ(dim, kind, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILT
        index.train(np.zeros((1, dim), np.float32))
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            for _, block in self.half.blocks(self.vectors[self.copies.first]):
                index.add(block)
        finally:
            faiss.omp_set_num_threads(threads)
        return index
