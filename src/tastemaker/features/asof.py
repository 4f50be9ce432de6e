"""How popular things were at a moment: counts of a log as they stood then, not a bit of it from later.

What somebody was shown in March must be learnt from with the counts of March. Every event keeps the sums of
its item up to itself; a question finds the last event before its moment and lets that sum fade until then.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.interactions import Interactions

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

DAY_S = 86_400.0
MARKS = 2
"""Entries of the table of places for each event of the log, 8 bytes an event. Of ML-1M's most touched item
half a dozen events are then left to search between two marks."""
MOST_MARKS = 4096
"""More would take long to make where items are few; twice as many save one step of a search."""
STEADY = 5.0
"""Events of the common strength that every item has beside its own, so that one event alone says little."""


class Past(NamedTuple):
    """What there was of n items before a moment.

    counts: (n,) events.
    decayed: (n, H) Σ 2^(−age / half life) over them, a half life a column.
    first: (n,) seconds since 1970 of the first of them; inf where there was none yet.
    strength: (n,) mean log(1 + weight) over them and STEADY events more, which are all items' mean then; NaN
        as long as no event had a weight other than 1.
    """

    counts: npt.NDArray[np.int64]
    decayed: Floats
    first: Floats
    strength: Floats


class AsOf:
    """Counts of a log at any moment. Many threads may ask at once.

    A log without a shared clock has no moments: every event counts as before, none fades (`decayed` repeats
    the count), and `first` is -inf, some time ago, where there is an event at all.

    A weight below 0 is as strong as one of 0.

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
        self._has_strengths = bool((log.weights != 1).any())
        self._strengths: Floats
        strengths = np.log1p(np.maximum(log.weights.astype(np.float64), 0))
        if self.is_clock:
            self._read(log, items, strengths)
        else:
            self._strengths = np.bincount(log.rows, strengths, minlength=items).astype(np.float64)
            self._usual = strengths.sum() / max(1, log.size)

    def _read(self, log: Interactions, items: int, strengths: Floats) -> None:
        # Of one moment the weakest first: in the order of people, newcomers would be in the bits of a sum.
        by_time = np.lexsort((strengths, log.times))
        rows, times, strengths = log.rows[by_time], log.times[by_time], strengths[by_time]
        self._strong_since = float(np.fmin.reduce(log.times[log.weights != 1], initial=np.inf))
        if self._has_strengths:
            self._all_times = times
            # One after the other, oldest first, so that no later event is in the bits of an earlier sum.
            self._all_strengths = np.append(0.0, np.cumsum(strengths))
        self._marks, self._places = _marked(rows, times, self._counts)
        by_row = np.argsort(rows, kind="stable")
        rows, times, strengths = rows[by_row], times[by_row], strengths[by_row]
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
            sums[:-1] = _summed(fading, np.ones(len(fading)), self._counts)
        if self._has_strengths:
            self._strengths = np.zeros(len(times) + 1)
            self._strengths[:-1] = _summed(np.where(is_first, 0.0, 1.0), strengths, self._counts)

    def of(self, rows: Rows, now: float) -> Past:
        """What there was of `rows` (n,) strictly before `now`, seconds since 1970.

        Raises ValueError for a `now` of NaN where the log has a clock.
        """
        if not self.is_clock:
            counts = self._counts[rows]
            first = np.where(counts > 0, -np.inf, np.inf)
            decayed = np.repeat(counts[:, None] * 1.0, len(self._half_lives_s), axis=1)
            usual = self._usual if self._has_strengths else np.nan
            return Past(counts, decayed, first, _steadied(self._strengths[rows], counts, usual))
        if np.isnan(now):
            raise ValueError("The log has a clock, so counts need a moment; NaN came.")
        places = rows.astype(np.intp)
        block = int(self._marks.searchsorted(now, side="right"))
        bounds = self._places[block : block + 2].take(places, axis=1).astype(np.intp)
        ends = self._searched(bounds[0], bounds[1], now)
        counts = ends - self._places[0].take(places)
        was_touched = counts > 0
        last = ends - was_touched
        # Of what has no event yet another's is read here, and not used: it may be of after the moment.
        ago = np.minimum(self._times.take(last) - now, 0)
        decayed = np.exp2(ago / self._half_lives_s[:, None])
        decayed *= self._sums.take(last, axis=1)
        decayed *= was_touched
        first = np.where(was_touched, self._firsts.take(places), np.inf)
        if now <= self._strong_since:
            return Past(counts, decayed.T, first, np.full(len(rows), np.nan))
        strengths = self._strengths.take(last) * was_touched
        return Past(counts, decayed.T, first, _steadied(strengths, counts, self._usual_before(now)))

    def _searched(self, low: Places, high: Places, now: float) -> Places:
        """(n,) where the first event of `now` or later stands between `low` (n,) and `high` (n,)."""
        is_open = high > low
        first, behind = low[is_open], high[is_open]
        for _ in range(int((behind - first).max(initial=0)).bit_length()):
            middle = (first + behind) >> 1
            is_before = self._times.take(middle) < now
            # A search that is over looks at the next item's first event; it must not go on into it.
            first = np.minimum(np.where(is_before, middle + 1, first), behind)
            behind = np.where(is_before, behind, middle)
        low[is_open] = first
        return low

    def _usual_before(self, now: float) -> float:
        """Mean strength of all events before `now`."""
        before = int(self._all_times.searchsorted(now))
        return float(self._all_strengths[before] / before)


def _steadied(sums: Floats, counts: npt.NDArray[np.int64], usual: float) -> Floats:
    """(n,) means of so many with STEADY more, which are `usual`."""
    means: Floats = (sums + STEADY * usual) / (counts + STEADY)
    return means


def _summed(fading: Floats, values: Floats, counts: npt.NDArray[np.int64]) -> Floats:
    """(E,) sums of `values` (E,) up to each event that fade by a factor (E,) before it; 0 before an item's
    first.

    One after the other: sums made in any other order would have something of later events in their last bits.
    The first events of all items together, then all second ones, and so on: a thousandth of the steps.

    Args:
        counts: (N,) events of each item, in whose order the events are.
    """
    out = np.empty(len(values))
    most = np.argsort(-counts, kind="stable")
    starts, lengths = (np.cumsum(counts) - counts)[most], counts[most]
    still = np.searchsorted(-lengths, -np.arange(lengths.max(initial=0)), side="left")
    total = np.zeros(len(counts))
    for step, count in enumerate(still.tolist()):
        at = starts[:count] + step
        total = total[:count] * fading[at] + values[at]
        out[at] = total
    return out


def _marked(rows: Rows, times: Floats, counts: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[Any]]:
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
    places = np.empty((wanted + 2, items), np.int32 if len(times) < 2**31 else np.int64)
    places[0] = starts
    bounds = np.searchsorted(blocks, np.arange(wanted + 2))
    for block, (start, end) in enumerate(pairwise(bounds)):
        places[block + 1] = places[block]
        np.add.at(places[block + 1], rows[start:end], 1)
    return marks, places
