import json

import numpy as np
import pytest

from tastemaker.features.scaling import Scaling

NAN = np.nan


def test_columns_are_brought_to_one_size():
    # Known values 1, 3, 5: mean 3, deviation √(8/3).
    numbers = np.array([[1, 7], [NAN, 7], [3, 7], [5, NAN]], np.float32)
    scaled = Scaling.fit(numbers)(numbers)
    away = 2 / np.sqrt(8 / 3)
    assert scaled[:, 0] == pytest.approx([-away, 0, 0, away])
    assert (scaled[:, 1] == 0).all()  # a constant says nothing, whatever it will be later


@pytest.mark.parametrize("value", [0.1, 1e7, -3e-5])
def test_rounding_makes_no_column_of_a_constant(value):
    numbers = np.full((1000, 1), value, np.float32)
    scaling = Scaling.fit(numbers)
    assert (scaling(numbers * 2) == 0).all()


def test_the_wild_and_the_unknown_are_harmless():
    scaling = Scaling.fit(np.array([[0], [2]], np.float32))
    given = np.array([[100], [-np.inf], [np.inf], [NAN], [2]], np.float32)
    assert scaling(given)[:, 0] == pytest.approx([5, -5, 5, 0, 1])
    nowhere = Scaling.fit(np.full((3, 1), NAN, np.float32))
    assert nowhere(np.array([[4]], np.float32)) == pytest.approx(0)


def test_a_row_alone_and_after_saving_has_the_same_bits():
    rng = np.random.default_rng(1)
    numbers = (rng.normal(size=(50, 3)) * [1, 1e4, 1e-4]).astype(np.float32)
    scaling = Scaling.fit(numbers)
    together = scaling(numbers)
    assert together.dtype == np.float32
    opened = Scaling.from_json(json.loads(json.dumps(scaling.as_json())))
    alone = np.concatenate([opened(numbers[row : row + 1]) for row in range(50)])
    assert (alone == together).all()
