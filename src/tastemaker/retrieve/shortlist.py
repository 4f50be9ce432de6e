"""A quick look says who comes into question, a slow one who it is: what every index but a plain scan does.

Striking out, adding up again, ties, widening and falling back to a scan are settled here, for any way of
having the quick look.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.hits import Bools, Floats, Hits, one_by_one, ranked
from tastemaker.retrieve.half import Half
from tastemaker.retrieve.index import Index
from tastemaker.retrieve.scan import Scan

Found = npt.NDArray[np.int64]

SPARE = 8
"""Rows fetched beyond those wanted: neighbours in score may change places when they are added up again."""

GATHERED = 1 / 8
"""Where a filter leaves no more of the catalogue than this, its survivors are gathered and all looked at.
On one core that took 0.1 ms at a tenth of 60,000 items, and 10 ms of a million."""

TOO_MANY = 1 / 8
"""Who wants a longer list, as a share of the catalogue, gets it from a scan."""


class Look(NamedTuple):
    """What a quick look saw.

    rows: (B, m) int64, each once; at the end -1, where there were no more.
    bar: (B) no row among those looked at that isn't in `rows` scores above it.
    """

    rows: Found
    bar: list[float]

    @property
    def is_short(self) -> bool:
        """Whether any has a -1."""
        return any(row < 0 for row in self.rows[:, -1].tolist())


class Shortlist(Index):
    """An index that finds a short list quickly.

    Args:
        vectors: (N, D) float32; the score is the dot product.
    """

    finds_all = False
    """Whether nothing that belongs into an answer is ever missed."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors = vectors
        self._scan = Scan(vectors)

    @abstractmethod
    def look(self, queries: Floats, wanted: int, share: float) -> Look:
        """About `wanted` rows that are high for each of `queries` (B, D), of which a `share` will be of use.

        A query's answer depends on nothing but itself, `wanted` and `share`.
        """

    @cached_property
    def half(self) -> Half:
        """How the vectors are written in half precision."""
        return Half.of(self.vectors)

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        share = 1.0 if only is None else np.count_nonzero(only) / max(1, len(only))
        if share <= GATHERED or not self.half.is_fit:
            return self._scan.search(queries, k, exclude, only)
        queries = np.ascontiguousarray(queries, np.float32)
        struck = [np.asarray(rows, np.int64) for rows in exclude]
        if self.finds_all and len(struck) == 1:  # how many were looked at can't be told from the answer
            return self._search(queries, k, struck, only, share, _wanted(k + len(struck[0]), share))
        widths = [_width(k + len(rows), share) for rows in struck]
        different = set(widths)
        if len(different) == 1:
            return self._search(queries, k, struck, only, share, widths[0])
        hits = _blank(len(queries), k)
        for width in different:
            here = np.flatnonzero(np.array(widths) == width)
            part = self._search(queries[here], k, [struck[place] for place in here], only, share, width)
            hits.rows[here], hits.scores[here] = part
        return hits

    def _search(
        self, queries: Floats, k: int, struck: Sequence[Found], only: Bools | None, share: float, wanted: int
    ) -> Hits:
        """With a look at `wanted` rows, and a longer one for those who can't be sure after it."""
        if wanted > TOO_MANY * len(self.vectors):
            return self._scan.search(queries, k, struck, only)
        look = self.look(queries, wanted, share)
        rows = look.rows
        scores = one_by_one(queries, self.vectors.take(rows, 0, mode="clip"))
        if look.is_short:
            scores[rows < 0] = -np.inf
        for place, gone in enumerate(struck):
            if gone.size:
                scores[place, _are_in(rows[place], gone)] = -np.inf
        if only is not None:
            scores[~only.take(rows, mode="clip")] = -np.inf
        hits = ranked(rows, scores, k)
        last = hits.scores[:, -1].tolist()
        again = [place for place, bar in enumerate(look.bar) if not last[place] > bar]
        if again:
            rest = self._search(
                queries[again], k, [struck[place] for place in again], only, share, 8 * wanted
            )
            hits.rows[again], hits.scores[again] = rest
        return hits


class Approximate(Shortlist):
    """A short list that needn't hold all it should: the wider the search, the more of it.

    Args:
        vectors: (N, D) float32; the score is the dot product.
        width: of what, is the index's own affair; more is slower and finds more.
    """

    fewest: int = 1
    """Width from which it is worth a try."""

    def __init__(self, vectors: Floats, width: int) -> None:
        super().__init__(vectors)
        self.width = width

    @property
    @abstractmethod
    def widest(self) -> int:
        """Width beyond which nothing is gained."""

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """By name, what a bundle keeps so that opening it takes less."""
        return {}


def _wanted(useful: int, share: float) -> int:
    """How many to fetch so that `useful` pass a filter of a `share`, by three deviations of who passes."""
    return math.ceil((useful + 3 * math.sqrt(useful * (1 - share))) / share) + SPARE


@lru_cache(1 << 10)
def _width(useful: int, share: float) -> int:
    """The same in three binary digits, so that few different ones occur among a batch's queries."""
    wanted = _wanted(useful, share)
    step = 1 << max(0, wanted.bit_length() - 3)
    return -(-wanted // step) * step


def _are_in(rows: Found, gone: Found) -> Bools:
    """(m,) which of `rows` (m,) are among `gone` (n,)."""
    if len(gone) <= 16:
        return np.asarray((rows[:, None] == gone).any(1))
    ordered = np.sort(gone)
    place = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
    return np.asarray(ordered[place] == rows)


def _blank(queries: int, k: int) -> Hits:
    return Hits(np.empty((queries, k), np.int32), np.empty((queries, k), np.float32))
