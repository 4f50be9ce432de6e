"""One list for everybody, less what each has seen: the popular, the trending, the newest."""

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.names import plain_name
from tastemaker.data.titles import title_year
from tastemaker.hits import Bools, Hits
from tastemaker.recipe import Role

Users = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float64]

DAY_S = 86_400.0
YEARS = ("year", "release_year", "released", "start_year", "publication_year", "year_of_publication")
"""What a number column is called that says when an item came out."""


class Standing:
    """Finds the same items for everyone, best first.

    Args:
        scores: (N,) higher is better; -inf never comes back. Ties: the smaller row first.
    """

    def __init__(self, scores: Scores) -> None:
        self._scores = scores.astype(np.float32)
        order = np.argsort(-scores, kind="stable").astype(np.int32)
        self._order = order[scores[order] > -np.inf]

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The k best for each of `users` (B,) of a log, less what each has seen, and of `only` (N,)."""
        rows = np.full((len(users), k), PAD, np.int32)
        scores = np.full((len(users), k), -np.inf, np.float32)
        order = self._order if only is None else self._order[only[self._order]]
        for place, user in enumerate(users):
            seen = log.of(int(user))
            ahead = order[: k + len(seen)]
            found = ahead[~np.isin(ahead, seen)][:k]
            rows[place, : len(found)] = found
            scores[place, : len(found)] = self._scores[found]
        return Hits(rows, scores)


def popularity(bundle: Bundle) -> Scores:
    """(N,) how often each item was touched, or the catalogue's own figure."""
    return np.asarray(bundle.arrays["popularity"], np.float64)


def popular(bundle: Bundle) -> Scores:
    """(N,) the same; -inf where it was never."""
    counts = popularity(bundle)
    return np.where(counts > 0, counts, -np.inf)


def trending(bundle: Bundle, half_life_days: float) -> Scores:
    """(N,) Σ 2^(−age / half life) over an item's events, ages from the newest event of the log.

    -inf where it has none, and everywhere where the log has no clock.
    """
    log, items = bundle.histories, bundle.catalogue.size
    if not log.size or not log.is_clock or not log.is_ordered:
        return np.full(items, -np.inf)
    half_lives = (log.times.max() - log.times) / (half_life_days * DAY_S)
    # As log2, so that what was touched long ago doesn't all end in the same 0.
    newest = np.full(items, np.inf)
    np.minimum.at(newest, log.rows, half_lives)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.bincount(log.rows, np.exp2(newest[log.rows] - half_lives), minlength=items)
        return np.where(sums > 0, np.log2(sums) - newest, -np.inf)


def newest(bundle: Bundle) -> Scores:
    """(N,) when each item came out: by a date, else by a year, else by its title's year; -inf where that is
    missing. Where a catalogue has none of them: by its first event, what has none being newest of all; and
    without a clock by its row.
    """
    catalogue, log = bundle.catalogue, bundle.histories
    released = _released(catalogue)
    if released is not None:
        return released
    if not log.size or not log.is_clock or not log.is_ordered:
        return np.arange(catalogue.size, dtype=np.float64)
    first = np.full(catalogue.size, np.inf)
    np.minimum.at(first, log.rows, log.times)
    return np.where(np.isinf(first), log.times.max() + DAY_S, first) / DAY_S


def _released(catalogue: Catalogue) -> Scores | None:
    for name in catalogue.by_role(Role.DATE):
        days = catalogue.frame[name].to_physical()
        return np.array([-np.inf if day is None else day for day in days], np.float64)
    for name in catalogue.by_role(Role.NUMBER):
        if plain_name(name) in YEARS:
            years = catalogue.frame[name]
            return np.array([-np.inf if year is None else year for year in years], np.float64)
    found = [title_year(title) for title in catalogue.titles]
    if sum(year is not None for year in found) * 2 < len(found) or not found:
        return None
    return np.array([-np.inf if year is None else year for year in found], np.float64)
