"""The transformer through the whole of training: cut off, repeated, slowed down, and what it learns."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.data.worlds import islands
from tastemaker.features.batches import Examples, Scale
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.progress import Trail, silent
from tastemaker.recipe import Recipe

keras = pytest.importorskip("keras")

from tastemaker.model import kernels, student  # noqa: E402
from tastemaker.model.learn import learn  # noqa: E402
from tastemaker.model.problem import Learned, Problem  # noqa: E402
from tastemaker.model.student import Student  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

WORLD = islands(groups=4, items=20, people=60, events=8)
ITEMS, USERS = len(WORLD.group), WORLD.log.user_count
SMALL = {"encoder": "transformer", "blocks": 1, "heads": 2, "dim": 8, "length": 5, "batch_size": 100}
KIND = Field("kind", "category", 3)


@pytest.fixture
def unexported(monkeypatch):
    """Towers are handed out as Keras models: an export takes longer than all else here."""
    for name in ("to_litert", "to_keras"):
        monkeypatch.setattr(student, name, lambda model, **_: model)


def kinds(count: int) -> Encoded:
    bag = Bag((np.arange(count)[:, None] % 3).astype(np.int32), np.ones((count, 1), np.float32))
    return Encoded((KIND,), (bag,), np.linspace(-1, 1, count, dtype=np.float32)[:, None])


def problem(history: dict, features: bool = True, **tables) -> Problem:
    recipe = Recipe.of({"history": {**SMALL, **history}, **tables})
    people = np.arange(USERS, dtype=np.int32)
    items, users = (kinds(ITEMS), kinds(USERS + 1)) if features else (None, None)
    return Problem(ITEMS, items, users, people, True, recipe)


class PowerCut(Exception):
    pass


class CutAt(keras.callbacks.Callback):
    """Steps are counted from the start of this process."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise PowerCut


def assert_same(one: Learned, other: Learned) -> None:
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], name)
    for name, tower in one.towers.items():
        for part, same in zip(tower.get_weights(), other.towers[name].get_weights(), strict=True):
            np.testing.assert_array_equal(part, same, name)


@pytest.mark.parametrize("by_person", [False, True])
def test_cut_off_and_taken_up_again_it_ends_the_same_and_with_another_seed_it_does_not(
    by_person, tmp_path, unexported
):
    chance = {"dropout": 0.3, "id_dropout": 0.2, "decay": "linear", "warm_up": 0.5, "epochs": 2}
    drawn = {"count": 16, "uniform": 0.5, "queue": 0.3, "hard": 0.2}
    kind = {"encoder": "recency", "order": "none", "batch_size": 15} if by_person else {}
    task = problem({**chance, **kind, "checkpoint_every": 0}, negatives=drawn)
    task = replace(task, in_order=not by_person)

    def trained(task: Problem, *callbacks, trail: Trail = Trail()) -> Learned:  # noqa: B008
        return learn(task, WORLD.log, 2, stage="x", report=silent, trail=trail, callbacks=callbacks)

    whole = trained(task)
    trail = Trail(checkpoints=tmp_path)
    with pytest.raises(PowerCut):
        trained(task, CutAt(6), trail=trail)  # the second of the second epoch
    assert (tmp_path / "x.npz").exists()
    assert_same(trained(task, trail=trail), whole)
    other = trained(replace(task, recipe=task.recipe.model_copy(update={"seed": 2})))
    assert not np.array_equal(other.arrays["item_vectors"], whole.arrays["item_vectors"])


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
@pytest.mark.parametrize("slow", [0.0, 0.5])
def test_every_kind_of_transformer_trains(norm, optimizer, slow):
    task = problem({"norm": norm, "optimizer": optimizer, "slow": slow})
    learner = Student(task, WORLD.log, examples(task))
    rng = np.random.default_rng(1)
    (batch, *_), before = learner.deal(rng), learner.model.get_weights()
    count, work = learner.lay_out(batch, rng)
    assert count == len(work.columns) == len(work.after)
    assert np.isfinite(learner.learn(work, 0.0))
    moved = [not np.array_equal(a, b) for a, b in zip(before, learner.model.get_weights(), strict=True)]
    assert all(moved[-4:]), "a table wasn't moved"
    assert np.isfinite(np.concatenate([w.ravel() for w in learner.model.get_weights()])).all()


