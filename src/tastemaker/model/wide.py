"""Sums of numbers: a ranker's first guess, all that few lists teach. Of what is chosen, and of how long it is
watched.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tastemaker.features.lessons import Lessons

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

PRIOR = 4.0
"""Lists' worth of a squared slope. On validation of ml-latest-small, 671 lists, a tenth of it and ten times
as much order as well. Of seconds it is places' worth."""


def best_slopes(lessons: Lessons, scaled: Floats, base: int) -> Floats:
    """(F,) slopes of the contest in which each list's choice meets all others of its list.

    A conditional logit (McFadden, 1974): every choice is to be as likely among the places of its list as can
    be, less PRIOR × the squares of the slopes. The slope of `base` alone is free, so that retrieval's own
    order is where nothing else is known.

    Args:
        lessons: S lists, each with something that was clicked.
        scaled: (M, F) their numbers.
        base: the column that retrieval sorted by.
    """
    starts = np.searchsorted(lessons.lists, np.arange(lessons.list_count))
    numbers, chosen = scaled.astype(np.float64), (lessons.labels["click"] == 1).astype(np.float64)
    each = chosen / np.bincount(lessons.lists, chosen)[lessons.lists]  # a list counts once
    times = 1.0 if lessons.stands_for is None else lessons.stands_for
    prior = np.full(numbers.shape[1], PRIOR / lessons.list_count)
    prior[base] = 0

    def cost(slopes: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores = numbers @ slopes
        highest = np.maximum.reduceat(scores, starts)[lessons.lists]
        powers = times * np.exp(scores - highest)
        sums = np.add.reduceat(powers, starts)[lessons.lists]
        loss = each @ (np.log(sums) + highest - scores)
        slope = numbers.T @ (powers / sums - each)
        return loss / lessons.list_count + prior @ slopes**2, slope / lessons.list_count + 2 * prior * slopes

    start = np.zeros(numbers.shape[1])
    start[base] = 1.0
    return minimize(cost, start, jac=True, method="L-BFGS-B").x.astype(np.float32)


def dwell_slopes(log_seconds: Floats, scaled: Floats, lists: npt.NDArray[np.int32]) -> Floats:
    """(F,) slopes of the sum of numbers that tells best how long each was watched.

    A straight line with an intercept of each list's own, of normal spread (Laird & Ware, Biometrics 1982):
    the more lists differ beside what differs within them, the more only the latter counts. Less PRIOR × the
    squares of the slopes.

    Args:
        log_seconds: (M,) of what was chosen; NaN for all else.
        scaled: (M, F) their numbers.
        lists: (M,) rising, which list each belongs to.
    """
    known = np.isfinite(log_seconds)
    y, x = log_seconds[known].astype(np.float64), scaled[known].astype(np.float64)
    _, own, counts = np.unique(lists[known], return_inverse=True, return_counts=True)
    within, between = _spreads(y, own, counts)
    # Less so much of its list's mean, a place is independent of the others (Fuller & Battese, 1973).
    off = 1 - np.sqrt(within / (within + counts * between)) if between else np.zeros(len(counts))
    x = np.column_stack([x, np.ones(len(y))])
    x -= (off[:, None] * _means(x, own, counts))[own]
    y -= (off * _means(y, own, counts))[own]
    prior = np.full(x.shape[1], PRIOR * max(within, 1e-6))
    prior[-1] = 1e-6
    slopes = np.linalg.solve(x.T @ x + np.diag(prior), x.T @ y)
    return slopes[:-1].astype(np.float32)


def _spreads(y: Values, own: Counts, counts: Counts) -> tuple[float, float]:
    """Variance within lists, and between their true means; of lists of one place each all is within."""
    free = len(y) - len(counts)
    if not free or len(counts) < 2:
        return float(y.var()), 0.0
    means = _means(y, own, counts)
    within = float(((y - means[own]) ** 2).sum() / free)
    return within, max(float(means.var(ddof=1) - within * (1 / counts).mean()), 0.0)


def _means(values: Values, own: Counts, counts: Counts) -> Values:
    """(S, …) of `values` (M, …), lists one after the other."""
    starts = np.cumsum(counts) - counts
    sums: Values = np.add.reduceat(values, starts, axis=0)
    return (sums.T / counts).T


class Line(NamedTuple):
    """A logit from one number: slope × number + level."""

    slope: float
    level: float

    def __call__(self, numbers: Floats) -> Floats:
        return np.asarray(self.slope * numbers + self.level, np.float32)


def alone(lessons: Lessons, scaled: Floats) -> Line:
    """Retrieval's own score, `scaled` (M,), on the scale at which it finds most of what was chosen."""
    slope = float(best_slopes(lessons, scaled[:, None], 0)[0])
    share = float(np.clip((lessons.labels["click"] == 1).mean(), 1e-4, 1 - 1e-4))
    return Line(slope, float(np.log(share / (1 - share))))
