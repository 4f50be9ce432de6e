"""What serving makes of the network's outputs, and of when and for what a list is wanted."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from tastemaker.errors import ObjectiveError, TastemakerError
from tastemaker.rank.calibration import Platt
from tastemaker.rank.directions import Directions
from tastemaker.rank.ranker import told
from tastemaker.rank.wishes import NO_OCCASION, Occasion
from tastemaker.recipe.formula import HEADS

pytestmark = pytest.mark.filterwarnings("error")

SECONDS = math.log(600)


def test_each_head_means_what_its_loss_taught_it():
    outputs = {
        "click": 0.0,  # a logit
        "watch_time": SECONDS,  # log of the expected seconds
        "dwell": math.log1p(90),  # log1p of the seconds
        "completion": math.log(3),  # odds of 3 to 1
        "like": -math.log(3),
    }
    heads = tuple(HEADS)
    assert set(outputs) == set(heads)
    raw = np.array([[outputs[head] for head in heads]], np.float32)
    meant = {head: float(values[0]) for head, values in told(heads, raw, {}).items()}
    expected = {"click": 0.5, "watch_time": 600, "dwell": 90, "completion": 0.75, "like": 0.25}
    assert meant == pytest.approx(expected, rel=1e-5)


def test_the_wildest_outputs_stay_numbers():
    heads = tuple(HEADS)
    raw = np.array([[1e30] * len(heads), [-1e30] * len(heads)], np.float32)
    for head, values in told(heads, raw, {}).items():
        assert np.isfinite(values).all(), head
        assert values[0] > values[1] >= 0, head
    assert told(heads, raw[:0], {})["click"].shape == (0,)


def test_a_calibrated_chance_is_the_calibrations_and_the_others_stay():
    raw = np.array([[0.0, 0.0], [2.0, 2.0]], np.float32)
    meant = told(("click", "like"), raw, {"click": Platt(0.5, -1.0)})
    logits = 0.5 * raw[:, 0] - 1.0
    assert meant["click"] == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-4)
    assert meant["like"] == pytest.approx(1 / (1 + np.exp(-raw[:, 1])), abs=1e-6)


def test_vectors_are_seen_without_their_bias_and_with_length_one():
    seen = Directions(np.array([[3, 4, 99], [0, 0, 5], [-2, 0, 0]], np.float32)).whole
    assert seen == pytest.approx(np.array([[0.6, 0.8], [0, 0], [-1, 0]]))


# --- when, on what and for what --------------------------------------------------------------

EVENING = datetime(2024, 5, 17, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "now",
    [
        EVENING,
        EVENING.replace(tzinfo=None),  # without a zone it is UTC
        EVENING.astimezone(timezone(timedelta(hours=9))),
        EVENING.timestamp(),
    ],
)
def test_a_moment_is_told_in_seconds_or_as_a_datetime(now):
    assert Occasion.of({"now": now, "device": "tv"}, None) == (EVENING.timestamp(), "tv", None)


def test_nothing_wished_for_is_no_occasion():
    assert Occasion.of({}, None) == NO_OCCASION
    assert Occasion.of({"now": None, "objective": None}, None) == NO_OCCASION


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_what_is_no_time_is_refused(now):
    with pytest.raises(TastemakerError, match=f"^now is {now}: that is no time"):
        Occasion.of({"now": now}, None)


def test_an_objective_without_a_ranker_is_refused():
    with pytest.raises(ObjectiveError, match=r"no ranker.*ranking\.use=always"):
        Occasion.of({"objective": "click"}, None)


@pytest.mark.parametrize("rotation", [None, np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))[0]])
def test_directions_of_a_few_are_those_of_all(rotation):
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(9000, 9)).astype(np.float32)
    turned = None if rotation is None else rotation.astype(np.float32)
    rows = rng.integers(0, 9000, 500).astype(np.int32)
    directions = Directions(vectors, turned)
    found = directions.take(rows)
    assert np.array_equal(found, directions.whole[rows])
    expected = vectors[rows, :-1] / np.linalg.norm(vectors[rows, :-1].astype(np.float64), axis=1)[:, None]
    assert np.abs(found - (expected if turned is None else expected @ rotation)).max() < 1e-6
    one = directions.turned(5 * vectors[7, :-1])
    assert np.abs(one - directions.whole[7]).max() < 1e-6
