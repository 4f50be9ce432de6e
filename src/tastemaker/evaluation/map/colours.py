"""What a map can be coloured by: a few groups each, of categories by size, of numbers and years in order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.titles import title_year
from tastemaker.errors import TastemakerError, hint
from tastemaker.recipe import Role
from tastemaker.recommend import Recommender

GROUPS = 8
"""Told apart by colour; what else there is, is one group more."""
BINS = 7
"""Steps of an ordered scale."""
OTHER, MISSING = "other", "not known"
CLUSTER, YEAR, POPULARITY = "region", "year", "popularity"


@dataclass(frozen=True)
class Colour:
    """One way to colour the items.

    Attributes:
        labels: of the groups; the last ones may be OTHER and MISSING.
        codes: (n,) uint8, the group of each item.
        is_ordered: the groups are steps of a scale, lowest first.
        note: what must be known to read it.
    """

    name: str
    labels: tuple[str, ...]
    codes: npt.NDArray[np.uint8]
    is_ordered: bool = False
    note: str = ""

    @property
    def plain(self) -> int:
        """How many of the groups are neither OTHER nor MISSING."""
        return len(self.labels) - sum(label in (OTHER, MISSING) for label in self.labels[-2:])


def colours_of(recommender: Recommender, rows: npt.NDArray[np.int32]) -> list[Colour]:
    """Of the items in `rows` (n,): each column of categories, the year, numbers and popularity."""
    catalogue = recommender.catalogue
    frame = catalogue.frame[rows]
    found = []
    for column in catalogue.columns:
        if column.role in (Role.CATEGORY, Role.CATEGORIES):
            found.append(_grouped(column.name, frame[column.name]))
    years = _years(recommender, frame)
    if years is not None:
        found.append(_stepped(YEAR, years, "{:.0f}"))
    for name in catalogue.by_role(Role.NUMBER):
        found.append(_stepped(name, frame[name].cast(pl.Float64).to_numpy(), "{:,.4g}"))
    name, counts = popularity(recommender)
    if counts.any():
        found.append(_stepped(name, np.where(counts > 0, counts, np.nan)[rows], "{}"))
    return [colour for colour in found if colour is not None]


def popularity(recommender: Recommender) -> tuple[str, npt.NDArray[np.float64]]:
    """(N,) how popular each item is, and what that is called: the catalogue's own figure, or events."""
    own = recommender.catalogue.popularity
    if own is not None:
        return recommender.catalogue.by_role(Role.POPULARITY)[0], own
    return POPULARITY, np.asarray(recommender.bundle.arrays["popularity"], np.float64)


def chosen(colours: Sequence[Colour], name: str | None) -> int:
    """Which one a map opens with. Raises TastemakerError where there is none of that name.

    Unasked, the category that tells most apart: the one with the most even groups.
    """
    names = [colour.name for colour in colours]
    if name is None:
        plain = [number for number, colour in enumerate(colours) if not colour.is_ordered]
        return max(plain, key=lambda number: (_evenness(colours[number]), -number), default=0)
    folded = {each.casefold(): number for number, each in enumerate(names)}
    if name.casefold() not in folded:
        raise TastemakerError(f"There is no colour {name!r}. {hint(name, names)}")
    return folded[name.casefold()]


def _evenness(colour: Colour) -> float:
    """The groups' entropy, in nats; regions are left for when nothing else tells more than two apart."""
    if colour.name == CLUSTER:
        return 0.7
    shares = np.bincount(colour.codes[colour.codes < colour.plain], minlength=1).astype(float)
    shares = shares[shares > 0] / max(len(colour.codes), 1)
    return float(-(shares * np.log(shares)).sum())


def _grouped(name: str, values: pl.Series) -> Colour | None:
    """The greatest groups. An item in several has the colour of the rarest shown: it says most of it."""
    lists = [
        [] if value is None else [value] if isinstance(value, str) else [each for each in value if each]
        for value in values.to_list()
    ]
    counts = Counter(each for several in lists for each in set(several))
    if len(counts) < 2:
        return None
    labels = [label for label, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:GROUPS]]
    number = {label: place for place, label in enumerate(labels)}
    codes = np.empty(len(lists), np.int64)
    for place, several in enumerate(lists):
        shown = [number[each] for each in several if each in number]
        codes[place] = max(shown) if shown else GROUPS if several else GROUPS + 1
    is_list = any(len(several) > 1 for several in lists)
    return _tidied(name, labels, codes, False, "Of several, the rarest shown." if is_list else "")


def _stepped(name: str, values: npt.NDArray[np.float64], form: str) -> Colour | None:
    """Steps that hold about as many items each, bounded by values there are."""
    known = values[np.isfinite(values)]
    if len(np.unique(known)) < 2:
        return None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1), method="lower"))
    steps = np.clip(np.searchsorted(edges, np.nan_to_num(values), side="right") - 1, 0, len(edges) - 2)
    labels = []
    for step in range(len(edges) - 1):
        inside = known[np.clip(np.searchsorted(edges, known, side="right") - 1, 0, len(edges) - 2) == step]
        low, high = (
            _short(each) if form == "{}" else form.format(each) for each in (inside.min(), inside.max())
        )
        labels.append(low if low == high else f"{low}–{high}")
    return _tidied(name, labels, np.where(np.isfinite(values), steps, GROUPS + 1), True)


def _short(value: float) -> str:
    """1,200,000 → 1.2M"""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,.4g}"


def _tidied(
    name: str, labels: Sequence[str], codes: npt.NDArray[np.int64], is_ordered: bool, note: str = ""
) -> Colour:
    """Without empty groups at the end; GROUPS and GROUPS + 1 stand for OTHER and MISSING."""
    names, tidy = list(labels), codes.copy()
    for code, label in ((GROUPS, OTHER), (GROUPS + 1, MISSING)):
        if (codes == code).any():
            tidy[codes == code] = len(names)
            names.append(label)
    return Colour(name, tuple(names), tidy.astype(np.uint8), is_ordered, note)


def _years(recommender: Recommender, frame: pl.DataFrame) -> npt.NDArray[np.float64] | None:
    """(n,) of the first date there is, else of titles that end in a year; NaN where there is none."""
    for name in recommender.catalogue.by_role(Role.DATE):
        return np.asarray(frame[name].dt.year().cast(pl.Float64).fill_null(np.nan).to_numpy(), np.float64)
    for name in recommender.catalogue.by_role(Role.TITLE):
        years = [None if title is None else title_year(title) for title in frame[name]]
        if any(years):
            return np.array([np.nan if year is None else float(year) for year in years])
    return None
