"""From a log to what the query tower sees: windows of history, cut the same way in training and serving.

A window holds a user's newest events before one moment, newest first, so that position 0 always
means "just now". Everything is cut lazily from the log's own arrays; nothing is copied per example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions

Events = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

UNKNOWN = np.float32(-1)
"""The age of an event of which nobody knows when it was."""


class Window(NamedTuple):
    """What B queries know of their past.

    rows: (B, T) int32 catalogue rows, newest first, PAD after the oldest.
    values: (B, T) float32, the strength of each event as standardised by `Scale`; 0 in the padding.
    ages: (B, T) float32, as `ages` gives them; None is as good as all unknown.
    """

    rows: Rows
    values: Floats
    ages: Floats | None = None

    def part(self, queries: slice, length: int | None = None) -> "Window":
        """Some of the queries, and of each the `length` newest events."""
        cut = queries, slice(length)
        return Window(self.rows[cut], self.values[cut], None if self.ages is None else self.ages[cut])


@dataclass(frozen=True)
class Scale:
    """Standardises the strength of events (ratings, seconds watched), fitted on the training log."""

    mean: float = 0.0
    deviation: float = 1.0
    is_log: bool = False
    """strengths that spread over powers of ten (play counts, seconds) are read as log(1 + x)"""

    @classmethod
    def fit(cls, weights: Floats) -> "Scale":
        if not len(weights) or weights.min() == weights.max():
            return cls(float(weights[0]) if len(weights) else 0.0)
        is_log = bool(weights.min() >= 0 and weights.max() > 20 * max(float(np.median(weights)), 1e-9))
        shown = np.log1p(weights, dtype=np.float64) if is_log else weights.astype(np.float64)
        return cls(float(shown.mean()), float(shown.std()), is_log)

    def apply(self, weights: Floats) -> Floats:
        # In double precision: the spread of very small strengths underflows in single.
        strengths = weights.astype(np.float64)
        shown = np.log1p(np.maximum(strengths, 0)) if self.is_log else strengths
        return ((shown - self.mean) / self.deviation).astype(np.float32)


def cut(rows: Rows, strengths: Floats, ends: Events, starts: Events, length: int) -> tuple[Rows, Floats]:
    """The `length` newest of the events `[start, end)` of each query, as the arrays of a `Window`.

    Args:
        rows, strengths: (E,) of a log.
        ends: (B,) positions in the log; the event at `end` itself is not seen.
        starts: (B,) first position that belongs to the same user.
        length: T.
    """
    at = ends[:, None] - 1 - np.arange(length)  # (B, T)
    is_event = at >= starts[:, None]
    if not len(rows):
        return np.full(at.shape, PAD, np.int32), np.zeros(at.shape, np.float32)
    at *= is_event  # elsewhere any event will do: it isn't looked at
    return np.where(is_event, rows[at], np.int32(PAD)), strengths[at] * is_event


def ages(log: Interactions, ends: Events, starts: Events, length: int) -> Floats:
    """(B, T) how many seconds before the newest event of its window each event was, as `cut` cuts them.

    The newest is 0: how long ago it was itself depends on when somebody asks. UNKNOWN in the padding, and
    everywhere where the log has no clock.
    """
    at = ends[:, None] - 1 - np.arange(length)
    is_event = at >= starts[:, None]
    if not log.is_clock or not log.size:
        return np.full(at.shape, UNKNOWN)
    at *= is_event
    times = log.times[at]  # in double precision: of dates, single knows the minutes
    return np.where(is_event, times[:, :1] - times, UNKNOWN).astype(np.float32)


def query_windows(log: Interactions, users: npt.NDArray[np.int32], length: int, scale: Scale) -> Window:
    """What is known of `users` (B,) now: all they did, newest first."""
    # Of a large log and a few people, only theirs are standardised.
    starts, ends = log.offsets[users], log.offsets[users + 1]
    rows, strengths = cut(log.rows, log.weights, ends, starts, length)
    values = np.where(rows != PAD, scale.apply(strengths), np.float32(0))
    return Window(rows, values, ages(log, ends, starts, length))


class Batch(NamedTuple):
    """B training examples.

    history: what came before the label (or, without order, what stands beside it).
    labels: (B,) int32, the row to be found; never in `history`.
    users: (B,) int32 positions in the log's `user_ids`.
    owners: (S,) int32 of the histories, S being B but where histories are shared.
    after: (B,) int32 the event, s × T + t, that each example comes after, where S histories are shared by
        all of their prefixes; else None.
    starts: (S + 1,) int32 where the examples of each history begin, where each of S histories has several
        labels, which then stand side by side; else None.
    """

    history: Window
    labels: Rows
    users: npt.NDArray[np.int32]
    owners: npt.NDArray[np.int32]
    after: npt.NDArray[np.int32] | None = None
    starts: npt.NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Examples:
    """Every event with a history is an example: find it from what came before.

    Attributes:
        log: the training part only.
        items: N.
        length: T, newest events seen.
        scale: for strengths.
        in_order: whether the history is what came *before* the label. If not, it is everything else
            of the same user, a random T of it.
        cut: what cuts windows; training has a faster one.
        with_ages: whether windows in order tell when their events were.
    """

    log: Interactions
    items: int
    length: int
    scale: Scale
    in_order: bool
    cut: Callable[[Rows, Floats, Events, Events, int], tuple[Rows, Floats]] = cut
    with_ages: bool = False

    @cached_property
    def strengths(self) -> Floats:
        return self.scale.apply(self.log.weights)

    @cached_property
    def events(self) -> Events:
        """Log positions that can be a label: not the first of a user, and not there before."""
        starts = np.repeat(self.log.offsets[:-1], np.diff(self.log.offsets))
        at = np.arange(self.log.size)
        key = self.log.users.astype(np.int64) * self.items + self.log.rows
        first = np.zeros(self.log.size, bool)
        first[np.unique(key, return_index=True)[1]] = True
        alone = (np.bincount(self.log.users[first], minlength=self.log.user_count) < 2)[self.log.users]
        return np.flatnonzero(first & ~alone & ((at > starts) | (not self.in_order)))

    def batch(self, labels: Events, rng: np.random.Generator) -> Batch:
        """The examples whose labels stand at the log positions `labels` (B,)."""
        users = self.log.users[labels]
        starts, stops = self.log.offsets[users], self.log.offsets[users + 1]
        if self.in_order:
            history = self.window(labels, starts, self.length)
        else:
            history = self._others(labels, starts, stops, rng)
        return Batch(history, self.log.rows[labels], users, users)

    def window(self, ends: Events, starts: Events, length: int) -> Window:
        """The `length` newest of the events `[start, end)` of each query."""
        rows, strengths = self.cut(self.log.rows, self.strengths, ends, starts, length)
        return Window(rows, strengths, ages(self.log, ends, starts, length) if self.with_ages else None)

    def _others(self, labels: Events, starts: Events, stops: Events, rng: np.random.Generator) -> Window:
        """A random T of the user's events, without the label's row."""
        at = starts[:, None] + np.arange(int((stops - starts).max()))  # (B, C)
        is_own = at < stops[:, None]
        at = np.where(is_own, at, 0)
        is_other = is_own & (self.log.rows[at] != self.log.rows[labels][:, None])
        draw = np.where(is_other, rng.random(at.shape), np.inf)
        order = np.argsort(draw, axis=1)[:, : self.length]
        at = np.take_along_axis(at, order, axis=1)
        is_other = np.take_along_axis(is_other, order, axis=1)
        short = self.length - at.shape[1]
        rows = np.where(is_other, self.log.rows[at], np.int32(PAD))
        values = np.where(is_other, self.strengths[at], np.float32(0))
        if short > 0:
            rows = np.pad(rows, ((0, 0), (0, short)), constant_values=PAD)
            values = np.pad(values, ((0, 0), (0, short)))
        return Window(rows, values)


@dataclass(frozen=True)
class Stretches:
    """The same examples, taken a stretch of a history at a time: each event is the label of those before it.

    Attributes:
        examples: what there is to learn.
        size: labels in a batch, about.
    """

    examples: Examples
    size: int

    def deal(self, rng: np.random.Generator) -> list[Events]:
        """An epoch in batches, (S, 2) each: the position of a stretch's newest label, and how many it has.

        Every event is a label once. Histories longer than the window are cut, in other places every epoch.
        Stretches of like length come together, so that little is padding.
        """
        log, length = self.examples.log, self.examples.length
        counts = np.diff(log.offsets) - 1  # labels of each user
        users = np.flatnonzero(counts > 0)
        counts = counts[users]
        # Of a long history the newest stretch has any number of labels, and those behind it all they can.
        newest = np.where(counts > length, rng.integers(1, length + 1, len(users)), counts)
        pieces = 1 + -(-(counts - newest) // length)
        owner = np.repeat(np.arange(len(users)), pieces)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        behind = np.where(nth == 0, 0, newest[owner] + (nth - 1) * length)
        labels = np.where(nth == 0, newest[owner], np.minimum(length, counts[owner] - behind))
        ends = log.offsets[users + 1][owner] - 1 - behind
        return self._batches(np.stack([ends, labels], axis=1), rng)

    def _batches(self, stretches: Events, rng: np.random.Generator) -> list[Events]:
        before = np.concatenate([[0], np.cumsum(self._is_label, dtype=np.int64)])
        found = before[stretches[:, 0] + 1] - before[stretches[:, 0] + 1 - stretches[:, 1]]
        order = rng.permutation(np.flatnonzero(found))  # of nothing but repeats, nothing can be learnt
        whole = found.sum()
        batches = max(1, round(whole / self.size))
        # Sorted within parts of a few dozen batches: like lengths together, and other company every epoch.
        part = (np.cumsum(found[order]) * -(-batches // 50) - 1) // whole
        order = order[np.lexsort((stretches[order, 1], part))]
        number = (np.cumsum(found[order]) * batches - 1) // whole
        dealt = np.split(stretches[order], np.flatnonzero(np.diff(number)) + 1)
        return [dealt[n] for n in rng.permutation(len(dealt))]

    @cached_property
    def _is_label(self) -> Floats:
        is_label = np.zeros(self.examples.log.size, np.float32)
        is_label[self.examples.events] = 1
        return is_label

    def batch(self, stretches: Events) -> Batch:
        """The examples of `stretches` (S, 2), as `deal` gives them."""
        examples = self.examples
        log, (ends, labels) = examples.log, stretches.T
        owners = log.users[ends]
        starts = log.offsets[owners]
        length = int(np.minimum(ends - starts, examples.length).max())
        history = examples.window(ends, starts, length)
        found, is_label = examples.cut(log.rows, self._is_label, ends + 1, starts + 1, length)
        is_label *= np.arange(length) < labels[:, None]
        after = np.flatnonzero(is_label.ravel()).astype(np.int32)
        return Batch(history, found.ravel()[after], owners[after // length], owners, after)


@dataclass(frozen=True)
class Sets:
    """The same examples where order says nothing, a person at a time: some of what they touched are labels,
    the rest is the history of them all. Which is which is drawn anew every epoch, as in a denoising
    autoencoder that is asked only for what was taken away (Liang et al., WWW 2018, Mult-DAE).

    Attributes:
        examples: what there is to learn.
        size: people in a batch.
        held: chance of an item to be a label.
    """

    examples: Examples
    size: int
    held: float = 0.5

    def deal(self, rng: np.random.Generator) -> list[Events]:
        """An epoch in batches, (S,) users each: everyone with two different items, once."""
        users = rng.permutation(np.unique(self.examples.log.users[self.examples.events]).astype(np.int64))
        return np.split(users, range(self.size, len(users), self.size))

    def batch(self, users: Events, rng: np.random.Generator) -> Batch:
        """The examples of `users` (S,) distinct, each with one label and one event of history at least."""
        log, length = self.examples.log, self.examples.length
        counts = np.diff(log.offsets)[users]
        owner = np.repeat(np.arange(len(users)), counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        at = np.arange(len(owner)) - starts[owner] + log.offsets[users][owner]
        # One coin an item: its repeats go where its first event goes.
        coins = rng.random(len(at))[self._first[at] - log.offsets[users][owner] + starts[owner]]
        is_label = coins < self.held
        least, most = (reduce.reduceat(coins, starts[:-1]) for reduce in (np.minimum, np.maximum))
        is_label = (is_label | (coins == least[owner])) & (coins != most[owner])
        asked = is_label & (self._first[at] == at)
        known = np.flatnonzero(~is_label)
        known = known[np.lexsort((rng.random(len(known)), owner[known]))]
        kept = np.bincount(owner[known], minlength=len(users))
        place = np.arange(len(known)) - (np.cumsum(kept) - kept)[owner[known]]
        known, place = known[place < length], place[place < length]
        rows = np.full((len(users), length), PAD, np.int32)
        values = np.zeros((len(users), length), np.float32)
        rows[owner[known], place] = log.rows[at[known]]
        values[owner[known], place] = self.examples.strengths[at[known]]
        labels = np.concatenate([[0], np.cumsum(np.bincount(owner[asked], minlength=len(users)))])
        people = users.astype(np.int32)
        return Batch(
            Window(rows, values),
            log.rows[at[asked]],
            people[owner[asked]],
            people,
            starts=labels.astype(np.int32),
        )

    @cached_property
    def _first(self) -> Events:
        """(E,) where in the log the same user touched the same item first."""
        log = self.examples.log
        key = log.users.astype(np.int64) * self.examples.items + log.rows
        _, first, same = np.unique(key, return_index=True, return_inverse=True)
        return np.asarray(first[same.ravel()], np.int64)
