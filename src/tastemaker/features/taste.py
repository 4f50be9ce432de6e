"""What is shared with the things that somebody touched: values of categories, and the series."""

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

    shares: (C, n) a column of categories each: the mean, over the values of an item, of the share of the
        history that has that value; NaN where an item has none, or the history is empty.
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
        """What `rows` (n,) have in common with `history` (T,), oldest first, whose events weigh `weights`."""
        if not len(history) or not self.names:
            return Shared(np.full((len(self.names), len(rows)), np.nan), np.full(len(rows), -1))
        wide = len(self._table)
        touched = self._table.take(history, axis=1).T.ravel()
        sums = np.bincount(touched, np.repeat(weights, wide), minlength=self._count)
        sums[0] = 0
        # Of several events with one value the last is written last.
        newest = np.zeros(self._count, np.int64)
        newest[touched] = np.repeat(np.arange(1, len(history) + 1), wide)
        newest[0] = 0
        values = self._table.take(rows, axis=1)
        found = sums.take(values)
        lengths = self._lengths.take(rows, axis=1)
        shares = np.empty((len(self.names), len(rows)))
        for column, (start, end) in enumerate(pairwise(self._bounds)):
            shares[column] = found[start:end].sum(0) / lengths[column]
        shares /= weights.sum()
        return Shared(shares, newest.take(values).max(0) - 1)


class Repeats(NamedTuple):
    """Events of a history that are of the same series as each of n items.

    counts: (n,) how many.
    newest: (n,) place in the history of the newest; -1 where there is none.
    """

    counts: Places
    newest: Places


def repeats(series: npt.NDArray[np.int64], size: int, history: npt.NDArray[np.int64]) -> Repeats:
    """Where the `series` (n,) of items come in those of a `history` (T,), oldest first; all below `size`."""
    newest = np.full(size, -1)
    newest[history] = np.arange(len(history))
    return Repeats(np.bincount(history, minlength=size).take(series), newest.take(series))


def _numbered(cells: pl.Series) -> tuple[npt.NDArray[np.int64], int]:
    """(L, N) numbers of the values of each cell, from 1, each once, then 0; and how many values there are."""
    told = pl.DataFrame({"row": np.arange(len(cells)), "value": cells})
    if isinstance(cells.dtype, pl.List):
        told = told.explode("value")
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
