"""The columns of a catalogue as a filter sees them: how they are called, what they hold, what they say."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.titles import title_year
from tastemaker.errors import FilterError
from tastemaker.hits import Bools
from tastemaker.recipe import Role

_YES, _NO = {"yes", "true", "t", "y", "1"}, {"no", "false", "f", "n", "0"}


def refuse(at: int, what: str) -> NoReturn:
    """Raise FilterError of what stands at a place, counted from 0."""
    raise FilterError(" ".join(f"In the filter, at character {at + 1}: {what}".split()))


@dataclass(frozen=True)
class Column:
    """What a comparison is about.

    Attributes:
        name: as the file has it.
        values: (N,) numbers, dates, texts or lists of texts; null where missing.
    """

    name: str
    values: pl.Series

    @property
    def holds(self) -> Literal["numbers", "dates", "lists", "texts"]:
        kind = self.values.dtype
        if kind.is_numeric():
            return "numbers"
        return "dates" if kind == pl.Date else "lists" if isinstance(kind, pl.List) else "texts"

    @property
    def known(self) -> Bools:
        known = self.values.is_not_null()
        if self.holds == "lists":
            known &= self.values.list.len() > 0
        return plain(known)

    def flags(self, at: int) -> Bools:
        """(N,) where it says yes. Raises FilterError where it isn't made of yes and no."""
        if self.holds == "numbers":
            if set(self.values.drop_nulls().unique()) <= {0, 1}:
                return plain(self.values == 1)
        elif self.holds == "texts":
            spellings = self.values.drop_nulls().unique().to_list()
            if {text.casefold() for text in spellings} <= _YES | _NO:
                return plain(self.values.is_in([text for text in spellings if text.casefold() in _YES]))
        return refuse(at, f"'{self.name}' doesn't say yes or no; compare it with something.")

    def having(self, values: Sequence[Any]) -> Bools:
        """(N,) where it is, or has, one of `values`."""
        if self.holds != "lists":
            return plain(self.values.is_in(list(values)))
        rows = pl.DataFrame({"row": np.arange(len(self.values)), "value": self.values})
        exploded = rows.explode("value")
        found = np.zeros(len(self.values), np.bool_)
        found[exploded.filter(pl.col("value").is_in(list(values)))["row"].to_numpy()] = True
        return found

    def spelled(self, text: str) -> str | None:
        """The value that `text` may be a misspelling of."""
        values = self.values.explode() if self.holds == "lists" else self.values
        there = {value.casefold(): value for value in values.drop_nulls().unique().head(10_000).sort()}
        close = difflib.get_close_matches(text.casefold(), there, n=1, cutoff=0.75)
        return there[close[0]] if close else None


def plain(mask: pl.Series) -> Bools:
    """(N,) false where null."""
    return np.array(mask.fill_null(False), np.bool_)


class Columns:
    """The columns of a catalogue, by what a person calls them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._ignored = {column.name for column in catalogue.columns} - set(catalogue.frame.columns)

    def named(self, name: str, at: int) -> Column:
        """Spelled exactly; else but for capitals; else with `_` for all that is no letter and no digit."""
        frame = self._catalogue.frame
        if name in frame.columns:
            return self._of(name)
        for same in (str.casefold, _loose):
            found = [column for column in frame.columns if same(column) == same(name)]
            if len(found) > 1:
                refuse(at, f"{name!r} could be any of {', '.join(map(repr, found))}.")
            if found:
                return self._of(found[0])
        if name in self._ignored:
            refuse(at, f"the column '{name}' was ignored when the catalogue was read.")
        return refuse(at, f"there is no column {name[:40]!r}.{self._hint(name)}")

    def year(self, column: Column, at: int) -> Column:
        """Of each date, or of each title that ends in a year, Heat (1995)."""
        name = f"year({column.name})"
        if column.holds == "dates":
            return Column(name, column.values.dt.year().cast(pl.Float64))
        if column.name in self._catalogue.by_role(Role.TITLE):
            years = [None if title is None else title_year(title) for title in column.values]
            return Column(name, pl.Series(years, dtype=pl.Float64))
        return refuse(at, f"year() is of a date or a title; '{column.name}' is neither.{self._dates()}")

    def _of(self, name: str) -> Column:
        values = self._catalogue.frame[name]
        numeric = values.dtype.is_numeric()
        return Column(name, values.cast(pl.Float64).fill_nan(None) if numeric else values)

    def _hint(self, name: str) -> str:
        if name.casefold() == "year" and self._dates():
            return self._dates()
        columns = self._catalogue.frame.columns
        folded = {column.casefold(): column for column in columns}
        close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
        if close:
            return f" Did you mean '{folded[close[0]]}'?"
        there = ", ".join(columns)
        return f" There are {there if len(there) <= 200 else there[:199] + '…'}."

    def _dates(self) -> str:
        dated = self._catalogue.by_role(Role.DATE)
        dated += [name for name in self._catalogue.by_role(Role.TITLE) if name not in dated]
        return f" Did you mean year(`{dated[0]}`)?" if dated else ""


def _loose(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
