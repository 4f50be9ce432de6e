"""What is shared with the things that somebody touched: values of categories, and the series."""

import threading
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.recipe import Role

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

COLUMNS = 4
"""Columns of categories that are looked at, the first in the file."""
VALUES = 16
"""Values of one cell that are looked at, the first; few catalogues name more than this many genres or actors,
and a cell of a hundred tags would make every row of the table that wide."""


class Shared(NamedTuple):
    """What n items share with a history.

    shares: (W, C, n) for each way of weighing the history and each column of categories: the mean, over the
        values of an item, of the share of the history that has that value; NaN where an item has none, or the
        history is empty.
    newest: (n,) place in the history of the newest event with any value of the item's; -1 where none has.
    """

    shares: Floats
    newest: Places


class Values:
    """The values of a catalogue's categories, as numbers."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.names = tuple(catalogue.by_role(Role.CATEGORIES, Role.CATEGORY)[:COLUMNS])
        tables, count = [], 1
        for name in self.names:
            table, values = _numbered(catalogue.frame[name])
            tables.append(np.where(table > 0, table + (count - 1), 0))
            count += values
        self._count = count
        self._bounds = np.cumsum([0, *(len(table) for table in tables)]).tolist()
        # (L, N) numbers of the values, 0 in the padding: what is summed over lies one under the other.
        self._table = np.concatenate([np.empty((0, catalogue.size), np.int64), *tables]).astype(np.int32)
        lengths = np.array([(table > 0).sum(0) for table in tables], np.float64)
        self._lengths = np.where(lengths > 0, lengths, np.nan).reshape(len(self.names), catalogue.size)

    def shared(self, rows: Rows, history: Rows, weights: Floats) -> Shared:
        """What `rows` (n,) have in common with `history` (T,), oldest first.

        Args:
            weights: (W, T) of its events, weighed in as many ways.
        """
        shares = np.full((len(weights), len(self.names), len(rows)), np.nan)
        if not len(history) or not self.names:
            return Shared(shares, np.full(len(rows), -1))
        wide = len(self._table)
        touched = self._table.take(history, axis=1).T.ravel()
        # Of several events with one value the last is written last.
        newest = np.zeros(self._count, np.int64)
        newest[touched] = np.repeat(np.arange(1, len(history) + 1), wide)
        newest[0] = 0
        values = self._table.take(rows, axis=1)
        lengths = self._lengths.take(rows, axis=1)
        for way, own in zip(shares, weights, strict=True):
            sums = np.bincount(touched, np.repeat(own, wide), minlength=self._count)
            sums[0] = 0
            found = sums.take(values)
            for column, (start, end) in enumerate(pairwise(self._bounds)):
                np.divide(found[start:end].sum(0), lengths[column], out=way[column])
            way /= own.sum()
        return Shared(shares, newest.take(values).max(0) - 1)


class Repeats(NamedTuple):
    """Events of a history that are of the same series as each of n items.

    counts: (n,) how many.
    newest: (n,) place in the history of the newest; -1 where there is none.
    """

    counts: Places
    newest: Places


class Followed:
    """The series that items belong to. Many threads may ask at once.

    Args:
        series: (N,) number of the series of each item, 0 or above.
    """

    def __init__(self, series: npt.NDArray[np.int64]) -> None:
        self._series = np.asarray(series, np.int64)
        self._count = int(self._series.max(initial=-1)) + 1
        self._local = threading.local()

    def repeats(self, rows: Rows, history: Rows) -> Repeats:
        """Where the series of `rows` (n,) come in a `history` (T,) of items, oldest first."""
        touched, series = self._series.take(history), self._series.take(rows)
        # A table of all series takes longer to make than everything else, so each thread keeps one, of zeros.
        table = self._table
        table[touched] = np.arange(1, len(history) + 1)
        newest = table.take(series)
        table[touched] = 0
        again = np.flatnonzero(newest)
        counts = np.zeros(len(rows), np.int64)
        counts[again] = (series[again][:, None] == touched).sum(1)
        return Repeats(counts, newest - 1)

    @property
    def _table(self) -> Places:
        if not hasattr(self._local, "table"):
            self._local.table = np.zeros(self._count, np.int64)
        found: Places = self._local.table
        return found


def _numbered(cells: pl.Series) -> tuple[npt.NDArray[np.int64], int]:
    """(L, N) numbers of the values of each cell, from 1, each once, then 0; and how many values there are."""
    if not isinstance(cells.dtype, pl.List):
        whole = cells.rank("dense").fill_null(0).to_numpy().astype(np.int64)
        most = int(whole.max(initial=0))
        return whole[None][: min(1, most)], most
    told = pl.DataFrame({"row": np.arange(len(cells)), "value": cells}).explode("value")
    told = told.drop_nulls().unique(["row", "value"], keep="first", maintain_order=True)
    numbers = told["value"].rank("dense").to_numpy().astype(np.int64)
    rows = told["row"].to_numpy()
    lengths = np.bincount(rows, minlength=len(cells))
    places = np.arange(len(rows)) - (np.cumsum(lengths) - lengths)[rows]
    kept = places < VALUES
    table = np.zeros((min(VALUES, int(lengths.max(initial=0))), len(cells)), np.int64)
    table[places[kept], rows[kept]] = numbers[kept]
    return table, int(numbers.max(initial=0))


def fading(length: int, half_life: float) -> Floats:
    """(length,) weights of a history, oldest first: the newest weighs 1, the one `half_life` before it ½."""
    return np.asarray(np.exp2(-np.arange(length - 1, -1, -1) / half_life), np.float64)
