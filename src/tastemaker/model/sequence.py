"""Encoders that read a history event by event: a causal transformer, attention pooling, a recurrent network.

Histories run from the newest event to the oldest, as everywhere here, so "before" is "behind": an event
sees itself and what stands at higher places. A query stands after every event, so that one pass over a
history learns from all of its prefixes.
"""

from typing import Any

import keras
from keras import layers, ops

from tastemaker.features.schema import Encoded
from tastemaker.model.gaps import HideTimes, SinceBefore
from tastemaker.model.history import AppendOne, BagOfRows, feature_inputs, register

NOT_SEEN = -1e9


def _behind(length: Any) -> Any:
    """(T, T) how many events before event t event s was; negative for newer ones."""
    places = ops.arange(length)
    return places[None, :] - places[:, None]


@register
class Attention(layers.Layer):
    """Causal self-attention with a learnt bias for each distance (Raffel et al., JMLR 2020).

    Args:
        heads: of D / heads numbers each.
        length: distances from there on share a bias.
        dropout: of the attention weights.
        asks: whether each event asks a question of its own; if not, all ask one that is learnt (attention
            pooling).
    """

    def __init__(self, heads: int, length: int, dropout: float, asks: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.length, self.dropout, self.asks = heads, length, dropout, asks

    def build(self, x: Any, *_: Any) -> None:
        dim = int(x[-1])
        self.into = layers.Dense((3 if self.asks else 2) * dim, name="into")
        self.into.build(x)
        self.out = layers.Dense(dim, name="out")
        self.out.build(x)
        self.drop = layers.Dropout(self.dropout)
        self.distance = self.add_weight(shape=(self.heads, self.length), initializer="zeros", name="distance")
        if not self.asks:
            shape = (1, self.heads, 1, dim // self.heads)
            self.question = self.add_weight(shape=shape, initializer="glorot_uniform", name="question")

    def call(self, x: Any, present: Any, training: bool = False) -> Any:
        """(B, T, D), (B, T) 1 or 0 → (B, T, D)."""
        batch, length, dim = ops.shape(x)[0], ops.shape(x)[1], x.shape[-1]
        each = dim // self.heads
        key, value, *asked = (
            ops.transpose(ops.reshape(part, (batch, length, self.heads, each)), (0, 2, 1, 3))
            for part in ops.split(self.into(x), 3 if self.asks else 2, axis=-1)
        )
        query = asked[0] if asked else self.question
        scores = ops.matmul(query * each**-0.5, ops.transpose(key, (0, 1, 3, 2)))  # (B, H, T, T)
        behind = _behind(length)
        bias = ops.take(self.distance, ops.clip(behind, 0, self.length - 1), axis=1)
        unseen = ops.cast(behind < 0, x.dtype) * NOT_SEEN
        absent = (1.0 - present)[:, None, None, :] * NOT_SEEN
        weights = self.drop(ops.softmax(scores + (bias + unseen)[None] + absent), training=training)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (batch, length, dim)))

    def get_config(self) -> dict[str, Any]:
        own = {"heads": self.heads, "length": self.length, "dropout": self.dropout, "asks": self.asks}
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
        behind = _behind(ops.shape(x)[1])
        # As a product: of slices, each has a gradient as large as the whole.
        near = ops.cast((behind >= 0) & (behind < self.width), x.dtype)
        slow = ops.matmul(near, x * there) / ops.maximum(ops.matmul(near, there), 1.0)
        return slow + ops.square(self.fast) * (x - slow)

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
        inner: width of the thinking, in D.
        asks: see `Attention`.
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
        asks: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.options: dict[str, Any] = {
            "heads": heads,
            "length": length,
            "slow": slow,
            "width": width,
            "dropout": dropout,
            "before": before,
            "inner": inner,
            "asks": asks,
        }

    def build(self, x: Any, *_: Any) -> None:
        dim, options = int(x[-1]), self.options
        self.attention = Attention(options["heads"], options["length"], options["dropout"], options["asks"])
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
class Recurrent(layers.Layer):
    """A gated recurrent network from the oldest event to the newest (Hidasi et al., ICLR 2016)."""

    def __init__(self, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = dropout

    def build(self, x: Any, *_: Any) -> None:
        self.network = layers.GRU(int(x[-1]), return_sequences=True)
        self.network.build(x)
        self.drop = layers.Dropout(self.dropout)

    def call(self, x: Any, present: Any, training: bool = False) -> Any:
        """(B, T, D), (B, T) 1 or 0 → (B, T, D)."""
        oldest_first, there = ops.flip(x, axis=1), ops.flip(present, axis=1)
        # A loop is nothing that LiteRT knows: what serving calls, of one length, is written out.
        self.network.unroll = x.shape[1] is not None
        states = self.network(oldest_first, mask=there > 0, training=training)
        return self.drop(ops.flip(states, axis=1), training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dropout": self.dropout}


@register
class Strengths(layers.Layer):
    """Adds to each event what its strength says, and norms and drops what comes out."""

    def __init__(self, dropout: float, norm: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout, self.norm = dropout, norm

    def build(self, x: Any, *_: Any) -> None:
        self.direction = self.add_weight(shape=(int(x[-1]),), initializer="zeros", name="direction")
        if self.norm:
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
    """From a history to the queries after each of its events, as training and serving want them.

    Args:
        length: T at most.
        dim: D, of item vectors and of the query.
        encoder: transformer, pooling or gru.
        blocks, heads: of the transformer; of attention pooling, the heads.
        slow, width: of its low-pass filters.
        before: whether blocks normalise before or after.
        dropout: of the input and in the blocks.
        gaps: whether it hears how long after the one before it each event was.
        user: features of users, or None.

    Attributes:
        model: history (B, T, D), present, value [, age] (B, T) [, user features] → (B, T, D); what training
            calls, with T as long as the batch needs.
        whole: the same → (B, D + 1), the query after the newest event alone, what serving calls. The history
            comes in as vectors, not rows, so that an item that is newer than the model can stand in it; the
            last number, 1, meets the item's bias.
    """

    def __init__(
        self,
        length: int,
        dim: int,
        *,
        encoder: str = "transformer",
        blocks: int,
        heads: int,
        slow: float,
        width: int,
        before: bool,
        dropout: float,
        gaps: bool = False,
        user: Encoded | None,
    ) -> None:
        self.length, self.dim, self.gaps, self.user = length, dim, gaps, user
        self._hide, self._pause = HideTimes(name="hide_times"), SinceBefore(name="since_before")
        self._entry = Strengths(dropout, norm=not before, name="strengths")
        self._blocks: list[Any]
        if encoder == "gru":
            self._blocks = [Recurrent(dropout, name="recurrent")]
        elif encoder == "pooling":
            self._blocks = [Block(heads, length, 0.0, 1, dropout, before, asks=False, name="pooling")]
        else:
            self._blocks = [
                Block(heads, length, slow, width, dropout, before, name=f"block_{n}") for n in range(blocks)
            ]
        self._last = layers.LayerNormalization(epsilon=1e-6, name="last") if before else None
        self._kinds = None
        if user is not None and user.fields:
            self._kinds = BagOfRows(user.table_size, dim, name="user_bag")
        self._numbers = (
            layers.Dense(dim, name="user_numbers") if user is not None and user.dense.shape[1] else None
        )
        self.model = self._encoder(None)
        self.whole = self._whole()

    def _encoder(self, length: int | None) -> keras.Model:
        inputs = {
            "history": keras.Input((length, self.dim), name="history"),
            "present": keras.Input((length,), name="present"),
            "value": keras.Input((length,), name="value"),
        } | ({} if self.user is None else feature_inputs(self.user, "user_"))
        x = inputs["history"]
        if self.gaps:
            inputs["age"] = keras.Input((length,), name="age")
            x = self._pause(x, self._hide(inputs["age"]))
        x = self._entry(x, inputs["value"])
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
