"""Trains the model of histories on one part of a log, and hands out what serving needs.

In go arrays, out come arrays and exported towers; nothing of TensorFlow leaves `model/`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TrainingError
from tastemaker.features.batches import Examples, Scale, query_windows
from tastemaker.features.schema import Encoded
from tastemaker.hits import best
from tastemaker.model.export import to_keras, to_litert
from tastemaker.model.fit import Batches, fit
from tastemaker.model.history import HistoryModel, ItemTable, query_tower
from tastemaker.model.seed_softmax import SeedSoftmax
from tastemaker.progress import Report
from tastemaker.recipe import HistoryRecipe

BLOCK = 512
"""Users asked at once in a validation."""

Top = Callable[[Interactions, npt.NDArray[np.int32], int], Rows]


@dataclass(frozen=True)
class Problem:
    """What stays the same between a trial and the refit.

    Attributes:
        items: N.
        item_features: of all N, or None.
        user_features: of the log's users and a stranger, (U + 1), or None.
        user_rows: (users of the log,) their rows in `user_features`, -1 for a stranger.
        in_order: whether the history comes before the label.
    """

    items: int
    item_features: Encoded | None
    user_features: Encoded | None
    user_rows: npt.NDArray[np.int32]
    in_order: bool
    recipe: HistoryRecipe
    seed: int
    preset: str = "default"

    @property
    def length(self) -> int:
        return self.recipe.length


@dataclass(frozen=True)
class Learned:
    """A trained model, taken out of TensorFlow.

    Attributes:
        arrays: as `Bundle.arrays` wants them; `item_vectors` is (N, D + 1), the last column being the bias.
        towers: LiteRT by name.
        originals: Keras files by name.
        scale: of the strengths of events.
        epochs: passes that its weights have seen.
        examples: in one pass.
        seconds: of training.
    """

    arrays: dict[str, npt.NDArray[np.float32]]
    towers: dict[str, bytes]
    originals: dict[str, bytes]
    scale: Scale
    epochs: int
    examples: int
    seconds: float


def learn(
    problem: Problem,
    log: Interactions,
    epochs: int,
    *,
    stage: str,
    report: Report,
    validate: Callable[[Top], float] | None = None,
) -> Learned:
    """Train from scratch on `log`.

    Args:
        epochs: in all, or at most where `validate` stops it.
        validate: marks the model as it stands; higher is better.
    Raises: TrainingError when the loss stops being a number.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(problem.seed)
    tf.config.experimental.enable_op_determinism()
    recipe = problem.recipe
    scale = Scale.fit(log.weights)
    examples = Examples(log, problem.items, recipe.length, scale, problem.in_order)
    events = examples.events
    if not len(events):
        raise TrainingError(
            "There is nothing to learn from: nobody in the log did two different things. Train on the "
            "catalogue alone (without --interactions), or give a longer log."
        )
    model = _model(problem, log)

    def make(chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Any:
        batch = examples.batch(events[chosen], rng)
        seen = batch.seen & (problem.preset == "default")  # the seed masks nothing
        inputs = {"rows": batch.history.rows, "values": batch.history.values, "seen": seen}
        return inputs | {"users": _people(problem, batch.users)}, batch.labels

    batches = Batches(len(events), recipe.batch_size, problem.seed, make)
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # a sparse product has no XLA kernel
    )
    check = None if validate is None else lambda: validate(_live(model, problem, scale))
    seen_epochs = fit(
        model, batches, epochs, stage=stage, report=report, validate=check, patience=recipe.patience
    )
    arrays, parts = _taken_out(model)
    return Learned(
        arrays=arrays,
        towers={name: to_litert(part) for name, part in parts.items()},
        originals={name: to_keras(part) for name, part in parts.items()},
        scale=scale,
        epochs=seen_epochs,
        examples=len(events),
        seconds=time.perf_counter() - started,
    )


def _model(problem: Problem, log: Interactions) -> HistoryModel | SeedSoftmax:
    recipe = problem.recipe
    if problem.preset == "seed-softmax":
        return SeedSoftmax(problem.items, recipe.length, problem.item_features)
    known = (log.counts(problem.items) > 0).astype(np.float32)
    table = ItemTable(known, recipe.dim, problem.item_features, recipe.id_dropout)
    table.build()
    tower = query_tower(
        recipe.length,
        recipe.dim,
        recipe.hidden,
        recipe.dropout,
        in_order=problem.in_order,
        user=problem.user_features,
    )
    return HistoryModel(table, tower, problem.user_features)


def _taken_out(
    model: HistoryModel | SeedSoftmax,
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, keras.Model]]:
    """Arrays for a bundle, and the towers."""
    items = model.items()
    inputs, vectors = np.asarray(items.inputs), np.asarray(items.vectors)
    towers = {"query_tower": model.tower}
    if isinstance(model, SeedSoftmax):
        return {"item_vectors": vectors, "item_inputs": inputs, "neighbour_vectors": unit(vectors)}, towers
    if model.table.tower is not None:
        towers["item_tower"] = model.table.tower
    # The inputs are the vectors without the bias; there is no need to keep them twice.
    return {"item_vectors": vectors, "neighbour_vectors": unit(inputs)}, towers


def _people(problem: Problem, users: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Rows of the user features; the stranger's is the last."""
    if problem.user_features is None:
        return users
    rows = problem.user_rows[users]
    return np.where(rows == PAD, problem.user_features.size - 1, rows).astype(np.int32)


def _live(model: HistoryModel | SeedSoftmax, problem: Problem, scale: Scale) -> Top:
    """The model in training as something that answers."""
    items = model.items()

    def top(history: Interactions, users: npt.NDArray[np.int32], k: int) -> Rows:
        blocks = [_ranked(history, users[at : at + BLOCK], k) for at in range(0, len(users), BLOCK)]
        return np.concatenate(blocks)

    def _ranked(history: Interactions, users: npt.NDArray[np.int32], k: int) -> Rows:
        window = query_windows(history, users, problem.length, scale)
        queries = model.query(items.inputs, window.rows, window.values, _people(problem, users))
        scores = np.array(tf.matmul(queries, items.vectors, transpose_b=True))
        return best(scores, k, [history.of(int(user)) for user in users]).rows

    return top


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of length 1; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
