"""Encoders that read a history event by event: a causal transformer.

Histories run from the newest event to the oldest, as everywhere here, so "before" is "behind": an event
sees itself and what stands at higher places. A query stands after every event, so that one pass over a
history learns from all of its prefixes.
"""

from typing import Any

import keras
from keras import layers, ops

from tastemaker.features.schema import Encoded
from tastemaker.model.history import AppendOne, BagOfRows, feature_inputs, register

NOT_SEEN = -1e9


@register
class Attention(layers.Layer):
    """Causal self-attention with a learnt bias for each distance (Raffel et al., JMLR 2020).

    Args:
        heads: of D / heads numbers each.
        length: distances from there on share a bias.
        dropout: of the attention weights.
    """

    def __init__(self, heads: int, length: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.length, self.dropout = heads, length, dropout

    def build(self, x: Any, *_: Any) -> None:
        dim = int(x[-1])
        self.into = layers.Dense(3 * dim, name="into")
        self.into.build(x)
        self.out = layers.Dense(dim, name="out")
        self.out.build(x)
        self.drop = layers.Dropout(self.dropout)
        self.distance = self.add_weight(shape=(self.heads, self.length), initializer="zeros", name="distance")

    def call(self, x: Any, present: Any, training: bool = False) -> Any:
        """(B, T, D), (B, T) 1 or 0 → (B, T, D)."""
        batch, length, dim = ops.shape(x)[0], ops.shape(x)[1], x.shape[-1]
        each = dim // self.heads
        parts = ops.reshape(self.into(x), (batch, length, 3, self.heads, each))
        query, key, value = (ops.transpose(parts[:, :, n], (0, 2, 1, 3)) for n in range(3))
        scores = ops.matmul(query * each**-0.5, ops.transpose(key, (0, 1, 3, 2)))  # (B, H, T, T)
        places = ops.arange(length)
        behind = places[None, :] - places[:, None]  # how long before event t event s was
        bias = ops.take(self.distance, ops.clip(behind, 0, self.length - 1), axis=1)
        unseen = ops.cast(behind < 0, x.dtype) * NOT_SEEN
        absent = (1.0 - present)[:, None, None, :] * NOT_SEEN
        weights = self.drop(ops.softmax(scores + (bias + unseen)[None] + absent), training=training)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (batch, length, dim)))

    def get_config(self) -> dict[str, Any]:
        own = {"heads": self.heads, "length": self.length, "dropout": self.dropout}
        return {**super().get_config(), **own}


