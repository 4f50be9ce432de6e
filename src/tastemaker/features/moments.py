"""What the second network sees of each candidate of one request, as of that moment.

Training calls it once a list and serving once a request, so that the two can't differ: the same request gives
the same bits, in whatever process and after whatever else. Hence each number is made on its own, by steps
whose order is fixed, and never by a product of matrices, whose sums depend on the machine's mood.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.released import released_days
from tastemaker.features.asof import DAY_S, AsOf, Past
from tastemaker.features.follows import Follows
from tastemaker.features.taste import Followed, Values, fading

if TYPE_CHECKING:
    from tastemaker.features.pairs import Pairs

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any] | float

HOUR_S = 3600.0
YEAR_DAYS = 365.25
REACH = 200
"""Newest events of a history in which categories and series are looked for."""
MANY = 50
"""Newest events whose mean is a person's taste."""
LIKE_POWER, LIKE_STEADY = 4, 0.1
"""Of a cosine, where what is alike says how strong an event will be; and how much of nothing is mixed in."""
NEAR = 10
"""Newest events of which the likest counts."""
HALF_LIFE_EVENTS = 20.0
"""Events after which one counts half for the share of a category."""
BRIEF = 5
"""Newest events that say what somebody is after just now."""
BRIEF_HALF_LIFE_EVENTS = 1.5
DECAYS = (0.0, 0.5, 0.8, 0.95)
"""Of a step back in the history, where counted pairs speak: of the last event alone, to all of a long one."""
FEW = 0.1
"""Events more on both sides of a trend, so that what has almost none has almost no trend."""


class Moment(NamedTuple):
    """One request.

    rows: (T,) int32 history, oldest first. What isn't before `now` is left out.
    times: (T,) float64 of its events, seconds since 1970; NaN where one isn't known, but was before.
    now: seconds since 1970; anything where the log has no clock.
    device: as named when training; any other is no device.
    weights: (T,) float32 how strong each event of the history was; None where nobody says.
    """

    rows: Rows
    times: npt.NDArray[np.float64]
    now: float
    device: str = ""
    weights: Floats | None = None


class Found(NamedTuple):
    """What retrieval brought, best first.

    rows: (n,) int32.
    scores: (n,) float32 retrieval's own, falling.
    by_source: (n,) bool a source: whether it brought each; sources that brought nothing may be left out, and
        those that weren't named when training say nothing.
    """

    rows: Rows
    scores: Floats
    by_source: Mapping[str, npt.NDArray[np.bool_]]


class Taken(Protocol):
    """Vectors of items, as rows ask for them."""

    def take(self, rows: Rows, /) -> Floats: ...


class _Seen(NamedTuple):
    """What is known of a person at a moment, beside what they ask for.

    length: of all their events.
    rows, times: (T,) the newest of them, REACH at most, oldest first; times are NaN without a clock.
    now: NaN without a clock.
    strengths: (T,) log(1 + weight) of each; None where all are alike.
    """

    length: int
    rows: Rows
    times: npt.NDArray[np.float64]
    now: float
    strengths: npt.NDArray[np.float64] | None

    def hours_since(self, places: npt.NDArray[np.int64]) -> Numbers:
        """(n,) log(1 + hours) since the events at `places`; NaN for -1."""
        hours = (self.now - np.append(self.times, np.nan).take(places)) / HOUR_S
        return np.asarray(np.log1p(hours), np.float64)


