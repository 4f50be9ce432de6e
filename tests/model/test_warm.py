"""A network put where an older one stood: by name where it is the same, shifted where the world has moved."""

import io
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.worlds import islands
from tastemaker.features.batches import Examples, Scale
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.progress import NO_TRAIL, Trail, silent
from tastemaker.recipe import Recipe

keras = pytest.importorskip("keras")

from tastemaker.model import kernels, student  # noqa: E402
from tastemaker.model.export import to_keras  # noqa: E402
from tastemaker.model.learn import learn  # noqa: E402
from tastemaker.model.problem import Learned, Problem, Start  # noqa: E402
from tastemaker.model.student import Student  # noqa: E402
from tastemaker.model.warm import lengthened, shortened  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

WORLD = islands(groups=3, items=6, people=40, events=5)
ITEMS, USERS = len(WORLD.group), WORLD.log.user_count
BAGS = {"dim": 6, "length": 4, "batch_size": 50, "dropout": 0.1, "hidden": [5]}
SEQUENCES = {**BAGS, "encoder": "transformer", "blocks": 1, "heads": 2}


def kinds(count: int) -> Encoded:
    """Rows: 0 missing, 1 and 2 a kind each; and a number."""
    bag = Bag((1 + np.arange(count)[:, None] % 2).astype(np.int32), np.ones((count, 1), np.float32))
    numbers = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
    return Encoded((Field("kind", "category", 3),), (bag,), numbers)


def problem(history: dict, items: Encoded | None, users: Encoded | None, **tables) -> Problem:
    recipe = Recipe.of({"history": history, **tables})
    people = np.arange(USERS, dtype=np.int32)
    return Problem(ITEMS if items is None else items.size, items, users, people, True, recipe)


@pytest.fixture(autouse=True)
def without_litert(monkeypatch):
    monkeypatch.setattr(
        student, "to_litert", lambda model, alone=False: b""
    )  # takes longer than all else here


def before(learned: Learned, **other) -> Start:
    """Everything where it was."""
    vectors, arrays = learned.arrays["item_vectors"], learned.arrays
    inputs = arrays.get("item_inputs")
    found = Start(
        name="older",
        vectors=vectors,
        inputs=inputs,
        items=np.arange(len(vectors), dtype=np.int32),
        features=np.arange(3, dtype=np.int32),
        numbers=np.arange(1, dtype=np.int32),
        user_features=np.arange(3, dtype=np.int32),
        originals=learned.originals,
        learning=learned.learning,
    )
    return replace(found, **other)


def begun(task: Problem, start: Start, log: Interactions = WORLD.log) -> Student:
    task = replace(task, start=start)
    examples = Examples(log, task.items, task.length, Scale.fit(log.weights), True, kernels.cut)
    return Student(task, log, examples)


def trained(task: Problem) -> Learned:
    return learn(task, WORLD.log, 2, stage="x", report=silent)


def moments(learner: Student) -> dict[str, np.ndarray]:
    state = learner.model.state()
    return {name: array for name, array in state.items() if not name.endswith(("values", "steps"))}


@pytest.mark.parametrize(
    ("history", "tables"),
    [
        (BAGS, {}),
        (SEQUENCES, {}),
        ({**BAGS, "optimizer": "adagrad"}, {}),
        ({**BAGS, "tied": False}, {"loss": {"temperature": 0.5}}),
        ({**SEQUENCES, "norm": "before"}, {"loss": {"temperature": 0.5, "learn_temperature": True}}),
        (BAGS, {"loss": {"kind": "info_nce", "temperature": 0.2}}),
    ],
)
def test_where_nothing_has_changed_it_stands_where_the_older_one_stood(history, tables):
    task = problem(history, kinds(ITEMS), kinds(USERS + 1), **tables)
    older = trained(task)
    start = before(older)
    if task.recipe.history.tied and "item_inputs" in older.arrays:
        raw = np.concatenate([older.arrays["item_inputs"], older.arrays["item_vectors"][:, -1:]], axis=1)
        start = replace(start, vectors=raw, inputs=None)
    learner = begun(task, start)
    newer = learner.taken_out(0)
    for name, array in older.arrays.items():
        np.testing.assert_allclose(newer.arrays[name], array, atol=2e-6, err_msg=name)
    users = np.arange(USERS, dtype=np.int32)
    again = begun(task, replace(start, originals=newer.originals)).live()
    np.testing.assert_array_equal(learner.live()(WORLD.log, users, 5), again(WORLD.log, users, 5))
    # What was remembered is there as exactly as it was written, and it isn't nothing.
    for name, file in older.learning.items():
        assert newer.learning[name] == file, name
    sizes = [np.abs(array).max() for array in moments(learner).values() if array.size]
    assert sum(size > 0 for size in sizes) > len(sizes) / 2


