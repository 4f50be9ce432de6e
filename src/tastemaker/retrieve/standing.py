"""One list for everybody, less what each has seen: the popular, the trending, the newest."""

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.released import released_days
from tastemaker.hits import Bools, Hits

Users = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float64]

DAY_S = 86_400.0


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
    """(N,) when each item came out, in days as `released_days` has it; -inf where that is unknown.
    Where a catalogue doesn't tell: by its first event, what has none being newest of all; and without a clock
    by its row.
    """
    catalogue, log = bundle.catalogue, bundle.histories
    released = released_days(catalogue)
    if released is not None:
        return np.where(np.isnan(released), -np.inf, released)
    if not log.size or not log.is_clock or not log.is_ordered:
        return np.arange(catalogue.size, dtype=np.float64)
    first = log.first_times(catalogue.size)
    return np.where(np.isinf(first), log.times.max() + DAY_S, first) / DAY_S
