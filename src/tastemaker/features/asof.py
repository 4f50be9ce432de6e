"""How popular things were at a moment: counts of a log as they stood then, not a bit of it from later.

What somebody was shown in March must be learnt from with the counts of March. Every event keeps the sums of
its item up to itself; a question finds the last event before its moment and lets that sum fade until then.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.interactions import Interactions

Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0
MARKS = 2
"""Entries of the table of places for each event of the log, 16 bytes an event. Of ML-1M's most touched item
half a dozen events are then left to search between two marks."""
MOST_MARKS = 4096
"""More would take long to make where items are few; twice as many save one step of a search."""


class Past(NamedTuple):
    """What there was of n items before a moment.

    counts: (n,) events.
    decayed: (n, H) Σ 2^(−age / half life) over them, a half life a column.
    first: (n,) seconds since 1970 of the first of them; inf where there was none yet.
    """

    counts: npt.NDArray[np.int64]
    decayed: Floats
    first: Floats


class AsOf:
    """Counts of a log at any moment. Many threads may ask at once.

    A log without a shared clock has no moments: every event counts as before, none fades (`decayed` repeats
    the count), and `first` is -inf, some time ago, where there is an event at all.

    Args:
        log: of all people.
        items: N, the size of the catalogue.
        half_lives_days: (H,) above 0.
    """

    def __init__(self, log: Interactions, items: int, half_lives_days: Sequence[float]) -> None:
        self.is_clock = log.is_clock and log.is_ordered
        self.half_lives_days = tuple(half_lives_days)
        self._half_lives_s = np.array(half_lives_days, np.float64) * DAY_S
        self._counts = log.counts(items)
        if self.is_clock:
            self._read(log, items)

    def _read(self, log: Interactions, items: int) -> None:
        by_time = np.argsort(log.times, kind="stable")
        rows, times = log.rows[by_time], log.times[by_time]
        self._marks, self._places = _marked(rows, times, self._counts)
        by_row = np.argsort(rows, kind="stable")
        rows, times = rows[by_row], times[by_row]
        # A place behind all events, so that whoever has none at the end of the catalogue may look there.
        self._times = np.append(times, np.inf)
        gaps = np.diff(times, prepend=times[:1])
        is_first = np.diff(rows, prepend=-1) != 0
        self._firsts = np.full(items, np.inf)
        self._firsts[rows[is_first]] = times[is_first]
        self._sums = np.zeros((len(self._half_lives_s), len(times) + 1))
        for half_life, sums in zip(self._half_lives_s, self._sums, strict=True):
            with np.errstate(over="ignore"):  # gaps from one item to the next may run backwards
                fading = np.where(is_first, 0, np.exp2(-gaps / half_life))
            sums[:-1] = np.fromiter(_summed(fading), np.float64, len(fading))

    def of(self, rows: Rows, now: float) -> Past:
        """What there was of `rows` (n,) strictly before `now`, seconds since 1970.

        Raises ValueError for a `now` of NaN where the log has a clock.
        """
        if not self.is_clock:
            counts = self._counts[rows]
            first = np.where(counts > 0, -np.inf, np.inf)
            return Past(counts, np.repeat(counts[:, None] * 1.0, len(self._half_lives_s), axis=1), first)
        if np.isnan(now):
            raise ValueError("The log has a clock, so counts need a moment; NaN came.")
        places = rows.astype(np.intp)
        block = int(self._marks.searchsorted(now, side="right"))
        low, high = self._places[block].take(places), self._places[block + 1].take(places)
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            is_before = self._times.take(middle) < now
            # A search that is over looks at the next item's first event; it must not go on into it.
            low = np.minimum(np.where(is_before, middle + 1, low), high)
            high = np.where(is_before, high, middle)
        counts = low - self._places[0].take(places)
        was_touched = counts > 0
        last = low - was_touched
        # Of what has no event yet another's is read here, and not used: it may be of after the moment.
        ago = np.minimum(self._times.take(last) - now, 0)
        decayed = np.empty((len(self._half_lives_s), len(rows)))
        for half_life, sums, out in zip(self._half_lives_s, self._sums, decayed, strict=True):
            np.multiply(sums.take(last) * was_touched, np.exp2(ago / half_life), out=out)
        return Past(counts, decayed.T, np.where(was_touched, self._firsts.take(places), np.inf))


def _summed(fading: Floats) -> Iterator[float]:
    """Sums that fade by a factor before each event, which counts 1.

    One after the other: sums made in any other order would have something of later events in their last bits.
    """
    total = 0.0
    for factor in fading.data:
        total = total * factor + 1.0
        yield total


def _marked(rows: Rows, times: Floats, counts: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """(M,) points in time, and (M + 2, N) where each item's events before them end, in order of row and time.

    Row m of the table is of the mark before: row 0 of the beginning of time, the last one of its end.

    Args:
        rows: (E,) of all events, oldest first.
        times: (E,) of them.
        counts: (N,) events of each item.
    """
    items = len(counts)
    wanted = min(len(times), MARKS * len(times) // max(1, items) + 1, MOST_MARKS)
    marks = times[(np.arange(wanted) * len(times)) // max(1, wanted)]
    blocks = marks.searchsorted(times, side="right")
    starts = np.cumsum(counts) - counts
    places = np.empty((wanted + 2, items), np.int64)
    places[0] = starts
    bounds = np.searchsorted(blocks, np.arange(wanted + 2))
    for block, (start, end) in enumerate(pairwise(bounds)):
        places[block + 1] = places[block]
        np.add.at(places[block + 1], rows[start:end], 1)
    return marks, places
