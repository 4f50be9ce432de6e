"""The second network as a whole. What it costs to be wrong is in test_places.py."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.errors import TrainingError
from tastemaker.features.clicks import clicked_lists, examination, ndcg
from tastemaker.features.lessons import Lessons
from tastemaker.recipe import RankingRecipe
from tastemaker.retrieve.tower import Tower

keras = pytest.importorskip("keras")

from tastemaker.model.ranking import FittedRanker, fit_ranker  # noqa: E402
from tastemaker.model.ranking_network import ranking_network  # noqa: E402

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
        vectors=rng.normal(0, 0.4, (size, dim)).astype(np.float32),
        rows=np.arange(size, dtype=np.int32),
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
        item=lessons.vectors[lessons.rows],
    )


@pytest.mark.parametrize("changes", [{}, {"experts": 3}, {"vectors": 0}, {"position": "feature"}])
def test_what_is_served_is_what_was_learnt(changes):
    ranker = fitted(**changes)
    assert ranker.heads == ("click", "watch_time", "dwell", "completion", "like")
    fresh = some_lessons(7, seed=5)
    wild = replace(fresh, numbers=fresh.numbers * 1e6, vectors=fresh.vectors * 10, queries=fresh.queries * 0)
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


def chances(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def test_the_position_tower_stays_behind():
    """Nothing served knows of places: what comes out is the chance of a click by who looks."""
    shown = clicked_lists(3000, 1, places=5, random_share=0.2)
    held_out = clicked_lists(600, 2, places=5, random_share=0.2)
    recipe = RankingRecipe(epochs=12, batch_size=64)
    ranker = fit_ranker(shown.lessons, held_out.lessons, recipe, 1, kind="shown")
    assert set(Tower(ranker.tower).inputs) == {"numbers"}
    assert ranker.examination == pytest.approx(examination(5, 1), abs=0.1)

    fresh = clicked_lists(2000, 3, places=5, random_share=1)
    raw = ranker.raw(fresh.lessons)
    upside_down = replace(fresh.lessons, positions=6 - fresh.lessons.positions)
    assert (ranker.raw(upside_down) == raw).all()
    for outputs in (raw, Tower(ranker.tower)(numbers=ranker.scaling(fresh.lessons.numbers))):
        by_place = chances(outputs[:, 0]).reshape(-1, 5).mean(0)
        # With θ inside, the last place would have a fifth of this; with its mean inside, all less than half.
        assert by_place == pytest.approx(fresh.relevance.reshape(-1, 5).mean(0), rel=0.2)


def test_a_tower_finds_the_order_that_a_naive_learner_misses():
    shown, held_out = clicked_lists(4000, 1), clicked_lists(1000, 2)
    fresh = clicked_lists(500, 3, places=50, random_share=1)
    scores = {}
    for position in ("none", "tower"):
        recipe = RankingRecipe(position=position, epochs=12)
        ranker = fit_ranker(shown.lessons, held_out.lessons, recipe, 1, kind="shown")
        order = ranker.raw(fresh.lessons).reshape(-1, 50)
        scores[position] = ndcg(order, fresh.relevance.reshape(-1, 50))
    assert scores["tower"] > scores["none"] + 0.03
    assert scores["tower"] > 0.95


def test_seconds_come_out_as_seconds_whatever_the_place():
    """Two kinds of items: 0.6 of looks watch 100 s of the one, 0.3 watch 900 s of the other."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 2, 20_000)
    positions = np.tile(np.arange(1, 5, dtype=np.int32), 5000)
    looked = rng.random(20_000) < 1 / positions
    clicked = looked & (rng.random(20_000) < np.where(kind, 0.3, 0.6))
    seconds = np.where(clicked, rng.exponential(np.where(kind, 900, 100)), 0)
    lessons = Lessons(
        numbers=kind[:, None].astype(np.float32),
        queries=np.zeros((5000, 0), np.float32),
        vectors=np.zeros((1, 0), np.float32),
        rows=np.zeros(20_000, np.int32),
        lists=np.repeat(np.arange(5000, dtype=np.int32), 4),
        positions=positions,
        labels={"click": clicked.astype(np.float32), "watch_time": seconds.astype(np.float32)},
    )
    recipe = RankingRecipe(hidden=(8,), dropout=0.0, epochs=6, learning_rate=5e-3)
    ranker = fit_ranker(lessons, lessons.of_lists(np.arange(500)), recipe, 1, kind="shown")
    # Both kinds at each place: what comes out must not know which.
    raw = ranker.raw(lessons)
    click, expected = (
        [column[kind == each].mean() for each in (0, 1)] for column in (chances(raw[:, 0]), np.exp(raw[:, 1]))
    )
    assert click == pytest.approx([0.6, 0.3], rel=0.1)
    assert expected == pytest.approx([60, 270], rel=0.15)


