"""The synthetic workloads that trainers are timed on: ids by Zipf, histories, labels, numbers.

NumPy alone, so that a peer in an environment of its own is fed the very same examples.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ZIPF_SHIFT = 10
"""p(rank) ∝ 1 / (rank + 10), rank from 0"""


@dataclass(frozen=True)
class Workload:
    """What is trained, at what size.

    Attributes:
        items: N.
        length: T, newest events of a history that are seen; the query's first part is their mean.
        dim: width of every embedding and of the query.
        numbers: dense features of a user, joined to the mean.
        hidden: widths between them and the query; each but the last ends in a ReLU.
        categories: values of each of the item's categories, whose vectors are added to the id's.
        batch: B.
        negatives: "all" softmax over the catalogue, "batch" the other labels of the batch, "batch+shared"
            those and `shared` more that the whole batch shares, drawn by popularity; the last two with
            logQ and with accidental hits removed.
        user_events: shortest and longest log of a user.
        users: in the log that examples are cut from.
    """

    name: str
    items: int
    length: int
    dim: int
    numbers: int
    hidden: tuple[int, ...]
    categories: tuple[int, ...]
    batch: int
    negatives: str
    user_events: tuple[int, int]
    users: int
    shared: int = 0


W1 = Workload("W1", 1_682, 200, 32, 19, (64, 32), (), 256, "all", (20, 400), 1_000)
W2A = Workload("W2a", 60_000, 50, 64, 8, (128, 64), (200, 2_000), 1024, "all", (100, 200), 4_000)
W2B = replace(W2A, name="W2b", negatives="batch+shared", shared=4_096)
W2IB = replace(W2A, name="W2ib", negatives="batch")
W3_1M = replace(W2B, name="W3-1M", items=1_000_000, batch=2048, users=8_000)
W3_5M = replace(W3_1M, name="W3-5M", items=5_000_000)
WORKLOADS = {workload.name: workload for workload in (W1, W2A, W2B, W2IB, W3_1M, W3_5M)}


class Log(NamedTuple):
    """Events of all users, grouped by user, oldest first.

    offsets: (U + 1,) int64; user u owns `offsets[u]:offsets[u + 1]`.
    rows: (E,) int32 items, 0 to N − 1; the smaller the row, the more popular.
    numbers: (U, M) float32 dense features of the users.
    categories: (N, C) int32 the value of each category of each item.
    """

    offsets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float32]
    categories: npt.NDArray[np.int32]


class Examples(NamedTuple):
    """M examples cut from a log, in random order.

    history: (M, T) int32, the newest first, −1 where there is nothing.
    label: (M,) int32.
    numbers: (M, m) float32.
    """

    history: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float32]


def shares(items: int) -> npt.NDArray[np.float64]:
    """(N,) how often each item is drawn; they sum to 1."""
    weights = 1 / (np.arange(items) + ZIPF_SHIFT)
    return np.asarray(weights / weights.sum())


def log(workload: Workload, seed: int = 1) -> Log:
    """Everyone draws at random: there is nothing to learn here but how popular items are."""
    rng = np.random.default_rng(seed)
    low, high = workload.user_events
    counts = rng.integers(low, high + 1, workload.users)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    below = np.cumsum(shares(workload.items))
    rows = np.minimum(np.searchsorted(below, rng.random(offsets[-1])), workload.items - 1).astype(np.int32)
    numbers = rng.normal(size=(workload.users, workload.numbers)).astype(np.float32)
    categories = np.empty((workload.items, len(workload.categories)), np.int32)
    for place, values in enumerate(workload.categories):
        categories[:, place] = rng.integers(0, values, workload.items)
    return Log(offsets, rows, numbers, categories)


def examples(workload: Workload, events: Log, count: int, seed: int = 1) -> Examples:
    """`count` examples: an event that isn't the first of its user, and the window before it."""
    rng = np.random.default_rng([seed, 2])
    users = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    starts = events.offsets[users]
    able = np.flatnonzero(np.arange(len(users)) > starts)
    at = rng.permutation(able)[:count] if count <= len(able) else rng.choice(able, count)
    before = at[:, None] - 1 - np.arange(workload.length)
    is_event = before >= starts[at][:, None]
    history = np.where(is_event, events.rows[np.maximum(before, 0)], -1).astype(np.int32)
    return Examples(history, events.rows[at], events.numbers[users[at]])