@register
class LowPass(layers.Layer):
    """What changes slowly in a history stays, what changes fast is scaled by a learnt number a channel.

    The idea of BSARec (Shin et al., AAAI 2024), made causal: slow is the mean of an event and the `width` - 1
    before it, fast is the rest.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width

    def build(self, x: Any, *_: Any) -> None:
        self.fast = self.add_weight(shape=(int(x[-1]),), initializer="ones", name="fast")

    def call(self, x: Any, present: Any) -> Any:
        """(B, T, D), (B, T) 1 or 0 → (B, T, D)."""
        there = present[:, :, None]
        slow = self._summed(x * there) / ops.maximum(self._summed(there), 1.0)
        return slow + ops.square(self.fast) * (x - slow)

    def _summed(self, x: Any) -> Any:
        length = ops.shape(x)[1]
        padded = ops.pad(x, [[0, 0], [0, self.width - 1], [0, 0]])
        return sum(padded[:, behind : behind + length] for behind in range(self.width))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@register
class Block(layers.Layer):
    """One layer of the transformer: events look behind themselves, then each is thought about alone.

    Args:
        heads, length: of the attention.
        slow: share of the low-pass filter beside the attention; 0 is a plain transformer.
        width: events that the filter looks at.
        dropout: after both parts, and of the attention weights.
        before: whether a part is normalised before, or its sum with what came in afterwards.
    """

    def __init__(
        self,
        heads: int,
        length: int,
        slow: float,
        width: int,
        dropout: float,
        before: bool,
        inner: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.options = {
            "heads": heads,
            "length": length,
            "slow": slow,
            "width": width,
            "dropout": dropout,
            "before": before,
            "inner": inner,
        }

    def build(self, x: Any, *_: Any) -> None:
        dim, options = int(x[-1]), self.options
        self.attention = Attention(options["heads"], options["length"], options["dropout"])
        self.attention.build(x)
        if options["slow"]:
            self.low_pass = LowPass(options["width"])
            self.low_pass.build(x)
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        for norm in self.norms:
            norm.build(x)
        self.wide = layers.Dense(options["inner"] * dim, activation="gelu")
        self.wide.build(x)
        self.narrow = layers.Dense(dim)
        self.narrow.build((*x[:-1], options["inner"] * dim))
        self.drop = layers.Dropout(options["dropout"])

    def call(self, x: Any, present: Any, training: bool = False) -> Any:
        """(B, T, D), (B, T) 1 or 0 → (B, T, D)."""

        def look(y: Any) -> Any:
            seen = self.attention(y, present, training=training)
            slow = self.options["slow"]
            return (1 - slow) * seen + slow * self.low_pass(y, present) if slow else seen

        def think(y: Any) -> Any:
            return self.narrow(self.wide(y))

        for part, norm in zip((look, think), self.norms, strict=True):
            if self.options["before"]:
                x = x + self.drop(part(norm(x)), training=training)
            else:
                x = norm(x + self.drop(part(x), training=training))
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options}


@register
class Strengths(layers.Layer):
    """Adds to each event what its strength says, and norms and drops what comes out."""

    def __init__(self, dropout: float, norm: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout, self.norm = dropout, norm

    def build(self, x: Any, *_: Any) -> None:
        self.direction = self.add_weight(shape=(int(x[-1]),), initializer="zeros", name="direction")
        self.normed = layers.LayerNormalization(epsilon=1e-6)
        self.normed.build(x)
        self.drop = layers.Dropout(self.dropout)

    def call(self, x: Any, value: Any, training: bool = False) -> Any:
        """(B, T, D), (B, T) → (B, T, D)."""
        x = x + value[:, :, None] * self.direction
        return self.drop(self.normed(x) if self.norm else x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dropout": self.dropout, "norm": self.norm}


@register
class Newest(layers.Layer):
    """(B, T, D) → (B, D): the query after the newest event."""

    def call(self, encoded: Any) -> Any:
        return encoded[:, 0]


class SequenceTower:
    """From a history to the queries after each of its events, in the two forms that training and serving want.

    Args:
        length: T at most.
        dim: D, of item vectors and of the query.
        blocks, heads: of the transformer.
        slow, width: of its low-pass filters.
        before: whether blocks normalise before or after.
        dropout: of the input and in the blocks.
        user: features of users, or None.

    Attributes:
        model: history (B, T, D), present (B, T), value (B, T) [, user features] → (B, T, D); what training calls,
            with T as long as the batch needs.
        whole: the same → (B, D + 1), the query after the newest event alone, what serving calls. The history
            comes in as vectors, not rows, so that an item that is newer than the model can stand in it; the
            last number, 1, meets the item's bias.
    """

    def __init__(
        self,
        length: int,
        dim: int,
        *,
        blocks: int,
        heads: int,
        slow: float,
        width: int,
        before: bool,
        dropout: float,
        user: Encoded | None,
    ) -> None:
        self.length, self.dim, self.user = length, dim, user
        self._entry = Strengths(dropout, norm=not before, name="strengths")
        self._blocks = [
            Block(heads, length, slow, width, dropout, before, name=f"block_{n}") for n in range(blocks)
        ]
        self._last = layers.LayerNormalization(epsilon=1e-6, name="last") if before else None
        self._kinds = None
        if user is not None and user.fields:
            self._kinds = BagOfRows(user.table_size, dim, name="user_bag")
        self._numbers = layers.Dense(dim, name="user_numbers") if user is not None and user.dense.shape[1] else None
        self.model = self._encoder(None)
        self.whole = self._whole()

    def _encoder(self, length: int | None) -> keras.Model:
        inputs = {
            "history": keras.Input((length, self.dim), name="history"),
            "present": keras.Input((length,), name="present"),
            "value": keras.Input((length,), name="value"),
        } | ({} if self.user is None else feature_inputs(self.user, "user_"))
        x = self._entry(inputs["history"], inputs["value"])
        for block in self._blocks:
            x = block(x, inputs["present"])
        if self._last is not None:
            x = self._last(x)
        for add in self._of_user(inputs):
            x = layers.Add()([x, add])
        return keras.Model(inputs, x, name="encoder")

    def _of_user(self, inputs: dict[str, Any]) -> list[Any]:
        found = []
        if self._kinds is not None:
            found.append(self._kinds(inputs["user_ids"], inputs["user_weights"]))
        if self._numbers is not None:
            found.append(self._numbers(inputs["user_dense"]))
        return [layers.Reshape((1, self.dim))(part) for part in found]

    def _whole(self) -> keras.Model:
        encoder = self._encoder(self.length)
        query = Newest(name="newest")(encoder.output)
        return keras.Model(encoder.input, AppendOne(name="bias_one")(query), name="query_tower")