def test_both_heads_of_time_begin_at_a_line_of_what_was_watched():
    """Of people who watch a thousand times as long as others, each e times as long as the step before it."""
    rng = np.random.default_rng(2)
    lessons = some_lessons(400)
    step = np.tile(np.arange(6), 400)
    numbers = np.stack([step, rng.normal(size=2400), rng.normal(size=2400)], 1).astype(np.float32)
    seconds = np.exp(step + rng.uniform(0, 7, 400)[lessons.lists]) * lessons.labels["click"]
    labels = {"click": lessons.labels["click"], "watch_time": seconds.astype(np.float32)}
    lessons = replace(lessons, numbers=numbers, labels=labels)
    ranker = fit_ranker(lessons, None, SMALL, 3, kind="shown", epochs=0)
    click, watched, dwell = (np.polyfit(step, column, 1)[0] for column in ranker.raw(lessons).T)
    assert ranker.heads == ("click", "watch_time", "dwell")
    assert [click, watched, dwell] == pytest.approx([0, 1, 1], abs=0.1)


def test_one_place_alone_has_nothing_to_be_compared_with():
    lessons = some_lessons()
    ranker = fitted(lessons=replace(lessons, positions=lessons.positions * 0 + 1), epochs=1)
    assert ranker.examination is None


def test_position_as_a_feature_is_asked_for_as_if_first():
    lessons = some_lessons()
    network = ranking_network(lessons, np.zeros(5, np.float32), SMALL, by_place=True)
    ranker = fitted(position="feature")
    assert "place" in [tensor.name for tensor in network.inputs]
    assert set(Tower(ranker.tower).inputs) == {"numbers", "query", "item"}
    assert (ranker.raw(replace(lessons, positions=lessons.positions * 0 + 9)) == ranker.raw(lessons)).all()


def test_each_head_mixes_the_experts_by_a_gate_of_its_own():
    lessons = some_lessons(3)
    recipe = SMALL.model_copy(update={"experts": 3, "dropout": 0.0})
    network = ranking_network(lessons, np.zeros(2, np.float32), recipe)
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    gates = [layer for layer in layers if layer.units == 3]
    experts = [layer for layer in layers if layer.units == 4 and layer.name != "read"]
    columns = [layer for layer in layers if layer.units == 1]
    assert [len(gates), len(experts), len(columns)] == [2, 3, 2]
    rng = np.random.default_rng(1)
    numbers, query, item = (rng.normal(size=(6, width)).astype(np.float32) for width in (4, 5, 5))
    inputs = {"numbers": numbers, "query": query, "item": item}
    # The first head is sent to the first expert, the second to the last.
    for gate, way in zip(gates, (0, 2), strict=True):
        bias = np.full(3, -50.0, np.float32)
        bias[way] = 50
        gate.set_weights([gate.get_weights()[0] * 0, bias])
    inside = keras.Model(network.inputs, [expert.output for expert in experts])(inputs)
    for head, way in ((0, 0), (1, 2)):
        kernel, bias = columns[head].get_weights()
        by_hand = np.array(inside[way]) @ kernel + bias
        assert np.array(network(inputs))[:, head] == pytest.approx(by_hand[:, 0], abs=1e-6)


def test_what_was_found_is_put_in_order_by_lists_of_any_length():
    """Positives only: of each list one thing was chosen, the one with the highest first number."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, 300)
    lists = np.repeat(np.arange(300, dtype=np.int32), counts)
    numbers = rng.normal(size=(len(lists), 2)).astype(np.float32)
    starts = np.cumsum(counts) - counts
    best = [start + numbers[start : start + n, 0].argmax() for start, n in zip(starts, counts, strict=True)]
    click = np.full(len(lists), np.nan, np.float32)
    click[best] = 1
    lessons = Lessons(
        numbers=numbers,
        queries=np.zeros((300, 0), np.float32),
        vectors=np.zeros((1, 0), np.float32),
        rows=np.zeros(len(lists), np.int32),
        lists=lists,
        positions=np.zeros(len(lists), np.int32),
        labels={"click": click},
    )
    train, rest = lessons.of_lists(np.arange(200)), lessons.of_lists(np.arange(200, 300))
    ranker = fit_ranker(train, rest, RankingRecipe(batch_size=16, learning_rate=0.01), 1, kind="found")
    assert ranker.heads == ("click",)
    assert ranker.examination is None
    scores = ranker.raw(rest)[:, 0]
    ends = np.flatnonzero(np.diff(rest.lists)) + 1
    right = [
        scores_of.argmax() == np.nanargmax(clicked)
        for scores_of, clicked in zip(
            np.split(scores, ends), np.split(rest.labels["click"], ends), strict=True
        )
    ]
    assert np.mean(right) > 0.9


def test_a_ranker_with_nothing_to_go_by_is_refused():
    lessons = some_lessons(5)
    nothing = replace(lessons, numbers=lessons.numbers[:, :0])
    with pytest.raises(TrainingError, match="nothing to go by"):
        fitted(vectors=0, lessons=nothing)
    with pytest.raises(TrainingError, match="no place has a chance"):
        fitted(position="inverse", lessons=replace(lessons, propensities=None))
