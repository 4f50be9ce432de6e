from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.progress import silent
from tastemaker.recipe import HistoryRecipe, Recipe

keras = pytest.importorskip("keras")

from tastemaker.model.history import MeanBag, QueryTower, RecencyBags, item_tower  # noqa: E402
from tastemaker.model.items import Items  # noqa: E402
from tastemaker.model.learn import learn  # noqa: E402
from tastemaker.model.problem import Learned, Problem  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS = 40
SMALL = HistoryRecipe(
    dim=16, hidden=(24,), length=4, epochs=25, batch_size=128, dropout=0.1, learning_rate=0.01, id_dropout=0.0
)


def cycle(users: int = 150, events: int = 8) -> Interactions:
    """Whoever touched item n touches n + 1 next; every item is as popular as any other."""
    rng = np.random.default_rng(1)
    rows = (rng.integers(0, ITEMS, users)[:, None] + np.arange(events)) % ITEMS
    who = np.repeat(np.arange(users, dtype=np.int32), events)
    times = np.tile(np.arange(events, dtype=float), users)
    return Interactions.from_events(
        [f"u{n}" for n in range(users)], who, rows.ravel().astype(np.int32), times
    )


def blocks(users: int = 150, events: int = 6) -> Interactions:
    """Four blocks of ten items; everybody stays in one block, in no order."""
    rng = np.random.default_rng(2)
    rows = np.concatenate([10 * (user % 4) + rng.permutation(10)[:events] for user in range(users)])
    who = np.repeat(np.arange(users, dtype=np.int32), events)
    return Interactions.from_events([f"u{n}" for n in range(users)], who, rows.astype(np.int32))


def encoded(groups: np.ndarray, numbers: int = 1) -> Encoded:
    """One category, row `group + 1` of its table, and a number that says nothing."""
    bag = Bag((groups[:, None] + 1).astype(np.int32), np.ones((len(groups), 1), np.float32))
    field = Field("kind", "category", int(groups.max()) + 2)
    return Encoded((field,), (bag,), np.zeros((len(groups), numbers), np.float32))


def problem(log: Interactions, features: Encoded | None = None, recipe: HistoryRecipe = SMALL) -> Problem:
    return Problem(
        items=ITEMS,
        item_features=features,
        user_features=None,
        user_rows=np.full(log.user_count, -1, np.int32),
        in_order=log.is_ordered,
        recipe=Recipe(history=recipe),
    )


def best_of(learned: Learned, history: list[int], k: int) -> list[int]:
    """The k best rows by the exported tower, without those of the history."""
    from tastemaker.retrieve.tower import Tower

    vectors = learned.arrays["item_vectors"]
    rows = np.array(history[::-1][: SMALL.length])
    inputs = np.zeros((1, SMALL.length, SMALL.dim), np.float32)
    inputs[0, : len(rows)] = vectors[rows, :-1]
    present = np.zeros((1, SMALL.length), np.float32)
    present[0, : len(rows)] = 1
    query = Tower(learned.towers["query_tower"])(
        history=inputs, present=present, value=np.zeros_like(present)
    )
    scores = (query @ vectors.T)[0]
    scores[history] = -np.inf
    return np.argsort(-scores)[:k].tolist()


def test_the_law_of_a_cycle_is_learnt():
    log = cycle()
    learned = learn(problem(log), log, SMALL.epochs, stage="x", report=silent)
    found = [best_of(learned, [(n + step) % ITEMS for step in range(3)], 1)[0] for n in range(ITEMS)]
    hits = np.mean([found[n] == (n + 3) % ITEMS for n in range(ITEMS)])
    assert hits > 0.9  # popularity: 1 in 37


def test_blocks_are_learnt_without_order():
    log = blocks()
    assert not log.is_ordered
    learned = learn(problem(log), log, SMALL.epochs, stage="x", report=silent)
    inside = [
        row // 10 == block for block in range(4) for row in best_of(learned, [10 * block, 10 * block + 3], 5)
    ]
    assert np.mean(inside) > 0.9  # popularity: 8 in 38


def test_a_seed_repeats_a_training_and_another_does_not():
    log = cycle(40)
    short = SMALL.model_copy(update={"epochs": 2, "dropout": 0.4, "id_dropout": 0.3})
    task = problem(log, encoded(np.arange(ITEMS) % 4), short)
    one, again = (learn(task, log, 2, stage="x", report=silent) for _ in range(2))
    other = learn(
        replace(task, recipe=task.recipe.model_copy(update={"seed": 2})), log, 2, stage="x", report=silent
    )
    np.testing.assert_array_equal(one.arrays["item_vectors"], again.arrays["item_vectors"])
    assert not np.array_equal(one.arrays["item_vectors"], other.arrays["item_vectors"])


