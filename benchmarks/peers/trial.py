"""What every peer is given, how it is timed, and the line that it answers.

A peer makes a `Trial`, says how it trains (`Train`), and calls `answer`. NumPy and the standard library.
"""

import json
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import workloads
from benchmarks.peers.limits import words
from benchmarks.workloads import WORKLOADS, Examples, Workload

CHUNKS = 5
FEWEST_STEPS = 3  # in a chunk
EXAMPLES = 200_000
HISTORY_EVENTS = 10_000_000  # in all examples, so that making them isn't the peak of memory

LEARNING_RATE = 0.05
FIRST_ACCUMULATOR = 0.1
"""Of Adagrad, the default of Keras and of TFRS; the loss is summed over the batch, as TFRS does, so that
gradients are large beside it."""
SPREAD = 0.05
"""Embeddings start uniform in ±SPREAD, the default of Keras."""


class Trial(NamedTuple):
    """A workload with its data.

    examples: M of them, M a multiple of the batch; their order is the order of training, again and again.
    categories: (N, C) int32.
    log_share: (N,) float32, the log of each item's chance of being drawn.
    shared: (M / B, S) int32, the rows that each batch gets besides its labels; S is 0 where none are shared.
    """

    workload: Workload
    seconds: float
    threads: int
    seed: int
    examples: Examples
    categories: npt.NDArray[np.int32]
    log_share: npt.NDArray[np.float32]
    shared: npt.NDArray[np.int32]


class Chunk(NamedTuple):
    """Some steps that were timed.

    loss: mean over the examples of the chunk, or of its last step.
    """

    seconds: float
    loss: float


Train = Callable[[int, int], list[Chunk]]
"""Trains for that many chunks, each of that many steps."""


def prepare() -> Trial:
    """The trial that the command line asks for."""
    asked = words()
    workload = WORKLOADS[asked.workload]
    events = workloads.log(workload, asked.seed)
    batches = min(EXAMPLES, HISTORY_EVENTS // workload.length) // workload.batch
    examples = workloads.examples(workload, events, batches * workload.batch, asked.seed)
    shares = workloads.shares(workload.items)
    drawn = np.random.default_rng([asked.seed, 3]).random((batches, workload.shared))
    shared = np.minimum(np.searchsorted(np.cumsum(shares), drawn), workload.items - 1)
    return Trial(
        workload,
        asked.seconds,
        asked.threads,
        asked.seed,
        examples,
        events.categories,
        np.log(shares).astype(np.float32),
        shared.astype(np.int32),
    )


def answer(
    peer: str, trial: Trial, libraries: list[str], first_loss: float, train: Train, stride: int = 1
) -> None:
    """Warms up, times and prints the row.

    Args:
        libraries: distributions whose versions are told.
        first_loss: a mean over the first batch, before any training.
        stride: a chunk has a multiple of so many steps.
    """
    train(1, stride)  # compiles
    steps = -(-FEWEST_STEPS // stride) * stride
    pace = train(1, steps)[0].seconds / steps
    steps = max(steps, round(trial.seconds / CHUNKS / pace / stride) * stride)
    cpu, wall = time.process_time(), time.perf_counter()
    chunks = train(CHUNKS, steps)
    busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
    speeds = [steps * trial.workload.batch / chunk.seconds for chunk in chunks]
    row = {
        "peer": peer,
        "workload": trial.workload.name,
        "examples_per_s": round(median(speeds), 1),
        "chunks": [round(speed, 1) for speed in speeds],
        "steps": steps * CHUNKS,
        "loss_first": round(first_loss, 4),
        "loss_last": round(chunks[-1].loss, 4),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "busy_threads": round(busy, 2),
        "versions": {library: version(library) for library in ["numpy", *libraries]},
    }
    print(json.dumps(row), flush=True)
