"""Teaches the second network to put candidates in order by what is likely to come of showing each.

What is exported knows nothing of places: the chance of being looked at is learnt beside the network and
left behind, and a network that was told the place is asked for everything as if it stood first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers, ops

from tastemaker.errors import TrainingError
from tastemaker.features.lessons import Head, Lessons
from tastemaker.features.scaling import Scaling
from tastemaker.model.export import to_keras, to_litert
from tastemaker.model.fit import Batches, fit
from tastemaker.model.places import HeadLosses, labels_of, listwise
from tastemaker.model.ranking_network import at_the_top, ranking_network
from tastemaker.model.wide import best_slopes, dwell_slopes
from tastemaker.progress import Report, silent
from tastemaker.recipe import RankingRecipe

Floats = npt.NDArray[np.float32]
Kind = Literal["shown", "found"]

AT_ONCE = 8192
"""Places asked at once outside of training."""
PLACES = 200
"""Those further down a list share the chance of the last of so many."""
PACE = 5.0
"""Times as fast as the network the chances of places are learnt: they are few, each with thousands of
clicks, and what the network makes of a wrong one early on has to be unlearnt."""
LEAST_LOOK = 0.01
"""Where the chance of a place starts from at least."""


@dataclass(frozen=True)
class FittedRanker:
    """What training leaves.

    Attributes:
        heads: H names, in the order of the outputs.
        scaling: what numbers go through before the network.
        epochs: how many the kept weights have seen.
        tower: a `.tflite` file: `numbers` (n, F) scaled, `query` (n, D), `item` (n, D) → (n, H). click,
            completion and like are logits; watch_time is the log of the expected seconds, dwell log1p of
            the seconds of who chose.
        original: the same as a `.keras` file.
        examination: (P,) chance that a place is looked at over that of the first, as the position tower
            learnt it; None where there was none.
        network: what both files hold.
    """

    heads: tuple[Head, ...]
    scaling: Scaling
    epochs: int
    tower: bytes
    original: bytes
    examination: Floats | None
    network: keras.Model

    def raw(self, lessons: Lessons) -> Floats:
        """(M, H) what the exported network answers, by Keras."""
        names = [tensor.name for tensor in self.network.inputs]
        parts = [np.zeros((0, len(self.heads)), np.float32)]
        for first in range(0, lessons.size, AT_ONCE):
            chosen = np.arange(first, min(first + AT_ONCE, lessons.size))
            inputs = _inputs(lessons, self.scaling(lessons.numbers[chosen]), chosen)
            answer = self.network({name: inputs[name] for name in names}, training=False)
            parts.append(ops.convert_to_numpy(answer))
        return np.concatenate(parts)


def _inputs(lessons: Lessons, scaled: Floats, chosen: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """What the network reads of the places `chosen` (n,), whose scaled numbers are `scaled` (n, F)."""
    return {
        "numbers": scaled,
        "query": lessons.queries[lessons.lists[chosen]],
        "item": lessons.vectors[lessons.rows[chosen]],
        "place": np.log(np.maximum(lessons.positions[chosen], 1)).astype(np.float32)[:, None],
    }


class PositionTower(layers.Layer):
    """log θ of each place, learnt from the position alone; the first has θ = 1, and none has more.

    So the click head is the chance of a click at the first place, and nothing of θ can hide in it.
    """

    def __init__(self, start: Floats) -> None:
        super().__init__()
        self.first_guess = np.log(np.expm1(-np.log(np.clip(start[1:], LEAST_LOOK, 0.99))))

    def build(self, *_: Any) -> None:
        self.drop = self.add_weight(shape=self.first_guess.shape, initializer="zeros", name="drop")
        self.drop.assign(self.first_guess / PACE)

    @property
    def log_looks(self) -> Any:
        """(P,) at most 0"""
        return ops.pad(-ops.softplus(PACE * self.drop), [(1, 0)])

    def call(self, positions: Any) -> Any:
        """(M,) int32, 1 is the first and 0 none → (M,)"""
        return ops.take(self.log_looks, ops.clip(positions, 1, len(self.first_guess) + 1) - 1)


class Learner(keras.Model):
    """The network, what stands beside it while it learns, and its losses."""

    def __init__(
        self, network: keras.Model, losses: HeadLosses, tower: PositionTower | None, kind: Kind
    ) -> None:
        super().__init__()
        self.network, self.head_losses, self.tower, self.kind = network, losses, tower, kind
        self.names = [tensor.name for tensor in network.inputs]
        if tower is not None:
            tower.build((None,))

    def call(self, x: Any, training: bool = False) -> Any:
        """(M, H) outputs."""
        return self.network({name: x[name] for name in self.names}, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Nats: the mean over lists of `found`; of `shown` the heads' means over places, added."""
        if self.kind == "found":
            count = ops.shape(x["counts"])[0]
            per_list = listwise(y_pred[:, 0], x["wanted"][:, 0], x["lists"], count, x["log_times"])
            return ops.mean(per_list)
        log_look = None if self.tower is None else self.tower(x["positions"])
        each = self.head_losses.each(y_pred, x["wanted"], x["weight"], log_look)
        return ops.mean(ops.sum(each, axis=1))


