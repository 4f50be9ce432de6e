"""The default model of people's histories: a query tower and an item table, matched by dot product.

A query tower turns what somebody did into a vector; the item table holds a vector an item, made of
its id and its metadata; their dot product, plus the item's bias, is the logit of "this is next".
The same item vectors stand at the input and at the output, so a history and the items to be found
live in one space.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

from tastemaker.features.schema import Encoded

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

    @property
    def knobs(self) -> list[Any]:
        """What the weights are made with: position (H, T), slope (H,), power ()."""
        return [self.position, self.slope, self.power]

    def weights_of(self, present: Any, value: Any) -> Any:
        """(B, T) 1 or 0, (B, T) → (B, H, T), what each event counts; zeros where nothing is present."""
        logits = self.position[None] + self.slope[None, :, None] * value[:, None, :]
        logits = logits + (present[:, None, :] - 1.0) * 1e9
        weights = ops.softmax(logits, axis=-1) * present[:, None, :]
        if self.in_order:
            return weights
        count = ops.maximum(ops.sum(present, axis=1), 1.0)[:, None, None]
        return weights * ops.power(count, self.power)

    def call(self, history: Any, present: Any, value: Any) -> Any:
        """(B, T, D), (B, T), (B, T) → (B, H, D)."""
        return ops.matmul(self.weights_of(present, value), history)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_order": self.in_order}


@register
class MeanBag(layers.Layer):
    """The plain mean of a history, every event alike; nothing to learn."""

    def build(self, history: Sequence[int | None], *_: Any) -> None:
        self.knobs = [np.zeros((1, int(history[1] or 0)), np.float32), np.zeros(1, np.float32), 0.0]

    def weights_of(self, present: Any, value: Any) -> Any:
        """(B, T) 1 or 0, (B, T) → (B, 1, T)."""
        return (present / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1.0))[:, None, :]

    def call(self, history: Any, present: Any, value: Any) -> Any:
        """(B, T, D), (B, T), (B, T) → (B, 1, D)."""
        return ops.matmul(self.weights_of(present, value), history)


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
    """One learnt number a head: (B, H, D) → (B, D).

    Args:
        start: of each.
    """

    def __init__(self, start: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, bags: Sequence[int | None]) -> None:
        initializer = keras.initializers.Constant(self.start)
        self.share = self.add_weight(shape=(bags[1], 1), initializer=initializer, name="share")

    def call(self, bags: Any) -> Any:
        return ops.sum(bags * self.share, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


@register
class AppendOne(layers.Layer):
    """(B, D) → (B, D + 1): the last number meets the item's bias."""

    def call(self, vectors: Any) -> Any:
        return ops.concatenate([vectors, ops.ones_like(vectors[:, :1])], axis=1)


class QueryTower:
    """From a history to a query vector, in the two forms that training and serving want.

    Args:
        length: T.
        dim: D, of item vectors and of the query.
        hidden: widths of the layers between.
        activation: of those layers.
        dropout: before and after each of them.
        encoder: recency or mean.
        in_order: whether a place in the history means anything.
        user: features of users, or None.

    Attributes:
        heads: H, sums of a history.
        bags: the layer that says what each event counts.
        model: bags (B, H, D) [, user features] → (B, D); what training calls.
        whole: history vectors (B, T, D), present (B, T), value (B, T) [, user features] → (B, D + 1), what
            serving calls. The history comes in as vectors, not rows, so that an item that is newer than the
            model can stand in it; the last number, 1, meets the item's bias.
    """

    def __init__(
        self,
        length: int,
        dim: int,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
        *,
        encoder: Literal["recency", "mean"],
        in_order: bool,
        user: Encoded | None,
    ) -> None:
        self.length, self.dim, self.user, self._in_order = length, dim, user, in_order
        self.bags: Any = (
            MeanBag(name="mean_bag") if encoder == "mean" else RecencyBags(in_order, name="recency_bags")
        )
        self.heads = len(START_DECAYS) if encoder == "recency" and in_order else 1
        self.model = self._after_bags(hidden, activation, dropout)
        self.whole = self._whole()

    def _after_bags(self, hidden: Sequence[int], activation: str, dropout: float) -> keras.Model:
        bags = keras.Input((self.heads, self.dim), name="bags")
        inputs = {"bags": bags} | self._user_inputs()
        parts = [layers.Flatten()(bags)]
        if self.user is not None and "user_ids" in inputs:
            kinds = BagOfRows(self.user.table_size, max(1, self.dim // 4), name="user_bag")
            parts.append(kinds(inputs["user_ids"], inputs["user_weights"]))
        if "user_dense" in inputs:
            parts.append(inputs["user_dense"])
        x = layers.Dropout(dropout)(layers.Concatenate()(parts) if len(parts) > 1 else parts[0])
        for width in hidden:
            x = layers.Dropout(dropout)(layers.Dense(width, activation=activation)(x))
        # The straight way past the hidden layers: a mean of liked items is a fair query by itself.
        # Where order says nothing, that is where it starts from.
        straight = WeightedSum(0.0 if self._in_order else 1.0, name="straight")(bags)
        query = layers.Add()([layers.Dense(self.dim)(x), straight])
        return keras.Model(inputs, query, name="query")

    def _whole(self) -> keras.Model:
        inputs = {
            "history": keras.Input((self.length, self.dim), name="history"),
            "present": keras.Input((self.length,), name="present"),
            "value": keras.Input((self.length,), name="value"),
        }
        user = self._user_inputs()
        bags = self.bags(inputs["history"], inputs["present"], inputs["value"])
        query = self.model({"bags": bags} | user)
        return keras.Model(inputs | user, AppendOne(name="bias_one")(query), name="query_tower")

    def _user_inputs(self) -> dict[str, Any]:
        return {} if self.user is None else feature_inputs(self.user, "user_")


def feature_inputs(encoded: Encoded, prefix: str = "") -> dict[str, Any]:
    """Keras inputs for what there is of `encoded`: the joined bag (ids, weights), the numbers (dense)."""
    length, numbers = encoded.joined.ids.shape[1], encoded.dense.shape[1]
    inputs = {}
    if length:
        inputs[f"{prefix}ids"] = keras.Input((length,), dtype="int32", name=f"{prefix}ids")
        inputs[f"{prefix}weights"] = keras.Input((length,), name=f"{prefix}weights")
    if numbers:
        inputs[f"{prefix}dense"] = keras.Input((numbers,), name=f"{prefix}dense")
    return inputs


def item_tower(encoded: Encoded, dim: int) -> keras.Model:
    """An item's metadata alone, ids (B, L), weights (B, L), dense (B, M) → (B, D)."""
    inputs = feature_inputs(encoded)
    vectors = []
    if "ids" in inputs:
        vectors.append(BagOfRows(encoded.table_size, dim, name="item_bag")(inputs["ids"], inputs["weights"]))
    if "dense" in inputs:
        vectors.append(layers.Dense(dim, name="item_numbers")(inputs["dense"]))
    return keras.Model(inputs, layers.Add()(vectors) if len(vectors) > 1 else vectors[0], name="item_tower")
