import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from

pytest.importorskip("numba")

from tastemaker.model.kernels import bag_to_vectors
from tastemaker.model.table import Table

both = pytest.mark.parametrize("optimizer", ["adam", "adagrad"])


def steps(seed: int, rows: int, dim: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Distinct rows and their gradients, a step each; no step touches all rows."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(rows)[: rng.integers(0, rows)].astype(np.int32) for _ in range(count)]
    return [(some, rng.normal(size=(len(some), dim)).astype(np.float32)) for some in chosen]


def adagrad(values: np.ndarray, taken: list, rate: float) -> np.ndarray:
    """Row-wise (Gupta et al. 2014, as in DLRM), in double precision and over every row."""
    values, sums = values.astype(float), np.full(len(values), 1e-7)
    for rows, slopes in taken:
        dense = np.zeros_like(values)
        dense[rows] = slopes
        sums += (dense**2).mean(1)
        values -= rate * dense / (np.sqrt(sums)[:, None] + 1e-7)
    return values


def adam(values: np.ndarray, taken: list, rate: float) -> np.ndarray:
    """Kingma and Ba's algorithm 1, for the rows of each step only; the others sleep."""
    values = values.astype(float)
    means, squares = np.zeros_like(values), np.zeros_like(values)
    for step, (rows, slopes) in enumerate(taken, start=1):
        for row, slope in zip(rows, slopes.astype(float), strict=True):
            means[row] = 0.9 * means[row] + 0.1 * slope
            squares[row] = 0.999 * squares[row] + 0.001 * slope**2
            mean, square = means[row] / (1 - 0.9**step), squares[row] / (1 - 0.999**step)
            values[row] -= rate * mean / (np.sqrt(square) + 1e-7 / np.sqrt(1 - 0.999**step))
    return values


def started(optimizer, rows: int = 6, dim: int = 3) -> Table:
    return Table(np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32), optimizer)


@given(seed=integers(0, 999), dim=sampled_from([1, 3, 16, 17]), rate=sampled_from([0.01, 0.5]))
@settings(max_examples=25, deadline=None)
@both
def test_a_table_learns_as_the_formula_says(optimizer, seed, dim, rate):
    table, taken = started(optimizer, dim=dim), steps(seed, 6, dim, 8)
    wanted = {"adam": adam, "adagrad": adagrad}[optimizer](table.values, taken, rate)
    for rows, slopes in taken:
        table.update(rows, slopes, rate)
    assert table.values == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_the_first_steps_by_hand():
    table = Table(np.array([[1.0, 2.0]], np.float32), "adagrad")
    table.update(np.array([0], np.int32), np.array([[3.0, 1.0]], np.float32), 0.5)
    # The sum is (9 + 1) / 2 = 5, beside which what it starts with, 1e-7, is nothing.
    assert table.values[0] == pytest.approx([1 - 1.5 / 5**0.5, 2 - 0.5 / 5**0.5], rel=1e-6)
    table = Table(np.array([[1.0, 2.0]], np.float32), "adam")
    table.update(np.array([0], np.int32), np.array([[3.0, -1.0]], np.float32), 0.5)
    # Adam's first step is the rate, whatever the gradient's size.
    assert table.values[0] == pytest.approx([0.5, 2.5], rel=1e-5)


@both
def test_a_row_that_is_not_touched_does_not_move(optimizer):
    table = started(optimizer)
    before = table.values.copy()
    for rows in ([1, 4], [4], []):
        table.update(np.array(rows, np.int32), np.ones((len(rows), 3), np.float32), 0.1)
    moved = (table.values != before).any(1)
    assert moved.tolist() == [False, True, False, False, True, False]


@given(seed=integers(0, 999), cut=integers(0, 6))
@settings(max_examples=25, deadline=None)
@both
def test_a_table_put_back_goes_on_as_if_it_had_never_stopped(optimizer, seed, cut):
    taken, whole, first = steps(seed, 6, 3, 6), started(optimizer), started(optimizer)
    for rows, slopes in taken:
        whole.update(rows, slopes, 0.1)
    for rows, slopes in taken[:cut]:
        first.update(rows, slopes, 0.1)
    kept = {name: np.array(array) for name, array in first.state().items()}
    for rows, slopes in taken[cut:]:
        first.update(rows, slopes, 0.7)  # what comes after `state` is no part of it
    second = Table(np.zeros((6, 3), np.float32), optimizer)
    second.restore(kept)
    for rows, slopes in taken[cut:]:
        second.update(rows, slopes, 0.1)
    assert second.values.tolist() == whole.values.tolist()
    assert {n: a.tolist() for n, a in second.state().items()} == {
        n: a.tolist() for n, a in whole.state().items()
    }


@both
def test_the_memory_it_says_it_needs_is_what_its_arrays_take(optimizer):
    state = started(optimizer, rows=7, dim=5).state()
    taken = sum(array.nbytes for name, array in state.items() if name != "steps")
    assert Table.bytes_needed(7, 5, optimizer) == taken


@pytest.mark.slow  # TensorFlow takes seconds to load
@pytest.mark.parametrize("kind", ["Adagrad", "Adam"])
def test_a_row_twice_in_a_batch_learns_by_the_sum_of_its_gradients(kind):
    """As when the gradient is written out over the whole table.

    Keras's own Adagrad, given one row twice, squares each part by itself: from 1 it goes to 0.859 for 0.900.
    """
    keras = pytest.importorskip("keras")
    values = np.array([[1.0], [2.0], [3.0]], np.float32)  # of one number, rows and numbers learn alike
    places = np.array([[1, 2], [1, 0], [1, 2]], np.int32)
    slopes = np.array([[[1.0]], [[2.0]], [[-0.5]]], np.float32)
    table, dense = Table(values.copy(), kind.lower()), keras.Variable(values)
    right = getattr(keras.optimizers, kind)(0.1, epsilon=1e-7)
    if kind == "Adagrad":
        right = keras.optimizers.Adagrad(0.1, initial_accumulator_value=1e-7, epsilon=1e-7)
    for _ in range(3):
        into = np.zeros((3, 1), np.float32)
        bag_to_vectors(slopes, places, np.ones((3, 1, 2), np.float32), into)
        table.update(np.arange(3, dtype=np.int32), into, 0.1)
        # Row 0 is met by the second query alone, row 1 by all three, row 2 by the first and the last.
        right.apply([keras.ops.array([[2.0], [2.5], [0.5]])], [dense])
    assert table.values == pytest.approx(np.asarray(dense), rel=1e-5)


@both
def test_another_tables_memory_goes_to_the_rows_it_was_of(optimizer):
    rng = np.random.default_rng(1)
    rows, slopes = np.arange(3, dtype=np.int32), rng.normal(size=(3, 2)).astype(np.float32)
    older = Table(np.zeros((3, 2), np.float32), optimizer)
    older.update(rows, slopes, 0.1)
    newer = Table(np.zeros((3, 2), np.float32), optimizer)
    newer.remember(older.moments, np.array([2, -1, 0], np.int32), older.steps)
    fresh = Table(np.zeros((1, 2), np.float32), optimizer)
    for name, array in newer.moments.items():
        np.testing.assert_array_equal(array[[0, 2]], older.moments[name][[2, 0]])
        np.testing.assert_array_equal(array[[1]], fresh.moments[name])
    assert newer.steps == 1
