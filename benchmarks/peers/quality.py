"""What each contender of `benchmarks.train_quality` is given, and the lists that it answers.

A contender reads a `Task` from standard input, trains, and tells a `Diary` after each pass how to rank.
NumPy and the standard library; marking is the caller's.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int32]
USERS_AT_ONCE = 512


class Log(NamedTuple):
    """Events grouped by user, oldest first: user u owns `rows[offsets[u]:offsets[u + 1]]`."""

    offsets: npt.NDArray[np.int64]
    rows: Rows

    @property
    def users(self) -> int:
        return len(self.offsets) - 1


class Task(NamedTuple):
    """What is to be learnt and asked.

    items: N.
    train: all but the last two events of each user; what is known when the validation is asked.
    known: all but the last; what is known when the test is asked.
    passes: over the data.
    every: passes between two validations.
    k: length of the lists.
    settings: what the contender understands.
    answers: file to write.
    """

    items: int
    train: Log
    known: Log
    passes: int
    every: int
    k: int
    settings: dict[str, Any]
    answers: Path


Ask = Callable[[Log], Rows]
"""(U, k) lists for all users of whom that is known, best first, none of it in them."""


def read_task() -> Task:
    """The one on standard input: JSON, with the name of a file that holds the logs."""
    asked = json.load(sys.stdin)
    with np.load(asked["logs"]) as logs:
        train, known = (Log(logs[f"{name}_offsets"], logs[f"{name}_rows"]) for name in ("train", "known"))
        items = int(logs["items"])
    counts = (asked[name] for name in ("passes", "every", "k"))
    return Task(items, train, known, *counts, asked["settings"], Path(asked["answers"]))


class Diary:
    """Lists for the validation after passes, with the seconds of training before, by the clock and of the
    processor; both start with it, and stand still while lists are made.

    Args:
        ask: the model as it stands.
    """

    def __init__(self, task: Task, ask: Ask) -> None:
        self.task, self.ask = task, ask
        self.passes: list[int] = []
        self.seconds: list[tuple[float, float]] = []
        self.lists: list[Rows] = []
        self._spent, self._since = np.zeros(2), _now()

    def passed(self, passes: int) -> None:
        """So many passes are done by now."""
        self._spent = self._spent + _now() - self._since
        if passes % self.task.every == 0 or passes == self.task.passes:
            self.passes.append(passes)
            self.seconds.append(tuple(self._spent))
            self.lists.append(self.ask(self.task.train))
        self._since = _now()

    def close(self) -> None:
        """Ask the test, and write it all down."""
        np.savez(
            self.task.answers,
            passes=self.passes,
            seconds=self.seconds,
            valid=np.stack(self.lists),
            test=self.ask(self.task.known),
        )


def _now() -> npt.NDArray[np.float64]:
    return np.array([time.perf_counter(), time.process_time()])


def examples(log: Log) -> npt.NDArray[np.int64]:
    """Positions of all events but the first of each user: each is to be found from those before."""
    first = log.offsets[:-1][np.diff(log.offsets) > 0]
    return np.setdiff1d(np.arange(len(log.rows)), first)


def windows(log: Log, ends: npt.NDArray[np.int64], users: npt.NDArray[np.int64], length: int) -> Rows:
    """(B, T) the newest events before each of `ends` (B,), the newest first, −1 where there is nothing."""
    at = ends[:, None] - 1 - np.arange(length)
    return np.where(at >= log.offsets[users][:, None], log.rows[np.maximum(at, 0)], -1).astype(np.int32)


def ranked(known: Log, k: int, scores: Callable[[slice], npt.NDArray[np.float32]]) -> Rows:
    """Lists by `scores` of some users (B, N), less what is known of them; ties go to the smaller row."""
    parts = []
    for start in range(0, known.users, USERS_AT_ONCE):
        part = slice(start, min(start + USERS_AT_ONCE, known.users))
        of_part = np.array(scores(part), np.float32)
        for place, user in enumerate(range(part.start, part.stop)):
            of_part[place, known.rows[known.offsets[user] : known.offsets[user + 1]]] = -np.inf
        parts.append(np.argsort(-of_part, axis=1, kind="stable")[:, :k])
    return np.concatenate(parts).astype(np.int32)
