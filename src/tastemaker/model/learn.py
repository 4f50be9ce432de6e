"""Trains the model of histories on one part of a log, and hands out what serving needs.

In go arrays, out come arrays and exported towers; nothing of TensorFlow leaves `model/`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from threadpoolctl import threadpool_limits

from tastemaker.data.interactions import Interactions
from tastemaker.errors import TrainingError
from tastemaker.features.batches import Examples, Scale
from tastemaker.features.schema import Encoded
from tastemaker.model import kernels, memory
from tastemaker.model.checkpoint import Checkpoint
from tastemaker.model.export import to_keras, to_litert
from tastemaker.model.fit import Batches, Losses, StopByRanking, Tell, fit
from tastemaker.model.journal import ToMlflow, ToTensorBoard
from tastemaker.model.loop import Schedule, run
from tastemaker.model.problem import Curve, Learned, Problem, Top, ranking, unit
from tastemaker.model.seed_softmax import SeedSoftmax
from tastemaker.model.student import Student, drawn_of
from tastemaker.progress import NO_TRAIL, Report, Trail

SMOOTH = 3
"""Epochs that a validation score is averaged over."""


def learn(
    problem: Problem,
    log: Interactions,
    epochs: int,
    *,
    stage: str,
    report: Report,
    validate: Callable[[Top], float] | None = None,
    trail: Trail = NO_TRAIL,
    callbacks: Sequence[Any] = (),
) -> Learned:
    """Train on `log` from scratch or from `problem.start`, or from where the checkpoint of the very same
    training stands.

    Args:
        epochs: in all, or at most where `validate` stops it.
        validate: marks the model as it stands; higher is better.
        stage: what this training is, in a word or two; names its files.
        callbacks: of Keras, that hear of every epoch and batch.
    Raises: TrainingError when it won't fit into memory, or the loss stops being a number.
    """
    keras.utils.set_random_seed(problem.recipe.seed)
    tf.config.experimental.enable_op_determinism()
    recipe = problem.recipe.history
    scale = Scale.fit(log.weights)
    with_ages = recipe.reads_events and recipe.gaps is True
    examples = Examples(log, problem.items, recipe.length, scale, problem.in_order, kernels.cut, with_ages)
    if not len(examples.events):
        raise TrainingError(
            "There is nothing to learn from: nobody in the log did two different things. Train on the "
            "catalogue alone (without --interactions), or give a longer log."
        )
    if recipe.reads_events and not problem.in_order:
        raise TrainingError(
            f"history.encoder={recipe.encoder} reads events in their order, and this log has none (or "
            "history.order says so): use history.encoder=recency."
        )
    if problem.recipe.preset == "seed-softmax":
        return _as_the_seed(problem, examples, epochs, stage, report, validate)
    memory.check(memory.bytes_needed(problem, drawn_of(problem), validate is not None))
    student = Student(problem, log, examples)
    schedule = Schedule(epochs, problem.recipe.seed)
    tell = Tell(stage, len(student.deal(schedule.order(0))), recipe.batch_size, report)
    losses = Losses()
    heard: list[Any] = [tell, losses]
    stop = None
    if validate is not None:
        stop = StopByRanking(lambda: validate(student.live()), recipe.patience, tell, SMOOTH)
        heard.append(stop)
    heard += [*_journals(trail, problem, stage), *callbacks]
    with threadpool_limits(1, user_api="blas"):  # the head has threads of its own
        run(student, schedule, heard, _checkpoint(trail, problem, log, epochs, stage))
    curve = Curve(tuple(losses.values), tuple(stop.scores) if stop else ())
    return replace(student.taken_out(stop.best_epochs if stop else epochs), curve=curve)


def _checkpoint(
    trail: Trail, problem: Problem, log: Interactions, epochs: int, stage: str
) -> Checkpoint | None:
    if trail.checkpoints is None:
        return None
    identity = {
        "recipe": problem.recipe.model_dump(mode="json"),
        "items": problem.items,
        "log": log.fingerprint,
        "strengths": _digest(log.weights),
        "features": [_digest(*_arrays_of(known)) for known in (problem.item_features, problem.user_features)],
        "impressions": None if problem.impressions is None else problem.impressions.fingerprint,
        "epochs": epochs,
        "start": None if problem.start is None else problem.start.name,
        "keras": keras.version(),
    }
    path = trail.checkpoints / f"{stage.replace(' ', '-')}.npz"
    return Checkpoint(path, identity, problem.recipe.history.checkpoint_every)


def _arrays_of(encoded: Encoded | None) -> list[npt.NDArray[Any]]:
    return [] if encoded is None else [encoded.joined.ids, encoded.joined.weights, encoded.dense]


def _digest(*arrays: npt.NDArray[Any]) -> str:
    """sha256 of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _journals(trail: Trail, problem: Problem, stage: str) -> list[Any]:
    journals: list[Any] = []
    if trail.tensorboard is not None:
        journals.append(ToTensorBoard(trail.tensorboard, stage.replace(" ", "-")))
    if trail.mlflow is not None:
        journals.append(ToMlflow(trail.mlflow, stage, problem.recipe.history.model_dump(mode="json")))
    return journals


def _as_the_seed(
    problem: Problem,
    examples: Examples,
    epochs: int,
    stage: str,
    report: Report,
    validate: Callable[[Top], float] | None,
) -> Learned:
    """The seed's network by Keras's own `fit`: every item in the softmax, nothing masked."""
    recipe = problem.recipe.history
    model = SeedSoftmax(problem.items, recipe.length, problem.item_features)
    events = examples.events

    def make(chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Any:
        batch = examples.batch(events[chosen], rng)
        seen = np.zeros((len(chosen), problem.items), bool)
        return {"rows": batch.history.rows, "seen": seen}, batch.labels

    def live() -> Top:
        items = model.items()
        return ranking(
            problem,
            examples.scale,
            np.asarray(items.vectors),
            lambda window, people: np.asarray(model.query(items.inputs, window.rows)),
        )

    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    seen_epochs = fit(
        model,
        Batches(len(events), recipe.batch_size, problem.recipe.seed, make),
        epochs,
        stage=stage,
        report=report,
        validate=None if validate is None else lambda: validate(live()),
        patience=recipe.patience,
    )
    items = model.items()
    inputs, vectors = np.asarray(items.inputs), np.asarray(items.vectors)
    return Learned(
        arrays={"item_vectors": vectors, "item_inputs": inputs, "neighbour_vectors": unit(vectors)},
        towers={"query_tower": to_litert(model.tower)},
        originals={"query_tower": to_keras(model.tower)},
        scale=examples.scale,
        epochs=seen_epochs,
        examples=len(events),
        curve=Curve(tuple(model.history.history["loss"])),
    )
