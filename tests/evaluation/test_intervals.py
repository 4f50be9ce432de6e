import numpy as np
import pytest
from scipy import stats

from tastemaker.evaluation import intervals
from tastemaker.evaluation.intervals import bootstrap_means, difference_interval, mean_interval


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
    assert found.mean == 2
    assert 1 <= found.low < 1.4 < 2.6 < found.high <= 3  # both have a weight between none and all


def test_nobody_asked_means_no_number():
    assert np.isnan(mean_interval(np.full(3, np.nan), np.random.default_rng(0))).all()


def test_a_little_memory_gives_intervals_as_good(monkeypatch):
    values = np.random.default_rng(8).random((30, 2))
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 50)  # one resample at a time
    means = bootstrap_means(values, np.random.default_rng(9), 500)
    assert means.shape == (500, 2)
    assert not np.isnan(means).any()
    assert means.mean(0) == pytest.approx(values.mean(0), abs=0.02)


def test_hits_have_the_interval_of_jeffreys():
    hits = np.repeat([1.0, 0.0], [3, 57])
    found = mean_interval(hits, np.random.default_rng(10), resamples=40_000)
    assert found[1:] == pytest.approx(stats.beta(3.5, 57.5).interval(0.95), abs=0.001)


def test_the_same_of_users_one_by_one_and_of_users_put_together():
    rng = np.random.default_rng(11)
    hits = np.repeat([1.0, 0.0], [3, 57])
    apart = bootstrap_means(np.stack([hits, 1 - hits], axis=1), rng, 40_000)
    together = bootstrap_means(hits[:, None], rng, 40_000)
    for level in (0.025, 0.5, 0.975):
        assert np.quantile(apart[:, 0], level) == pytest.approx(np.quantile(together, level), abs=0.001)


def test_where_nobody_found_anything_somebody_still_may():
    nothing = np.zeros(50)
    found = mean_interval(nothing, np.random.default_rng(12), 20_000, within=(0, 1))
    assert (found.mean, found.low) == (0, 0)
    assert found.high == pytest.approx(stats.beta(0.5, 50.5).ppf(0.975), abs=0.002)
    alike = difference_interval(nothing, nothing, np.random.default_rng(13), 4000, within=1)
    assert alike.low < 0 < alike.high
    assert mean_interval(nothing, np.random.default_rng(14)) == (0, 0, 0)  # nothing is known of the most
    everything = mean_interval(nothing + 1, np.random.default_rng(15), within=(0, 1))
    assert 0.9 < everything.low < everything.high == 1


def test_neither_model_is_favoured_by_the_imagined_user():
    ours, theirs = np.repeat([0.8, 0.0], [3, 27]), np.zeros(30)
    one = difference_interval(ours, theirs, np.random.default_rng(16), 4000)
    other = difference_interval(theirs, ours, np.random.default_rng(17), 4000)
    assert one[1:] == pytest.approx((-other.high, -other.low), abs=0.01)


def test_the_interval_of_many_is_that_of_another_library():
    values = np.random.default_rng(18).beta(0.5, 2, 400)
    found = mean_interval(values, np.random.default_rng(19), 8000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=1)
    assert found[1:] == pytest.approx(tuple(theirs.confidence_interval), abs=0.003)