class _Prepared:
    """Lessons as arrays that a batch of lists is cut out of."""

    def __init__(self, lessons: Lessons, scaling: Scaling, losses: HeadLosses, looks: Floats | None) -> None:
        self.lessons, self.numbers = lessons, scaling(lessons.numbers)
        self.wanted, self.weight = losses.targets(lessons, looks)
        times = np.ones(lessons.size) if lessons.stands_for is None else lessons.stands_for
        self.log_times = np.log(times).astype(np.float32)
        self.counts = np.bincount(lessons.lists, minlength=lessons.list_count)
        self.starts = np.cumsum(self.counts) - self.counts

    def of(self, chosen: npt.NDArray[np.int64]) -> dict[str, Any]:
        """The places of the lists `chosen` (b,), list by list."""
        counts = self.counts[chosen]
        lists = np.repeat(np.arange(len(chosen), dtype=np.int32), counts)
        within = np.arange(len(lists)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self.starts[chosen][lists] + within
        return {
            **_inputs(self.lessons, self.numbers[places], places),
            "positions": self.lessons.positions[places],
            "wanted": self.wanted[places],
            "weight": self.weight[places],
            "log_times": self.log_times[places],
            "lists": lists,
            "counts": counts.astype(np.int32),
        }


def fit_ranker(
    lessons: Lessons,
    validation: Lessons | None,
    recipe: RankingRecipe,
    seed: int,
    report: Report = silent,
    *,
    kind: Kind,
    base: int | None = None,
    epochs: int | None = None,
    scaling: Scaling | None = None,
) -> FittedRanker:
    """Train the second network. A seed repeats its weights.

    Args:
        lessons: numbers as they are, not scaled; `propensities` are asked for by `inverse` alone.
        validation: training stops by its loss; None trains all epochs.
        kind: shown: what was clicked, watched and liked of what somebody was shown, place by place. found:
            what was chosen of what retrieval found, list by list; of positions nothing is known.
        base: of `found`, the column that retrieval sorted by. The best sum of numbers is found first, and the
            network learns what is to be added to it; nothing, where that doesn't do better on validation.
        epochs: at most; None for those of the recipe. 0 leaves the sum of numbers alone.
        scaling: of the numbers; None for that of `lessons`.
    Raises: TrainingError where there is nothing to learn, or the loss stops being a number.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    position = recipe.position if kind == "shown" else "none"
    if kind == "found":
        lessons = _clicks_alone(lessons)
        validation = None if validation is None else _clicks_alone(validation)
    if position == "inverse" and lessons.propensities is None:
        raise TrainingError("ranking.position is inverse, and no place has a chance of being looked at.")
    losses = HeadLosses.fit(lessons)
    scaling = Scaling.fit(lessons.numbers) if scaling is None else scaling
    slopes = _slopes(lessons, losses.heads, scaling, base)
    network = ranking_network(lessons, losses.start, recipe, by_place=position == "feature", slopes=slopes)
    # Of a single place there is nothing to tell apart.
    has_tower = position == "tower" and lessons.positions.max(initial=0) > 1
    tower = PositionTower(look_shares(lessons)) if has_tower else None
    learner = Learner(network, losses, tower, kind)
    # Every batch has a number of places of its own, which XLA would compile anew.
    learner.compile(optimizer=keras.optimizers.Adam(recipe.learning_rate), jit_compile=False)

    def prepared(part: Lessons) -> _Prepared:
        return _Prepared(part, scaling, losses, part.propensities if position == "inverse" else None)

    taught = prepared(lessons)
    held_out = None if validation is None else prepared(validation)
    before = None if base is None or held_out is None else _mean_loss(learner, held_out)
    start_weights = learner.get_weights()
    most, epochs = recipe.epochs if epochs is None else epochs, 0
    if most:
        epochs = fit(
            learner,
            Batches(lessons.list_count, recipe.batch_size, seed, lambda chosen, _: (taught.of(chosen),)),
            most,
            stage="training the ranker",
            report=report,
            validate=None if held_out is None else lambda: -_mean_loss(learner, held_out),
            patience=recipe.patience,
            measure="log likelihood",
        )
    if before is not None and held_out is not None and _mean_loss(learner, held_out) >= before:
        learner.set_weights(start_weights)
        epochs = 0
    served = at_the_top(network) if position == "feature" else network
    return FittedRanker(
        heads=losses.heads,
        scaling=scaling,
        epochs=epochs,
        tower=to_litert(served),
        original=to_keras(served),
        examination=None if tower is None else np.exp(ops.convert_to_numpy(tower.log_looks)),
        network=served,
    )


def _slopes(lessons: Lessons, heads: tuple[Head, ...], scaling: Scaling, base: int | None) -> Floats | None:
    """(F, H) sums beside the network: where retrieval sorted by `base`, of what was chosen; else, of seconds.

    Both heads of time get that of who chose. Seconds of two people lie decades apart, and what a network
    makes of that drowns what one person made of several things.
    """
    if not lessons.numbers.shape[1] or (base is None and "dwell" not in heads):
        return None
    scaled = scaling(lessons.numbers)
    if base is not None:
        return best_slopes(lessons, scaled, base)[:, None]
    slopes = np.zeros((scaled.shape[1], len(heads)), np.float32)
    of_time = [heads.index("watch_time"), heads.index("dwell")]
    slopes[:, of_time] = dwell_slopes(labels_of(lessons)["dwell"], scaled, lessons.lists)[:, None]
    return slopes


def look_shares(lessons: Lessons) -> Floats:
    """(P,) clicks a showing of each place over those of the first, at most 1: where learning θ starts.

    It blames the place for everything; how much was the doing of what stood there, learning has to find.
    """
    count = int(np.clip(lessons.positions.max(initial=1), 1, PLACES))
    place = np.clip(lessons.positions, 1, count) - 1
    clicked = lessons.labels["click"] == 1
    # Ten showings at the common rate stand in for what a rare place hasn't had.
    shown = np.bincount(place, minlength=count) + 10
    rate = (np.bincount(place, clicked, count) + 10 * clicked.mean()) / shown
    shares: Floats = np.minimum(rate / rate[0], 1).astype(np.float32)
    return shares


def _clicks_alone(lessons: Lessons) -> Lessons:
    """What was found and not chosen is as good as not clicked."""
    return replace(lessons, labels={"click": (lessons.labels["click"] == 1).astype(np.float32)})


def _mean_loss(learner: Learner, held_out: _Prepared) -> float:
    """Over the lists; blocks of them, weighed by what the loss is a mean of."""
    sums, count = 0.0, 0
    places = np.maximum(held_out.counts, 1)
    blocks = np.split(np.arange(len(places)), _cuts(places))
    for chosen in blocks:
        x = held_out.of(chosen)
        size = len(chosen) if learner.kind == "found" else len(x["lists"])
        sums += size * float(learner.compute_loss(x=x, y_pred=learner(x, training=False), training=False))
        count += size
    return sums / max(count, 1)


def _cuts(places: npt.NDArray[np.int64]) -> Sequence[int]:
    """Where to cut lists of so many `places` (S,) so that no block has much more than `AT_ONCE`."""
    block = np.cumsum(places) // AT_ONCE
    cuts: list[int] = (np.flatnonzero(np.diff(block)) + 1).tolist()
    return cuts
