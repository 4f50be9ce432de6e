"""The default model of people's histories: a softmax network over the whole catalogue.

A query tower turns what somebody did into a vector; the item table holds a vector an item, made of
its id and its metadata; their dot product, plus the item's bias, is the logit of "this is next".
The same item vectors stand at the input and at the output, so a history and the items to be found
live in one space.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers, ops

from tastemaker.features.schema import Bag, Encoded

START_DECAYS = (0.0, 0.05, 0.3, 1.0)
"""How fast each head forgets at first, per event in nats: from "all alike" to "mostly the last one"."""

register = keras.saving.register_keras_serializable(package="tastemaker")


@register
class RecencyBags(layers.Layer):
    """Several weighted means of a history, each with a memory of its own.

    A head weighs the event at position t (0 = newest) by softmax(decay[t] + slope × value): how fast
    to forget, and how much a strong event counts for more, are learnt. With order unknown there is
    one head, blind to position, and its mean grows with the number of events, n^power, so that a long
    history may speak louder.
    """

    def __init__(self, in_order: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_order = in_order

    def build(self, history: Sequence[int | None], *_: Any) -> None:
        length = int(history[1] or 0)
        decays = np.array(START_DECAYS if self.in_order else START_DECAYS[:1], "float32")
        start = -decays[:, None] * np.arange(length, dtype="float32")  # (H, T)
        self.position = self.add_weight(
            shape=start.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
            trainable=self.in_order,
            name="position",
        )
        self.slope = self.add_weight(shape=(len(decays),), initializer="zeros", name="slope")
        power = keras.initializers.Constant(0.0 if self.in_order else 0.5)
        self.power = self.add_weight(shape=(), initializer=power, trainable=not self.in_order, name="power")

    def call(self, history: Any, present: Any, value: Any) -> Any:
        """(B, T, D), (B, T) 1 or 0, (B, T) → (B, H, D); zeros where nothing is present."""
        logits = self.position[None] + self.slope[None, :, None] * value[:, None, :]
        logits = logits + (present[:, None, :] - 1.0) * 1e9
        weights = ops.softmax(logits, axis=-1) * present[:, None, :]  # (B, H, T)
        means = ops.matmul(weights, history)
        if self.in_order:
            return means
        count = ops.maximum(ops.sum(present, axis=1), 1.0)[:, None, None]
        return means * ops.power(count, self.power)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_order": self.in_order}


@register
class BagOfRows(layers.Layer):
    """Weighted sum of embedding rows: ids (B, L) int32, weights (B, L) → (B, D)."""

    def __init__(self, rows: int, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.dim = rows, dim

    def build(self, *_: Any) -> None:
        self.table = self.add_weight(
            shape=(self.rows, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.05),
            name="table",
        )

    def call(self, ids: Any, weights: Any) -> Any:
        return ops.sum(ops.take(self.table, ids, axis=0) * weights[..., None], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows, "dim": self.dim}


@register
class WeightedSum(layers.Layer):
    """One learnt number a head: (B, H, D) → (B, D)."""

    def build(self, bags: Sequence[int | None]) -> None:
        self.share = self.add_weight(shape=(bags[1], 1), initializer="zeros", name="share")

    def call(self, bags: Any) -> Any:
        return ops.sum(bags * self.share, axis=1)


@register
class AppendOne(layers.Layer):
    """(B, D) → (B, D + 1): the last number meets the item's bias."""

    def call(self, vectors: Any) -> Any:
        return ops.concatenate([vectors, ops.ones_like(vectors[:, :1])], axis=1)


