"""Alpha against the package `krippendorff`, and the example that Krippendorff published."""

import numpy as np
import pytest

from tastemaker.evaluation.agreement import agreement, krippendorff_alpha

NONE = np.nan
PUBLISHED = np.array(
    # Three coders, fifteen units; Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, and the
    # article on it in Wikipedia give 0.691 for nominal data.
    [
        [NONE, NONE, NONE, NONE, NONE, 3, 4, 1, 2, 1, 1, 3, 3, NONE, 3],
        [1, NONE, 2, 1, 3, 3, 4, 3, NONE, NONE, NONE, NONE, NONE, NONE, NONE],
        [NONE, NONE, 2, 1, 3, 4, 4, NONE, 2, 1, 1, 3, 3, NONE, 4],
    ]
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_alpha_is_that_of_another_library(level):
    krippendorff = pytest.importorskip("krippendorff")
    rng, compared = np.random.default_rng(1), 0
    for _ in range(100):
        ratings = rng.integers(0, 4, (rng.integers(2, 6), rng.integers(2, 20))).astype(float)
        ratings[rng.random(ratings.shape) < 0.3] = np.nan
        try:
            theirs = krippendorff.alpha(ratings, level_of_measurement=level)
        except ValueError:  # one value alone
            theirs = np.nan
        assert krippendorff_alpha(ratings, level) == pytest.approx(theirs, abs=1e-9, nan_ok=True)
        compared += not np.isnan(theirs)
    assert compared > 80


def test_the_published_example():
    assert krippendorff_alpha(PUBLISHED, "nominal") == pytest.approx(0.691, abs=0.0005)


def test_a_near_miss_counts_for_less_where_there_is_an_order():
    near = np.array([[0, 1, 2, 3, 0, 1, 2, 3], [1, 1, 2, 2, 0, 1, 3, 3.0]])
    assert krippendorff_alpha(near, "ordinal") > krippendorff_alpha(near, "nominal") + 0.2


def test_all_say_the_same_or_nobody_has_a_partner():
    rng = np.random.default_rng(1)
    same = agreement(np.ones((3, 5)), "nominal", rng)
    assert (same.alpha.mean, same.same, same.words) == (None, 1.0, "can't be told")
    alone = agreement(np.array([[1, np.nan], [np.nan, 2.0]]), "nominal", rng)
    assert (alone.alpha.mean, alone.same, alone.questions) == (None, None, 0)
    nobody = agreement(np.zeros((0, 4)), "ordinal", rng)
    assert nobody.alpha.mean is None


def test_the_interval_holds_alpha_of_raters_who_guess():
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = agreement(rng.integers(0, 3, (4, 40)).astype(float), "nominal", rng, resamples=300)
        held += found.alpha.low <= 0 <= found.alpha.high
    assert held >= 87  # 95 of 100 expected, less three deviations


@pytest.mark.parametrize(
    ("flips", "words"), [(0, "reliable"), (3, "tentative"), (10, "too low to rely on a single answer")]
)
def test_what_alpha_allows_to_conclude(flips, words):
    ratings = np.tile(np.arange(20) % 2, (2, 1)).astype(float)
    ratings[0, :flips] = 1 - ratings[0, :flips]
    assert agreement(ratings, "nominal", np.random.default_rng(1)).words == words
