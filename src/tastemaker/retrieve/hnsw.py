"""Finds nearly all of the nearest items along a graph of neighbours (Malkov and Yashunin, 2016)."""

from functools import cached_property
from typing import Any

import numpy as np

from tastemaker.hits import Floats, longest
from tastemaker.retrieve import native
from tastemaker.retrieve.distinct import Distinct, evened
from tastemaker.retrieve.half import LARGEST
from tastemaker.retrieve.shortlist import Found

LINKS = 32
"""Neighbours kept of each vector, twice as many at the bottom."""

BUILT = 80
"""Candidates for them."""

WIDTH = 128
"""Candidates kept while searching, where nobody has tuned it."""

WIDEST = 8192

ROOM = 8
"""Numbers added to each vector: one is needed, and by eights they are read twice as fast."""


class Hnsw(Distinct):
    """The index of neighbours, over vectors in half precision that have been made equally long: a graph by
    products alone loses whole groups (recall .957 at a width of 256 where it is .993 like this).

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
        # As long as the vectors: the order is the same, and no digit of either is lost in a difference.
        lengths = np.sqrt(np.einsum("bd,bd->b", queries, queries))
        lengths[lengths == 0] = 1
        asked = np.zeros((len(queries), queries.shape[1] + ROOM), np.float32)
        asked[:, : queries.shape[1]] = queries * (np.float32(LARGEST) / lengths)[:, None]
        return native.search(self.graph, asked, wanted, parameters)[1]

    @cached_property
    def graph(self) -> Any:
        """Built by one thread, because several would build another each time."""
        faiss = native.library()
        scaled = self.vectors[self.copies.first] * np.float32(self.half.scale)
        vectors = native.wide(evened(scaled * np.float32(LARGEST / max(longest(scaled), 1)), ROOM))
        kind = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexHNSWSQ(vectors.shape[1], kind, LINKS, faiss.METRIC_L2)
        index.hnsw.efConstruction = BUILT
        index.train(vectors[:1])
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            index.add(vectors)
        finally:
            faiss.omp_set_num_threads(threads)
        return index
