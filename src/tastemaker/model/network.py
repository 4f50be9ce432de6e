"""The network of histories as training sees it: a tower in Keras, tables as arrays, one step at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tastemaker.features.batches import Window
from tastemaker.features.schema import Encoded
from tastemaker.model.checkpoint import under
from tastemaker.model.entry import Entry, loosely
from tastemaker.model.head import Candidates, Head
from tastemaker.model.history import feature_inputs
from tastemaker.model.items import Items
from tastemaker.model.losses import Loss
from tastemaker.model.problem import unit
from tastemaker.model.regularisers import gravity, spread
from tastemaker.model.table import FIRST_SQUARE
from tastemaker.model.work import Work
from tastemaker.recipe import LossRecipe

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


class Network(keras.Model):
    """Query tower and item side, and how they learn from one batch.

    A Keras model for the sake of callbacks: its weights are the tower's and the tables'. TensorFlow
    differentiates the tower alone. What is as wide as the catalogue, history vectors and scores, stays in
    arrays outside of its graph, and hands in sums and gradients.

    Args:
        entry: histories to queries.
        items: the item side.
        user: features of users, or None.
        loss: of rows of scores.
        recipe: temperature and regularisers.
        learning_rate: of tower and tables, at the start.
        optimizer: adam or adagrad, for the tower; the tables have their own of the same kind.
    """

    def __init__(
        self,
        entry: Entry,
        items: Items,
        user: Encoded | None,
        loss: Loss,
        recipe: LossRecipe,
        learning_rate: float,
        optimizer: str,
    ) -> None:
        super().__init__()
        self.entry, self.layers_of_entry = entry, entry.layers
        self.items, self.recipe = items, recipe
        self.user = {} if user is None else _constants(user)
        self.head = Head(loss)
        self.log_temperature = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(float(np.log(recipe.temperature))),
            trainable=recipe.learn_temperature,
            name="log_temperature",
        )
        self.built = True
        self.learning_rate = self._rate = learning_rate
        self.tower_optimizer: Any = (
            keras.optimizers.Adagrad(learning_rate, initial_accumulator_value=FIRST_SQUARE)
            if optimizer == "adagrad"
            else keras.optimizers.Adam(learning_rate)
        )
        self.tower_optimizer.build(self.trainable_variables)
        self._learn = tf.function(
            self._forward_and_back,
            input_signature=[*entry.signature, tf.TensorSpec((None,), tf.int32)],
        ).get_concrete_function()
        # In this thread, one operation after the other: a small graph gains nothing from handing them around.
        # Loops and branches can't be run that way.
        kinds = {operation.type for operation in self._learn.graph.get_operations()}
        is_plain = not kinds & {"If", "StatelessIf", "While", "StatelessWhile", "Case"}
        self._executor = "SINGLE_THREADED_EXECUTOR" if is_plain else ""

    def learn(self, work: Work, rate: float = 1.0) -> float:
        """One step down the gradient, at a share `rate` of the learning rate. Returns the loss before it."""
        rate *= self.learning_rate
        if rate != self._rate:
            self.tower_optimizer.learning_rate.assign(rate)
            self._rate = rate
        self._step = step = _Step(work, self.items)
        inputs = self.entry.enter(work, step.past)
        with tf.experimental.function_executor_type(self._executor):
            loss, slopes = self._learn(*inputs, tf.constant(work.users))
        self.entry.leave(slopes.numpy(), step.past_slopes)
        self.items.update(work.chosen, step.slopes, rate)
        if work.past is not None:
            self.items.tables["past"].update(work.past, step.past_slopes, rate)
        # Of directions nothing else is compared, and without ids nothing is an item's own.
        if self.recipe.kind != "info_nce" and self.items.has_ids:
            candidates = work.chosen.rows[: work.candidates]
            self.items.tables["bias"].update(candidates, step.bias_slopes[:, None], rate)
        return float(loss)

    def _forward_and_back(self, *given: Any) -> Any:
        """The loss and its gradient in what histories are made of."""
        *inputs, users = given
        with tf.GradientTape() as tape:
            tape.watch(inputs[0])
            queries = self.entry.queries(inputs, self._known(users), training=True)
            if self.recipe.kind == "info_nce":
                queries = tf.math.l2_normalize(queries, 1)
            loss = self._loss(queries * tf.exp(-self.log_temperature))
        variables = self.trainable_variables
        slopes = tape.gradient(loss, [inputs[0], *variables], unconnected_gradients="zero")
        # Whole, because Keras's optimisers add up wrongly where a sparse gradient has a row twice.
        self.tower_optimizer.apply([tf.convert_to_tensor(slope) for slope in slopes[1:]], variables)
        return loss, slopes[0]

    def _known(self, users: Any) -> dict[str, Any]:
        return {f"user_{name}": tf.gather(array, users) for name, array in self.user.items()}

    def _loss(self, queries: Any) -> Any:
        """The mean loss of queries (B, D) against the candidates."""
        grade = loosely(self._grade)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def graded(queries: Any) -> Any:
            loss, slopes = tf.numpy_function(grade, [queries], [tf.float32, tf.float32])
            loss.set_shape(())
            slopes.set_shape(queries.shape)
            return loss, lambda factor: factor * slopes

        return graded(queries)

    def _grade(self, queries: Floats) -> tuple[Any, Floats]:
        step, work = self._step, self._step.work
        vectors = step.vectors[: work.candidates]
        into = step.slopes[: work.candidates]
        lengths = np.ones((len(vectors), 1), np.float32)
        if self.recipe.kind == "info_nce":
            lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            vectors = vectors / lengths
        bias = self.items.tables["bias"].values[work.chosen.rows[: work.candidates], 0]
        known = work.known, work.starts
        candidates = Candidates(vectors, bias, work.weights, work.columns, *known, work.own_starts)
        loss, query_slopes, slopes, step.bias_slopes = self.head.grade(queries, candidates)
        for weight, pull in ((self.recipe.spread_out, spread), (self.recipe.gravity, gravity)):
            if weight:
                more = pull(queries, vectors)
                loss += weight * more.loss
                query_slopes += weight * more.queries
                slopes += weight * more.vectors
        if self.recipe.kind == "info_nce":  # of a direction, only what turns it counts
            slopes -= vectors * np.einsum("cd,cd->c", slopes, vectors)[:, None]
            slopes /= lengths
        into += slopes
        return np.float32(loss), query_slopes

    def queries(self, vectors: Floats, window: Window, users: Rows) -> Floats:
        """(B, D) query vectors, nothing left out.

        Args:
            vectors: (N, D) of all items.
            window: histories as rows.
            users: (B,) rows of the user features.
        """
        return self.entry.ask(vectors, window, self._known(users))

    def answers(self, vectors: Floats) -> Floats:
        """(N, D + 1) what queries are multiplied with: `vectors` (N, D) as the loss sees them, and bias."""
        if self.recipe.kind == "info_nce":
            vectors = unit(vectors)
        scaled = vectors * np.exp(-self.log_temperature.numpy())
        return np.concatenate([scaled, self.items.tables["bias"].values], axis=1).astype(np.float32)

    def get_weights(self) -> list[npt.NDArray[Any]]:
        """Copies of the towers' weights and, after them, of the tables."""
        return [*super().get_weights(), *(table.values.copy() for table in self.items.tables.values())]

    def set_weights(self, weights: Sequence[npt.NDArray[Any]]) -> None:
        """Put back what `get_weights` gave."""
        tables = list(self.items.tables.values())
        super().set_weights(list(weights[: len(weights) - len(tables)]))
        for table, values in zip(tables, weights[len(weights) - len(tables) :], strict=True):
            table.values[:] = values

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that going on needs, by name."""
        state = {f"tower/{n}": v.numpy() for n, v in enumerate(self.variables)}
        state |= {f"optimizer/{n}": v.numpy() for n, v in enumerate(self.tower_optimizer.variables)}
        for name, table in self.items.tables.items():
            state |= {f"table/{name}/{part}": array for part, array in table.state().items()}
        return state

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `state` gave."""
        for kind, variables in (("tower", self.variables), ("optimizer", self.tower_optimizer.variables)):
            for n, variable in enumerate(variables):
                variable.assign(state[f"{kind}/{n}"])
        self._rate = float(self.tower_optimizer.learning_rate)
        for name, table in self.items.tables.items():
            table.restore(under(f"table/{name}/", state))


class _Step:
    """The arrays of one step, and the gradient in its vectors as it adds up."""

    def __init__(self, work: Work, items: Items) -> None:
        self.work, self.vectors = work, items.vectors(work.chosen)
        self.slopes = np.zeros_like(self.vectors)
        self.bias_slopes = np.zeros(work.candidates, np.float32)
        self.past, self.past_slopes = self.vectors, self.slopes
        if work.past is not None:
            self.past = items.tables["past"].values.take(work.past, 0)
            self.past_slopes = np.zeros_like(self.past)


def _constants(encoded: Encoded) -> dict[str, Any]:
    """The arrays that stand behind `feature_inputs`."""
    arrays = {"ids": encoded.joined.ids, "weights": encoded.joined.weights, "dense": encoded.dense}
    return {name: tf.constant(arrays[name]) for name in feature_inputs(encoded)}
