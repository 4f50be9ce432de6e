"""What the time between an event and the one before it says, learnt a span of time at a time.

Only time between events is read: how long ago the newest of them was depends on when somebody asks, and
no training can know that.
"""

import math
from typing import Any

from keras import layers, ops

from tastemaker.model.history import register

SPANS = 34
"""Of time, each twice as long as the one before; the last ones are of many years."""
TIMELESS = 0.1
"""Share of the histories of a step that are read without their times, so that those given by hand can be."""


@register
class HideTimes(layers.Layer):
    """In training, a share of the histories comes without its times."""

    def __init__(self, share: float = TIMELESS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.share = share
        self.drop = layers.Dropout(share, noise_shape=(None, 1))

    def call(self, age: Any, training: bool = False) -> Any:
        """(B, T) → (B, T), −1 where nobody knows."""
        is_kept = self.drop(ops.ones_like(age), training=training) > 0
        return ops.where(is_kept, age, -1.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share}


def spans(newer: Any, older: Any) -> Any:
    """The span of the time between two events, by their ages in seconds, −1 where nobody knows.

    0 unknown, 1 the same second, 2 one second, 3 two or three, 4 four to seven … Half a second more keeps
    whole seconds away from the edges, where rounding would decide.
    """
    gap = ops.maximum(older - newer, 0.0)
    span = 2 + ops.cast(ops.floor(ops.log(gap + 0.5) / math.log(2)), "int32")
    is_known = ops.cast((newer >= 0) & (older >= 0), "int32")
    return ops.minimum(span, SPANS - 1) * is_known


@register
class SinceBefore(layers.Layer):
    """Adds to each event what is learnt of the span since the event before it."""

    def build(self, x: Any, *_: Any) -> None:
        self.table = self.add_weight(shape=(SPANS, int(x[-1])), initializer="zeros", name="table")

    def call(self, x: Any, age: Any) -> Any:
        """(B, T, D), (B, T) → (B, T, D)."""
        before = ops.concatenate([age[:, 1:], -ops.ones_like(age[:, :1])], axis=1)
        return x + ops.take(self.table, spans(age, before), axis=0)
