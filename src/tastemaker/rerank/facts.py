"""What rules know of a catalogue: its groups by any column, vectors, ages, popularity."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.names import plain_name
from tastemaker.data.released import released_days
from tastemaker.data.titles import franchise_key
from tastemaker.errors import RecipeError, hint
from tastemaker.recipe import Role
from tastemaker.retrieve.series import Series

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

VECTORS = "vectors"
"""What to ask `alike` for by the vectors of the model."""
DAY_S = 86_400.0
MOST_GROUPS = 100
"""More are names rather than kinds."""
TIERS = ("head", "middle", "tail")
TIER_SHARES = (0.5, 0.8)
"""Of all events: the items that together have the first half are the head; up to this, the middle."""


class Groups(NamedTuple):
    """What items have in common: the values of a column, its seasons' series, and so on.

    names: (G,) of the groups.
    offsets: (N + 1,) item n is in the groups `codes[offsets[n]:offsets[n + 1]]`, which may be none.
    codes: (E,) int32.
    """

    names: tuple[str, ...]
    offsets: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values: Sequence[Sequence[str]]) -> "Groups":
        """Of each item's own values; one that stands there twice counts once."""
        numbers: dict[str, int] = {}
        codes: list[int] = []
        offsets = [0]
        for own in values:
            codes += [numbers.setdefault(value, len(numbers)) for value in dict.fromkeys(own)]
            offsets.append(len(codes))
        return cls(tuple(numbers), np.array(offsets, np.int64), np.array(codes, np.int32))

    def first(self, rows: Rows) -> npt.NDArray[np.int32]:
        """(n,) number of each item's first group; PAD where it is in none."""
        starts = self.offsets[rows]
        is_in_any = self.offsets[rows + 1] > starts
        found = np.full(len(rows), PAD, np.int32)
        found[is_in_any] = self.codes[starts[is_in_any]]
        return found

    def of_rows(self, rows: Rows) -> tuple[npt.NDArray[np.int32], Bools]:
        """Numbers (g,) of the groups that any of `rows` (n,) is in, ascending, and who is in which (n, g)."""
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        counts = ends - starts
        lines = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(lines)) - np.repeat(np.cumsum(counts) - counts, counts)
        codes = self.codes[np.repeat(starts, counts) + within]
        numbers, columns = np.unique(codes, return_inverse=True)
        member = np.zeros((len(rows), len(numbers)), np.bool_)
        member[lines, columns] = True
        return numbers, member

    def is_in(self, name: str, rows: Rows) -> Bools:
        """(n,) which of `rows` are in the group of that name; none where there is no such group."""
        if name not in self.names:
            return np.zeros(len(rows), np.bool_)
        numbers, member = self.of_rows(rows)
        wanted = np.flatnonzero(numbers == self.names.index(name))
        return member[:, wanted[0]] if len(wanted) else np.zeros(len(rows), np.bool_)


