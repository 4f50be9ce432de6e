"""Spans against a slow loop, what hears of them, and a world in which nothing else tells what comes next."""

import math
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tastemaker.data.split import hold_out_last
from tastemaker.data.worlds import pauses
from tastemaker.features.batches import query_windows
from tastemaker.progress import silent
from tastemaker.recipe import Recipe

keras = pytest.importorskip("keras")

from tastemaker.model.export import to_keras, to_litert  # noqa: E402
from tastemaker.model.gaps import SPANS, TIMELESS, HideTimes, SinceBefore, spans  # noqa: E402
from tastemaker.model.learn import learn  # noqa: E402
from tastemaker.model.problem import Learned, Problem  # noqa: E402
from tastemaker.model.sequence import SequenceTower  # noqa: E402
from tastemaker.retrieve.tower import Tower  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

B, T, D = 3, 6, 4
DAY, YEAR = 86_400, 31_557_600


@pytest.mark.parametrize(
    ("gap", "span"),
    [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 3),
        (4, 4),
        (7, 4),
        (8, 5),
        (60, 7),
        (DAY, 18),
        (YEAR, 26),
        (1e12, SPANS - 1),
    ],
)
def test_each_span_is_twice_as_long_as_the_one_before(gap, span):
    age = np.array([0, gap], "float32")
    assert int(spans(age[0], age[1])) == span
    if 0 < gap < 1e12:
        assert span == 2 + math.floor(math.log2(gap))


def test_without_a_time_a_span_is_unknown():
    nobody, somebody = np.float32(-1), np.float32(5)
    assert [int(spans(a, b)) for a, b in [(nobody, somebody), (somebody, nobody), (nobody, nobody)]] == [
        0
    ] * 3


def aged() -> np.ndarray:
    """Ages of histories of six events, of four, and of one that nobody knows the times of."""
    return np.array([[0, 0, 3, 70, 9e4, 4e7], [0, 500, 501, 2e5, -1, -1], [-1] * 6], "float32")


def slow_span(newer: float, older: float) -> int:
    if newer < 0 or older < 0:
        return 0
    return 1 if older == newer else 2 + math.floor(math.log2(older - newer))


def test_each_event_hears_of_the_time_since_the_one_before_it():
    layer, rng = SinceBefore(), np.random.default_rng(1)
    x, ages = rng.normal(size=(B, T, D)).astype("float32"), aged()
    layer(x, ages)
    table = rng.normal(size=(SPANS, D)).astype("float32")
    layer.set_weights([table])
    found = np.asarray(layer(x, ages))
    for b in range(B):
        for t in range(T):
            # Of the oldest of a window nobody asks what was before.
            span = slow_span(ages[b, t], ages[b, t + 1]) if t + 1 < T else 0
            assert found[b, t] == pytest.approx(x[b, t] + table[span], abs=1e-6)


def test_in_training_some_histories_are_read_without_their_times_and_in_use_none():
    ages = np.tile(aged()[:1], (4000, 1))
    layer = HideTimes()
    np.testing.assert_array_equal(np.asarray(layer(ages)), ages)
    keras.utils.set_random_seed(1)
    found = np.asarray(layer(ages, training=True))
    hidden = (found == -1).all(axis=1)
    np.testing.assert_array_equal(found[~hidden], ages[~hidden])
    assert hidden.mean() == pytest.approx(TIMELESS, abs=0.02)  # four deviations of 4,000 coins


# --- the tower ------------------------------------------------------------------------------

KNOBS = {"blocks": 2, "heads": 2, "slow": 0.6, "width": 3, "before": False, "dropout": 0.3}
encoders = pytest.mark.parametrize("encoder", ["transformer", "pooling", "gru"])


def tower(encoder: str) -> SequenceTower:
    made = SequenceTower(T, D, **KNOBS, encoder=encoder, gaps=True, user=None)
    rng = np.random.default_rng(3)
    for variable in made.model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape, scale=0.5))
    return made


def asked(ages: np.ndarray) -> dict[str, np.ndarray]:
    rng, present = np.random.default_rng(2), np.ones((len(ages), T), "float32")
    history = rng.normal(size=(1, T, D)).astype("float32").repeat(len(ages), axis=0)
    return {"history": history, "present": present, "value": 0 * present, "age": ages.astype("float32")}


