"""`preset = "seed-softmax"`: the softmax network of a well-known tutorial, as it stands.

The mean of the embeddings of what was watched (movie 35-d, genres 3-d, years 2-d) goes through one
linear layer and is multiplied with the same movie embeddings. No bias, no order, nothing masked.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tastemaker.features.schema import Bag, Encoded
from tastemaker.model.history import register

MOVIE, GENRE, YEAR = 35, 3, 2


class Items(NamedTuple):
    """The catalogue as the model sees it at one moment.

    inputs: (N, Di) what a history is made of.
    vectors: (N, Do) what a query vector is multiplied with.
    """

    inputs: Any
    vectors: Any


@register
class MeanOfPresent(layers.Layer):
    """(B, T, D), (B, T) 1 or 0 → (B, D); zeros where nothing is present."""

    def call(self, history: Any, present: Any) -> Any:
        total = ops.sum(history * present[..., None], axis=1)
        return total / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1.0)


class SeedSoftmax(keras.Model):
    """See the head of this file. Genres are the first multi-category, the year is the first year there is."""

    def __init__(self, items: int, length: int, encoded: Encoded | None) -> None:
        super().__init__()
        start = keras.initializers.RandomNormal(stddev=0.05)
        self.movies = self.add_weight(shape=(items, MOVIE), initializer=start, name="movies")
        self.sides: list[tuple[Any, Any, Any]] = []
        for name, width, bag, size in _sides(encoded):
            table = self.add_weight(shape=(size, width), initializer=start, name=name)
            mean = bag.weights / np.maximum(bag.weights.sum(1, keepdims=True), 1e-9)
            self.sides.append((table, tf.constant(bag.ids), tf.constant(mean[..., None])))
        width = MOVIE + sum(int(table.shape[1]) for table, _, _ in self.sides)
        history, present = (
            keras.Input((length, width), name="history"),
            keras.Input((length,), name="present"),
        )
        query = layers.Dense(MOVIE, name="linear")(MeanOfPresent()(history, present))
        self.tower = keras.Model({"history": history, "present": present}, query, name="query_tower")

    def items(self, training: bool = False) -> Items:
        sides = [ops.sum(ops.take(table, ids, axis=0) * share, axis=1) for table, ids, share in self.sides]
        movies = ops.convert_to_tensor(self.movies)
        return Items(ops.concatenate([movies, *sides], axis=1), movies)

    def query(self, vectors: Any, rows: Any, training: bool = False) -> Any:
        """(B, 35) from histories as rows of `vectors` (N, 40)."""
        history = ops.take(vectors, ops.maximum(rows, 0), axis=0)
        return self.tower({"history": history, "present": ops.cast(rows >= 0, "float32")}, training=training)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """(B, N) logits for histories as rows (B, T); nothing is masked but what `seen` (B, N) says."""
        items = self.items(training)
        query = self.query(items.inputs, inputs["rows"], training)
        return ops.where(inputs["seen"], -1e9, ops.matmul(query, ops.transpose(items.vectors)))


def _sides(encoded: Encoded | None) -> list[tuple[str, int, Bag, int]]:
    if encoded is None:
        return []
    pairs = list(zip(encoded.fields, encoded.bags, strict=True))
    genres = [("genres", GENRE, bag, field.size) for field, bag in pairs if field.kind == "categories"]
    years = [
        ("years", YEAR, bag, field.size) for field, bag in pairs if field.name.casefold().endswith("year")
    ]
    return genres[:1] + years[:1]
