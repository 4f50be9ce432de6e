"""Where the rivals of the right answer come from, and how many items each of them stands for.

A batch shares its candidates: its own labels, and more that are drawn from a mixture of sources. Each
distinct item stands there once, weighted by how often it came over how often it was to be expected, so
that the sum over the candidates estimates the sum over the catalogue (the logQ correction, with
duplicates folded together exactly).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.interactions import Interactions
from tastemaker.errors import TrainingError
from tastemaker.features.batches import Examples
from tastemaker.model.checkpoint import State, under
from tastemaker.model.compiled import compiled
from tastemaker.recipe import NegativesRecipe, Recipe

WHOLE = 20_000
"""Up to so many items the softmax is over all of them, unless the recipe says otherwise."""
DRAWN = 4096
"""Negatives a batch, where the recipe doesn't say."""

Rows = npt.NDArray[np.int32]
Odds = npt.NDArray[np.float64]


class Source(ABC):
    """One way to draw items."""

    @abstractmethod
    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        """(n,) rows, n ≤ count: as many as there are to be had."""

    @abstractmethod
    def odds(self, rows: Rows) -> Odds:
        """(n,) the chance of each row in one draw."""

    def state(self) -> State:
        """What it has gathered while training, by name; nothing, for most."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:  # noqa: B027 - most have nothing to do
        """Go on from what `state` gave."""


class Uniform(Source):
    """Every known item alike.

    Args:
        known: (N,) whether an item is one; what nobody has touched would only ever be a negative.
    """

    def __init__(self, known: npt.NDArray[np.bool_]) -> None:
        self._rows = np.flatnonzero(known).astype(np.int32)
        self._is_all = len(self._rows) == len(known)

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        places = rng.integers(0, len(self._rows), count, dtype=np.int32)
        return places if self._is_all else self._rows[places]

    def odds(self, rows: Rows) -> Odds:
        return np.full(len(rows), 1 / len(self._rows))


class Weighted(Source):
    """Each item by a weight of its own, in the same time whatever the size (Walker's alias method).

    Popularity^α, the hard ones an index has found, what people were shown and passed over: all are this.

    Args:
        weights: (N,) not negative.
    """

    def __init__(self, weights: npt.NDArray[np.float64]) -> None:
        self.weigh(weights)

    def weigh(self, weights: npt.NDArray[np.float64]) -> None:
        """Put other weights (N,) in the place of the old; where all are 0, nothing is drawn."""
        total = weights.sum()
        self._take(weights / total if total > 0 else np.zeros(len(weights)))

    def _take(self, odds: Odds) -> None:
        self._odds = odds
        self._bars, self._others = alias(odds)

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        if not self._odds.any():
            return np.zeros(0, np.int32)
        rows = rng.integers(0, len(self._odds), count, dtype=np.int32)
        kept = rng.random(count) < self._bars[rows]
        return np.where(kept, rows, self._others[rows])

    def odds(self, rows: Rows) -> Odds:
        return np.asarray(self._odds[rows])

    def state(self) -> State:
        return {"odds": self._odds}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._take(state["odds"])


@compiled
def alias(odds: Odds) -> tuple[Odds, Rows]:
    """Walker's table (Vose 1991): draw a row n evenly, keep it with chance bars[n], else take others[n]."""
    count = len(odds)
    bars = odds * count
    others = np.arange(count).astype(np.int32)
    small, large = np.empty(count, np.int32), np.empty(count, np.int32)
    smalls = larges = 0
    for n in range(count):
        if bars[n] < 1:
            small[smalls] = n
            smalls += 1
        else:
            large[larges] = n
            larges += 1
    while smalls and larges:
        smalls -= 1
        low, high = small[smalls], large[larges - 1]
        others[low] = high
        bars[high] -= 1 - bars[low]
        if bars[high] < 1:
            larges -= 1
            small[smalls] = high
            smalls += 1
    for n in range(smalls):  # what is left is 1 but for rounding
        bars[small[n]] = 1
    for n in range(larges):
        bars[large[n]] = 1
    return bars, others


class Queue(Source):
    """The labels of the batches before this one, the newest first.

    Args:
        labels: the source that says how often an item is a label.
        length: how many are remembered.
    """

    def __init__(self, labels: Source, length: int) -> None:
        self._labels = labels
        self._rows = np.zeros(0, np.int32)
        self._length = length

    def push(self, rows: Rows) -> None:
        self._rows = np.concatenate([rows, self._rows])[: self._length]

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        return self._rows[:count]

    def odds(self, rows: Rows) -> Odds:
        return self._labels.odds(rows)

    def state(self) -> State:
        return {"rows": self._rows}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._rows = state["rows"]


class Streamed(Source):
    """Odds of items that come by in batches, when nobody has counted them before (Yi et al., RecSys 2019).

    An item that comes m times in every n-th batch has the odds m / (n × batch size); m and n are running
    means over the batches that it came in. It draws nothing.

    Args:
        items: N.
        speed: how much the newest batch counts.
    """

    def __init__(self, items: int, speed: float = 0.05) -> None:
        self.speed = speed
        self._last = np.zeros(items, np.int64)
        self._gap, self._times = np.zeros(items), np.zeros(items)
        self._step, self._batch = 0, 1

    def see(self, rows: Rows) -> None:
        """One batch of labels has come by."""
        self._step += 1
        self._batch = max(1, len(rows))
        distinct, times = np.unique(rows, return_counts=True)
        share = np.where(self._last[distinct] == 0, 1.0, self.speed)  # the first is all there is
        for mean, newest in ((self._gap, self._step - self._last[distinct]), (self._times, times)):
            mean[distinct] += share * (newest - mean[distinct])
        self._last[distinct] = self._step

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        return np.zeros(0, np.int32)

    def odds(self, rows: Rows) -> Odds:
        return np.asarray(self._times[rows] / (np.maximum(self._gap[rows], 1) * self._batch))

    def state(self) -> State:
        return {
            "last": self._last,
            "gap": self._gap,
            "times": self._times,
            "at": np.array([self._step, self._batch]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._last, self._gap, self._times = state["last"], state["gap"], state["times"]
        self._step, self._batch = (int(value) for value in state["at"])


class Drawn(NamedTuple):
    """The candidates that a batch shares.

    rows: (n,) repeats and all, the labels first.
    counted: place from which on `rows` are draws: 0 where labels are rivals too, else after them.
    sources: each with how many it gave.
    """

    rows: Rows
    counted: int
    sources: Sequence[tuple[Source, int]]

    def expected(self, rows: Rows) -> Odds:
        """(m,) how often each of distinct `rows` was to be expected among the draws."""
        return np.asarray(
            sum((count * source.odds(rows) for source, count in self.sources), np.zeros(len(rows)))
        )


class Mixture:
    """Several sources at once.

    Args:
        sources: each with how many it gives.
        labels: how often an item is a label, where the batch's own labels are candidates; else None.
    """

    def __init__(self, sources: Sequence[tuple[Source, int]], labels: Source | None) -> None:
        self.sources, self.labels = sources, labels

    def draw(self, labels: Rows, rng: np.random.Generator) -> Drawn:
        """Candidates for a batch with these labels (B,), which are always among them."""
        if isinstance(self.labels, Streamed):
            self.labels.see(labels)
        parts, given = [labels], []
        if self.labels is not None:
            given.append((self.labels, len(labels) - 1))  # a query's own label is no rival of its own
        for source, count in self.sources:
            rows = source.draw(count, rng)
            parts.append(rows)
            given.append((source, len(rows)))
            if isinstance(source, Queue):
                source.push(labels)
        return Drawn(np.concatenate(parts), 0 if self.labels is not None else len(labels), given)

    def state(self) -> State:
        """Of every source, by its place."""
        return {
            f"{place}/{name}": array
            for place, source in enumerate(self._all())
            for name, array in source.state().items()
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `state` gave."""
        for place, source in enumerate(self._all()):
            source.restore(under(f"{place}/", state))

    def _all(self) -> list[Source]:
        return [*(source for source, _ in self.sources), *([self.labels] if self.labels else [])]


def drawn_count(recipe: Recipe, items: int) -> int | None:
    """Negatives drawn a batch, or None for the whole catalogue of `items`."""
    count = recipe.negatives.count
    if count == "auto":
        return None if items <= WHOLE and recipe.loss.kind == "softmax" else DRAWN
    return None if count == "all" else count


def mixed(
    recipe: NegativesRecipe,
    count: int,
    log: Interactions,
    examples: Examples,
    hard: Weighted | None = None,
    shown: Interactions | None = None,
) -> Mixture:
    """The sources that a recipe names, which together draw `count` a batch.

    Args:
        examples: of `log`: what of it is a label.
        hard: items by how hard they are, where the recipe wants some.
        shown: what people were shown, where it is known.
    Raises: TrainingError where the recipe draws from impressions and none are known.
    """
    items = examples.items
    often = np.bincount(log.rows[examples.events], minlength=items).astype(np.float64)
    labels: Source = Streamed(items) if recipe.odds == "streaming" else Weighted(often)
    if recipe.seen_not_chosen and shown is None:
        raise TrainingError("negatives.seen_not_chosen draws from impressions, and none are known.")
    sources: list[tuple[float, Source | None]] = [
        (recipe.uniform, Uniform(log.counts(items) > 0)),
        (recipe.popularity, Weighted(often**recipe.alpha * (often > 0))),
        (recipe.hard, hard),
        (recipe.queue, Queue(labels, count)),
        (recipe.seen_not_chosen, None if shown is None else Weighted(shown.counts(items).astype(float))),
    ]
    whole = sum(share for share, _ in sources) or 1.0
    kept = [(source, round(count * share / whole)) for share, source in sources if source and share]
    return Mixture(kept, labels if recipe.in_batch else None)
