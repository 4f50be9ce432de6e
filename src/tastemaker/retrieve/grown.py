"""An index of a catalogue that has changed since it was built: what came later is scanned beside it.

Items come and go one at a time, and to build the index of a million anew for one title takes seconds.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Move, Rows
from tastemaker.hits import Bools, Hits
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.index import Index

Floats = npt.NDArray[np.float32]

FEW = 1000
"""Vectors scanned beside an index and rows struck out of it, at most, however small it is."""
SHARE = 0.02
"""The same, as a share of it."""


class Grown(Index):
    """`base`, with its rows renumbered, some struck out, and the vectors of others scanned exactly.

    Keeps the promises of `Index` where `base` does, and gives its scores as exactly.

    Args:
        base: built of other vectors, in the same space.
        now: (n,) int32 the row that each of its rows is now, PAD where it is struck out. Those that stay
            keep their order, so that ties do.
        vectors: (N, D) as they are now; those that `now` doesn't name are scanned.
    """

    def __init__(self, base: Index, now: Rows, vectors: Floats) -> None:
        self.base = base
        self._now = now
        self._struck = np.flatnonzero(now == PAD)
        self._before = np.full(len(vectors), PAD, np.int32)  # (N,) the row of `base`
        self._before[now[now != PAD]] = np.flatnonzero(now != PAD)
        self._late = np.flatnonzero(self._before == PAD).astype(np.int32)
        self._place = np.full(len(vectors), PAD, np.int32)  # (N,) among the late
        self._place[self._late] = np.arange(len(self._late))
        self._tail = Exact(np.asarray(vectors)[self._late])

    @classmethod
    def of(cls, index: Index, move: Move, vectors: Floats) -> "Grown | None":
        """`index` after `move`; None where so much has changed that it should be built anew.

        Args:
            vectors: (N, D) after it.
        """
        base, now = (index.base, index._now) if isinstance(index, Grown) else (index, None)
        now = move.rows if now is None else move.follow(now)
        now = np.where(np.isin(now, move.placed), np.int32(PAD), now)
        struck = int((now == PAD).sum())
        late = len(vectors) - (len(now) - struck)
        return None if struck + late > max(FEW, SHARE * len(now)) else cls(base, now, vectors)

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        left_out = [_known(rows) for rows in exclude]
        before = [np.concatenate([_found(self._before, rows), self._struck]) for rows in left_out]
        allowed = None if only is None else (self._now != PAD) & only[self._now]
        found = self.base.search(queries, k, before, allowed)
        found = Hits(_through(self._now, found.rows), found.scores)
        if not len(self._late):
            return found
        late = self._tail.search(
            queries,
            k,
            [_found(self._place, rows) for rows in left_out],
            None if only is None else only[self._late],
        )
        return _merged(found, Hits(_through(self._late, late.rows), late.scores), k)


def _known(rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    known = np.asarray(rows, dtype=np.int64)
    return known[known >= 0]


def _found(places: Rows, rows: npt.NDArray[np.int64]) -> Rows:
    found: Rows = places[rows]
    return np.asarray(found[found != PAD], np.int32)


def _through(numbers: Rows, rows: Rows) -> Rows:
    """Rows as `numbers` has them; PAD stays."""
    return np.asarray(np.where(rows == PAD, PAD, numbers[np.maximum(rows, 0)]), np.int32)


def _merged(first: Hits, second: Hits, k: int) -> Hits:
    rows = np.concatenate([first.rows, second.rows], axis=1)
    scores = np.concatenate([first.scores, second.scores], axis=1)
    last = np.where(rows == PAD, np.iinfo(np.int32).max, rows)  # beside -inf, of a PAD as of nothing else
    order = np.lexsort((last, -scores), axis=1)[:, :k]
    return Hits(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))
