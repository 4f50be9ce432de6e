"""TensorFlow Recommenders on Keras 2: `tfrs.Model`, `tfrs.tasks.Retrieval` and `model.fit`.

`Retrieval` clips the sampling probability at 1e-6, so on W3 the rare items are corrected less than elsewhere
and the first loss is lower. For softmax over all items TFRS has no task: there the loss is TensorFlow's own.

Tried on one core, in examples/s (a 5th-generation EPYC that was also doing other work):
    history on W1: sparse lookup 41k; a matrix of counts 67k, with 20 steps per execution 81k; that
        compiled by XLA 83k, one step per execution. On W2ib: masked mean 39.4k, sparse lookup 42.7k, the
        same with `allow_fast_lookup` 42.0k, gather and segment sum 44.0k, within the noise; W2b all 19k.
    optimiser: Keras 2's Adagrad and its legacy one are as fast on W2b (19.6k, 19.1k); on W3-1M 14.0k
        against 12.9k.
    XLA (`jit_compile=True`): W2b 10.9k, W2ib 21.4k, as gradients turn dense.
    oneDNN off: W2b 15.4k. 10 steps per execution: W2b 18.8k. Keeping freed memory: no difference.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits

os.environ.update(limits())
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3")
import tensorflow as tf
import tensorflow_recommenders as tfrs

from benchmarks.peers.trial import FIRST_ACCUMULATOR, LEARNING_RATE, SPREAD, Chunk, Trial, answer, prepare

FEW_ITEMS = 10_000  # up to here a (B, N) matrix of counts is cheaper than a sparse lookup
Batch = dict[str, tf.Tensor]


def embedding(values: int, dim: int) -> tf.keras.layers.Embedding:
    start = tf.keras.initializers.RandomUniform(-SPREAD, SPREAD)
    layer = tf.keras.layers.Embedding(values, dim, embeddings_initializer=start)
    layer.build(None)
    return layer


class Towers(tfrs.Model):
    """The loss of a batch."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.work = work = trial.workload
        self.past = embedding(work.items, work.dim)
        self.id = embedding(work.items, work.dim)
        self.category = [embedding(values, work.dim) for values in work.categories]
        self.categories = [tf.constant(values) for values in trial.categories.T]
        self.share = tf.exp(tf.constant(trial.log_share))
        inner = [tf.keras.layers.Dense(width, "relu") for width in work.hidden[:-1]]
        self.dense = tf.keras.Sequential([*inner, tf.keras.layers.Dense(work.hidden[-1])])
        self.task = tfrs.tasks.Retrieval(remove_accidental_hits=True)

    def compute_loss(self, batch: Batch, training: bool = False) -> tf.Tensor:
        user = self.dense(tf.concat([self.mean(batch["history"]), batch["numbers"]], 1))
        label = batch["label"]
        if self.work.negatives == "all":
            item = tf.identity(self.id.embeddings)
            for table, values in zip(self.category, self.categories, strict=True):
                item += table(values)
            logits = tf.matmul(user, item, transpose_b=True)
            return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits))
        rows = tf.concat([label, batch["shared"]], 0) if self.work.shared else label
        item = self.id(rows)
        for table, values in zip(self.category, self.categories, strict=True):
            item += table(tf.gather(values, rows))
        return self.task(
            user,
            item,
            candidate_sampling_probability=tf.gather(self.share, rows),
            candidate_ids=rows,
            compute_metrics=False,
            compute_batch_metrics=False,
        )

    def mean(self, history: tf.Tensor) -> tf.Tensor:
        """(B, D) of the history's vectors."""
        if self.work.items <= FEW_ITEMS:
            # The first column counts what isn't there.
            size = self.work.items + 1
            counts = tf.math.bincount(history + 1, minlength=size, maxlength=size, axis=-1, dtype=tf.float32)
            counts = counts[:, 1:]
            return tf.matmul(counts, self.past.embeddings) / tf.reduce_sum(counts, 1, keepdims=True)
        there = tf.where(history >= 0)
        rows = tf.cast(tf.gather_nd(history, there), tf.int64)
        bags = tf.SparseTensor(there, rows, tf.shape(history, tf.int64))
        return tf.nn.embedding_lookup_sparse(self.past.embeddings, bags, None, combiner="mean")


class Clock(tf.keras.callbacks.Callback):
    """Times each epoch of a `fit`."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.chunks: list[Chunk] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        loss = float(logs["loss"]) / self.batch  # TFRS tells the last step's
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
    tf.keras.utils.set_random_seed(trial.seed)
    data = batches_of(trial)
    model = Towers(trial)
    adagrad = tf.keras.optimizers.Adagrad(LEARNING_RATE, FIRST_ACCUMULATOR)
    stride = 20 if trial.workload.items <= FEW_ITEMS else 1
    model.compile(adagrad, steps_per_execution=stride)
    size = trial.workload.batch

    def train(chunks: int, steps: int) -> list[Chunk]:
        clock = Clock(size)
        model.fit(data, epochs=chunks, steps_per_epoch=steps, callbacks=[clock], verbose=0)
        return clock.chunks

    first_loss = float(model.compute_loss(next(iter(data)))) / size
    libraries = ["tensorflow", "tf_keras", "tensorflow-recommenders"]
    answer("tfrs", trial, libraries, first_loss, train, stride)


if __name__ == "__main__":
    main()