def test_an_item_that_was_never_touched_stands_at_the_mean_until_it_is_foretold():
    log = blocks(100).where(blocks(100).rows < 36)
    learned = learn(problem(log, encoded(np.arange(ITEMS) // 10)), log, 2, stage="x", report=silent)
    vectors = learned.arrays["item_vectors"]
    assert vectors[36:] == pytest.approx(np.tile(vectors[:36].mean(0), (4, 1)), abs=1e-6)


def test_without_ids_an_item_that_was_never_touched_is_known_by_its_features():
    # Items 36 to 39 are in nobody's history; 36 and 37 share their features with block 0 and 1.
    log = blocks(100).where(blocks(100).rows < 36)
    groups = np.arange(ITEMS) // 10
    groups[36:] = [0, 1, 2, 2]
    recipe = SMALL.model_copy(update={"id_dropout": 1.0})
    learned = learn(problem(log, encoded(groups), recipe), log, 2, stage="x", report=silent)
    vectors = learned.arrays["item_vectors"]
    np.testing.assert_array_equal(vectors[[36, 37, 38, 39]], vectors[[0, 10, 20, 20]])


def test_other_features_give_an_unseen_item_another_vector_and_its_id_gives_none():
    def items(groups: list[int]) -> Items:
        known = np.array([1, 1, 0, 0], np.float32)
        return Items(known, 3, encoded(np.array(groups)), 0.0, "adam", np.random.default_rng(1))

    first, swapped = items([0, 1, 0, 1]), items([0, 1, 1, 0])
    swapped.tables["ids"].values += 5
    # Rows 2 and 3 have no id of their own, so their vectors are what features say.
    np.testing.assert_array_equal(swapped.everything()[[2, 3]], first.everything()[[3, 2]])
    np.testing.assert_allclose(swapped.everything()[:2], first.everything()[:2] + 5, rtol=1e-5)


def test_the_exported_item_tower_says_what_training_saw_of_the_metadata():
    numbers = np.random.default_rng(2).normal(size=(4, 2)).astype(np.float32)
    seen = replace(encoded(np.array([0, 1, 0, 2])), dense=numbers)
    items = Items(np.zeros(4, np.float32), 3, seen, 0.0, "adam", np.random.default_rng(1))
    said = items.tower()({"ids": seen.joined.ids, "weights": seen.joined.weights, "dense": numbers})
    np.testing.assert_allclose(np.asarray(said), items.everything(), rtol=1e-5, atol=1e-7)


def test_a_head_weighs_by_age_and_by_strength():
    bags = RecencyBags(in_order=True)
    history = np.eye(3, dtype=np.float32)[None]  # three events, each its own axis
    present, value = np.array([[1, 1, 0]], np.float32), np.zeros((1, 3), np.float32)
    heads = np.asarray(bags(history, present, value))[0]
    # Forgetting by 0, 0.05, 0.3 and 1 nats an event; the third is not there.
    for head, decay in zip(heads, (0, 0.05, 0.3, 1), strict=True):
        newest = 1 / (1 + np.exp(-decay))
        assert head.tolist() == pytest.approx([newest, 1 - newest, 0], abs=1e-6)
    bags.slope.assign([2.0] * 4)
    strong = np.asarray(bags(history, present, np.array([[0, 1, 9]], np.float32)))[0]
    assert strong[0].tolist() == pytest.approx([1 / (1 + np.exp(2)), 1 - 1 / (1 + np.exp(2)), 0], abs=1e-6)
    nobody = np.asarray(bags(history, np.zeros((1, 3), np.float32), value))
    assert (nobody == 0).all()


def test_without_order_there_is_one_head_all_places_count_alike_and_many_speak_louder():
    bags, value = RecencyBags(in_order=False), np.zeros((2, 4), np.float32)
    present = np.array([[1, 1, 1, 1], [1, 0, 0, 0]], np.float32)
    heads = np.asarray(bags(np.stack([np.eye(4, dtype=np.float32)] * 2), present, value))
    # the mean, times the root of how many there are: 4 · (1/4) · 2 against 1
    assert heads[0].tolist() == [pytest.approx([0.5] * 4)]
    assert heads[1].tolist() == [pytest.approx([1, 0, 0, 0])]


def test_the_plain_mean_forgets_nothing_and_has_nothing_to_learn():
    bags = MeanBag()
    present = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], np.float32)
    heads = np.asarray(bags(np.stack([np.eye(4, dtype=np.float32)] * 2), present, np.ones((2, 4))))
    assert heads.tolist() == [[[0.5, 0.5, 0, 0]], [[0, 0, 0, 0]]]
    assert not bags.trainable_variables


def test_a_query_ends_in_the_one_that_meets_the_bias():
    tower = QueryTower(4, 3, [5], "gelu", 0.0, encoder="recency", in_order=True, user=None)
    query = tower.whole.predict(
        {"history": np.ones((2, 4, 3)), "present": np.ones((2, 4)), "value": np.zeros((2, 4))}, verbose=0
    )
    assert query.shape == (2, 4)
    assert query[:, -1].tolist() == [1, 1]


def test_early_stopping_asks_the_model_as_it_stands():
    log, asked = cycle(60), []

    def validate(top) -> float:
        rows = top(log, np.arange(5, dtype=np.int32), 3)
        assert rows.shape == (5, 3)
        for user in range(5):
            assert not set(rows[user].tolist()) & set(log.of(user).tolist())
        asked.append(rows)
        return float(-len(asked))

    learned = learn(problem(log), log, 20, stage="x", report=silent, validate=validate)
    assert (learned.epochs, len(asked)) == (1, 1 + SMALL.patience)
    assert learned.examples == 60 * 7


def test_a_catalogue_without_numbers_has_no_layer_for_them():
    tower = item_tower(encoded(np.arange(ITEMS) % 4, numbers=0), 8)
    assert "dense" not in {tensor.name for tensor in tower.inputs}


def test_a_catalogue_of_numbers_alone_trains():
    log = cycle(40)
    numbers = Encoded((), (), np.random.default_rng(1).normal(size=(ITEMS, 2)).astype(np.float32))
    learned = learn(problem(log, numbers), log, 1, stage="x", report=silent)
    assert np.isfinite(learned.arrays["item_vectors"]).all()
