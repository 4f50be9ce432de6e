"""Finds nearly all of the nearest items by looking at the nearest of many lists of them.

An inverted file: vectors are parted into lists around centres, a query looks at the lists whose centres score
highest. Vectors lie there in half precision.
"""

import math
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.errors import BundleError
from tastemaker.hits import Floats
from tastemaker.retrieve import native
from tastemaker.retrieve.half import Half
from tastemaker.retrieve.shortlist import Approximate, Look

Lists = npt.NDArray[np.int32]

LESSON = 32
"""Vectors a list that its centre is learnt from; so many times as many as there are lists, at most."""

ROUNDS = 6
"""Of k-means: more move recall by less than a thousandth at a million items."""

WIDTH = 16
"""Lists looked at where nobody has tuned it."""

CENTRES, LISTS = "index/centroids", "index/lists"


class Ivf(Approximate):
    """The index of lists.

    Args:
        vectors: (N, D) float32; the score is the dot product.
        centres: (L, D) float32 in the units of `half`.
        lists: (N,) int32, which list each vector is in.
        width: lists that a query looks at.
    """

    def __init__(self, vectors: Floats, centres: Floats, lists: Lists, width: int = WIDTH) -> None:
        super().__init__(vectors, width)
        self.centres, self.lists = np.ascontiguousarray(centres, np.float32), lists

    @classmethod
    def built(cls, vectors: Floats, width: int = WIDTH, seed: int = 0) -> "Ivf":
        """Centres by k-means on a sample, each vector in the list of its nearest."""
        half = Half.of(vectors)
        centres = _centres(vectors, half, seed)
        index = cls(vectors, centres, _assigned(vectors, half, centres), width)
        index.__dict__["half"] = half
        return index

    @classmethod
    def opened(cls, vectors: Floats, arrays: Mapping[str, npt.NDArray[Any]], width: int) -> "Ivf":
        """From what `arrays` gave. Raises BundleError where it doesn't fit `vectors`."""
        centres, lists = np.asarray(arrays[CENTRES]), np.asarray(arrays[LISTS])
        fits = centres.ndim == 2 and centres.shape[1] == vectors.shape[1] and lists.shape == (len(vectors),)
        if not fits or lists.dtype != np.int32 or lists.min(initial=0) < 0 or _last(lists) >= len(centres):
            raise BundleError("The bundle is damaged: its index doesn't fit its item_vectors. Train it anew.")
        return cls(vectors, centres, lists, width)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What a bundle keeps, so that opening it needs no k-means."""
        return {CENTRES: self.centres, LISTS: self.lists}

    @property
    def widest(self) -> int:
        """Width that looks at everything."""
        return len(self.centres)

    def look(self, queries: Floats, wanted: int, share: float) -> Look:
        # Where few of the found are of use, the useful ones lie further out. And lists hold what they hold.
        needed = 2 * wanted * len(self.centres) / len(self.vectors)
        probes = min(len(self.centres), math.ceil(max(self.width / share, needed)))
        scores, rows = native.search(self.filled, queries, wanted, _asking(probes))
        bar = self.half.bar(scores[:, -1], queries)
        for place, last in enumerate(rows[:, -1].tolist()):
            if last < 0:  # then all that there was has come
                bar[place] = -math.inf
        return Look(rows, bar)

    @cached_property
    def filled(self) -> Any:
        """FAISS's own, with every vector in its list."""
        faiss = native.library()
        kind = faiss.ScalarQuantizer.QT_fp16
        # The centres are looked through one query at a time, too: a product of matrices rounds by who shares
        # the batch, and so would the choice of lists.
        centres = native.halved(self.centres, Half.of(self.centres))
        index = faiss.IndexIVFScalarQuantizer(
            centres, centres.d, len(self.centres), kind, faiss.METRIC_INNER_PRODUCT, False
        )
        index.is_trained = True
        rows = np.arange(len(self.vectors), dtype=np.int64)
        for at, block in self.half.blocks(self.vectors):
            lists = np.ascontiguousarray(self.lists[at : at + len(block)], np.int64)
            arrays = native.wide(block), rows[at:], lists  # held until FAISS has read them
            index.add_core(len(block), *map(faiss.swig_ptr, arrays), None)
        return index


def lists_having(arrays: Mapping[str, npt.NDArray[Any]], vectors: Floats, rows: Rows) -> Lists:
    """The lists of `vectors` (N, D) once those in `rows` have come or moved; others stay where they are."""
    before = arrays[LISTS]
    lists = np.zeros(len(vectors), np.int32)
    lists[: len(before)] = before
    lists[rows] = _assigned(np.asarray(vectors[rows]), Half.of(vectors), np.asarray(arrays[CENTRES]))
    return lists


@cache
def _asking(probes: int) -> Any:
    return native.library().SearchParametersIVF(nprobe=probes)


def list_count(items: int) -> int:
    """Lists for a catalogue: the power of two next to 4 √N, or fewer, for 32 items in each on average."""
    return max(1, min(1 << round(math.log2(4 * max(1, items) ** 0.5)), items // 32))


def _centres(vectors: Floats, half: Half, seed: int) -> Floats:
    faiss = native.library()
    count, size = list_count(len(vectors)), len(vectors)
    rows = np.sort(np.random.default_rng(seed).choice(size, min(size, LESSON * count), replace=False))
    if count == 1 or not half.is_fit:
        return np.zeros((1, vectors.shape[1]), np.float32)
    means = faiss.Kmeans(vectors.shape[1], count, niter=ROUNDS, seed=seed + 1, min_points_per_centroid=1)
    means.train(np.ascontiguousarray(vectors[rows] * np.float32(half.scale)))
    return np.asarray(means.centroids, np.float32)


def _assigned(vectors: Floats, half: Half, centres: Floats) -> Lists:
    """(N,) the nearest centre of each vector; equal vectors have the same."""
    lists = np.zeros(len(vectors), np.int32)
    if len(centres) == 1:
        return lists
    plain = native.library().IndexFlatL2(centres.shape[1])
    plain.add(centres)
    lengths = np.einsum("ld,ld->l", centres, centres)
    for at, block in half.blocks(vectors):
        distances, near = plain.search(block, 2)
        # A product of matrices rounds by place: where two centres are nearly as near, they are weighed again.
        slack = 8 * centres.shape[1] * np.finfo(np.float32).eps * (lengths.max() + distances[:, 0])
        for row in np.flatnonzero(distances[:, 1] - distances[:, 0] <= slack):
            near[row, 0] = np.argmin(lengths - 2 * np.einsum("ld,d->l", centres, block[row]))
        lists[at : at + len(block)] = near[:, 0]
    return lists


def _last(lists: Lists) -> int:
    return int(lists.max(initial=0))
