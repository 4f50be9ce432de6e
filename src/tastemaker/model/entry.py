"""How histories enter the graph of a step, and how its gradient leaves: summed in bags, or as sequences."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from tastemaker.features.batches import UNKNOWN, Window
from tastemaker.model import kernels
from tastemaker.model.compiled import Floats
from tastemaker.model.history import QueryTower
from tastemaker.model.sequence import SequenceTower
from tastemaker.model.work import Work

FEW = 256
"""Sequences encoded at once when asking: their attention is as large as their length squared."""


class Entry(Protocol):
    """One way in; holds the arrays of one step at a time.

    Attributes:
        layers: what it learns with.
        signature: of the graph's inputs, the first of which is what histories are made of.
    """

    layers: list[Any]
    signature: list[Any]

    def enter(self, work: Work, past: Floats) -> list[Any]:
        """The graph's inputs for a step; `past` (U, D) are the vectors that `work.places` point to."""
        ...

    def queries(self, inputs: list[Any], user: dict[str, Any], training: bool) -> Any:
        """(B, D), in the graph, from what `enter` gave and the users' features."""
        ...

    def leave(self, slopes: Floats, into: Floats) -> None:
        """Add the gradient in the first input to that of the vectors, `into` (U, D)."""
        ...

    def ask(self, vectors: Floats, window: Window, user: dict[str, Any]) -> Floats:
        """(B, D) for histories of rows of `vectors` (N, D), nothing left out."""
        ...


def loosely(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method for `tf.numpy_function`, that doesn't keep what it belongs to alive.

    TensorFlow's default graph holds every function that was ever put into a graph; by way of this one it
    would hold a network with all its tables, and one more after each training.
    """
    weak = weakref.WeakMethod(method)

    def call(argument: Any) -> Any:
        alive = weak()
        assert alive is not None  # a graph runs for its owner only
        return alive(argument)

    return call


class BagEntry:
    """Histories as a few weighted sums.

    Summed outside of the graph: a gather would write every vector out B × T times, and its gradient would
    read them all again.
    """

    def __init__(self, tower: QueryTower) -> None:
        self._bags, self._after = tower.bags, tower.model
        self.layers = [tower.bags, tower.model]
        self.signature = [tf.TensorSpec((None, tower.heads, tower.dim), tf.float32)]

    def enter(self, work: Work, past: Floats) -> list[Any]:
        self._work, self._past = work, past
        self._weights = kernels.recency_weights(work.places, work.values, *self._knobs())
        return [tf.constant(kernels.bag(past, work.places, self._weights))]

    def queries(self, inputs: list[Any], user: dict[str, Any], training: bool) -> Any:
        bags = self._learning(inputs[0]) if training and self._bags.trainable_variables else inputs[0]
        return self._after({"bags": bags} | user, training=training)

    def leave(self, slopes: Floats, into: Floats) -> None:
        kernels.bag_to_vectors(slopes, self._work.places, self._weights, into)

    def ask(self, vectors: Floats, window: Window, user: dict[str, Any]) -> Floats:
        weights = kernels.recency_weights(window.rows, window.values, *self._knobs())
        bags = tf.constant(kernels.bag(vectors, window.rows, weights))
        return np.asarray(self.queries([bags], user, training=False))

    def _knobs(self) -> tuple[Floats, Floats, float]:
        position, slope, power = (keras.ops.convert_to_numpy(knob) for knob in self._bags.knobs)
        return position, slope, float(power)

    def _learning(self, bags: Any) -> Any:
        """The bags as they came in, what they were weighed by being a part of the graph."""
        into_knobs = loosely(self._into_knobs)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def bagged(bags: Any, *knobs: Any) -> Any:
            def gradient(slopes: Any) -> Any:
                found = tf.numpy_function(into_knobs, [slopes], [tf.float32] * len(knobs))
                for slope, knob in zip(found, knobs, strict=True):
                    slope.set_shape(knob.shape)
                return slopes, *found

            return tf.identity(bags), gradient

        return bagged(bags, *(tf.convert_to_tensor(knob) for knob in self._bags.knobs))

    def _into_knobs(self, slopes: Floats) -> tuple[Any, ...]:
        work = self._work
        weights = kernels.bag_to_weights(slopes, self._past, work.places)
        position, slope, power = kernels.recency_weights_back(
            weights, self._weights, work.places, work.values
        )
        return position, slope, np.float32(power)


class SequenceEntry:
    """Histories in full, each event seeing those before it; a query after every one of them."""

    def __init__(self, tower: SequenceTower) -> None:
        self._model = tower.model
        self.layers = [tower.model]
        self.signature = [
            tf.TensorSpec((None, None, tower.dim), tf.float32),
            tf.TensorSpec((None, None), tf.float32),
            tf.TensorSpec((None, None), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        ]
        if tower.gaps:
            self.signature.append(tf.TensorSpec((None, None), tf.float32))
        self._gaps = tower.gaps

    def enter(self, work: Work, past: Floats) -> list[Any]:
        self._places = work.places
        assert work.after is not None
        history = kernels.looked_up(past, work.places)
        arrays = [history, (work.places >= 0).astype(np.float32), work.values, work.after]
        if self._gaps:
            assert work.ages is not None
            arrays.append(work.ages)
        return [tf.constant(array) for array in arrays]

    def queries(self, inputs: list[Any], user: dict[str, Any], training: bool) -> Any:
        history, present, value, after = inputs[:4]
        known = {"history": history, "present": present, "value": value}
        if self._gaps:
            known["age"] = inputs[4]
        encoded = self._model(known | user, training=training)
        return tf.gather(tf.reshape(encoded, (-1, encoded.shape[-1])), after)

    def leave(self, slopes: Floats, into: Floats) -> None:
        kernels.scattered(slopes, self._places, into)

    def ask(self, vectors: Floats, window: Window, user: dict[str, Any]) -> Floats:
        found = [np.zeros((0, vectors.shape[1]), np.float32)]
        longest = max(1, int((window.rows >= 0).sum(1).max(initial=1)))
        for start in range(0, len(window.rows), FEW):
            part = slice(start, start + FEW)
            rows, values, ages = window.part(part, longest)
            inputs = {
                "history": tf.constant(kernels.looked_up(vectors, rows)),
                "present": tf.constant(rows >= 0, tf.float32),
                "value": tf.constant(values),
            }
            if self._gaps:
                inputs["age"] = tf.fill(rows.shape, UNKNOWN) if ages is None else tf.constant(ages)
            known = {name: array[part] for name, array in user.items()}
            found.append(np.asarray(self._model(inputs | known, training=False)[:, 0]))
        return np.concatenate(found)
