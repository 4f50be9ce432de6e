"""Tastemaker's own trainer for `benchmarks.train_quality`: the loop of `tastemaker train`, on ids alone.

settings: a recipe, as nested values.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits, words

os.environ.update(limits())
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3")
import keras
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.peers.quality import Diary, Log, Rows, Task, read_task
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Examples, Scale
from tastemaker.model import kernels
from tastemaker.model.fit import Tell
from tastemaker.model.loop import Schedule, run
from tastemaker.model.problem import Problem
from tastemaker.model.student import Student
from tastemaker.progress import silent
from tastemaker.recipe import Recipe


def interactions(log: Log) -> Interactions:
    return Interactions(
        [str(user) for user in range(log.users)],
        log.offsets,
        log.rows,
        np.arange(len(log.rows), dtype=np.float64),
        np.ones(len(log.rows), np.float32),
    )


def student_of(task: Task, seed: int) -> Student:
    recipe = Recipe.of(task.settings | {"seed": seed})
    log = interactions(task.train)
    problem = Problem(
        items=task.items,
        item_features=None,
        user_features=None,
        user_rows=np.arange(log.user_count, dtype=np.int32),
        in_order=True,
        recipe=recipe,
    )
    length, scale = recipe.history.length, Scale.fit(log.weights)
    return Student(problem, log, Examples(log, task.items, length, scale, True, kernels.cut))


class Write(keras.callbacks.Callback):
    """Writes the diary."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.diary.passed(epoch + 1)


def main() -> None:
    task, seed = read_task(), words().seed
    keras.utils.set_random_seed(seed)

    def ask(known: Log) -> Rows:
        return student.live()(interactions(known), np.arange(known.users, dtype=np.int32), task.k)

    diary = Diary(task, ask)
    student = student_of(task, seed)
    schedule = Schedule(task.passes, seed)
    tell = Tell("training", 1, student.problem.recipe.history.batch_size, silent)
    with threadpool_limits(words().threads, user_api="blas"):
        run(student, schedule, [tell, Write(diary)])
        diary.close()


if __name__ == "__main__":
    main()
