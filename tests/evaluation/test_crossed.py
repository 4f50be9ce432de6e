"""Intervals of answers by raters to questions: by hand, and in worlds whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from tastemaker.evaluation.crossed import crossed_interval

UNIT = (0.0, 1.0)


def test_by_hand():
    # Means of questions 1, ½, ¼ (deviations 5/12, −1/12, −4/12 of 7/12), of raters 4/6 and 3/6 (± 1/12).
    answers = np.array([[1, 1], [0.5, 0.5], [0.5, 0.0]])
    found = crossed_interval(answers, (-9.0, 9.0))
    assert found.mean == pytest.approx(3.5 / 6)
    questions = 2 * sum((n / 12) ** 2 for n in (5, 1, 4)) / 2  # MS = R Σ d² / (Q − 1)
    raters = 3 * 2 * (1 / 12) ** 2
    whole = sum((x - 3.5 / 6) ** 2 for x in answers.ravel())
    noise = (whole - 2 * questions - raters) / 2
    assert found.of_questions == pytest.approx(questions / 6)
    assert found.of_raters == pytest.approx(max(0, raters - noise) / 6, abs=1e-12)
    far = math.sqrt(found.of_questions * 4.302653**2 + found.of_raters * 12.7062**2)  # t of 2 and 1, 97.5 %
    assert found.high - found.mean == pytest.approx(far, rel=1e-5)


def test_one_rater_is_a_t_interval_over_questions():
    answers = np.random.default_rng(1).random(12)
    found = crossed_interval(answers[:, None], (-9.0, 9.0))
    low, high = stats.t.interval(0.95, 11, answers.mean(), stats.sem(answers))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_who_answered_nothing_and_what_nobody_answered_count_for_nothing():
    answers = np.random.default_rng(1).random((6, 3))
    more = np.full((8, 4), np.nan)
    more[1:7, 1:] = answers
    assert crossed_interval(more, UNIT) == crossed_interval(answers, UNIT)
    nothing = crossed_interval(np.full((3, 2), np.nan), UNIT)
    assert math.isnan(nothing.mean)
    assert nothing.answers == 0


def test_all_for_one_is_not_certainty():
    found = crossed_interval(np.ones((10, 3)), UNIT)
    assert (found.mean, found.high) == (1, 1)
    assert found.low == pytest.approx(stats.binomtest(10, 10).proportion_ci(0.95, "exact").low)
    assert crossed_interval(np.zeros((10, 3)), UNIT).high == pytest.approx(1 - found.low)
    assert crossed_interval(np.array([[0.5, 1.0]]), UNIT)[1:3] == UNIT


def test_raters_who_differ_make_it_wide_and_questions_do_not_help():
    rng = np.random.default_rng(1)
    for_a, against = (np.clip(rng.normal(mean, 0.1, (200, 2)), 0, 1) for mean in (0.9, 0.3))
    apart = crossed_interval(np.hstack([for_a, against]), UNIT)
    together = crossed_interval(np.hstack([for_a, for_a[::-1]]), UNIT)
    assert apart.high - apart.low > 0.9
    assert together.high - together.low < 0.05


@pytest.mark.parametrize(("raters", "by_rater"), [(3, 0.3), (5, 0.3), (8, 0.7)])
def test_the_interval_holds_the_truth_in_95_of_100_worlds(raters, by_rater):
    worlds, held = 300, 0
    rng = np.random.default_rng(raters)
    for _ in range(worlds):
        felt = 0.7 * rng.normal(size=(30, 1)) + by_rater * rng.normal(size=(1, raters))
        felt = felt + rng.normal(size=(30, raters))
        points = np.where(felt > 0.6, 1.0, np.where(felt < -0.6, 0.0, 0.5))  # nobody is better: ½
        points[rng.random(points.shape) < 0.05] = np.nan
        found = crossed_interval(points, UNIT)
        held += found.low <= 0.5 <= found.high
    assert 0.915 <= held / worlds <= 0.985  # of 95 %, less and more three deviations
