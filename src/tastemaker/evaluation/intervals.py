"""How sure a mean over users is: bootstrap intervals.

Every user is weighed by chance, all metrics of all models with the same weights, so that differences are
paired: what makes a user hard for both models cancels out. The weights are those of the Bayesian bootstrap
(Rubin, Annals of Statistics 1981), which keeps everybody in every draw, and the interval is the middle of
the means (Efron and Tibshirani, 1993, ch. 13; Smucker et al., CIKM 2007, on its use for ranked lists).

Where few users have anything, those asked say too little of what they never had: of 50 users none may have
found what one in fifty finds, and every draw of them is 0. So one more user is imagined, half of it with
the least and half with the most that anybody has. For hits that is Jeffreys's interval for a share (Brown,
Cai and DasGupta, Statistical Science 2001). `docs/decisions/0015-intervals.md` has what was measured.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

DRAWS_AT_ONCE = 2**22
"""Users × resamples held in memory: 32 MB of weights."""

IMAGINED = 0.5
"""What the least and the most weigh each, in users: Jeffreys's prior."""


class Interval(NamedTuple):
    """A mean and the range that holds the true one in `level` of all repeats."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap_means(
    values: Values, rng: np.random.Generator, resamples: int = 1000, ends: Values | None = None
) -> Values:
    """Means of the same users weighed by chance, again and again.

    Args:
        values: (U, M) M numbers of each user, no NaN.
        rng: where the draws come from.
        resamples: R; the ends of a 95 % interval are steady from about a thousand on.
        ends: (2, M) what the imagined user has, see above; None for nobody imagined.

    Returns: (R, M); column m of row r is the mean of `values[:, m]` under the r-th weights.
    """
    users, columns = values.shape
    means = np.full((resamples, columns), np.nan)
    if not users:
        return means
    counts = None
    if columns == 1:  # users with the same number are one with more weight, and there may be few numbers
        different, copies = np.unique(values, return_counts=True)
        if len(different) < users / 4:
            values, counts = different[:, None], copies.astype(np.float64)
    step = max(1, DRAWS_AT_ONCE // len(values))
    for start in range(0, resamples, step):
        size = (min(step, resamples - start), len(values))
        weights = rng.standard_exponential(size) if counts is None else rng.standard_gamma(counts, size)
        sums, total = weights @ values, weights.sum(1, keepdims=True)
        if ends is not None:
            imagined = rng.standard_gamma(IMAGINED, (len(weights), 2))
            sums, total = sums + imagined @ ends, total + imagined.sum(1, keepdims=True)
        means[start : start + step] = sums / total
    return means


def ends_of(values: Values, within: tuple[float, float] | None = None) -> Values:
    """(2, M) the least and the most that anybody has of each column of `values` (U, M).

    Args:
        within: the least and the most that anybody could have; taken where all have the same, since then
            nothing else says how far others may be from it.
    """
    if not len(values):
        return np.zeros((2, values.shape[1]))
    low, high = values.min(0), values.max(0)
    if within is not None:
        is_one = low == high
        low, high = np.where(is_one, within[0], low), np.where(is_one, within[1], high)
    return np.stack([low, high])


def ends_of_differences(values: Values, within: float | None = None) -> Values:
    """(2, M) the same of differences, as far below 0 as above it: neither model is favoured."""
    most = np.abs(values).max(0, initial=0.0)
    if within is not None:
        most = np.where(most == 0, within, most)
    return np.stack([-most, most])


def interval(mean: float, means: Values, level: float = 0.95) -> Interval:
    """The middle `level` of resampled `means` (R,), around the `mean` as measured."""
    outside = (1 - level) / 2
    low, high = np.quantile(means, [outside, 1 - outside]) if len(means) else (np.nan, np.nan)
    # Where all users have the most there is, the imagined one pulls every draw below it.
    return Interval(float(mean), min(float(low), float(mean)), max(float(high), float(mean)))


def mean_interval(
    values: Values,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    within: tuple[float, float] | None = None,
) -> Interval:
    """The mean of `values` (U,) and its interval; NaN, a user who wasn't asked, is left out.

    `within`: the least and the most that anybody could have, e.g. (0, 1) of a hit rate; see `ends_of`.
    """
    known = values[~np.isnan(values)][:, None]
    return _interval(known, ends_of(known, within), rng, resamples, level)


def difference_interval(
    ours: Values,
    theirs: Values,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    within: float | None = None,
) -> Interval:
    """How much more `ours` (U,) is than `theirs` (U,), of the same users in the same order.

    `within`: the most by which one could be better than the other, e.g. 1 of a hit rate.
    """
    differences = ours - theirs
    known = differences[~np.isnan(differences)][:, None]
    return _interval(known, ends_of_differences(known, within), rng, resamples, level)


def _interval(
    known: Values, ends: Values, rng: np.random.Generator, resamples: int, level: float
) -> Interval:
    mean = float(known.mean()) if len(known) else float("nan")
    return interval(mean, bootstrap_means(known, rng, resamples, ends)[:, 0], level)
