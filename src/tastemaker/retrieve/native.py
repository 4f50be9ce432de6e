"""FAISS as it is used here: loaded when first needed, one thread a search, vectors in half precision."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.hits import Floats
from tastemaker.retrieve.half import Half

Found = npt.NDArray[np.int64]


@cache
def library() -> Any:
    """The module, with as many threads to build with as it found; 15 MB and 60 ms that small catalogues do
    without.
    """
    import faiss

    return faiss


def search(index: Any, queries: Floats, wanted: int, parameters: Any = None) -> tuple[Floats, Found]:
    """(B, wanted) scores and rows, -1 where there were no more, of C-contiguous `queries` (B, D).

    One thread: a service answers many at once, and a team of threads that waits for a busy core has taken
    11 ms where one alone took 50 µs.
    """
    faiss = library()
    scores = np.empty((len(queries), wanted), np.float32)
    rows = np.empty((len(queries), wanted), np.int64)
    threads = faiss.omp_get_max_threads()
    if threads > 1:
        faiss.omp_set_num_threads(1)
    try:
        pointers = (faiss.swig_ptr(array) for array in (queries, scores, rows))
        asked, first, second = pointers
        index.search_c(len(queries), asked, wanted, first, second, parameters)
    finally:
        if threads > 1:
            faiss.omp_set_num_threads(threads)
    return scores, rows


def halved(vectors: Floats, how: Half) -> Any:
    """An index that looks at all of `vectors` (N, D) in half precision."""
    faiss = library()
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexScalarQuantizer(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(np.zeros((1, vectors.shape[1]), np.float32))  # nothing is learnt; it only has to be said
    for _, block in how.blocks(vectors):
        index.add(block)
    return index
