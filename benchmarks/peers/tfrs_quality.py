"""TensorFlow Recommenders as its users write it, for `benchmarks.train_quality`.

`tfrs.tasks.Retrieval` on the labels of the batch, logQ by `candidate_sampling_probability`, accidental hits
removed, Adagrad, everything else at its default; every event that has a history is an example, in a new
order each epoch. The loss is TFRS's sum over the batch.

settings: `rate` of learning, `batch`, `dim`, `hidden`, `length`; and `twin`. Without it, the tables of
histories and of candidates are two, and a score is a dot product: the tutorials' form. With it, the network
is Tastemaker's: one table for both, a bias an item, and a way past the hidden layer for the mean.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits, words

os.environ.update(limits())
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3")
import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from benchmarks.peers.quality import Diary, Log, Rows, Task, examples, ranked, read_task, windows

STRIDE = 20  # steps per execution: the best in `tfrs.py`
Batch = dict[str, tf.Tensor]


class Towers(tfrs.Model):
    """The loss of a batch."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        settings = task.settings
        dim = settings["dim"]
        self.twin = settings["twin"]
        self.id = tf.keras.layers.Embedding(task.items, dim)
        self.past = self.id if self.twin else tf.keras.layers.Embedding(task.items, dim)
        for table in (self.id, self.past):
            table.build(None)
        self.bias = tf.keras.layers.Embedding(task.items, 1, embeddings_initializer="zeros")
        self.bias.build(None)
        self.straight = self.add_weight(name="straight", shape=(), initializer="zeros")
        inner = [tf.keras.layers.Dense(width, "relu") for width in settings["hidden"]]
        self.dense = tf.keras.Sequential([*inner, tf.keras.layers.Dense(dim)])
        share = np.bincount(task.train.rows[examples(task.train)], minlength=task.items)
        self.share = tf.constant(share / share.sum(), tf.float32)
        self.task = tfrs.tasks.Retrieval(remove_accidental_hits=True)

    def compute_loss(self, batch: Batch, training: bool = False) -> tf.Tensor:
        label = batch["label"]
        return self.task(
            self.query(batch["history"]),
            self.item(label),
            candidate_sampling_probability=tf.gather(self.share, label),
            candidate_ids=label,
            compute_metrics=False,
            compute_batch_metrics=False,
        )

    def query(self, history: tf.Tensor) -> tf.Tensor:
        """(B, T) → (B, D), of the twin (B, D + 1)."""
        # The first column counts what isn't there.
        size = len(self.share) + 1
        counts = tf.math.bincount(history + 1, minlength=size, maxlength=size, axis=-1, dtype=tf.float32)
        counts = counts[:, 1:]
        mean = tf.matmul(counts, self.past.embeddings) / tf.reduce_sum(counts, 1, keepdims=True)
        query = self.dense(mean)
        if not self.twin:
            return query
        return tf.concat([query + self.straight * mean, tf.ones_like(query[:, :1])], 1)

    def item(self, rows: tf.Tensor) -> tf.Tensor:
        """(B,) → (B, D), of the twin (B, D + 1)."""
        return tf.concat([self.id(rows), self.bias(rows)], 1) if self.twin else self.id(rows)

    def lists(self, known: Log, length: int, k: int) -> Rows:
        items = self.item(tf.range(len(self.share))).numpy()

        def scores(part: slice) -> np.ndarray:
            users = np.arange(part.start, part.stop)
            history = windows(known, known.offsets[users + 1], users, length)
            return self.query(tf.constant(history)).numpy() @ items.T

        return ranked(known, k, scores)


class Write(tf.keras.callbacks.Callback):
    """Writes the diary."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.diary.passed(epoch + 1)


def batches_of(task: Task, seed: int) -> tuple[tf.data.Dataset, int]:
    """Endless batches, and how many are an epoch."""
    size, length = task.settings["batch"], task.settings["length"]
    at = examples(task.train)
    users = np.repeat(np.arange(task.train.users), np.diff(task.train.offsets))[at]
    rng = np.random.default_rng(seed)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        while True:
            order = rng.permutation(len(at))
            for start in range(0, len(at), size):
                some = order[start : start + size]
                history = windows(task.train, at[some], users[some], length)
                yield {"history": history, "label": task.train.rows[at[some]]}

    shapes = {"history": (None, length), "label": (None,)}
    signature = {name: tf.TensorSpec(shape, tf.int32) for name, shape in shapes.items()}
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    options = tf.data.Options()
    options.threading.private_threadpool_size = words().threads
    return data.prefetch(2).with_options(options), -(-len(at) // size)


def main() -> None:
    task, seed = read_task(), words().seed
    tf.keras.utils.set_random_seed(seed)
    diary = Diary(task, lambda known: model.lists(known, task.settings["length"], task.k))
    data, steps = batches_of(task, seed)
    model = Towers(task)
    model.compile(tf.keras.optimizers.Adagrad(task.settings["rate"]), steps_per_execution=STRIDE)
    model.fit(data, epochs=task.passes, steps_per_epoch=steps, callbacks=[Write(diary)], verbose=0)
    diary.close()


if __name__ == "__main__":
    main()
