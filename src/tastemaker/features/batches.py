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


class Window(NamedTuple):
    """What B queries know of their past.

    rows: (B, T) int32 catalogue rows, newest first, PAD after the oldest.
    values: (B, T) float32, the strength of each event as standardised by `Scale`; 0 in the padding.
    """

    rows: Rows
    values: Floats


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


def query_windows(log: Interactions, users: npt.NDArray[np.int32], length: int, scale: Scale) -> Window:
    """What is known of `users` (B,) now: all they did, newest first."""
    # Of a large log and a few people, only theirs are standardised.
    starts, ends = log.offsets[users], log.offsets[users + 1]
    rows, strengths = cut(log.rows, log.weights, ends, starts, length)
    return Window(rows, np.where(rows != PAD, scale.apply(strengths), np.float32(0)))


class Batch(NamedTuple):
    """B training examples.

    history: what came before the label (or, without order, what stands beside it).
    labels: (B,) int32, the row to be found; never in `history`.
    users: (B,) int32 positions in the log's `user_ids`.
    """

    history: Window
    labels: Rows
    users: npt.NDArray[np.int32]


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
    """

    log: Interactions
    items: int
    length: int
    scale: Scale
    in_order: bool
    cut: Callable[[Rows, Floats, Events, Events, int], tuple[Rows, Floats]] = cut

    @cached_property
    def _strengths(self) -> Floats:
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
            history = Window(*self.cut(self.log.rows, self._strengths, labels, starts, self.length))
        else:
            history = self._others(labels, starts, stops, rng)
        return Batch(history, self.log.rows[labels], users)

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
        values = np.where(is_other, self._strengths[at], np.float32(0))
        if short > 0:
            rows = np.pad(rows, ((0, 0), (0, short)), constant_values=PAD)
            values = np.pad(values, ((0, 0), (0, short)))
        return Window(rows, values)
