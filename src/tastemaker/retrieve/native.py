"""FAISS as it is used here: loaded when first needed, one thread a search, vectors in half precision."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.hits import Floats
from tastemaker.retrieve.half import Half

Found = npt.NDArray[np.int64]

STEP = 8
"""Numbers that FAISS reads at once. A vector that isn't a multiple of it long is read number by number:
60,000 of 65 numbers in half precision take 4.9 ms, of 72 they take 0.5, with FAISS 1.15."""


@cache
def library() -> Any:
    """The module, with as many threads to build with as it found; 15 MB and 60 ms that small catalogues do
    without.
    """
    import faiss

    return faiss


def wide(vectors: Floats) -> Floats:
    """(n, D) with zeros behind, up to a whole number of steps; C-contiguous."""
    missing = -vectors.shape[1] % STEP
    if not missing:
        return np.ascontiguousarray(vectors)
    wider = np.zeros((len(vectors), vectors.shape[1] + missing), np.float32)
    wider[:, : vectors.shape[1]] = vectors
    return wider


def search(index: Any, queries: Floats, wanted: int, parameters: Any = None) -> tuple[Floats, Found]:
    """(B, wanted) scores and rows, -1 where there were no more, of `queries` (B, D); of an index of `wide`
    vectors.

    One thread: a service answers many at once, and a team of threads that waits for a busy core has taken
    11 ms where one alone took 50 µs.
    """
    faiss, queries = library(), wide(queries)
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
    unlearnt = wide(np.zeros((1, vectors.shape[1]), np.float32))
    index = faiss.IndexScalarQuantizer(unlearnt.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(unlearnt)  # nothing is learnt; it only has to be said
    for _, block in how.blocks(vectors):
        index.add(wide(block))
    return index
