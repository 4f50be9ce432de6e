"""How sure a mean over users is: bootstrap intervals, and whether two models differ.

Users are drawn again with replacement, all metrics of all models with the same draws, so that
differences are paired: what makes a user hard for both models cancels out (Efron and Tibshirani,
1993, ch. 13, the percentile interval; Smucker et al., CIKM 2007, on its use for ranked lists).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

DRAWS_AT_ONCE = 2**22
"""Users × resamples held in memory: 32 MB of weights."""


class Interval(NamedTuple):
    """A mean and the range that holds the true one in `level` of all repeats."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap_means(values: Values, rng: np.random.Generator, resamples: int = 1000) -> Values:
    """Means of the same users drawn again and again.

    Args:
        values: (U, M) M numbers of each user, no NaN.
        rng: where the draws come from.
        resamples: R; the ends of a 95 % interval are steady from about a thousand on.

    Returns: (R, M); column m of row r is the mean of `values[:, m]` over the r-th draw of U users.
    """
    users, columns = values.shape
    means = np.full((resamples, columns), np.nan)
    step = max(1, DRAWS_AT_ONCE // max(1, users))
    for start in range(0, resamples if users else 0, step):
        count = min(step, resamples - start)
        drawn = rng.integers(0, users, size=(count, users)) + np.arange(count)[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=count * users).reshape(count, users)
        means[start : start + count] = times @ values / users
    return means


def interval(mean: float, means: Values, level: float = 0.95) -> Interval:
    """The middle `level` of resampled `means` (R,), around the `mean` as measured."""
    outside = (1 - level) / 2
    low, high = np.quantile(means, [outside, 1 - outside]) if len(means) else (np.nan, np.nan)
    return Interval(float(mean), float(low), float(high))


def mean_interval(
    values: Values, rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> Interval:
    """The mean of `values` (U,) and its interval; NaN, a user who wasn't asked, is left out."""
    known = values[~np.isnan(values)][:, None]
    mean = float(known.mean()) if len(known) else float("nan")
    return interval(mean, bootstrap_means(known, rng, resamples)[:, 0], level)


def difference_interval(
    ours: Values, theirs: Values, rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> Interval:
    """How much more `ours` (U,) is than `theirs` (U,), of the same users in the same order."""
    return mean_interval(ours - theirs, rng, resamples, level)
