"""What a person typed becomes a row: titles in either language, with typos, without season or year."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from rapidfuzz import fuzz, process

from tastemaker.data.catalogue import PAD, Move, Rows
from tastemaker.data.titles import (
    halves,
    names,
    native_half,
    normalised,
    season_number,
    series_key,
    uninverted,
    without_season,
    without_year,
)
from tastemaker.errors import AmbiguousTitleError, UnknownItemError

CLOSE = 75.0
"""Least similarity (rapidfuzz's ratio, 0 to 100) of a typo: one letter lost in four is still close."""
HINT = 40.0
"""Least similarity worth naming when nothing is close."""
TIE = 2.0
"""Similarities nearer than this are a tie."""
SHOWN = 10
"""Candidates named when asking back, at most."""


class TitleFinder:
    """Finds the one row a title means.

    The first of these that answers wins: the title as it stands; one of its names (a half, an alias);
    its name without season and year; the words typed, as the beginning of a name, then anywhere in
    it; the nearest spelling. Several seasons of one series are one answer, their first. Several
    series are a tie, and the caller is asked back.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        """Args: titles: (N,) as shown to people. Indexed when first asked for."""
        self.titles = titles
        self._now: Rows | None = None

    def after(self, titles: Sequence[str], move: Move) -> "TitleFinder":
        """The same for `titles` (M,), which became of these by `move`: what is indexed needn't be again.

        Entries are only ever added. `_now` says which row each is of, and PAD where its title has gone.
        """
        found = TitleFinder(titles)
        now = np.arange(len(self.titles), dtype=np.int32) if self._now is None else self._now
        if not self.__dict__.keys() >= _KEYS.keys() or len(now) + len(move.told) > 2 * len(titles):
            return found
        now = move.follow(now)
        now[np.isin(now, move.told)] = PAD
        late = [(len(now) + place, titles[row]) for place, row in enumerate(move.told)]
        found._now = np.concatenate([now, move.told])
        for name, keys in _KEYS.items():
            found.__dict__[name] = _with(self.__dict__[name], keys(late))
        return found

    def _known(self, entries: Iterable[int]) -> list[int]:
        """The rows that entries of an index are of."""
        if self._now is None:
            return list(entries)
        return [row for entry in entries if (row := int(self._now[entry])) != PAD]

    def find(self, typed: str) -> int:
        """The row that `typed` means.

        Raises:
            AmbiguousTitleError: it fits several series equally well.
            UnknownItemError: nothing is near it.
        """
        key = normalised(typed)
        rows = (
            self._known(self._literal.get(typed.strip().casefold(), ()))
            or self._known(self._names.get(key, ()))
            or self._known(self._bare.get(key, ()))
        )
        return self._one(typed, rows or self._by_words(key) or self._by_spelling(typed, key))

    def search(self, typed: str, k: int) -> list[tuple[int, float]]:
        """The k rows that `typed` may mean, best first, each with how near it is, up to 100; seasons of one
        series are one row, their first. For whoever is still typing: beginnings of names come first, then
        names that hold the words, then near spellings.
        """
        key = normalised(typed)
        if not key:
            return []
        found: dict[str, float] = {}
        keys = self._keys
        if key in self._names or key in self._bare:
            found[key] = 100.0
        begins = sorted((name for name in keys if name.startswith(key) and name not in found), key=len)
        found |= {name: 90.0 + 9.0 * len(key) / len(name) for name in begins[: 4 * k]}
        if len(found) < k and f" {key}" in self._all_keys:
            inside = sorted((name for name in keys if f" {key}" in name and name not in found), key=len)
            found |= {name: 80.0 + 9.0 * len(key) / len(name) for name in inside[: 4 * k]}
        if len(found) < k:
            near = process.extract(key, keys, scorer=fuzz.ratio, limit=4 * k, score_cutoff=CLOSE)
            found |= {name: 0.8 * float(score) for name, score, _ in near if name not in found}
        best: dict[int, float] = {}
        for name, score in sorted(found.items(), key=lambda each: -each[1]):
            for same in self._series(self._rows([name])):
                best.setdefault(self._first(same), score)
            if len(best) >= k:
                break
        return list(best.items())[:k]

    @cached_property
    def _literal(self) -> dict[str, list[int]]:
        return _index(_literally(enumerate(self.titles)))

    @cached_property
    def _names(self) -> dict[str, list[int]]:
        return _index(_by_name(enumerate(self.titles)))

    @cached_property
    def _bare(self) -> dict[str, list[int]]:
        """Names of series and films, in either language, upright, without season and year."""
        return _index(_barely(enumerate(self.titles)))

    @cached_property
    def _keys(self) -> list[str]:
        keys = self._names.keys() | self._bare.keys()
        return list(keys) if self._now is None else [key for key in keys if self._rows([key])]

    @cached_property
    def _all_keys(self) -> str:
        return "\n".join(f" {key} " for key in self._keys)

    def _rows(self, keys: Iterable[str]) -> list[int]:
        entries = (entry for key in keys for entry in (*self._names.get(key, ()), *self._bare.get(key, ())))
        return sorted(set(self._known(entries)))

    def _by_words(self, key: str) -> list[int]:
        if f" {key} " not in self._all_keys or (len(key) < 3 and key.isascii()):  # "it" is in too many names
            return []
        begins = [name for name in self._keys if name.startswith(f"{key} ")]
        return self._rows(begins or (name for name in self._keys if f" {key} " in f" {name} "))

    def _by_spelling(self, typed: str, key: str) -> list[int]:
        near = process.extract(key, self._keys, scorer=fuzz.ratio, limit=SHOWN, score_cutoff=CLOSE)
        if near:
            return self._rows(name for name, similarity, _ in near if similarity > near[0][1] - TIE)
        far = process.extract(key, self._keys, scorer=fuzz.ratio, limit=3, score_cutoff=HINT)
        nearest = [self.titles[self._first(self._rows([name]))] for name, _, _ in far]
        hint = " The nearest are " + ", ".join(f"'{title}'" for title in dict.fromkeys(nearest)) + "."
        raise UnknownItemError(f"No title is like '{typed}'.{hint if nearest else ''}")

    def _one(self, typed: str, rows: list[int]) -> int:
        series = self._series(rows)
        if len(series) == 1:
            return self._first(series[0])
        candidates = [self.titles[self._first(same)] for same in series]
        shown = "; ".join(candidates[:SHOWN]) + (" …" if len(candidates) > SHOWN else "")
        raise AmbiguousTitleError(
            f"'{typed}' could be any of {len(candidates)} titles: {shown}. Give the whole title.", candidates
        )

    def _series(self, rows: list[int]) -> list[list[int]]:
        """`rows` by series, in order of their first row.

        Two series may share an English name and differ in the native one: Kingdom // 킹덤, Kingdom //
        キングダム. Seasons write the native name in many ways, so only its beginning is compared.
        """
        found: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for row in rows:
            title = self.titles[row]
            natives = found[series_key(title)]
            native = normalised(native_half(title) or "")[:2]
            if not native and natives:
                native = next(iter(natives))
            elif native and "" in natives:
                natives[native] = natives.pop("")
            natives.setdefault(native, []).append(row)
        return [same for natives in found.values() for same in natives.values()]

    def _first(self, rows: Iterable[int]) -> int:
        """The earliest season present; a title without a number comes before."""
        return min(rows, key=lambda row: (season_number(self.titles[row]) or 0, row))


Titles = Iterable[tuple[int, str]]
"""With the number of each."""


def _literally(titles: Titles) -> Iterator[tuple[str, int]]:
    return ((title.strip().casefold(), row) for row, title in titles)


def _by_name(titles: Titles) -> Iterator[tuple[str, int]]:
    return ((normalised(name), row) for row, title in titles for name in names(title))


def _barely(titles: Titles) -> Iterator[tuple[str, int]]:
    return (
        (normalised(uninverted(without_year(without_season(half)))), row)
        for row, title in titles
        for half in halves(title)
    )


_KEYS = {"_literal": _literally, "_names": _by_name, "_bare": _barely}


def _with(index: dict[str, list[int]], pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """`index`, which stays as it is, and `pairs`."""
    return index | {key: index.get(key, []) + rows for key, rows in _index(pairs).items()}


def _index(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Rows by key, each row once."""
    index: dict[str, list[int]] = {}
    for key, row in pairs:
        rows = index.setdefault(key, [])
        if key and (not rows or rows[-1] != row):
            rows.append(row)
    index.pop("", None)
    return index
