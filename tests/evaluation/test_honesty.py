"""Are numbers as sure as they say, where the truth is known? benchmarks/honesty.py asks more of them."""

import numpy as np
import pytest

from tastemaker.evaluation.comparison import holm, permutation_test
from tastemaker.evaluation.intervals import difference_interval, mean_interval

WORLDS = 400
GAINS = 1 / np.log2(np.arange(1, 11) + 1)


def ndcg(rng, found):
    """(U,) of one target each: at any of ten ranks with a chance of `found`, else nowhere."""
    return np.where(found, rng.choice(GAINS, len(found)), 0.0)


def marks(rng, users, *shares):
    """NDCG of a model for each of `shares`; users are easy or hard for all of them alike."""
    ease = rng.normal(size=users)
    hardness = (ease.argsort().argsort() + 0.5) / users
    return [ndcg(rng, rng.random(users) < np.clip(2 * share * hardness, 0, 1)) for share in shares]


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng: rng.normal(3, 2, 200), 3.0),
        (lambda rng: (rng.random(200) < 0.02).astype(float), 0.02),
        (lambda rng: (rng.random(50) < 0.1).astype(float), 0.1),
        (lambda rng: ndcg(rng, rng.random(200) < 0.2), 0.2 * GAINS.mean()),
    ],
    ids=["normal", "hits of 2 %", "few users", "NDCG"],
)
def test_an_interval_holds_the_true_mean_as_often_as_it_says(draw, truth):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(WORLDS):
        found = mean_interval(draw(rng), rng, 400, within=(0, 1))
        held += found.low <= truth <= found.high
    # 95 % of 400 are 380, two and a half standard errors 11; half the width holds 270.
    assert 369 <= held <= 391


def test_an_interval_holds_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(WORLDS):
        found = difference_interval(*marks(rng, 200, 0.2, 0.15), rng, 400, within=1)
        held += found.low <= 0.05 * GAINS.mean() <= found.high
    assert 369 <= held <= 391


def test_models_with_one_law_seldom_seem_different():
    rng = np.random.default_rng(3)
    alone = family = 0
    for _ in range(WORLDS):
        ours, *others = marks(rng, 100, *[0.2] * 5)
        chances = [permutation_test(ours - each, rng, 400) for each in others]
        alone += chances[0] <= 0.05
        family += min(holm(chances)) <= 0.05
    # 5 % of 400 are 20, two and a half standard errors 11. One side only would be right no oftener than
    # that too, so the lower end counts; without Holm some of four alarms about 60 times.
    assert 9 <= alone <= 31
    assert 5 <= family <= 31


def test_a_true_difference_shows_whichever_way_it_lies():
    rng = np.random.default_rng(4)
    for better, worse in ((0.4, 0.2), (0.2, 0.4)):
        shown = 0
        for _ in range(50):
            ours, theirs = marks(rng, 200, better, worse)
            shown += permutation_test(ours - theirs, rng, 200) <= 0.05
        assert shown >= 45