def examples(task: Problem, log: Interactions = WORLD.log) -> Examples:
    return Examples(log, task.items, task.length, Scale.fit(log.weights), True, kernels.cut)


def test_an_epoch_lays_out_every_example_once():
    task = problem({})
    learner = Student(task, WORLD.log, examples(task))
    rng = np.random.default_rng(1)
    counts = [learner.lay_out(batch, rng)[0] for batch in learner.deal(rng)]
    assert sum(counts) == USERS * 7  # the first of eight events has no history
    assert len(counts) == round(USERS * 7 / 100)


@pytest.mark.parametrize(
    ("knobs", "shares"),
    [
        ({}, {0: 1, 2: 1, 3.9: 1}),
        ({"warm_up": 1.0}, {0: 1, 2: 1}),  # only where it decays
        ({"decay": "linear"}, {0: 1, 1: 3 / 4, 2: 1 / 2, 3: 1 / 4, 3.9: 1 / 40, 4.5: 0}),
        # Up over half an epoch, on the way down all the time: at a quarter it is half way up of 15 / 16.
        ({"decay": "linear", "warm_up": 0.5}, {0: 0, 0.25: 15 / 32, 0.5: 7 / 8, 2: 1 / 2}),
    ],
)
def test_the_rate_of_learning_goes_up_and_down_as_the_recipe_says(knobs, shares):
    task = problem({"epochs": 4, "learning_rate": 0.01, "optimizer": "adagrad", **knobs}, features=False)
    learner = Student(task, WORLD.log, examples(task))
    rng = np.random.default_rng(1)
    _, work = learner.lay_out(learner.deal(rng)[0], rng)
    for done, share in shares.items():
        before = learner.model.items.tables["ids"].values.copy()
        learner.learn(work, done)
        rate = float(learner.model.tower_optimizer.learning_rate.numpy())
        assert rate == pytest.approx(0.01 * share, rel=1e-5, abs=1e-9)
        assert np.array_equal(learner.model.items.tables["ids"].values, before) == (share == 0)


def test_half_way_through_a_training_the_rate_is_half(unexported):
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.tower_optimizer.learning_rate.numpy()))

    task = problem({"epochs": 2, "decay": "linear", "learning_rate": 0.01}, features=False)
    learn(task, WORLD.log, 2, stage="x", report=silent, callbacks=[Watch()])
    steps = len(rates) // 2
    assert rates == pytest.approx([0.01 * (1 - step / (2 * steps)) for step in range(2 * steps)], rel=1e-4)
    assert rates[steps] == pytest.approx(0.005)


def both_ways(items: int, users: int = 200, events: int = 7) -> Interactions:
    """On a ring of items, half of the people go up and half go down: what is next, only the order tells."""
    rng = np.random.default_rng(1)
    step = np.where(np.arange(users) % 2, 1, -1)[:, None] * np.arange(events)
    rows = (rng.integers(0, items, users)[:, None] + step) % items
    who = np.repeat(np.arange(users, dtype=np.int32), events)
    times = np.tile(np.arange(events, dtype=float), users)
    ids = [f"u{n}" for n in range(users)]
    return Interactions.from_events(ids, who, rows.ravel().astype(np.int32), times)


def test_a_law_that_only_order_can_tell_is_learnt(unexported):
    items, knobs = (
        24,
        {"dim": 16, "length": 6, "dropout": 0.0, "learning_rate": 0.01, "epochs": 20, "slow": 0.3},
    )
    log = both_ways(items)
    people = np.full(log.user_count, -1, np.int32)
    task = Problem(items, None, None, people, True, Recipe.of({"history": {**SMALL, **knobs}}))
    learned = learn(task, log, 20, stage="x", report=silent)
    vectors, tower = learned.arrays["item_vectors"], learned.towers["query_tower"]

    def next_after(*rows: int) -> int:
        """By the tower that is served, with fewer events than it has room for."""
        history, present = np.zeros((1, 6, 16), np.float32), np.zeros((1, 6), np.float32)
        history[0, : len(rows)], present[0, : len(rows)] = vectors[list(rows)[::-1], :-1], 1
        query = tower({"history": history, "present": present, "value": np.zeros_like(present)})
        scores = (np.asarray(query) @ vectors.T)[0]
        scores[list(rows)] = -np.inf
        return int(scores.argmax())

    up = [next_after(n, (n + 1) % items) == (n + 2) % items for n in range(items)]
    down = [next_after((n + 1) % items, n) == (n - 1) % items for n in range(items)]
    assert np.mean(up + down) > 0.9  # who doesn't see the order is right half of the time at best


