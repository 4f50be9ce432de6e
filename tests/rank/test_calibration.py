import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from tastemaker.errors import BundleError, TrainingError
from tastemaker.rank.calibration import Isotonic, Platt, calibration_from_json

KINDS = [Isotonic, Platt]


def planted(seed=0, places=4000, ties=False):
    """Scores, labels and weights of a head that says p² where the chance is p."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(size=places)
    if ties:
        chance = np.round(chance * 20) / 20
    return chance**2, (rng.uniform(size=places) < chance).astype("float32"), rng.uniform(0.5, 3, places)


def test_blocks_by_hand():
    # 1 and 0 the wrong way round at 2 and 3 are pooled, and so is 2, twice there: (1 + 1 + 0) / 3.
    head = Isotonic.fit([1, 2, 2, 3, 4, 4], [0, 1, 1, 0, 1, 1])
    assert head.scores == pytest.approx([1, 7 / 3, 4])
    assert head.chances == pytest.approx([0, 2 / 3, 1])
    # Halfway between two middles lies half of both; beyond the ends it is all but flat.
    assert head([(1 + 7 / 3) / 2, (7 / 3 + 4) / 2]) == pytest.approx([1 / 3, 5 / 6], abs=1e-6)
    assert head([-1e9, 1, 4, 1e9]) == pytest.approx([0, 0, 1, 1], abs=1.1e-6)


def test_weights_count_as_copies_would():
    for kind in KINDS:
        once = kind.fit([1, 2, 3, 3, 5], [0, 1, 0, 1, 1], [1, 2, 3, 1, 2])
        copies = kind.fit([1, 2, 2, 3, 3, 3, 3, 5, 5], [0, 1, 1, 0, 0, 0, 1, 1, 1])
        at = np.linspace(0, 6, 50)
        assert once(at) == pytest.approx(copies(at), abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_steps_are_those_of_scikit_learn(ties):
    scores, labels, weights = planted(ties=ties)
    theirs = IsotonicRegression(y_min=0, y_max=1).fit(scores, labels, weights).predict(scores)
    head = Isotonic.fit(scores, labels, weights)
    levels = np.unique(theirs)
    assert len(levels) > 15
    np.testing.assert_allclose(head.chances, levels, atol=1e-9)
    middles = [np.average(scores[theirs == level], weights=weights[theirs == level]) for level in levels]
    np.testing.assert_allclose(head.scores, middles, atol=1e-9)
    # Between the middles both draw the same lines.
    lines = IsotonicRegression(out_of_bounds="clip").fit(middles, levels)
    at = np.linspace(-0.5, 1.5, 1001)
    inside = (at >= middles[0]) & (at <= middles[-1])
    np.testing.assert_allclose(head(at)[inside], lines.predict(at)[inside], atol=1.01e-6)
    np.testing.assert_allclose(head(at), lines.predict(at), atol=1.01e-3)


def squeezed(chances):
    return 1e-6 + (1 - 2e-6) * chances


@pytest.mark.filterwarnings("ignore:.*sample_weight")
@pytest.mark.parametrize("weighed", [False, True])
def test_platts_curve_is_that_of_scikit_learn(weighed):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3000, 3))
    labels = (rng.uniform(size=3000) < 1 / (1 + np.exp(-features @ [1, -2, 0.5] * 0.7))).astype(int)
    weights = rng.uniform(0.5, 3, 2000) if weighed else None
    model = LogisticRegression().fit(features[:1000], labels[:1000])
    logits = model.decision_function(features)
    # A frozen model is the same in both folds; each fold has a curve of its own, on a half held out.
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", ensemble=True, cv=2)
    theirs.fit(features[1000:], labels[1000:], sample_weight=weights)
    folds = StratifiedKFold(2).split(features[1000:], labels[1000:])
    ours = []
    for (_, held), half in zip(folds, theirs.calibrated_classifiers_, strict=True):
        head = Platt.fit(logits[1000:][held], labels[1000:][held], weights[held] if weighed else None)
        np.testing.assert_allclose(head(logits), squeezed(half.predict_proba(features)[:, 1]), atol=1e-6)
        ours.append(head(logits))
    both = theirs.predict_proba(features)[:, 1]
    np.testing.assert_allclose(np.mean(ours, 0), squeezed(both), atol=1e-6)


def test_scores_that_part_yes_and_no_give_no_infinite_slope():
    # Softened, 3 yeses are 4/5 and 2 noes 1/4: with two different scores the curve goes through both.
    head = Platt.fit([0, 0, 1, 1, 1], [0, 0, 1, 1, 1])
    assert head([0, 1]) == pytest.approx([1 / 4, 4 / 5], abs=2e-6)


def error_of(chances, labels, bins=10):
    """ECE over bins of equal mass, by a slow loop."""
    order = np.argsort(chances, kind="stable")
    parts = np.array_split(order, bins)
    return sum(len(part) / len(order) * abs(chances[part].mean() - labels[part].mean()) for part in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_that_says_the_square_is_mended(kind):
    scores, labels, _ = planted(3)
    later, outcomes, _ = planted(4)
    assert error_of(later, outcomes) > 0.15  # the mean of p - p² is 1/6
    if kind is Platt:
        scores, mended = np.log(scores / (1 - scores)), np.log(later / (1 - later))
    else:
        mended = later
    chances = kind.fit(scores, labels)(mended)
    assert error_of(chances, outcomes) < 0.03
    truth = np.sqrt(later)
    assert np.abs(chances - truth).mean() < 0.03


@given(
    some.lists(some.tuples(some.integers(-5, 5), some.booleans()), min_size=1, max_size=30),
    some.lists(some.integers(-12, 12), min_size=2, max_size=30, unique=True),
    some.sampled_from(KINDS),
)
@settings(deadline=None)
def test_no_two_are_turned_round_or_made_alike(seen, asked, kind):
    scores, labels = zip(*seen, strict=True)
    head = kind.fit(scores, labels)
    chances = head(sorted(asked))
    assert (np.diff(chances) > 0).all()
    assert chances.min() >= 1e-6
    assert chances.max() <= 1 - 1e-6
    again = calibration_from_json(json.loads(json.dumps(head.as_json(), allow_nan=False)))
    assert (again(sorted(asked)) == chances).all()


def test_neighbours_a_hair_apart_stay_in_order():
    # 0.1 times a weight, over that weight, is often not 0.1 again, and may be its neighbour.
    scores = [0.1, math.nextafter(0.1, 1), math.nextafter(0.1 + 2**-56, 1)]
    weights = np.random.default_rng(0).uniform(1, 3, (200, 3))
    assert (weights[:, 0] * scores[0] / weights[:, 0] != scores[0]).any()
    for three in weights:
        head = Isotonic.fit(scores, [0, 0.5, 1], three)
        assert head.scores.tolist() == scores
        assert calibration_from_json(head.as_json()).as_json() == head.as_json()


def test_the_best_few_all_clicked_are_no_certainty_and_the_worst_few_no_impossibility():
    # 300 places of chance a half, but for the first three and the last three as luck had it.
    labels = np.tile([0.0, 1.0], 150)
    labels[:3], labels[-3:] = 0, 1
    head = Isotonic.fit(np.arange(300), labels)
    # An end holds thirty at least, a tenth of them; here it joins its neighbour, the other 294.
    assert head(299) == pytest.approx(0.5, abs=0.001)
    assert head(0) == pytest.approx(0.5, abs=0.001)
    # In the middle, and of two kinds far apart, nothing is joined.
    steps = Isotonic.fit(np.repeat([1.0, 2.0], 200), np.repeat([0.0, 1.0], 200))
    assert steps.chances.tolist() == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_that_is_upside_down_keeps_its_order_and_says_the_mean(kind):
    head = kind.fit(np.arange(100), np.arange(100) < 30)
    chances = head(np.arange(100))
    assert (np.diff(chances) > 0).all()
    assert chances == pytest.approx(0.3, abs=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_knows_is_left_out(kind):
    some_known = kind.fit([1, 2, 3, np.nan, 9], [0, 1, np.nan, 1, 1], [1, 1, 1, 1, 0])
    assert some_known.as_json() == kind.fit([1, 2], [0, 1]).as_json()
    assert np.isnan(some_known([np.nan])).all()
    assert some_known([]).shape == (0,)
    with pytest.raises(TrainingError, match="Of 2 places of validation it is known of none"):
        kind.fit([1, 2], [np.nan, np.nan])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (None, "its kind is None; there are 'isotonic' and 'platt'"),
        ({"kind": "spline"}, "its kind is 'spline'"),
        ({"kind": "platt", "slope": 1.0}, "platt has kind, offset, slope, and nothing else"),
        ({"kind": "platt", "slope": 1.0, "offset": 0.0, "x": 1}, "and nothing else"),
        ({"kind": "platt", "slope": -1.0, "offset": 0.0}, "its slope is -1.0, and should be above 0"),
        ({"kind": "platt", "slope": "1", "offset": 0.0}, "slope and offset should be numbers"),
        ({"kind": "platt", "slope": True, "offset": 0.0}, "slope and offset should be numbers"),
        ({"kind": "platt", "slope": 1.0, "offset": float("inf")}, "slope and offset should be finite"),
        ({"kind": "platt", "slope": 10**400, "offset": 0}, "slope and offset should be finite"),
        ({"kind": "isotonic", "scores": [], "chances": []}, "it has 0 scores and 0 chances"),
        ({"kind": "isotonic", "scores": [1.0], "chances": [0.1, 0.2]}, "it has 1 scores and 2 chances"),
        ({"kind": "isotonic", "scores": [1.0, 1.0], "chances": [0.1, 0.2]}, "its corners don't rise"),
        ({"kind": "isotonic", "scores": [1.0, 2.0], "chances": [0.3, 0.2]}, "its corners don't rise"),
        ({"kind": "isotonic", "scores": [1.0, 2.0], "chances": [0.3, 1.2]}, "aren't between 0 and 1"),
        ({"kind": "isotonic", "scores": "12", "chances": [0.3, 0.4]}, "scores should be numbers"),
        ({"kind": "isotonic", "scores": [0.0, float("nan")], "chances": [0.3, 0.4]}, "should be finite"),
    ],
)
def test_nonsense_is_refused_in_one_line(values, told):
    with pytest.raises(BundleError) as error:
        calibration_from_json(values)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_clicks_that_count_more_than_once_leave_corners_that_can_be_read_again():
    # Looked at with a chance of ½, a click counts 2: the last two scores are both as sure as can be.
    labels, looks = np.array([0, 1, 1, 1]) / [1, 1, 0.5, 0.25], np.array([1, 1, 0.5, 0.25])
    fitted = Isotonic.fit([0.0, 1.0, 2.0, 3.0], labels, looks)
    again = Isotonic.from_json(fitted.as_json())
    assert again([0.0, 1.0, 2.0, 3.0]) == pytest.approx(fitted([0.0, 1.0, 2.0, 3.0]))
    assert (np.diff(fitted.chances) > 0).all()
