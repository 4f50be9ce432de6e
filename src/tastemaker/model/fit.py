"""Runs Keras `fit` over our batches: progress, early stopping on a ranking metric, clean interruption."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tastemaker.errors import TrainingError
from tastemaker.model.buffers import keep_large_buffers
from tastemaker.progress import Progress, Report


class Batches(keras.utils.PyDataset):
    """Examples in a new order each epoch, drawn by (seed, epoch) so that a run can be repeated."""

    def __init__(
        self, examples: int, batch_size: int, seed: int, make: Callable[[Any, np.random.Generator], Any]
    ) -> None:
        super().__init__()
        self.examples, self.batch_size, self.seed, self.make = examples, batch_size, seed, make
        self.epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(self.examples / self.batch_size)

    def __getitem__(self, step: int) -> Any:
        chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return self.make(chosen, self.rng)

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self.rng = np.random.default_rng([self.seed, self.epoch])
        self.order = self.rng.permutation(self.examples)


class Tell(keras.callbacks.Callback):
    """Turns Keras's own events into ours, and stops when the loss is no number any more."""

    def __init__(self, stage: str, steps: int, batch_size: int, report: Report) -> None:
        super().__init__()
        self.stage, self.steps, self.batch_size, self.report = stage, steps, batch_size, report
        self.note = ""

    def on_train_begin(self, logs: Any = None) -> None:
        self.started, self.done = time.perf_counter(), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None and self.done:
            logs["examples_per_second"] = self.rate  # for the callbacks after this one

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(loss):
            raise TrainingError(
                f"{self.stage}: the loss became {loss} at step {batch + 1} of epoch {self.epoch + 1}."
                " Lower the learning rate (learning_rate of history, content or ranking)."
            )
        self.done += 1
        if self.done == 1:
            # Not before: TensorFlow's own pipeline lowers the thresholds when it starts.
            keep_large_buffers()
        if self.done % 10 == 0 or batch + 1 == self.steps:
            self.rate = self.done * self.batch_size / (time.perf_counter() - self.started)
            steps = self.steps * int(self.params["epochs"])
            # Epochs of sequences differ by a step or two.
            done = self.epoch * self.steps + min(batch + 1, self.steps)
            self.report(Progress(self.stage, done, steps, loss, self.rate, self.note))


class Losses(keras.callbacks.Callback):
    """Keeps the loss of every epoch, over a cut in the training too."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.values.append(float(logs["loss"]))

    def state(self) -> dict[str, Any]:
        """What going on needs, by name."""
        return {"values": np.array(self.values)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; a checkpoint of an older version has none."""
        self.values = [float(value) for value in state.get("values", ())]


class StopByRanking(keras.callbacks.Callback):
    """Keeps the epoch whose validation score is best, and stops when it is `patience` epochs past it.

    Args:
        smooth: an epoch's score is the mean of so many, its own and those before it. Of a thousand people
            asked one thing each, a single score is mostly luck, and the best of many mostly an early one.
        measure: what the score is, for those who are told.
    """

    def __init__(
        self,
        validate: Callable[[], float],
        patience: int,
        tell: Tell,
        smooth: int = 1,
        measure: str = "NDCG@10",
    ) -> None:
        super().__init__()
        self.measure = measure
        self.validate, self.patience, self.tell, self.smooth = validate, patience, tell, smooth
        self.scores: list[float] = []
        self.best: Sequence[Any] = ()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        score = self.validate()
        score = score if math.isfinite(score) else -math.inf
        self.scores.append(score)
        if self.best_epochs == len(self.scores):
            self.best = self.model.get_weights()
        if logs is not None:
            logs[f"validation_{self.measure.lower()}"] = score  # for the callbacks after this one
        self.tell.note = f"validation {self.measure} {score:.4f}"
        if len(self.scores) - self.best_epochs >= self.patience:
            self.model.stop_training = True

    @property
    def best_epochs(self) -> int:
        newest = [self.scores[max(0, end - self.smooth) : end] for end in range(1, len(self.scores) + 1)]
        return int(np.argmax([np.mean(window) for window in newest])) + 1

    def on_train_end(self, logs: Any = None) -> None:
        self.model.set_weights(self.best)

    def state(self) -> dict[str, Any]:
        """What going on needs, by name."""
        return {"scores": np.array(self.scores), **{f"best/{n}": part for n, part in enumerate(self.best)}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.scores = [float(score) for score in state["scores"]]
        self.best = [state[f"best/{n}"] for n in range(len(state) - 1)]


def fit(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    *,
    stage: str,
    report: Report,
    validate: Callable[[], float] | None = None,
    patience: int = 3,
    measure: str = "NDCG@10",
) -> int:
    """Train a compiled model; it ends with the weights of its best epoch.

    Args:
        validate: a score of the model as it stands, higher is better; None trains all `epochs`.
        measure: what that score is.
    Returns: how many epochs the kept weights have seen.
    Raises: TrainingError when the loss stops being a number.
    """
    tell = Tell(stage, len(batches), batches.batch_size, report)
    callbacks: list[Any] = [tell]
    stop = None if validate is None else StopByRanking(validate, patience, tell, measure=measure)
    if stop:
        callbacks.append(stop)
    # Our own batches carry the order: Keras must not shuffle them again.
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
    return stop.best_epochs if stop else epochs