@encoders
def test_a_query_hears_of_times_up_to_its_event_and_of_none_after_it(encoder):
    model, ages = tower(encoder).model, np.array([[0, 10, 200, 3000, 40_000, 500_000]])
    plain = np.asarray(model(asked(ages)))[0]
    for t in range(T - 1):
        changed = ages.copy()
        changed[0, t + 1 :] += 10**7  # a long pause between event t + 1 and event t
        moved = np.abs(np.asarray(model(asked(changed)))[0] - plain).max(axis=1)
        assert (moved[t + 1 :] < 1e-6).all(), "an older event heard how long it was until a newer one"
        assert (moved[: t + 1] > 1e-5).all(), "a pause wasn't heard of"


@encoders
def test_how_long_ago_all_of_it_was_changes_nothing(encoder):
    model, ages = tower(encoder).model, np.array([[0, 10, 200, 3000, 40_000, 500_000]])
    later = np.asarray(model(asked(ages + 4096)))  # a power of two: the same spans, to the last bit
    np.testing.assert_array_equal(later, np.asarray(model(asked(ages))))


@encoders
def test_what_is_served_is_what_was_learnt(encoder, tmp_path):
    made, inputs = tower(encoder), asked(aged())
    newest = np.asarray(made.model(inputs))[:, 0]
    assert np.asarray(made.whole(inputs))[:, :-1] == pytest.approx(newest, abs=1e-6)
    exported = Tower(to_litert(made.whole))
    assert exported.inputs["age"] == (T,)
    assert exported(**inputs)[:, :-1] == pytest.approx(newest, abs=1e-4)
    path = tmp_path / "tower.keras"
    path.write_bytes(to_keras(made.whole))
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(np.asarray(loaded(inputs)), np.asarray(made.whole(inputs)))


# --- a world --------------------------------------------------------------------------------

ITEMS = 100
WORLD = pauses(ITEMS)
FOLD = hold_out_last(WORLD)
PEOPLE = np.arange(WORLD.user_count, dtype=np.int32)
NEXT = WORLD.rows[WORLD.offsets[1:] - 1]
SMALL = {
    "encoder": "transformer",
    "blocks": 1,
    "dim": 32,
    "length": 9,
    "dropout": 0.1,
    "learning_rate": 0.005,
    "batch_size": 128,
    "patience": 50,
}


def found(gaps: bool, epochs: int = 8) -> tuple[float, float, Learned]:
    """How often the next item stands first, with the times of the history and without them."""
    recipe = Recipe.of({"history": {**SMALL, "gaps": gaps}})
    task = Problem(ITEMS, None, None, np.full(len(PEOPLE), -1, np.int32), True, recipe)
    marks: list[tuple[float, float]] = []

    def look(top) -> float:
        timeless = replace(FOLD.history, is_clock=False)
        hits = (top(history, PEOPLE, 1)[:, 0] == NEXT for history in (FOLD.history, timeless))
        marks.append(tuple(float(hit.mean()) for hit in hits))
        return float(len(marks))

    learned = learn(task, FOLD.train, epochs, stage="x", report=silent, validate=look)
    return *marks[-1], learned


def test_the_world_is_what_it_says():
    steps, waits = np.diff(WORLD.rows.reshape(-1, 9)) % ITEMS, np.diff(WORLD.times.reshape(-1, 9))
    np.testing.assert_array_equal(steps[:, 1:], np.where(waits[:, :-1] > 3600, 37, 1))
    assert all(len(set(rows)) == 9 for rows in WORLD)


def test_only_who_hears_of_times_finds_what_only_they_tell():
    with_times, without, learned = found(gaps=True)
    assert with_times > 0.85
    assert 0.4 < without < 0.6  # as good as can be: half of the steps are decided by a pause nobody knows
    deaf, _, _ = found(gaps=False)
    assert deaf < 0.6
    # And the exported tower gives the lists of the one in training.
    window = query_windows(FOLD.history, PEOPLE, 9, learned.scale)
    present = (window.rows >= 0).astype("float32")
    vectors = learned.arrays.get("item_inputs", learned.arrays["item_vectors"][:, :-1])
    inputs = {
        "history": (vectors[window.rows] * present[:, :, None]).astype("float32"),
        "present": present,
        "value": window.values,
        "age": window.ages,
    }
    # With a shape unknown, LiteRT gives wrong answers now and then; see decision 1.
    interpreter = Interpreter(model_content=learned.towers["query_tower"])
    assert all((detail["shape_signature"] > 0).all() for detail in interpreter.get_tensor_details())
    scores = Tower(learned.towers["query_tower"])(**inputs) @ learned.arrays["item_vectors"].T
    for person in PEOPLE:
        scores[person, FOLD.history.of(person)] = -np.inf
    assert (scores.argmax(axis=1) == NEXT).mean() == pytest.approx(with_times, abs=0.005)
