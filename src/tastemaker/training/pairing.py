"""Chooses which counted pairs stand beside the network, and with what weight."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.interactions import Interactions
from tastemaker.features.pairs import (
    EXACT_ITEMS,
    Pairs,
    ease,
    ease_refusal,
    even_ease,
    following,
    heaviest,
)
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.retrieve.blend import Blend
from tastemaker.training.settings import in_order

WEIGHTS = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 8.0)
"""Tried, in units that make what pairs say spread like 1 over the catalogue for the average history."""
SPREAD = 1000
"""Histories that their spread is measured by."""
DECAY = 0.8
"""What a step back in the history leaves, where pairs are those that follow; as in the baseline."""
RIDGES = (100.0, 300.0, 1000.0)
"""For EASE, of which a catalogue that takes long to invert gets the middle one only."""


Kind = Literal["following", "ease", "even_ease", "none"]


@dataclass(frozen=True)
class Pairing:
    """How pairs are counted and how much they count."""

    ridge: float | None
    """of EASE; None counts what follows"""
    weight: float = 0.0
    is_even: bool = False
    """EASE in which those who touched much count less each"""

    def count(self, log: Interactions, items: int) -> Pairs:
        """Of another part of the log, the same pairs."""
        if self.ridge is None:
            return Pairs(heaviest(following(log, items)), DECAY)
        return Pairs(heaviest((even_ease if self.is_even else ease)(log, items, self.ridge)), 1.0)

    @property
    def note(self) -> str:
        name = "even EASE" if self.is_even else "EASE"
        what = "what follows" if self.ridge is None else f"{name}, ridge {self.ridge:g}"
        return f"{what}, weight {self.weight:g}"


def kind_of(log: Interactions, recipe: Recipe) -> Kind:
    """What a recipe counts in a log."""
    if recipe.preset != "default":
        return "none"
    if recipe.history.pairs == "auto":
        return "following" if in_order(log, recipe) else "even_ease"
    return recipe.history.pairs


def choose(
    recommender: Recommender,
    train: Interactions,
    history: Interactions,
    users: npt.NDArray[np.int32],
    quality: Callable[[Rows], float],
    kind: Kind,
    weight: float | None = None,
    ridge: float | None = None,
) -> Pairing | None:
    """The pairing that `quality` likes best, or None where the network is better alone.

    Args:
        recommender: the network alone.
        train: what it was trained on; pairs are counted there too.
        history: what is known of `users` (B,), whose next events are the validation.
        quality: marks ranked rows (B, 10); higher is better.
        kind: of pairs.
        weight, ridge: instead of those that are tried.
    """
    items = recommender.catalogue.size
    vectors = np.asarray(recommender.bundle.arrays["item_vectors"])
    seen = [history.of(int(user)) for user in users]
    user_ids = [history.user_ids[user] for user in users]
    highest = quality(recommender.top(history, users, 10)) if weight is None else -np.inf
    chosen = None
    for counting in _countings(kind, items, ridge):
        pairs = counting.count(train, items)
        window = recommender.nearest.window(history, users, pairs.reach)
        queries = recommender.nearest.query_vectors(window, user_ids)
        before = -np.inf
        weights = list(_weights(pairs, window.rows)) if weight is None else [weight]
        lists = Blend(vectors, pairs, 0.0).search_each(weights, queries, window.rows, 10, seen)
        for tried, hits in zip(weights, lists, strict=True):
            score = quality(hits.rows)
            if score > highest:
                highest, chosen = score, replace(counting, weight=tried)
            if score < before * 0.98:  # past the top, by more than a ripple
                break
            before = max(before, score)
    return chosen


def _weights(pairs: Pairs, histories: Rows) -> Iterator[float]:
    spread = float(pairs.scores(histories[:SPREAD]).std(1).mean()) if len(histories) else 0.0
    return (weight / spread for weight in WEIGHTS if spread > 0)  # pairs that say nothing have no weight


def _countings(kind: Kind, items: int, ridge: float | None) -> Iterator[Pairing]:
    if kind == "following":
        yield Pairing(ridge=None)
    elif kind in ("ease", "even_ease") and ease_refusal(items) is None:
        ridges = RIDGES if items <= EXACT_ITEMS else RIDGES[1:2]
        for tried in ridges if ridge is None else (ridge,):
            yield Pairing(tried, is_even=kind == "even_ease")
