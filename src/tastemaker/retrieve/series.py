"""Which items belong to one series, and what comes after the season somebody has reached."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Move, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.titles import native_half, normalised, season_number, series_key
from tastemaker.hits import Bools, Hits

Users = npt.NDArray[np.int32]


class Series:
    """The series of a catalogue; many threads may ask at once.

    Args:
        titles: (N,) as shown to people. Read when first asked for.
        numbers: (N,) where they are known already, as `numbers` tells them.
    """

    def __init__(self, titles: Sequence[str], numbers: npt.NDArray[Any] | None = None) -> None:
        self.titles = titles
        self._known = None if numbers is None else np.asarray(numbers, np.int64)

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """(N,) a number a series, shared by its seasons; from 0, below N."""
        return self._numbered[1] if self._known is None else self._known

    @property
    def names(self) -> tuple[str, ...]:
        """What each number is called: the title without its season, in plain letters."""
        return tuple(self._numbered[0])

    @cached_property
    def _numbered(self) -> tuple[dict[str, int], npt.NDArray[np.int64]]:
        """Numbers by key, and of each item."""
        numbers: dict[str, int] = {}
        of = [numbers.setdefault(series_key(title), len(numbers)) for title in self.titles]
        return numbers, np.array(of, np.int64)

    def after(self, titles: Sequence[str], move: Move) -> "Series":
        """Those of `titles` (M,), which became of these by `move`; what was read isn't read again."""
        later = Series(titles)
        if "_numbered" in self.__dict__:
            numbers, of = dict(self._numbered[0]), np.empty(len(titles), np.int64)
            stays = move.rows != PAD
            of[move.rows[stays]] = self.numbers[stays]
            for row in move.told:
                of[row] = numbers.setdefault(series_key(titles[row]), len(numbers))
            later._numbered = numbers, of
        return later

    def first_of_each(self, hits: Hits, k: int) -> Hits:
        """Of the hits of one query, the best of each series, k at most."""
        rows = hits.rows[0][hits.rows[0] != PAD]
        _, first = np.unique(self.numbers[rows], return_index=True)
        kept = np.sort(first)[:k]
        return Hits(hits.rows[:, kept], hits.scores[:, kept])

    def one_of_each(self, row: int, k: int, alike: Callable[[int, Rows], Hits]) -> Hits:
        """The k most like an item, one of each series and none of its own.

        Args:
            alike: the n items most like it, less some rows.
        """
        own = np.flatnonzero(self.numbers == self.numbers[row]).astype(np.int32)
        size = len(self.numbers)
        hits = self.first_of_each(alike(min(size, 8 * k + 64), own), k)
        return hits if len(hits.rows[0]) == k else self.first_of_each(alike(size, own), k)

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The next seasons for each of `users` (B,) of a log, that of the series touched last first.

        Next is the lowest unseen season above that of the series' last touched; where it isn't in `only` (N,)
        there is none. The score is 1 / (1 + events since the series was last touched).
        """
        rows = np.full((len(users), k), PAD, np.int32)
        scores = np.full((len(users), k), -np.inf, np.float32)
        for place, user in enumerate(users):
            found = self._next(log.of(int(user)), only)[:k]
            for n, (row, age) in enumerate(found):
                rows[place, n], scores[place, n] = row, 1 / (1 + age)
        return Hits(rows, scores)

    def _next(self, history: npt.NDArray[np.int32], only: Bools | None) -> list[tuple[int, int]]:
        """(row, age) a series of a history (n,), oldest first."""
        seen, met = set(history.tolist()), set()
        found: list[tuple[int, int]] = []
        for age, row in enumerate(history[::-1].tolist()):
            number = int(self.numbers[row])
            seasons = self._seasons.get(number)
            if seasons is None or number in met:
                continue
            met.add(number)
            later = [
                (season, other)
                for season, other in seasons
                if season > self._season(row) and other not in seen and self._is_same_name(row, other)
            ]
            if later and (only is None or only[min(later)[1]]):
                found.append((min(later)[1], age))
        return found

    @cached_property
    def _seasons(self) -> dict[int, list[tuple[int, int]]]:
        """(season, row) of each series that has several."""
        seasons: dict[int, list[tuple[int, int]]] = defaultdict(list)
        counts = np.bincount(self.numbers, minlength=1)
        for row in np.flatnonzero(counts[self.numbers] > 1).tolist():
            seasons[int(self.numbers[row])].append((self._season(row), row))
        return dict(seasons)

    def _season(self, row: int) -> int:
        """A title without a number comes before."""
        return season_number(self.titles[row]) or 0

    def _is_same_name(self, row: int, other: int) -> bool:
        """Two series may share an English name and differ in the native one: 킹덤, キングダム."""
        names = [normalised(native_half(self.titles[row]) or "")[:2] for row in (row, other)]
        return names[0] == names[1] or "" in names
