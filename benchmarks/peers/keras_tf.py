"""Keras 3 on TensorFlow: `model.fit`, compiled by XLA where every row may be updated.

Tried on one core, in examples/s (a 5th-generation EPYC that was also doing other work):
    history under XLA on W1: masked mean 57k, a matrix of counts 129k. On W2b: masked mean 22.0k, the
        unmasked sum less the padding 20.5k, a weighted `einsum` 18.0k.
    label's logit on W1: `sparse_categorical_crossentropy` 51k, dot product apart 57k; on W2a 3.5k, 4.4k.
    without XLA: W2b 17.3k with Keras's Adagrad, 20.5k with the sparse one below, 19.7k with it and only the
        towers and the loss compiled; W2ib 42.6k and 37.5k, against 44.9k of XLA. W1 101k, W2a 3.8k at most.
    W3-1M: sparse Adagrad 13.4k, with the loss compiled 12.7k. W3-5M: rows through `Embedding` 6.7k at 8.7 GB,
        gathered from the variable 8.9k at 7.3 GB.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits

os.environ.update(limits())
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
import keras
import tensorflow as tf
from keras import ops

from benchmarks.peers.trial import FIRST_ACCUMULATOR, LEARNING_RATE, SPREAD, Chunk, Trial, answer, prepare

FEW_ITEMS = 10_000  # up to here a (B, N) matrix of counts is cheaper than a lookup
MANY_ITEMS = 500_000  # from here an update of every row, which is all that XLA has, is too dear
Batch = dict[str, tf.Tensor]


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
        self.categories = [tf.constant(values) for values in trial.categories.T]
        self.log_share = tf.constant(trial.log_share)
        inner = [keras.layers.Dense(width, "relu") for width in work.hidden[:-1]]
        self.dense = keras.Sequential([*inner, keras.layers.Dense(work.hidden[-1])])
        self.dense.build((None, work.dim + work.numbers))
        self.built = True

    def call(self, batch: Batch) -> tf.Tensor:
        user = self.dense(ops.concatenate([self.mean(batch["history"]), batch["numbers"]], 1))
        label = batch["label"]
        if self.work.negatives == "all":
            item = tf.identity(self.id.embeddings)
            for table, values in zip(self.category, self.categories, strict=True):
                item += table(values)
            logits = ops.matmul(user, ops.transpose(item))
            return ops.logsumexp(logits, 1) - ops.sum(user * ops.take(item, label, 0), 1)
        rows = ops.concatenate([label, batch["shared"]], 0) if self.work.shared else label
        item = tf.gather(self.id.embeddings.value, rows)  # the layer would read, and so copy, the whole table
        for table, values in zip(self.category, self.categories, strict=True):
            item += table(ops.take(values, rows, 0))
        logits = ops.matmul(user, ops.transpose(item)) - ops.take(self.log_share, rows)
        own = ops.arange(self.work.batch)[:, None] == ops.arange(self.work.batch + self.work.shared)
        logits = ops.where((label[:, None] == rows) & ~own, -1e30, logits)
        own_logit = ops.sum(user * item[: self.work.batch], 1) - ops.take(self.log_share, label)
        return ops.logsumexp(logits, 1) - own_logit

    def mean(self, history: tf.Tensor) -> tf.Tensor:
        """(B, D) of the history's vectors."""
        size, length = history.shape
        if self.work.items <= FEW_ITEMS:
            # The first column counts what isn't there.
            width = self.work.items + 1
            places = ops.reshape(ops.arange(size)[:, None] * width + history + 1, (-1,))
            counts = tf.math.unsorted_segment_sum(tf.ones(size * length), places, size * width)
            counts = ops.reshape(counts, (size, width))[:, 1:]
            return ops.matmul(counts, self.past.embeddings) / ops.sum(counts, 1, keepdims=True)
        if self.work.items >= MANY_ITEMS:
            there = tf.where(history >= 0)
            rows = tf.cast(tf.gather_nd(history, there), tf.int64)
            bags = tf.SparseTensor(there, rows, (size, length))
            return tf.nn.embedding_lookup_sparse(self.past.embeddings.value, bags, None, combiner="mean")
        there = ops.cast(history >= 0, "float32")[:, :, None]
        return ops.sum(self.past(ops.maximum(history, 0)) * there, 1) / ops.sum(there, 1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> tf.Tensor:
        return ops.sum(y_pred)


class SparseAdagrad(keras.optimizers.Adagrad):
    """Updates only the rows that a batch touched; Keras's own takes the root of every row's accumulator."""

    def update_step(self, gradient, variable, learning_rate) -> None:
        accumulator = self._accumulators[self._get_variable_index(variable)]
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        rows, places = tf.unique(gradient.indices)
        tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=variable.handle,
            accum=accumulator.value.handle,
            lr=ops.cast(learning_rate, "float32"),
            epsilon=self.epsilon,
            grad=tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows)),
            indices=rows,
        )


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


def batches_of(trial: Trial) -> tf.data.Dataset:
    examples = tf.data.Dataset.from_tensor_slices(trial.examples._asdict())
    data = examples.batch(trial.workload.batch, drop_remainder=True)
    if trial.workload.shared:
        shared = tf.data.Dataset.from_tensor_slices({"shared": trial.shared})
        data = tf.data.Dataset.zip(data, shared).map(lambda batch, more: batch | more)
    options = tf.data.Options()
    options.threading.private_threadpool_size = trial.threads
    return data.repeat().prefetch(2).with_options(options)


def main() -> None:
    trial = prepare()
    keras.utils.set_random_seed(trial.seed)
    data = batches_of(trial)
    model = Towers(trial)
    many = trial.workload.items >= MANY_ITEMS
    adagrad = SparseAdagrad if many else keras.optimizers.Adagrad
    stride = 50 if trial.workload.items <= FEW_ITEMS else 5
    model.compile(adagrad(LEARNING_RATE, FIRST_ACCUMULATOR), jit_compile=not many, steps_per_execution=stride)
    size = trial.workload.batch

    def train(chunks: int, steps: int) -> list[Chunk]:
        clock = Clock(size)
        model.fit(data, epochs=chunks, steps_per_epoch=steps, callbacks=[clock], verbose=0)
        return clock.chunks

    first_loss = float(ops.mean(model(next(iter(data)))))
    answer("keras_tf", trial, ["tensorflow-cpu", "keras"], first_loss, train, stride)


if __name__ == "__main__":
    main()
