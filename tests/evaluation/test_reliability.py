import json
import math
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from tastemaker.evaluation.calibration import Reliability, reliability


def planted(bend=1.0, places=3000, seed=0, rounded=None):
    rng = np.random.default_rng(seed)
    chance = rng.uniform(size=places)
    if rounded:
        chance = np.round(chance * rounded) / rounded
    return chance**bend, (rng.uniform(size=places) < chance).astype("float32")


def test_two_bins_by_hand():
    found = reliability([0.1, 0.3, 0.6, 0.8], [0, 1, 1, 1], bins=2)
    assert [bin_.n for bin_ in found.bins] == [2, 2]
    assert [(bin_.lowest, bin_.highest) for bin_ in found.bins] == [(0.1, 0.3), (0.6, 0.8)]
    assert [bin_.foretold for bin_ in found.bins] == pytest.approx([0.2, 0.7])
    assert [bin_.rate for bin_ in found.bins] == [0.5, 1.0]
    assert found.ece == pytest.approx((0.3 + 0.3) / 2)
    assert found.brier == pytest.approx((0.01 + 0.49 + 0.16 + 0.04) / 4)
    assert found.log_loss == pytest.approx(-math.log(0.9 * 0.3 * 0.6 * 0.8) / 4)


@pytest.mark.parametrize("bend", [1.0, 2.0])
def test_bins_are_scikit_learns_quantiles(bend):
    chances, labels = planted(bend)
    found = reliability(chances, labels, bins=15)
    rates, foretold = calibration_curve(labels, chances, n_bins=15, strategy="quantile")
    assert [bin_.n for bin_ in found.bins] == [200] * 15
    np.testing.assert_allclose([bin_.rate for bin_ in found.bins], rates, atol=1e-7)
    np.testing.assert_allclose([bin_.foretold for bin_ in found.bins], foretold, atol=1e-12)
    assert found.ece == pytest.approx(np.abs(rates - foretold).mean(), abs=1e-7)
    assert found.brier == pytest.approx(brier_score_loss(labels, chances), abs=1e-9)
    assert found.log_loss == pytest.approx(log_loss(labels, chances.astype("float64")), abs=1e-7)


def test_intervals_are_wilsons():
    for bin_ in reliability(*planted(places=330), bins=11).bins:
        theirs = binomtest(round(bin_.rate * bin_.n), bin_.n).proportion_ci(0.95, method="wilson")
        assert (bin_.low, bin_.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    (nothing,) = reliability(np.full(20, 0.01), np.zeros(20)).bins
    assert nothing.low == 0
    assert nothing.high == pytest.approx(binomtest(0, 20).proportion_ci(method="wilson").high)


def test_what_is_right_is_hardly_off_and_a_square_is_almost_everywhere():
    right, square = (reliability(*planted(bend, places=30_000)) for bend in (1.0, 2.0))
    assert sum(bin_.is_off for bin_ in right.bins) <= 3
    assert sum(bin_.is_off for bin_ in square.bins) >= 13
    assert right.ece < 0.015 < 0.15 < square.ece  # the mean of p - p² is 1/6


def test_equal_chances_are_not_parted():
    chances, labels = planted(rounded=4)
    found = reliability(chances, labels, bins=15)
    assert (
        [bin_.lowest for bin_ in found.bins]
        == [bin_.highest for bin_ in found.bins]
        == [0, 0.25, 0.5, 0.75, 1]
    )
    assert sum(bin_.n for bin_ in found.bins) == 3000
    # A slow loop over the five chances there are.
    slow = sum(
        (chances == one).mean() * abs(one - labels[chances == one].mean()) for one in np.unique(chances)
    )
    assert found.ece == pytest.approx(slow)
    shuffled = np.random.default_rng(1).permutation(3000)
    assert reliability(chances[shuffled], labels[shuffled]).bins == found.bins


def test_what_nobody_knows_is_left_out_and_counted():
    found = reliability([0.2, np.nan, 0.4, 0.9], [0, 1, np.nan, 1])
    assert (found.n, found.left_out, len(found.bins)) == (2, 2, 2)
    nothing = reliability([0.5], [np.nan])
    assert (nothing.n, nothing.bins, nothing.ece, nothing.brier, nothing.log_loss) == (
        0,
        (),
        None,
        None,
        None,
    )
    assert nothing.sentence() == "Of 1 places no outcome is known."
    ElementTree.fromstring(nothing.picture("click").svg)
    assert math.isfinite(reliability([0.0, 1.0], [1, 0]).log_loss)


def test_it_survives_json_and_says_the_same_in_words():
    found = reliability(*planted(2.0), bins=4)
    assert Reliability.from_json(json.loads(json.dumps(found.as_json(), allow_nan=False))) == found
    assert "of 4 bins are off at 95 %." in found.sentence()
    table = found.markdown()
    assert "| chances | foretold | happened | 95 % | n |" in table
    assert table.count("750 |") == 4
    assert found.sentence() in table
    console = Console(width=100, file=StringIO(), force_terminal=False)
    console.print(found)
    assert found.sentence().split(":")[0] in console.file.getvalue()
    assert console.file.getvalue().count("750") == 4


def test_marks_stand_where_they_should_and_are_told_in_words():
    found = reliability(*planted(2.0), bins=5)
    picture = found.picture("click <b> & $co$")
    assert "click &lt;b&gt; &amp; $co$" in picture.svg
    ElementTree.fromstring(picture.svg)
    assert found.sentence() in picture.alt
    (panel,) = found.figure("click").axes
    marks = [line for line in panel.lines if line.get_marker() == "o"]
    for mark, bin_ in zip(marks, found.bins, strict=True):
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (bin_.foretold, bin_.rate)
        assert mark.get_color() == ("#d55e00" if bin_.is_off else "#0072b2")
    # Rare things fill the square too: the axes end at the next round number.
    (rare,) = reliability(planted()[0] / 1000, np.zeros(3000), bins=5).figure("rare").axes
    assert rare.get_xlim() == rare.get_ylim() == (0, 0.01)
