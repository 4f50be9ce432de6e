"""Policies: with what chance something would have been shown, in each place that was logged."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from tastemaker.errors import DataError
from tastemaker.evaluation.off_policy.logs import Codes, Floats, Logs

CELLS_AT_ONCE = 2**21
"""Rows × items held in memory."""


class Choices(NamedTuple):
    """What a policy would show in b rows of a log.

    rows: (b,) which rows.
    items: (b, m) int32 places in the log's `item_ids`; their number, for something that was never logged.
        Nothing else comes twice in a row.
    chances: (b, m); 0 fills up.
    """

    rows: slice
    items: Codes
    chances: Floats

    def of_logged(self, logs: Logs) -> Floats:
        """(b,) chance of what was shown."""
        found = np.where(self.items == logs.items[self.rows][:, None], self.chances, 0.0)
        return np.asarray(found.sum(1))


class Policy(Protocol):
    """Shows things with chances that are known. Given a place and what was logged above it, it promises
    chances that add up to 1, or to less where some of what it shows was never logged."""

    name: str

    def over(self, logs: Logs) -> Iterator[Choices]:
        """What it would show in each row, in blocks, in order."""
        ...


class Uniform:
    """Everything that was ever logged, evenly; what stands above in the list, not again."""

    name = "uniform"

    def over(self, logs: Logs) -> Iterator[Choices]:
        count = len(logs.item_ids)
        starts = np.flatnonzero(np.diff(logs.lists, prepend=-1))
        for rows in blocks(logs.size, count):
            at = np.arange(rows.start, rows.stop)
            chances = np.ones((len(at), count))
            deep = at - starts[logs.lists[at]]
            for up in range(1, int(deep.max(initial=0)) + 1):
                below = np.flatnonzero(deep >= up)
                chances[below, logs.items[at[below] - up]] = 0.0
            chances /= np.maximum(chances.sum(1, keepdims=True), 1.0)
            yield Choices(rows, _all_items(len(at), count), chances)


class LoggedPolicy:
    """The policy that another log was written by: how often it showed each item, by place and window of time.

    How often something was shown in a window is what its chance came to there on average, whatever the chance
    was at each moment: the mean over rounds of [it was shown] · p / p. So propensities aren't needed. What
    another policy learnt between its windows counts, what it knew of each person doesn't.

    Args:
        shown: by that policy.
        windows: parts that its time is cut into, each as long as the others.
    Raises: DataError for several windows of a log that doesn't say when.
    """

    def __init__(self, shown: Logs, name: str = "target", windows: int = 1) -> None:
        if windows > 1 and not np.isfinite(shown.times).any():
            raise DataError(f"{name} can't be told by {windows} windows of time: its logs don't say when.")
        self.name = name
        self._shown, self._windows = shown, windows

    def over(self, logs: Logs) -> Iterator[Choices]:
        shown, count = self._shown, len(logs.item_ids)
        code_of = {item_id: code for code, item_id in enumerate(logs.item_ids)}
        codes = np.array([code_of.get(item_id, count) for item_id in shown.item_ids], np.int32)[shown.items]
        depth = int(max(shown.places.max(initial=0), logs.places.max(initial=0))) + 1
        cell = self._window(shown) * depth + shown.places
        times = np.bincount(
            cell * (count + 1) + codes, minlength=self._windows * depth * (count + 1)
        ).reshape(-1, count + 1)
        table = times / np.maximum(times.sum(1, keepdims=True), 1)
        asked = self._window(logs) * depth + logs.places
        for rows in blocks(logs.size, count + 1):
            yield Choices(rows, _all_items(rows.stop - rows.start, count + 1), table[asked[rows]])

    def _window(self, logs: Logs) -> Codes:
        """(E,) of the time that the target was on; what lies outside of it belongs to the nearest."""
        times = self._shown.times[np.isfinite(self._shown.times)]
        if self._windows == 1:
            return np.zeros(logs.size, np.int32)
        edges = np.linspace(times.min(), times.max(), self._windows + 1)[1:-1]
        return np.searchsorted(edges, logs.times, side="right").astype(np.int32)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of so many rows that no more than CELLS_AT_ONCE cells are held."""
    step = max(1, CELLS_AT_ONCE // max(1, width))
    return (slice(at, min(at + step, rows)) for at in range(0, rows, step))


def _all_items(rows: int, count: int) -> Codes:
    return np.broadcast_to(np.arange(count, dtype=np.int32), (rows, count))