def test_rows_are_matched_by_what_they_mean_and_vectors_stay_what_they_were(tmp_path):
    task = problem(BAGS, kinds(ITEMS), None)
    older = trained(task)
    rng = np.random.default_rng(1)
    order = rng.permutation(ITEMS).astype(np.int32)
    # The kinds have changed places in the vocabulary, and there is one more item, of a third kind.
    items = np.append(order, PAD).astype(np.int32)
    kind = np.append(np.where(order % 2 == 0, 2, 1), 3).astype(np.int32)
    numbers = np.append(kinds(ITEMS).dense[order, 0], 0).astype(np.float32)
    bag = Bag(kind[:, None], np.ones((ITEMS + 1, 1), np.float32))
    seen = Encoded((Field("kind", "category", 4),), (bag,), numbers[:, None])
    log = WORLD.log.renumbered(np.argsort(order).astype(np.int32))
    vectors = np.concatenate([older.arrays["item_vectors"][order], np.full((1, 7), 0.5, np.float32)])
    start = before(older, vectors=vectors, items=items, features=np.array([0, 2, 1, PAD], np.int32))
    learner = begun(problem(BAGS, seen, None), start, log)
    tables, memory = learner.model.items.tables, {}
    for name in ("ids", "features", "numbers", "bias"):
        memory[name] = lengthened(np.load(io.BytesIO(older.learning[f"{name}-squares"])))
    np.testing.assert_allclose(learner.taken_out(0).arrays["item_vectors"][:-1], vectors[:-1], atol=2e-6)
    (tmp_path / "item.keras").write_bytes(older.originals["item_tower"])
    tower = keras.models.load_model(tmp_path / "item.keras")
    table = tower.get_layer("item_bag").get_weights()[0]
    np.testing.assert_array_equal(tables["features"].values, [*table[[0, 2, 1]], np.zeros(6)])
    np.testing.assert_array_equal(tables["features"].moments["squares"][1:3], memory["features"][[2, 1]])
    np.testing.assert_array_equal(tables["ids"].moments["squares"][:-1], memory["ids"][order])
    assert (tables["ids"].moments["squares"][-1] == 0).all()
    assert memory["features"][1:].min() > 0
    np.testing.assert_array_equal(tables["numbers"].moments["squares"], memory["numbers"])
    assert tables["ids"].steps == 2 * int(np.ceil(len(learner.examples.events) / 50))


def test_what_metadata_no_longer_say_the_id_says():
    task = problem(BAGS, kinds(ITEMS), None)
    older = trained(task)
    start = before(older, features=np.zeros(0, np.int32), numbers=np.zeros(0, np.int32))
    without = begun(problem(BAGS, None, None), start).taken_out(0)
    np.testing.assert_allclose(without.arrays["item_vectors"], older.arrays["item_vectors"], atol=2e-6)


