"""The training loop: epochs of steps, the next one laid out while this one learns.

Keras callbacks hear of every epoch and batch, as from `fit`; a checkpoint can be taken between any two
steps. What a step does depends on the seed, its epoch and its number, never on the clock.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from tastemaker.model.checkpoint import Checkpoint, State, under
from tastemaker.model.fit import StopByRanking

Events = npt.NDArray[np.int64]


class Learner(Protocol):
    """What the loop drives: lays out a step, learns from it, and can be put away and taken up again."""

    model: keras.Model

    def lay_out(self, examples: Events, rng: np.random.Generator) -> Any:
        """What one step works on; must not touch what `learn` changes."""
        ...

    def learn(self, work: Any) -> float:
        """One step; returns the loss."""
        ...

    def begin_epoch(self, epoch: int) -> None: ...

    def state(self) -> State: ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None: ...


@dataclass(frozen=True)
class Schedule:
    """How much is learnt, in which order.

    Attributes:
        examples: (E,) numbers that `Learner.lay_out` understands.
        batch_size: B; the last step of an epoch has what is left.
        epochs: at most.
        seed: of the order and of all that is drawn.
    """

    examples: Events
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps(self) -> int:
        """In one epoch."""
        return math.ceil(len(self.examples) / self.batch_size)

    def order(self, epoch: int) -> Events:
        return np.random.default_rng([self.seed, epoch]).permutation(self.examples)

    def rng(self, epoch: int, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, step])


def run(
    learner: Learner,
    schedule: Schedule,
    callbacks: Sequence[keras.callbacks.Callback],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train, from the beginning or from where `checkpoint` stands.

    A callback that sets `model.stop_training` ends it after the epoch.
    """
    heard = keras.callbacks.CallbackList(
        list(callbacks), model=learner.model, epochs=schedule.epochs, steps=schedule.steps
    )
    stops = [callback for callback in callbacks if isinstance(callback, StopByRanking)]
    at = _Place()
    saved = checkpoint.load() if checkpoint else None
    learner.model.stop_training = False
    if saved is not None:
        at = _Place.of(saved)
        learner.restore(under("learner/", saved))
        for stop in stops:
            stop.restore(under("stop/", saved))
        learner.model.stop_training = at.finished

    def save(place: _Place) -> None:
        if checkpoint:
            state = {f"learner/{name}": array for name, array in learner.state().items()}
            for stop in stops:
                state |= {f"stop/{name}": array for name, array in stop.state().items()}
            checkpoint.save(state | place.as_arrays())

    heard.on_train_begin()
    with ThreadPoolExecutor(1) as ahead:
        for epoch in range(at.epoch, schedule.epochs):
            if learner.model.stop_training:
                break
            heard.on_epoch_begin(epoch)
            if not at.step:
                learner.begin_epoch(epoch)
            order = schedule.order(epoch)
            total, examples = at.total, min(at.step * schedule.batch_size, len(order))

            def lay_out(step: int, epoch: int = epoch, order: Events = order) -> Any:
                part = order[step * schedule.batch_size : (step + 1) * schedule.batch_size]
                return len(part), learner.lay_out(part, schedule.rng(epoch, step))

            coming = ahead.submit(lay_out, at.step) if at.step < schedule.steps else None
            for step in range(at.step, schedule.steps):
                assert coming is not None
                count, work = coming.result()
                # A checkpoint must not hold what the step after it has drawn already.
                is_due = checkpoint is not None and checkpoint.is_due
                more = step + 1 < schedule.steps
                coming = ahead.submit(lay_out, step + 1) if more and not is_due else None
                heard.on_train_batch_begin(step)
                total += learner.learn(work) * count
                examples += count
                heard.on_train_batch_end(step, {"loss": total / examples})
                if is_due:
                    save(_Place(epoch, step + 1, total))
                    coming = ahead.submit(lay_out, step + 1) if more else None
            at = _Place()
            heard.on_epoch_end(epoch, {"loss": total / max(1, examples)})
            finished = bool(learner.model.stop_training) or epoch + 1 == schedule.epochs
            if finished or (checkpoint is not None and checkpoint.is_due):
                save(_Place(epoch + 1, 0, 0.0, finished))
    heard.on_train_end()


@dataclass(frozen=True)
class _Place:
    """Where a training stands: the next step, and the summed loss of its epoch so far."""

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    finished: bool = False

    def as_arrays(self) -> State:
        return {"place": np.array([self.epoch, self.step, self.total, self.finished], np.float64)}

    @classmethod
    def of(cls, state: Mapping[str, npt.NDArray[Any]]) -> "_Place":
        epoch, step, total, finished = state["place"].tolist()
        return cls(int(epoch), int(step), total, bool(finished))
