"""Keras 3 on JAX: `model.fit`; its gradients, and so its updates, are of every row of a table.

Tried on one core, in examples/s (a 5th-generation EPYC that was also doing other work):
    history on W1: masked mean 48k; the unmasked sum less the padding 113k; a matrix of counts 142k, with 10
        steps per execution 144k. On W2b: masked mean 13.8k, unmasked 16.7k, a weighted `einsum` 12.4k.
    label's logit on W2b: `sparse_categorical_crossentropy` 13.3k, masked sum 13.4k, dot product apart 16.7k.
    `--xla_cpu_prefer_vector_width=512`: no difference (W1 138k, W2a 2.9k against 2.7k).
"""

import os
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits

os.environ.update(limits())
os.environ.update(KERAS_BACKEND="jax")
import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from benchmarks.peers.trial import FIRST_ACCUMULATOR, LEARNING_RATE, SPREAD, Chunk, Trial, answer, prepare

FEW_ITEMS = 10_000  # up to here a (B, N) matrix of counts is cheaper than a lookup
Batch = dict[str, jax.Array]


def embedding(values: int, dim: int) -> keras.layers.Embedding:
    layer = keras.layers.Embedding(values, dim, keras.initializers.RandomUniform(-SPREAD, SPREAD))
    layer.build()
    return layer


class Towers(keras.Model):
    """The loss of each example of a batch."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.work = work = trial.workload
        self.past = embedding(work.items, work.dim)
        self.id = embedding(work.items, work.dim)
        self.category = [embedding(values, work.dim) for values in work.categories]
        self.categories = [jnp.asarray(values) for values in trial.categories.T]
        self.log_share = jnp.asarray(trial.log_share)
        inner = [keras.layers.Dense(width, "relu") for width in work.hidden[:-1]]
        self.dense = keras.Sequential([*inner, keras.layers.Dense(work.hidden[-1])])
        self.dense.build((None, work.dim + work.numbers))
        self.built = True

    def call(self, batch: Batch) -> jax.Array:
        user = self.dense(ops.concatenate([self.mean(batch["history"]), batch["numbers"]], 1))
        label = batch["label"]
        if self.work.negatives == "all":
            item = ops.convert_to_tensor(self.id.embeddings)
            for table, values in zip(self.category, self.categories, strict=True):
                item += table(values)
            logits = ops.matmul(user, ops.transpose(item))
            return ops.logsumexp(logits, 1) - ops.sum(user * ops.take(item, label, 0), 1)
        rows = ops.concatenate([label, batch["shared"]], 0) if self.work.shared else label
        item = self.id(rows)
        for table, values in zip(self.category, self.categories, strict=True):
            item += table(ops.take(values, rows, 0))
        logits = ops.matmul(user, ops.transpose(item)) - ops.take(self.log_share, rows)
        own = ops.arange(self.work.batch)[:, None] == ops.arange(self.work.batch + self.work.shared)
        logits = ops.where((label[:, None] == rows) & ~own, -1e30, logits)
        own_logit = ops.sum(user * item[: self.work.batch], 1) - ops.take(self.log_share, label)
        return ops.logsumexp(logits, 1) - own_logit

    def mean(self, history: jax.Array) -> jax.Array:
        """(B, D) of the history's vectors."""
        size, length = history.shape
        if self.work.items <= FEW_ITEMS:
            # The first column counts what isn't there.
            width = self.work.items + 1
            places = ops.reshape(ops.arange(size)[:, None] * width + history + 1, (-1,))
            counts = jnp.zeros(size * width).at[places].add(1.0, mode="promise_in_bounds")
            counts = ops.reshape(counts, (size, width))[:, 1:]
            return ops.matmul(counts, self.past.embeddings) / ops.sum(counts, 1, keepdims=True)
        # What isn't there is looked up as row 0 and taken off again: no (B, T, D) mask to multiply.
        absent = ops.sum(ops.cast(history < 0, "float32"), 1, keepdims=True)
        total = ops.sum(self.past(ops.maximum(history, 0)), 1) - absent * self.past.embeddings[0]
        return total / (length - absent)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> jax.Array:
        return ops.sum(y_pred)


class Clock(keras.callbacks.Callback):
    """Times each epoch of a `fit`."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.chunks: list[Chunk] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        loss = float(logs["loss"]) / self.batch
        self.chunks.append(Chunk(time.perf_counter() - self.start, loss))


def batches_of(trial: Trial) -> Iterator[tuple[dict[str, np.ndarray]]]:
    size = trial.workload.batch
    for batch in cycle(range(len(trial.shared))):
        at = slice(batch * size, (batch + 1) * size)
        inputs = {name: values[at] for name, values in trial.examples._asdict().items()}
        yield (inputs | ({"shared": trial.shared[batch]} if trial.workload.shared else {}),)


def main() -> None:
    trial = prepare()
    keras.utils.set_random_seed(trial.seed)
    data = batches_of(trial)
    model = Towers(trial)
    stride = 10 if trial.workload.items <= FEW_ITEMS else 1
    model.compile(keras.optimizers.Adagrad(LEARNING_RATE, FIRST_ACCUMULATOR), steps_per_execution=stride)
    size = trial.workload.batch

    def train(chunks: int, steps: int) -> list[Chunk]:
        clock = Clock(size)
        model.fit(data, epochs=chunks, steps_per_epoch=steps, callbacks=[clock], verbose=0)
        return clock.chunks

    first_loss = float(ops.mean(model(next(batches_of(trial))[0])))
    answer("keras_jax", trial, ["jax", "jaxlib", "keras"], first_loss, train, stride)


if __name__ == "__main__":
    main()