class Moments:
    """Features of candidates. Many threads may ask at once.

    Args:
        catalogue: of N items.
        log: of all people, which popularity is counted from.
        series: (N,) number of the series that each item belongs to, 0 or above.
        pairs: what items say of others; None where nothing was counted.
        vectors: gives (n, D) float32 of length 1 for rows (n,), by which items are alike; None leaves
            likeness unknown. One of zeros is like nothing.
        half_lives_days: of an event, where it counts for popularity.
        sources: names of the sources that may bring a candidate.
        devices: names of the devices that somebody may ask from.

    Attributes:
        groups: names of the features, by group.
        names: of all F, in order.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        log: Interactions,
        *,
        series: npt.NDArray[np.int64],
        pairs: "Pairs | None" = None,
        vectors: "Taken | None" = None,
        half_lives_days: Sequence[float] = (7.0, 90.0),
        sources: Sequence[str] = (),
        devices: Sequence[str] = (),
    ) -> None:
        self._past = AsOf(log, catalogue.size, half_lives_days)
        self._values = Values(catalogue)
        self._followed = Followed(series)
        self._vectors = vectors
        released = released_days(catalogue)
        self._released = np.full(catalogue.size, np.nan) if released is None else released
        self._sources, self._devices = tuple(sources), tuple(devices)
        self._follows = None if pairs is None else Follows(pairs, DECAYS)
        half_lives_events = HALF_LIFE_EVENTS, BRIEF_HALF_LIFE_EVENTS
        self._weights = np.array([fading(REACH, half_life) for half_life in half_lives_events])
        half_lives = np.array(half_lives_days, np.float64)
        self._trend = (int(half_lives.argmin()), int(half_lives.argmax())) if len(half_lives) > 1 else None
        self.groups: Mapping[str, tuple[str, ...]] = {
            "retrieval": (
                "retrieval_score",
                "retrieval_log_rank",
                "retrieval_below_best",
                "retrieval_standardised",
                "query_product",
            ),
            "source": tuple(f"source_{name}" for name in self._sources),
            "popularity": (
                "popularity",
                *(f"popularity_{days:g}d" for days in half_lives_days),
                *(("popularity_trend",) if self._trend else ()),
                "popularity_place",
                "usual_strength",
            ),
            "age": ("days_since_release", "days_since_first_event"),
            "history": (
                "same_series",
                *(f"share_{name}" for name in self._values.names),
                *(f"share_{name}_now" for name in self._values.names),
                "hours_since_series",
                "hours_since_category",
                "like_last",
                "like_nearest",
                "like_mean",
                "own_strength",
                "strength_of_alike",
                "history_length",
                "hours_since_last",
                "popularity_above_history",
                "popularity_above_now",
                "years_from_last",
                "years_from_now",
                *(f"follows_{decay:g}" for decay in DECAYS if self._follows),
            ),
            "context": (
                *("hour_sin", "hour_cos", "weekday_sin", "weekday_cos"),
                *(f"device_{name}" for name in self._devices),
            ),
        }
        self.names = tuple(chain.from_iterable(self.groups.values()))

    def of(self, moment: Moment, found: Found, query: Floats | None, vectors: Floats | None) -> Floats:
        """(n, F) features, NaN where unknown.

        Args:
            query: (D,) what the model knows of who asks; None where it is unknown.
            vectors: (n, D) float32 of the candidates, as they are among those of all items.

        Raises ValueError for a `now` of NaN where the log has a clock.
        """
        if vectors is not None:  # in one order of memory: einsum adds up in another where they lie otherwise
            vectors = np.ascontiguousarray(vectors, np.float32)
        seen = self._seen(moment)
        many = seen.rows[-MANY:]
        past = self._past.of(np.concatenate([found.rows, many]), seen.now)
        numbers = np.empty((len(self.names), len(found.rows)), np.float32)
        if not len(found.rows):
            return numbers.T
        columns = chain(
            _retrieval(found, query, vectors),
            (found.by_source.get(name, 0.0) for name in self._sources),
            self._popularity(past, len(found.rows)),
            self._age(past, found.rows, seen.now),
            self._history(past, found.rows, seen, vectors),
            self._context(moment, seen.now),
        )
        for row, column in zip(numbers, columns, strict=True):
            row[:] = column
        return np.ascontiguousarray(numbers.T)

    def _seen(self, moment: Moment) -> _Seen:
        rows, times, weights = moment.rows, moment.times, moment.weights
        if not self._past.is_clock:
            recent = rows[-REACH:]
            return _Seen(len(rows), recent, np.full(len(recent), np.nan), np.nan, _strengths(weights))
        is_later = times >= moment.now
        if is_later.any():
            rows, times = rows[~is_later], times[~is_later]
            weights = None if weights is None else weights[~is_later]
        return _Seen(len(rows), rows[-REACH:], times[-REACH:], moment.now, _strengths(weights))

    def _popularity(self, past: Past, n: int) -> Iterator[Numbers]:
        counts, decayed = past.counts[:n], past.decayed[:n]
        yield np.log1p(counts)
        for column in decayed.T:
            yield np.log1p(column)
        if self._trend:
            short, long = self._trend
            yield np.log((decayed[:, short] + FEW) / (decayed[:, long] + FEW))
        yield _below(counts) / max(1, n - 1)
        yield past.strength[:n]

    def _age(self, past: Past, rows: Rows, now: float) -> Iterator[Numbers]:
        yield np.log1p(np.maximum(now / DAY_S - self._released.take(rows), 0))
        first = past.first[: len(rows)]
        yield np.log1p((now - np.where(np.isinf(first), np.nan, first)) / DAY_S)

    def _history(self, past: Past, rows: Rows, seen: _Seen, vectors: Floats | None) -> Iterator[Numbers]:
        again = self._followed.repeats(rows, seen.rows)
        yield again.counts
        shared = self._values.shared(rows, seen.rows, self._weights[:, REACH - len(seen.rows) :])
        for shares in shared.shares:
            yield from shares
        yield seen.hours_since(again.newest)
        yield seen.hours_since(shared.newest)
        yield from self._likeness(vectors, seen)
        yield np.log1p(seen.length)
        yield seen.hours_since(np.array([len(seen.rows) - 1]))
        popular = np.log1p(past.counts)
        mine = popular[len(rows) :]
        yield popular[: len(rows)] - (mine.mean() if len(mine) else np.nan)
        yield popular[: len(rows)] - (mine[-BRIEF:].mean() if len(mine) else np.nan)
        years, their_years = (self._released.take(some) / YEAR_DAYS for some in (rows, seen.rows[-BRIEF:]))
        yield np.abs(years - (their_years[-1] if len(their_years) else np.nan))
        apart = np.abs(years - their_years[:, None])
        yield apart.sum(0) / len(apart) if len(apart) else np.nan
        if self._follows is not None:
            yield from self._follows.of(rows, seen.rows)

    def _likeness(self, items: Floats | None, seen: _Seen) -> Iterator[Numbers]:
        """Cosine with the last event, the highest of the newest NEAR, and the mean of the newest MANY; how
        strong a person's events are, and by how much more those that are like an item.
        """
        history, strengths = seen.rows[-MANY:], seen.strengths
        own = np.nan if strengths is None else strengths.mean()
        if self._vectors is None or items is None or not len(history):
            yield from (np.nan, np.nan, np.nan, own, np.nan)
            return
        mine = self._vectors.take(history)
        # Of all MANY only where strengths ask for them: that takes a quarter of a millisecond.
        near = np.einsum("nd,td->tn", items, mine[-NEAR:] if strengths is None else mine)
        yield near[-1]
        yield near[-NEAR:].max(0)
        yield np.einsum("nd,d->n", items, mine.mean(0))
        yield own
        if strengths is None:
            yield np.nan
            return
        alike = np.maximum(near, 0).astype(np.float64) ** LIKE_POWER
        yield np.einsum("tn,t->n", alike, strengths[-MANY:] - own) / (alike.sum(0) + LIKE_STEADY)

    def _context(self, moment: Moment, now: float) -> Iterator[Numbers]:
        """The hour and the weekday in UTC, each on a circle, from midnight and from Monday."""
        day = now // DAY_S + 3  # 1970 began on a Thursday
        for turn in (now % DAY_S / DAY_S, day % 7 / 7):
            yield np.sin(2 * np.pi * turn)
            yield np.cos(2 * np.pi * turn)
        yield from (float(name == moment.device) for name in self._devices)


def _below(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) how many of `values` (n,) each of them is above."""
    order = values.argsort()
    ordered = values.take(order)
    starts = np.arange(len(values))
    starts[1:][ordered[1:] == ordered[:-1]] = 0
    below = np.empty(len(values), np.int64)
    below[order] = np.maximum.accumulate(starts)
    return below


def _retrieval(found: Found, query: Floats | None, vectors: Floats | None) -> Iterator[Numbers]:
    scores = found.scores.astype(np.float64)
    yield scores
    yield np.log(np.arange(1, len(scores) + 1))
    yield scores - scores.max()
    above = scores - scores.mean()
    spread = np.sqrt((above * above).mean())
    yield above / spread if spread > 0 else 0.0
    if query is None or vectors is None:
        yield np.nan
    else:
        yield np.einsum("nd,d->n", vectors, np.ascontiguousarray(query, np.float32))


def _strengths(weights: Floats | None) -> npt.NDArray[np.float64] | None:
    if weights is None or not len(weights) or (weights == weights[0]).all():
        return None
    return np.log1p(np.maximum(weights[-REACH:].astype(np.float64), 0))
