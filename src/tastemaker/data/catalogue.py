"""The catalogue: what there is to recommend, and the only place that turns ids into rows.

Cleaned and typed by `clean`; everything after it works on rows. Users with columns of their own
(age, country) are kept in the same form.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.recipe import Column, Role

PAD = -1
"""The row that stands for "nothing": padding, or an id that the catalogue lacks."""

Rows = npt.NDArray[np.int32]


class Move(NamedTuple):
    """How the rows of a catalogue became those of another, made of it by items that came, changed or went.

    rows: (N before,) the row that each is now; PAD where it has gone. Those that stay keep their order.
    told: rows that have other metadata than they had, or are new; ascending.
    placed: those of `told` that have other vectors; ascending.
    """

    rows: Rows
    told: Rows
    placed: Rows

    def follow(self, rows: Rows) -> Rows:
        """Where `rows` are now; PAD stays PAD."""
        return np.where(rows == PAD, np.int32(PAD), self.rows[np.maximum(rows, 0)])


@dataclass(frozen=True)
class Catalogue:
    """Things with an id and described columns, one a row.

    Attributes:
        frame: (N,) rows; the column `id_column` is a unique, non-null string. The others are typed by
            their role: title, category and text are strings, categories are lists of strings,
            number and popularity are Float64, date is Date. Any of them may be null.
        columns: what each column of `frame` is, in the file's order. Ignored columns are listed
            here but not kept in `frame`.
    """

    frame: pl.DataFrame
    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        return self.frame.height

    def by_role(self, *roles: Role) -> list[str]:
        """Names of the columns that have one of `roles`, in the file's order."""
        return [column.name for column in self.columns if column.role in roles]

    @cached_property
    def id_column(self) -> str:
        """The column that identifies a row: the one with role id, else the title."""
        return (self.by_role(Role.ID) or self.by_role(Role.TITLE))[0]

    @cached_property
    def title_column(self) -> str | None:
        return next(iter(self.by_role(Role.TITLE)), None)

    @cached_property
    def ids(self) -> list[str]:
        """(N,) external ids, exactly as they came in."""
        return self.frame[self.id_column].to_list()

    @cached_property
    def titles(self) -> list[str]:
        """(N,) what to show a person: the title, or the id where there is none."""
        if self.title_column is None:
            return self.ids
        return [
            title or id for title, id in zip(self.frame[self.title_column].to_list(), self.ids, strict=True)
        ]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def rows(self, ids: Iterable[str]) -> Rows:
        """(len(ids),) int32 rows; PAD where the catalogue has no such id."""
        return np.array([self._row_of.get(id, PAD) for id in ids], dtype=np.int32)

    def __contains__(self, id: str) -> bool:
        return id in self._row_of

    def having(self, items: "Catalogue") -> tuple["Catalogue", Rows]:
        """With `items` of the same columns: in the place of one with the same id, or at the end; and the row
        (n,) that each of them has there.
        """
        rows = self.rows(items.ids)
        is_new = rows == PAD
        rows[is_new] = self.size + np.arange(is_new.sum())
        order = np.concatenate([np.arange(self.size), self.size + np.flatnonzero(is_new)])
        order[rows] = self.size + np.arange(items.size)
        frame = pl.concat([self.frame, items.frame.select(self.frame.columns)], rechunk=True)[order]
        return replace(self, frame=frame), rows

    def only(self, rows: Rows) -> "Catalogue":
        """The items of `rows` alone, in that order."""
        return replace(self, frame=self.frame[rows])

    def has(self, items: "Catalogue") -> npt.NDArray[np.bool_]:
        """(n,) which of `items` of the same columns stand in it exactly so."""
        rows = self.rows(items.ids)
        known = rows != PAD
        same = np.zeros(items.size, bool)
        ours, theirs = (
            each.select(pl.col(pl.List(pl.String)).list.join("\x1f"), pl.exclude(pl.List(pl.String)))
            for each in (self.frame[rows[known]], items.frame.filter(pl.Series(known)))
        )
        equal = [ours[name].eq_missing(theirs[name]).to_numpy() for name in ours.columns]
        same[known] = np.logical_and.reduce(equal) if known.any() else []
        return same

    @property
    def popularity(self) -> npt.NDArray[np.float64] | None:
        """(N,) its own figure of how popular each is, 0 where it is missing; None where it has none."""
        for name in self.by_role(Role.POPULARITY):
            return np.asarray(self.frame[name].fill_null(0).to_numpy(), np.float64)
        return None

    def id_list(self, rows: Rows | Sequence[int]) -> list[str]:
        """The ids of `rows`, which must hold no PAD."""
        return [self.ids[row] for row in rows]
