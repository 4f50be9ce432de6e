import numpy as np
import pytest

from tastemaker.evaluation import intervals
from tastemaker.evaluation.intervals import bootstrap_means, difference_interval, mean_interval


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        world = (rng.random(200) < 0.15).astype(float)  # a hit rate whose truth is 0.15
        found = mean_interval(world, rng, resamples=200)
        held += found.low <= 0.15 <= found.high
    # 95 % of 400 are 380; three standard errors are 13, and the percentile interval is a little narrow.
    assert 360 <= held <= 396


def test_an_interval_is_as_wide_as_the_textbook_says():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = mean_interval(values, np.random.default_rng(2), resamples=4000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_the_draws_are_the_same_for_all_columns():
    one = np.random.default_rng(3).normal(size=(50, 1))
    means = bootstrap_means(np.hstack([one, one + 1, -one]), np.random.default_rng(4), 300)
    assert means[:, 1] == pytest.approx(means[:, 0] + 1)
    assert means[:, 2] == pytest.approx(-means[:, 0])


def test_pairing_finds_a_small_difference_between_two_noisy_models():
    rng = np.random.default_rng(5)
    hardness = rng.normal(0, 5, 500)
    ours, theirs = hardness + 0.2 + rng.normal(0, 0.5, 500), hardness + rng.normal(0, 0.5, 500)
    assert difference_interval(ours, theirs, rng).excludes_zero
    assert not difference_interval(ours, rng.permutation(theirs), rng).excludes_zero


def test_users_who_were_not_asked_are_left_out():
    values = np.array([np.nan, 1.0, np.nan, 3.0])
    found = mean_interval(values, np.random.default_rng(6))
    assert found == (2.0, 1.0, 3.0)  # two users: the ends are twice the one and twice the other


def test_nobody_asked_means_no_number():
    assert np.isnan(mean_interval(np.full(3, np.nan), np.random.default_rng(0))).all()


def test_a_little_memory_gives_intervals_as_good(monkeypatch):
    values = np.random.default_rng(8).random((30, 2))
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 50)  # one resample at a time
    means = bootstrap_means(values, np.random.default_rng(9), 500)
    assert means.shape == (500, 2)
    assert not np.isnan(means).any()
    assert means.mean(0) == pytest.approx(values.mean(0), abs=0.02)
