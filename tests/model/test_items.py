import numpy as np
import pytest

from tastemaker.features.schema import Bag, Encoded, Field

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from tastemaker.model.items import Chosen, Items  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS, DIM = 7, 3
KNOWN = np.array([1, 1, 0, 1, 1, 0, 1], np.float32)


def encoded() -> Encoded:
    """Two fields of 4 and 3 rows that many items share, with gaps, and two numbers."""
    rng = np.random.default_rng(1)
    bags = [
        Bag(rng.integers(0, size, (ITEMS, length)).astype(np.int32), weights.astype(np.float32))
        for size, length in [(4, 2), (3, 3)]
        for weights in [rng.integers(0, 3, (ITEMS, length))]
    ]
    fields = (Field("a", "categories", 4), Field("b", "categories", 3))
    return Encoded(fields, tuple(bags), rng.normal(size=(ITEMS, 2)).astype(np.float32))


def items(features: Encoded | None, id_dropout: float = 0.0) -> Items:
    return Items(KNOWN, DIM, features, id_dropout, "adagrad", np.random.default_rng(2))


def plain(tables: dict, features: Encoded | None, rows: np.ndarray, keep: np.ndarray):
    """What an item's vector is made of, in TensorFlow: its id, its features, its numbers."""
    vectors = tf.gather(tables["ids"], rows) * keep[:, None]
    if features is not None:
        gathered = tf.gather(tables["features"], features.joined.ids[rows])
        vectors += tf.einsum("ul,uld->ud", features.joined.weights[rows].astype(float), gathered)
        vectors += features.dense[rows].astype(float) @ tables["numbers"][:-1] + tables["numbers"][-1]
    return vectors


def doubles(side: Items) -> dict:
    return {name: tf.Variable(table.values, dtype=tf.float64) for name, table in side.tables.items()}


@pytest.mark.parametrize("features", [None, encoded()])
def test_a_vector_is_the_sum_of_id_features_and_numbers(features):
    side = items(features)
    wanted = plain(doubles(side), features, np.arange(ITEMS), KNOWN).numpy()
    assert side.everything() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    rows = np.array([5, 0, 3], np.int32)
    assert side.vectors(side.choose(rows)) == pytest.approx(wanted[rows], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("features", [None, encoded()])
def test_a_step_is_adagrads_on_the_gradients_of_the_whole_tables(features):
    """Features that several items share come many times in a step; their gradients are summed first."""
    side, rng = items(features), np.random.default_rng(3)
    values = doubles(side)
    sums = {name: np.full(len(table.values), 1e-7) for name, table in side.tables.items()}
    for _ in range(3):
        rows = rng.permutation(ITEMS)[:5].astype(np.int32)
        chosen, slopes = side.choose(rows), rng.normal(size=(5, DIM)).astype(np.float32)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(plain(values, features, rows, KNOWN[rows]) * slopes)
        learning = [name for name in values if name != "bias"]
        found = tape.gradient(total, [values[name] for name in learning])
        for name, slope in zip(learning, found, strict=True):
            dense = tf.convert_to_tensor(slope).numpy()
            sums[name] += (dense**2).mean(1)
            values[name].assign_sub(0.1 * dense / (np.sqrt(sums[name])[:, None] + 1e-7))
        side.update(chosen, slopes, 0.1)
    for name, table in side.tables.items():
        assert table.values == pytest.approx(values[name].numpy(), rel=1e-4, abs=1e-5), name


def test_an_id_that_is_left_out_neither_speaks_nor_learns():
    side = items(encoded(), id_dropout=0.5)
    rows = np.arange(ITEMS, dtype=np.int32)
    chosen: Chosen = side.choose(rows, np.random.default_rng(1))
    left_out = chosen.keep == 0
    assert left_out[KNOWN == 0].all()
    assert 0 < left_out[KNOWN == 1].sum() < 5
    wanted = plain(doubles(side), encoded(), rows, chosen.keep).numpy()
    assert side.vectors(chosen) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    before = side.tables["ids"].values.copy()
    side.update(chosen, np.ones((ITEMS, DIM), np.float32), 0.1)
    moved = (side.tables["ids"].values != before).any(1)
    assert moved.tolist() == (~left_out).tolist()


def test_without_ids_an_item_is_its_metadata_and_no_id_learns():
    side, with_ids = items(encoded(), id_dropout=1), items(encoded())
    rows = np.arange(ITEMS, dtype=np.int32)
    assert not side.has_ids
    assert side.everything() == pytest.approx(
        plain(doubles(side), encoded(), rows, np.zeros(ITEMS)).numpy(), rel=1e-4, abs=1e-5
    )
    before = side.tables["ids"].values.copy()
    side.update(side.choose(rows, np.random.default_rng(1)), np.ones((ITEMS, DIM), np.float32), 0.1)
    assert np.array_equal(side.tables["ids"].values, before)
    assert not np.array_equal(side.tables["features"].values, with_ids.tables["features"].values)


def test_the_tower_of_the_metadata_says_what_training_says_of_an_item_without_an_id():
    side = items(encoded())
    joined, dense = encoded().joined, encoded().dense
    alone = Items(np.zeros(ITEMS, np.float32), DIM, encoded(), 0.0, "adam", np.random.default_rng(2))
    for name, table in side.tables.items():
        alone.tables[name].values[:] = table.values
    tower = side.tower()
    found = tower({"ids": joined.ids, "weights": joined.weights, "dense": dense})
    assert np.asarray(found) == pytest.approx(alone.everything(), rel=1e-4, abs=1e-5)
    assert items(None).tower() is None
