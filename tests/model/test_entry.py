"""What is asked while training must be what is served: both ways in against the tower as a whole."""

import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.features.batches import Window
from tastemaker.features.schema import Bag, Encoded, Field

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from tastemaker.model.entry import BagEntry, SequenceEntry  # noqa: E402
from tastemaker.model.history import QueryTower  # noqa: E402
from tastemaker.model.sequence import SequenceTower  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS, LENGTH, DIM, PEOPLE = 9, 5, 6, 3
USER = Encoded(
    (Field("kind", "category", 4),),
    (Bag(np.array([[1], [3], [2]], np.int32), np.ones((3, 1), np.float32)),),
    np.array([[0.5], [-2], [1]], np.float32),
)


def bags(user: Encoded | None) -> tuple[QueryTower, BagEntry]:
    tower = QueryTower(LENGTH, DIM, [7], "gelu", 0.3, encoder="recency", in_order=True, user=user)
    return tower, BagEntry(tower)


def sequences(user: Encoded | None) -> tuple[SequenceTower, SequenceEntry]:
    tower = SequenceTower(
        LENGTH, DIM, blocks=2, heads=2, slow=0.4, width=2, before=False, dropout=0.3, user=user
    )
    return tower, SequenceEntry(tower)


def with_gaps(user: Encoded | None) -> tuple[SequenceTower, SequenceEntry]:
    knobs = {"blocks": 2, "heads": 2, "slow": 0.4, "width": 2, "before": False, "dropout": 0.3}
    tower = SequenceTower(LENGTH, DIM, **knobs, gaps=True, user=user)
    return tower, SequenceEntry(tower)


def windows(count: int, longest: int) -> Window:
    """Histories of 0 to `longest` events, 1 after the other."""
    rng = np.random.default_rng(1)
    there = np.arange(LENGTH) < (np.arange(count) % (longest + 1))[:, None]
    rows = np.where(there, rng.integers(0, ITEMS, there.shape), PAD).astype(np.int32)
    ages = np.where(there, rng.integers(0, 99, there.shape).cumsum(axis=1) ** 2, -1).astype(np.float32)
    return Window(rows, (rng.normal(size=there.shape) * there).astype(np.float32), ages)


@pytest.mark.parametrize("user", [None, USER])
@pytest.mark.parametrize("way_in", [bags, sequences, with_gaps])
@pytest.mark.parametrize(("count", "longest"), [(600, LENGTH), (7, 3), (2, 0)])
def test_what_is_asked_is_what_the_whole_tower_answers(way_in, user, count, longest):
    tower, entry = way_in(user)
    rng = np.random.default_rng(2)
    for variable in tower.whole.trainable_variables:  # so that nothing is 0
        variable.assign(rng.normal(size=variable.shape, scale=0.5))
    vectors, window = rng.normal(size=(ITEMS, DIM)).astype(np.float32), windows(count, longest)
    present = (window.rows != PAD).astype(np.float32)
    inputs = {
        "history": vectors[window.rows] * present[:, :, None],
        "present": present,
        "value": window.values,
    }
    if way_in is with_gaps:
        inputs["age"] = window.ages
    known = {}
    if user is not None:
        who = np.arange(count) % PEOPLE
        parts = {"ids": user.joined.ids, "weights": user.joined.weights, "dense": user.dense}
        known = {f"user_{name}": tf.constant(array[who]) for name, array in parts.items()}
    found = entry.ask(vectors, window, known)
    wanted = np.asarray(tower.whole({name: tf.constant(array) for name, array in inputs.items()} | known))
    np.testing.assert_allclose(found, wanted[:, :-1], rtol=1e-4, atol=1e-5)


def test_where_nobody_knows_the_times_all_are_unknown():
    _, entry = with_gaps(None)
    vectors, window = np.random.default_rng(2).normal(size=(ITEMS, DIM)).astype(np.float32), windows(7, 3)
    timeless = window._replace(ages=None)
    unknown = window._replace(ages=np.full(window.rows.shape, -1, np.float32))
    np.testing.assert_array_equal(entry.ask(vectors, timeless, {}), entry.ask(vectors, unknown, {}))
