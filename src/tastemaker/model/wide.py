"""The sum of numbers that finds best what was chosen: a ranker's first guess, all that few lists teach."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tastemaker.features.lessons import Lessons

Floats = npt.NDArray[np.float32]

PRIOR = 4.0
"""Lists' worth of a squared slope. On validation of ml-latest-small, 671 lists, a tenth of it and ten times
as much order as well."""


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
