"""The second network as a whole. What it costs to be wrong is in test_places.py."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.features.lessons import Lessons
from tastemaker.recipe import RankingRecipe
from tastemaker.retrieve.tower import Tower

keras = pytest.importorskip("keras")

from tastemaker.model.ranking import FittedRanker, fit_ranker  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

SMALL = RankingRecipe(epochs=2, hidden=(8, 4), vectors=4, batch_size=32)


def some_lessons(lists: int = 60, places: int = 6, dim: int = 5, seed: int = 1) -> Lessons:
    """Lists with vectors and a label for every head; likes are known of clicks alone."""
    rng = np.random.default_rng(seed)
    size = lists * places
    numbers = rng.normal(3, 2, (size, 4)).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    clicked = rng.random(size) < 0.3
    seconds = np.where(clicked, rng.exponential(600, size), 0)
    liked = np.where(clicked, rng.random(size) < 0.4, np.nan)
    return Lessons(
        numbers=numbers,
        queries=rng.normal(0, 0.4, (lists, dim)).astype(np.float32),
        items=rng.normal(0, 0.4, (size, dim)).astype(np.float32),
        lists=np.repeat(np.arange(lists, dtype=np.int32), places),
        positions=np.tile(np.arange(1, places + 1, dtype=np.int32), lists),
        labels={
            "click": clicked.astype(np.float32),
            "watch_time": seconds.astype(np.float32),
            "completion": (seconds > 600).astype(np.float32),
            "like": liked.astype(np.float32),
        },
        propensities=1 / np.tile(np.arange(1, places + 1, dtype=np.float32), lists),
    )


def fitted(recipe: RankingRecipe = SMALL, lessons: Lessons | None = None, **changes) -> FittedRanker:
    lessons = some_lessons() if lessons is None else lessons
    recipe = recipe.model_copy(update=changes)
    return fit_ranker(lessons, some_lessons(20, seed=2), recipe, 3, kind="shown")


def served(ranker: FittedRanker, lessons: Lessons) -> np.ndarray:
    """As serving asks: all places in one call."""
    return Tower(ranker.tower)(
        numbers=ranker.scaling(lessons.numbers),
        query=lessons.queries[lessons.lists],
        item=lessons.items,
    )


@pytest.mark.parametrize("changes", [{}, {"experts": 3}, {"vectors": 0}, {"position": "feature"}])
def test_what_is_served_is_what_was_learnt(changes):
    ranker = fitted(**changes)
    assert ranker.heads == ("click", "watch_time", "dwell", "completion", "like")
    fresh = some_lessons(7, seed=5)
    wild = replace(fresh, numbers=fresh.numbers * 1e6, items=fresh.items * 10, queries=fresh.queries * 0)
    for lessons in (fresh, wild, fresh.of_lists(np.array([3]))):
        expected = ranker.raw(lessons)
        assert np.isfinite(expected).all()
        assert expected.shape == (lessons.size, 5)
        size = np.maximum(1, np.abs(expected))
        assert np.abs((served(ranker, lessons) - expected) / size).max() < 1e-5
        # Not all alike, or the lines above say nothing.
        assert expected.std(0).min() > 1e-4


def test_a_seed_repeats_the_weights():
    fresh = some_lessons(7, seed=5)
    one, again, other = (
        fit_ranker(some_lessons(), some_lessons(20, seed=2), SMALL, seed, kind="shown").raw(fresh)
        for seed in (3, 3, 4)
    )
    assert (one == again).all()
    assert (one != other).any()