def query_tower(
    length: int,
    dim: int,
    hidden: Sequence[int],
    dropout: float,
    *,
    in_order: bool,
    user: Encoded | None,
) -> keras.Model:
    """History vectors (B, T, D), present (B, T), value (B, T) [, user features] → (B, D + 1).

    The history comes in as vectors, not rows, so that an item that is newer than the model can stand in it.
    """
    inputs = {
        "history": keras.Input((length, dim), name="history"),
        "present": keras.Input((length,), name="present"),
        "value": keras.Input((length,), name="value"),
    }
    bags = RecencyBags(in_order, name="recency_bags")(inputs["history"], inputs["present"], inputs["value"])
    parts = [layers.Flatten()(bags)]
    if user is not None:
        known = feature_inputs(user, "user_")
        inputs |= {f"user_{name}": tensor for name, tensor in known.items()}
        parts += _feature_vectors(user, known, max(1, dim // 4), "user")
    x = layers.Dropout(dropout)(layers.Concatenate()(parts) if len(parts) > 1 else parts[0])
    for width in hidden:
        x = layers.Dropout(dropout)(layers.Dense(width, activation="gelu")(x))
    # The straight way past the hidden layers: a mean of liked items is a fair query by itself.
    query = layers.Add()([layers.Dense(dim)(x), WeightedSum(name="straight")(bags)])
    return keras.Model(inputs, AppendOne(name="bias_one")(query), name="query_tower")


def feature_inputs(encoded: Encoded, prefix: str = "") -> dict[str, Any]:
    """Keras inputs for what there is of `encoded`: the joined bag (ids, weights), the numbers (dense)."""
    length, numbers = encoded.joined.ids.shape[1], encoded.dense.shape[1]
    inputs = {}
    if length:
        inputs["ids"] = keras.Input((length,), dtype="int32", name=f"{prefix}ids")
        inputs["weights"] = keras.Input((length,), name=f"{prefix}weights")
    if numbers:
        inputs["dense"] = keras.Input((numbers,), name=f"{prefix}dense")
    return inputs


def _feature_vectors(encoded: Encoded, inputs: Mapping[str, Any], dim: int, name: str) -> list[Any]:
    vectors = []
    if "ids" in inputs:
        bag = BagOfRows(encoded.table_size, dim, name=f"{name}_bag")
        vectors.append(bag(inputs["ids"], inputs["weights"]))
    if "dense" in inputs:
        vectors.append(layers.Dense(dim, name=f"{name}_numbers")(inputs["dense"]))
    return vectors


def item_tower(encoded: Encoded, dim: int) -> keras.Model:
    """An item's metadata alone, ids (B, L), weights (B, L), dense (B, M) → (B, D)."""
    inputs = feature_inputs(encoded)
    vectors = _feature_vectors(encoded, inputs, dim, "item")
    return keras.Model(inputs, layers.Add()(vectors) if len(vectors) > 1 else vectors[0], name="item_tower")


@register
class ItemTable(layers.Layer):
    """A vector an item: its id's row, where it was ever trained, plus its metadata through the item tower.

    Args:
        known: (N,) 1 where the training log holds the item, else 0: an id that was never a label has
            nothing to say.
        encoded: the items' features, or None.
        id_dropout: share of items whose id is left out of a step, so that metadata learns to stand alone.
    """

    def __init__(
        self,
        known: npt.NDArray[np.float32],
        dim: int,
        encoded: Encoded | None = None,
        id_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.known = tf.constant(known[:, None], "float32")
        self.dim, self.id_dropout = dim, id_dropout
        self.tower = item_tower(encoded, dim) if encoded is not None else None
        self.features = self.dense = None
        if encoded is not None and encoded.fields:
            self.features = _sparse(encoded.joined, encoded.table_size)
        if encoded is not None and encoded.dense.shape[1]:
            self.dense = tf.constant(encoded.dense)
        self.seeds = keras.random.SeedGenerator()  # follows keras.utils.set_random_seed

    def build(self, *_: Any) -> None:
        shape = (len(self.known), self.dim)
        start = keras.initializers.RandomNormal(stddev=0.05)
        self.ids = self.add_weight(shape=shape, initializer=start, name="ids")
        self.bias = self.add_weight(shape=shape[:1], initializer="zeros", name="bias")

    def call(self, training: bool = False) -> Any:
        """(N, D) item vectors, without the bias."""
        ids = self.ids * self.known
        if training and self.id_dropout and self.tower is not None:
            keep = keras.random.uniform((len(self.known), 1), seed=self.seeds) >= self.id_dropout
            ids = ids * ops.cast(keep, "float32")
        if self.tower is None:
            return ids
        # The tower's own weights, applied to all N items at once: a sparse product beats N gathers.
        if self.features is not None:
            table = self.tower.get_layer("item_bag").table
            ids = ids + tf.sparse.sparse_dense_matmul(self.features, table)
        if self.dense is not None:
            ids = ids + self.tower.get_layer("item_numbers")(self.dense)
        return ids


def _sparse(bag: Bag, width: int) -> tf.SparseTensor:
    rows, places = np.nonzero(bag.weights)
    columns = bag.ids[rows, places]
    order = np.lexsort((columns, rows))
    indices = np.stack([rows, columns], 1)[order].astype(np.int64)
    return tf.SparseTensor(indices, bag.weights[rows, places][order], (len(bag.ids), width))


class Items(NamedTuple):
    """The catalogue as the model sees it at one moment.

    inputs: (N, Di) what a history is made of.
    vectors: (N, Do) what a query vector is multiplied with.
    """

    inputs: Any
    vectors: Any


@register
class HistoryModel(keras.Model):
    """Logits of every item, given histories as rows; what training calls."""

    def __init__(
        self, table: ItemTable, tower: keras.Model, user: Encoded | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.table, self.tower = table, tower
        self.user = {} if user is None else _constants(user)

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """rows (B, T) int32 with PAD, values (B, T), users (B,), seen (B, N) bool → (B, N)."""
        items = self.items(training)
        q = self.query(items.inputs, inputs["rows"], inputs["values"], inputs["users"], training)
        logits = ops.matmul(q, ops.transpose(items.vectors))
        # What a user has already is never recommended, so it is no rival in training either.
        return ops.where(inputs["seen"], -1e9, logits)

    def items(self, training: bool = False) -> Items:
        vectors = self.table(training=training)
        return Items(vectors, ops.concatenate([vectors, self.table.bias[:, None]], axis=1))

    def query(self, vectors: Any, rows: Any, values: Any, users: Any, training: bool = False) -> Any:
        """(B, D + 1) query vectors from histories as rows of `vectors` (N, Di)."""
        inputs = {
            "history": ops.take(vectors, ops.maximum(rows, 0), axis=0),
            "present": ops.cast(rows >= 0, "float32"),
            "value": ops.convert_to_tensor(values),
        }
        for name, array in self.user.items():
            inputs[f"user_{name}"] = ops.take(array, users, axis=0)
        return self.tower(inputs, training=training)


def _constants(encoded: Encoded) -> dict[str, Any]:
    """The arrays that stand behind `feature_inputs`."""
    arrays = {"ids": encoded.joined.ids, "weights": encoded.joined.weights, "dense": encoded.dense}
    return {name: tf.constant(arrays[name]) for name in feature_inputs(encoded)}