# --- sets -----------------------------------------------------------------------------------


def unordered(history: dict, **tables) -> Problem:
    return replace(problem({"encoder": "recency", "order": "none", **history}, **tables), in_order=False)


def student_of(task: Problem) -> Student:
    examples = Examples(WORLD.log, task.items, task.length, Scale(), task.in_order, kernels.cut)
    return Student(task, WORLD.log, examples)


def test_where_order_says_nothing_a_step_has_many_labels_to_each_history():
    learner = student_of(unordered({"batch_size": 7}))
    rng = np.random.default_rng(1)
    count, work = learner.lay_out(np.arange(7), rng)
    assert work.own_starts is not None
    assert work.places.shape[0] == 7 < count == len(work.columns) == work.own_starts[-1]
    for n in range(7):
        known = set(work.known[work.starts[n] : work.starts[n + 1]].tolist())
        asked = set(work.columns[work.own_starts[n] : work.own_starts[n + 1]].tolist())
        seen = set(work.places[n].tolist()) - {-1}
        assert known == set(WORLD.log.of(n).tolist())  # of the whole catalogue a row is its place
        assert asked <= known - seen
    assert sorted(np.concatenate(learner.deal(rng))) == list(range(USERS))


@pytest.mark.parametrize("kind", ["softmax", "info_nce", "bpr", "triplet", "gbce"])
def test_a_person_at_a_time_is_learnt_where_the_loss_grades_several_answers_at_once(kind):
    task = unordered({}, loss={"kind": kind})
    grades_several = student.loss_of(task, None).sets is not None
    assert grades_several == task.recipe.loss.is_softmax  # by which settings are chosen, without TensorFlow


@pytest.mark.parametrize("kind", ["bpr", "triplet", "gbce"])
def test_a_loss_that_grades_one_answer_at_a_time_gets_a_history_for_each(kind):
    learner = student_of(unordered({}, loss={"kind": kind}))
    count, work = learner.lay_out(learner.deal(np.random.default_rng(1))[0], np.random.default_rng(1))
    assert work.own_starts is None
    assert work.places.shape[0] == count == len(work.columns)


def test_what_nobody_has_touched_is_no_hard_negative_either():
    untouched = 5
    task = unordered({"batch_size": 5}, negatives={"count": 64, "hard": 1.0, "uniform": 0, "popularity": 0})
    task = replace(task, items=ITEMS + untouched, item_features=kinds(ITEMS + untouched))
    learner = student_of(task)
    learner.model.items.tables["bias"].values[:ITEMS] = -9  # so that the untouched would be the hardest
    learner.begin_epoch(1)
    rng = np.random.default_rng(1)
    for batch in learner.deal(rng):
        _, work = learner.lay_out(batch, rng)
        assert work.candidates > len(np.unique(work.columns)), "something was drawn"
        assert work.chosen.rows[: work.candidates].max() < ITEMS


@pytest.mark.parametrize("negatives", [{"count": "all"}, {"count": 30}])
def test_sets_teach_which_items_belong_together(negatives, unexported):
    task = unordered({"batch_size": 10, "learning_rate": 0.02, "dropout": 0.1}, negatives=negatives)
    learned = learn(replace(task, item_features=None), WORLD.log, 40, stage="x", report=silent)
    vectors = learned.arrays["neighbour_vectors"]
    likeness = vectors @ vectors.T
    same = WORLD.group[:, None] == WORLD.group[None, :]
    assert likeness[same].mean() > likeness[~same].mean() + 0.3
