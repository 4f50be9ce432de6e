"""The training loop: epochs of steps, the next one laid out while this one learns.

Keras callbacks hear of every epoch and batch, as from `fit`; a checkpoint can be taken between any two
steps. What a step does depends on the seed, its epoch and its number, never on the clock.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from tastemaker.model.checkpoint import Checkpoint, State, under
from tastemaker.model.fit import Losses, StopByRanking
from tastemaker.model.head import cores

Events = npt.NDArray[np.int64]


class Learner(Protocol):
    """What the loop drives: lays out a step, learns from it, and can be put away and taken up again."""

    model: keras.Model

    def deal(self, rng: np.random.Generator) -> Sequence[Events]:
        """An epoch's examples, in batches."""
        ...

    def lay_out(self, examples: Events, rng: np.random.Generator) -> tuple[int, Any]:
        """How many examples a step has, and what it works on; must not touch what `learn` changes."""
        ...

    def learn(self, work: Any, done: float) -> float:
        """One step, when `done` epochs are behind; returns the loss."""
        ...

    def begin_epoch(self, epoch: int) -> None: ...

    def state(self) -> State: ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None: ...


@dataclass(frozen=True)
class Schedule:
    """How much is learnt.

    Attributes:
        epochs: at most.
        seed: of the order and of all that is drawn.
    """

    epochs: int
    seed: int

    def order(self, epoch: int) -> np.random.Generator:
        """What an epoch is dealt by."""
        return np.random.default_rng([self.seed, 1, epoch])

    def chance(self, epoch: int, step: int) -> np.random.Generator:
        """What a step draws by."""
        return np.random.default_rng([self.seed, 2, epoch, step])


def run(
    learner: Learner,
    schedule: Schedule,
    callbacks: Sequence[keras.callbacks.Callback],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train, from the beginning or from where `checkpoint` stands.

    A callback that sets `model.stop_training` ends it after the epoch.
    """
    kept = {
        name: callback
        for callback in callbacks
        for kind, name in ((StopByRanking, "stop"), (Losses, "losses"))
        if isinstance(callback, kind)
    }
    at = _Place()
    saved = checkpoint.load() if checkpoint else None
    learner.model.stop_training = False
    if saved is not None:
        at = _Place.of(saved)
        learner.restore(under("learner/", saved))
        for name, callback in kept.items():
            callback.restore(under(f"{name}/", saved))
        learner.model.stop_training = at.finished

    def save(place: _Place) -> None:
        if checkpoint:
            state = {f"learner/{name}": array for name, array in learner.state().items()}
            for who, callback in kept.items():
                state |= {f"{who}/{name}": array for name, array in callback.state().items()}
            checkpoint.save(state | place.as_arrays())

    first, batches = at.epoch, learner.deal(schedule.order(at.epoch))
    heard = keras.callbacks.CallbackList(
        list(callbacks), model=learner.model, epochs=schedule.epochs, steps=len(batches)
    )
    heard.on_train_begin()
    with _Ahead() if cores() > 1 else _InTurn() as ahead:
        for epoch in range(at.epoch, schedule.epochs):
            if learner.model.stop_training:
                break
            heard.on_epoch_begin(epoch)
            if epoch > first:
                batches = learner.deal(schedule.order(epoch))
            if not at.step:
                learner.begin_epoch(epoch)
            total, examples = at.total, at.examples

            def lay_out(step: int, epoch: int = epoch, batches: Sequence[Events] = batches) -> Any:
                return learner.lay_out(batches[step], schedule.chance(epoch, step))

            coming = ahead.submit(lay_out, at.step) if at.step < len(batches) else None
            for step in range(at.step, len(batches)):
                assert coming is not None
                count, work = coming()
                # A checkpoint must not hold what the step after it has drawn already.
                is_due = checkpoint is not None and checkpoint.is_due
                more = step + 1 < len(batches)
                coming = ahead.submit(lay_out, step + 1) if more and not is_due else None
                heard.on_train_batch_begin(step)
                total += learner.learn(work, epoch + step / len(batches)) * count
                examples += count
                heard.on_train_batch_end(step, {"loss": total / examples})
                if is_due:
                    save(_Place(epoch, step + 1, total, examples))
                    coming = ahead.submit(lay_out, step + 1) if more else None
            at = _Place()
            heard.on_epoch_end(epoch, {"loss": total / max(1, examples)})
            finished = bool(learner.model.stop_training) or epoch + 1 == schedule.epochs
            if finished or (checkpoint is not None and checkpoint.is_due):
                save(_Place(epoch + 1, finished=finished))
    heard.on_train_end()


class _Ahead:
    """Lays out the next step in a thread of its own, while this one learns."""

    def __enter__(self) -> "_Ahead":
        self._pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[int], Any], step: int) -> Callable[[], Any]:
        return self._pool.submit(work, step).result


class _InTurn:
    """Lays it out when it is asked for: on one core two threads only wait for each other."""

    def __enter__(self) -> "_InTurn":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[[int], Any], step: int) -> Callable[[], Any]:
        return partial(work, step)


@dataclass(frozen=True)
class _Place:
    """Where a training stands: the next step, and the summed loss and examples of its epoch so far."""

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    examples: int = 0
    finished: bool = False

    def as_arrays(self) -> State:
        return {"place": np.array(list(vars(self).values()), np.float64)}

    @classmethod
    def of(cls, state: Mapping[str, npt.NDArray[Any]]) -> "_Place":
        epoch, step, total, examples, finished = state["place"].tolist()
        return cls(int(epoch), int(step), total, int(examples), bool(finished))
