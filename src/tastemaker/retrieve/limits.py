"""What may come back at all: a filter in words, a list of ids that alone may, a list of ids that may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.errors import TastemakerError
from tastemaker.hits import Bools
from tastemaker.retrieve.predicate import Filters

SHOWN = 10
"""Unknown ids named in a note, at most."""


@dataclass(frozen=True)
class Limit:
    """What one request is held to.

    Attributes:
        rows: (N,) which may come back; None for every one.
        notes: what the asker should know, e.g. ids that the catalogue lacks.
    """

    rows: Bools | None = None
    notes: tuple[str, ...] = ()

    def within(self, allowed: Bools) -> "Limit":
        """Held to `allowed` (N,) too, by rules that nobody asked for in this call."""
        rows = allowed if self.rows is None else self.rows & allowed
        barred = self.rows is not None and self.rows.any() and not rows.any()
        return Limit(rows, (*self.notes, "rules let nothing of it pass") if barred else self.notes)

    def told(self, found: int) -> tuple[str, ...]:
        """The notes, and one more where nothing of what may come back was `found`."""
        if found or self.rows is None or not self.rows.any():
            return self.notes
        return (*self.notes, f"{int(self.rows.sum()):,} pass the filter, and nothing new is among them")


class Held(TypedDict, total=False):
    """What lists are held to, as keywords.

    filter: what an item must be, `language == "Korean" and not kids`; `retrieve.predicate` says how.
    only: ids of the only items to choose from.
    exclude: ids of items to leave out.
    """

    filter: str | None
    only: Sequence[str] | None
    exclude: Sequence[str]


class Limits:
    """Over one catalogue; many threads may ask at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._filters = Filters(catalogue)

    def of(
        self,
        filter: str | None = None,
        only: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        also: str | None = None,
    ) -> Limit:
        """The rows that pass all.

        Args:
            filter: as `predicate` reads it; None lets all pass.
            only: ids that may come back, none of them others; None for all.
            exclude: ids that may not.
            also: another filter, of the placement.
        Raises: FilterError.
        """
        filters = [text for text in (filter, also) if text is not None]
        if not filters and only is None and not len(exclude):
            return Limit()
        rows, notes = np.ones(self._catalogue.size, np.bool_), []
        for text in filters:
            passed = self._filters.passed(text)
            rows &= passed.rows
            if not rows.any():
                notes += [". ".join(["nothing passes the filter", *passed.remarks])]
        if only is not None:
            allowed, unknown = self._rows(only, "only")
            among = np.zeros(len(rows), np.bool_)
            among[allowed] = True
            rows &= among
            notes += unknown
        denied, unknown = self._rows(exclude, "exclude")
        rows[denied] = False
        notes += unknown
        if not rows.any() and not any(note.startswith("nothing passes") for note in notes):
            notes += ["nothing passes the filter and the lists"]
        rows.setflags(write=False)
        return Limit(rows, tuple(notes))

    def _rows(self, ids: Sequence[str], name: str) -> tuple[Rows, list[str]]:
        if isinstance(ids, str):
            raise TastemakerError(f"{name} is the text {ids!r}; it should be a list of ids.")
        ids = [str(id) for id in ids]
        rows = self._catalogue.rows(ids)
        unknown = [repr(id) for id, row in zip(ids, rows, strict=True) if row == PAD]
        more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
        note = f"not in the catalogue, left out of `{name}`: {', '.join(unknown[:SHOWN])}{more}"
        return rows[rows != PAD], [note] * bool(unknown)