class Facts:
    """Of one bundle, each worked out when it is first asked for; many threads may ask at once.

    Args:
        vectors: (N, D) that say what is alike, of any length.
        series: of the catalogue's titles, where they have been read already.
    """

    def __init__(self, bundle: Bundle, vectors: Floats, series: Series | None = None) -> None:
        self._bundle, self._vectors = bundle, vectors
        self.catalogue = bundle.catalogue
        self._series = Series(self.catalogue.titles) if series is None else series
        self._made: dict[str, Groups] = {}
        self._kinds: dict[str, npt.NDArray[np.int64]] = {}

    def groups(self, name: str) -> Groups:
        """By a column of categories, by `series`, `franchise` or `popularity_tier`.

        Raises: RecipeError where there is no such column.
        """
        # Two threads may both make one; they are alike, and one is kept.
        if name not in self._made:
            self._made[name] = self._grouped(name)
        return self._made[name]

    def kinds(self, name: str) -> npt.NDArray[np.int64]:
        """(N,) a number for each set of groups that items are in: the sum of a random number a group.

        64 bits: that two of a million sets have the same sum is as likely as 1 in 10⁷.

        Args:
            name: as `groups` takes it.
        """
        if name not in self._kinds:
            groups = self.groups(name)
            marks = np.random.default_rng(0).integers(0, 2**64, len(groups.names), np.uint64)
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(marks[groups.codes], dtype=np.uint64)])
            own = sums[groups.offsets[1:]] - sums[groups.offsets[:-1]]
            self._kinds[name] = np.unique(own, return_inverse=True)[1].astype(np.int64)
        return self._kinds[name]

    @cached_property
    def main_column(self) -> str | None:
        """What a list's mix is told by, unless one says otherwise: the first column with several values an
        item, else the first of categories."""
        return next(
            iter([*self.catalogue.by_role(Role.CATEGORIES), *self.catalogue.by_role(Role.CATEGORY)]), None
        )

    @property
    def telling_column(self) -> str | None:
        """By which two items, drawn by lot, differ most often: what a report looks at first.

        Of the columns of categories with no more than MOST_GROUPS groups; None where there is none.
        """
        columns = self.catalogue.by_role(Role.CATEGORY, Role.CATEGORIES)
        few = [column for column in columns if 1 < len(self.groups(column).names) <= MOST_GROUPS]
        return max(few, key=self._differing, default=None)

    def _differing(self, column: str) -> float:
        counts = np.unique(self.kinds(column), return_counts=True)[1]
        return float(1 - np.sum((counts / counts.sum()) ** 2))

    def alike(self, name: str, rows: Rows) -> Floats:
        """(n, D) whose dot products say how alike `rows` are: 1 the same, 0 nothing in common.

        Args:
            name: `vectors` for those of the model, each of length 1, else as `groups` takes it. What is in
                no group, or has a vector of nothing but zeros, is like nothing; of an item that shares no
                group with another, nothing is kept either.
        """
        if name == VECTORS:
            found = np.asarray(self._vectors.take(rows, axis=0), np.float32)
            found *= self._per_length.take(rows)[:, None]
            return found
        member = self.groups(name).of_rows(rows)[1]
        counts = np.maximum(member.sum(axis=1), 1)
        # Of hundreds of series most have one item here, which they make like nothing.
        shared = member[:, member.sum(axis=0) > 1]
        return np.asarray(shared / np.sqrt(counts)[:, None], np.float32)

    def age_days(self, rows: Rows, now: float) -> npt.NDArray[np.float64]:
        """(n,) days since each came out, as far as the catalogue tells; else since it was first touched, 0
        for what never was. NaN where nobody knows; not below 0.

        Args:
            now: seconds since 1970.
        """
        return np.maximum(now / DAY_S - self._came_days[rows], 0.0)

    @cached_property
    def ages_by(self) -> Literal["day", "year", "log"]:
        """What ages are told by: the catalogue, to the day or to no more than the year, or first touches."""
        if self._released_days is None:
            return "log"
        return "day" if self.catalogue.by_role(Role.DATE) else "year"

    @cached_property
    def now(self) -> float:
        """The moment after all that the bundle knows of: after the newest event, else after the newest
        release. Seconds since 1970; NaN where neither is known."""
        log = self._bundle.histories
        if log.size and log.is_clock:
            return float(np.nextafter(log.times.max(), np.inf))
        days = self._released_days
        return np.nan if days is None or np.isnan(days).all() else float(np.nanmax(days) + 1) * DAY_S

    @cached_property
    def _per_length(self) -> Floats:
        """(N,) 1 over the length of each vector; 1 where that is 0."""
        lengths = np.sqrt(np.einsum("nd,nd->n", self._vectors, self._vectors, dtype=np.float32))
        return np.asarray(1 / np.where(lengths > 0, lengths, 1), np.float32)

    @cached_property
    def popularity(self) -> Floats:
        """(N,) from 0 to 1: log(1 + events, or the catalogue's own figure), over the highest."""
        figures = np.log1p(np.maximum(np.asarray(self._bundle.arrays["popularity"], np.float64), 0))
        return np.asarray(figures / max(figures.max(initial=0.0), 1e-12), np.float32)

    @cached_property
    def _released_days(self) -> npt.NDArray[np.float64] | None:
        return released_days(self.catalogue)

    @cached_property
    def _came_days(self) -> npt.NDArray[np.float64]:
        log = self._bundle.histories
        if self._released_days is not None:
            return self._released_days
        if not log.size or not log.is_clock:
            return np.full(self.catalogue.size, np.nan)
        return log.first_times(self.catalogue.size) / DAY_S

    def _grouped(self, name: str) -> Groups:
        titles = self.catalogue.titles
        if name == "series":
            names = self._series.names
            return Groups.of([[names[number]] for number in self._series.numbers])
        if name == "franchise":
            return Groups.of([[franchise_key(title)] for title in titles])
        if name == "popularity_tier":
            return Groups.of([[tier] for tier in self._tiers()])
        column = self._column(name)
        values = self.catalogue.frame[column].to_list()
        return Groups.of(
            [[] if value is None else [value] if isinstance(value, str) else value for value in values]
        )

    def _column(self, name: str) -> str:
        roles = (Role.CATEGORY, Role.CATEGORIES)
        there = {plain_name(column): column for column in reversed(self.catalogue.by_role(*roles))}
        if name in there.values():
            return name
        found = there.get(plain_name(name))
        if found is None:
            known = [*there.values(), "series", "franchise", "popularity_tier"]
            raise RecipeError(f"No column of categories is called {name!r}. {hint(name, known)}")
        return found

    def _tiers(self) -> list[str]:
        counts = np.asarray(self._bundle.arrays["popularity"], np.float64)
        order = np.argsort(-counts, kind="stable")
        before = np.cumsum(counts[order]) - counts[order]
        tiers = np.empty(len(counts), np.int64)
        tiers[order] = np.searchsorted(np.array(TIER_SHARES) * counts.sum(), before, side="right")
        return [TIERS[tier] if count > 0 else TIERS[-1] for tier, count in zip(tiers, counts, strict=True)]
