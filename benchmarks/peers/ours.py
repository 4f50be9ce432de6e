"""Tastemaker's own trainer, whole: the loop of `tastemaker train` with its shuffling, windows, negatives,
masking of all that a user has touched, mean loss, progress and callbacks. Nothing is prepared before.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits, words

os.environ.update(limits())
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3")
if words().threads == 1 and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
import keras
import numpy as np

from benchmarks import workloads
from benchmarks.peers.trial import LEARNING_RATE, Chunk, Trial, answer, prepare
from benchmarks.workloads import Workload
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Examples, Scale
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.model import kernels
from tastemaker.model.fit import Tell
from tastemaker.model.loop import Schedule, run
from tastemaker.model.problem import Problem
from tastemaker.model.student import Student
from tastemaker.progress import silent
from tastemaker.recipe import Recipe


def recipe_of(workload: Workload) -> Recipe:
    counts = {"all": "all", "batch": 0, "batch+shared": workload.shared}
    return Recipe.of(
        {
            "history": {
                "encoder": "mean",
                "tied": False,
                "dim": workload.dim,
                "hidden": workload.hidden[:-1],
                "activation": "relu",
                "length": workload.length,
                "batch_size": workload.batch,
                "optimizer": "adagrad",
                "learning_rate": LEARNING_RATE,
                "dropout": 0.0,
                "id_dropout": 0.0,
            },
            "negatives": {
                "count": counts[workload.negatives],
                "uniform": 0.0,
                "popularity": 1.0,
                "alpha": 1.0,
            },
        }
    )


def features_of(categories: np.ndarray, workload: Workload) -> Encoded | None:
    if not workload.categories:
        return None
    fields = tuple(Field(f"c{n}", "category", size) for n, size in enumerate(workload.categories))
    ones = np.ones((len(categories), 1), np.float32)
    bags = tuple(Bag(np.ascontiguousarray(column[:, None]), ones) for column in categories.T)
    return Encoded(fields, bags, np.zeros((len(categories), 0), np.float32))


class Some(Student):
    """Learns from as many batches an epoch as it is told, of examples drawn from all of them."""

    steps = 1

    def deal(self, rng: np.random.Generator) -> list[np.ndarray]:
        size = self.problem.recipe.history.batch_size
        return list(rng.choice(self.examples.events, (self.steps, size)))


def student_of(workload: Workload, seed: int) -> Some:
    """The trainer of a workload, untrained."""
    events = workloads.log(workload, seed)
    users = len(events.offsets) - 1
    log = Interactions(
        [str(user) for user in range(users)],
        events.offsets,
        events.rows,
        np.arange(len(events.rows), dtype=np.float64),
        np.ones(len(events.rows), np.float32),
    )
    problem = Problem(
        items=workload.items,
        item_features=features_of(events.categories, workload),
        user_features=Encoded((), (), np.concatenate([events.numbers, events.numbers[:1]])),
        user_rows=np.arange(users, dtype=np.int32),
        in_order=True,
        recipe=recipe_of(workload),
    )
    scale = Scale.fit(log.weights)
    examples = Examples(log, workload.items, workload.length, scale, True, kernels.cut)
    return Some(problem, log, examples)


def main() -> None:
    keras.utils.set_random_seed(words().seed)
    workload = workloads.WORKLOADS[words().workload]
    student = student_of(workload, words().seed)

    def train(chunks: int, steps: int) -> list[Chunk]:
        student.steps = steps
        clock = Clock()
        tell = Tell("training", steps, workload.batch, silent)
        run(student, Schedule(chunks, words().seed), [tell, clock])
        return clock.chunks

    trial: Trial = prepare()
    first = train(1, 1)[0].loss
    answer("ours", trial, ["keras", "tensorflow-cpu", "numba", "scipy"], first, train)


class Clock(keras.callbacks.Callback):
    """Times each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[Chunk] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.chunks.append(Chunk(time.perf_counter() - self.start, (logs or {})["loss"]))


if __name__ == "__main__":
    main()
