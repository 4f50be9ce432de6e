from dataclasses import replace

import numpy as np
import pytest

from tastemaker.errors import TrainingError
from tastemaker.features.clicks import clicked_lists
from tastemaker.training.propensity import by_em, randomised

TRUTH = 1 / np.arange(1, 11)


def test_rates_of_random_lists_over_that_of_the_first_place():
    clicks = np.array([1, 1, 1, 0, 1, 0, 0, 0, 1], np.float32)
    positions = np.array([1, 1, 1, 1, 2, 2, 2, 2, 0], np.int32)
    assert randomised(clicks, positions, smoothing=0) == pytest.approx([1, 1 / 3])
    # Four showings more at the common rate of a half: 5 of 8 and 3 of 8.
    assert randomised(clicks, positions, smoothing=4) == pytest.approx([1, 0.6])


def test_a_place_never_shown_is_as_likely_as_the_mean():
    clicks, positions = np.array([1, 0, 1, 0], np.float32), np.array([1, 1, 3, 3], np.int32)
    assert randomised(clicks, positions, smoothing=1) == pytest.approx([1, 1, 1])


def test_random_lists_tell_how_far_people_look():
    shown = clicked_lists(6000, 1, eta=1, random_share=1)
    found = randomised(shown.lessons.labels["click"], shown.lessons.positions)
    assert found == pytest.approx(TRUTH, abs=0.04)


def test_em_tells_how_far_people_look_from_lists_in_no_random_order():
    shown = clicked_lists(4000, 1, eta=1, random_share=0)
    lessons = shown.lessons
    rates = lessons.labels["click"].reshape(-1, 10).mean(0)
    assert np.abs(rates / rates[0] - TRUTH).max() > 0.12  # what stood on top was better, too
    found = by_em(lessons)
    assert found.dtype == np.float32
    assert found[0] == 1
    assert found == pytest.approx(TRUTH, abs=0.06)


@pytest.mark.parametrize("missing", ["clicks", "positions"])
def test_without_clicks_nobody_can_say(missing):
    lessons = clicked_lists(20, 1).lessons
    if missing == "clicks":
        lessons = replace(lessons, labels={"click": np.zeros(200, np.float32)})
    else:
        lessons = replace(lessons, positions=np.zeros(200, np.int32))
    with pytest.raises(TrainingError, match="clicked"):
        by_em(lessons)
    with pytest.raises(TrainingError, match="clicked"):
        randomised(lessons.labels["click"], lessons.positions)