def test_users_values_take_their_rows_along():
    task = problem(SEQUENCES, None, kinds(USERS + 1))
    older = trained(task)
    swapped = begun(task, before(older, user_features=np.array([0, 2, 1], np.int32)))
    same = begun(task, before(older))

    def table(learner: Student) -> np.ndarray:
        return next(w.numpy() for w in learner.tower.whole.weights if "user_bag" in w.path)

    assert not np.array_equal(table(same)[1], table(same)[2])
    np.testing.assert_array_equal(table(swapped), table(same)[[0, 2, 1]])
    ours, theirs = (
        {name: array for name, array in moments(learner).items() if name.startswith("optimizer/")}
        for learner in (same, swapped)
    )
    changed = [name for name, array in ours.items() if not np.array_equal(array, theirs[name])]
    assert len(changed) == 2  # mean and mean square of that table, and of nothing else
    for name in changed:
        np.testing.assert_array_equal(theirs[name], ours[name][[0, 2, 1]])


def test_it_takes_a_share_of_the_epochs_and_of_the_rate():
    task = problem({**BAGS, "epochs": 10, "learning_rate": 0.01, "decay": "linear"}, None, None)
    assert (task.epochs, task.learning_rate) == (10, 0.01)
    warm = task.recipe.having({"warm_start.epochs": 0.25, "warm_start.rate": 0.3})
    learner = begun(replace(task, recipe=warm), before(trained(task)))
    assert (learner.problem.epochs, learner.problem.learning_rate) == (3, pytest.approx(0.003))
    rng = np.random.default_rng(1)
    _, work = learner.lay_out(learner.deal(rng)[0], rng)
    learner.learn(work, 1.5)
    assert float(learner.model.tower_optimizer.learning_rate) == pytest.approx(0.0015)


class PowerCut(Exception):
    pass


class Cut(keras.callbacks.Callback):
    """In the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.at == 1 and batch == 1:
            raise PowerCut

    def on_epoch_begin(self, epoch, logs=None):
        self.at = epoch


def test_cut_off_it_goes_on_where_it_stood_and_from_another_bundle_it_begins_anew(tmp_path):
    task = problem({**BAGS, "checkpoint_every": 0}, None, None)
    task = replace(task, start=before(trained(task)))
    trail = Trail(checkpoints=tmp_path)

    def warm(task: Problem, *callbacks, trail: Trail = NO_TRAIL) -> np.ndarray:
        done = learn(task, WORLD.log, 2, stage="x", report=silent, trail=trail, callbacks=callbacks)
        return done.arrays["item_vectors"]

    whole = warm(task)
    with pytest.raises(PowerCut):
        warm(task, Cut(), trail=trail)
    at = (tmp_path / "x.npz").read_bytes()
    np.testing.assert_array_equal(warm(task, trail=trail), whole)
    (tmp_path / "x.npz").write_bytes(at)
    other = replace(task, start=replace(task.start, name="other", vectors=task.start.vectors + 1))
    np.testing.assert_array_equal(warm(other, trail=trail), warm(other))


def test_half_of_a_number_is_within_a_256th_of_it():
    rng = np.random.default_rng(1)
    numbers = (rng.normal(size=1000) * 10.0 ** rng.integers(-30, 30, 1000)).astype(np.float32)
    np.testing.assert_allclose(lengthened(shortened(numbers)), numbers, rtol=2**-8)
    exact = np.array([0, 1, -2, 0.5], np.float32)
    np.testing.assert_array_equal(lengthened(shortened(exact)), exact)
    assert shortened(np.array(1.5, np.float32)).shape == ()
    # 1 + 2⁻⁸ lies half-way between what can be written: upwards.
    assert float(lengthened(shortened(np.array([1 + 2**-8], np.float32)))[0]) == 1 + 2**-7


def test_the_original_of_a_tower_is_opened_with_keras_guard_up(monkeypatch):
    seen = {}
    load = keras.models.load_model

    def watched(path, **options):
        seen.update(options)
        return load(path, **options)

    monkeypatch.setattr(keras.models, "load_model", watched)
    task = problem(BAGS, None, None)
    begun(task, before(trained(task)))
    assert seen["safe_mode"] is True
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    with pytest.raises(ValueError, match="safe_mode"):
        begun(task, before(trained(task), originals={"query_tower": to_keras(unsafe)}))
