"""Whether one model is better than another, or only luckier: tests over users, and what they could have seen.

In come marks of the same users by several models; out come p-values, corrected for how many were asked for,
and the smallest difference that would have shown.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tastemaker.evaluation.intervals import DRAWS_AT_ONCE, difference_interval
from tastemaker.evaluation.report import Contest, Mark, Verdict

Values = npt.NDArray[np.float64]
Marks = Mapping[str, Mapping[str, Values]]

LEVEL = 0.05
"""Of false alarms that are put up with, over all that is tested at once."""
POWER = 0.8
"""Chance with which a difference of the smallest detectable size shows."""
SHUFFLES = 10_000
ALL_SIGNS = 13
"""Users who differ, up to whom every way of swapping their two marks is gone through."""


def permutation_test(differences: Values, rng: np.random.Generator, shuffles: int = SHUFFLES) -> float:
    """Chance of a mean difference as large, either way, if each user's two marks could be swapped.

    The paired randomisation test (Fisher, 1935; Smucker et al., CIKM 2007). Users with the same mark from
    both models say nothing, whichever way they are swapped. Exact for few users who differ; else as many
    swaps as asked for are drawn, and the one that was measured counts as one of them
    (Phipson and Smyth, 2010), so that it is never 0.

    Args:
        differences: (U,) of the same users; NaN, a user who wasn't asked, is left out.
    """
    sizes = np.abs(differences[~np.isnan(differences) & (differences != 0)])
    measured = abs(float(differences[~np.isnan(differences)].sum()))
    least = measured - 1e-9 * float(sizes.sum())  # sums in another order differ in their last digits
    if not len(sizes):
        return 1.0
    if len(sizes) <= ALL_SIGNS:
        ways = np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes)) & 1
        return float((np.abs((2 * ways - 1) @ sizes) >= least).mean())
    different, copies = np.unique(sizes, return_counts=True)
    one, more = different[copies == 1], different[copies > 1]
    count, step = 0, max(1, DRAWS_AT_ONCE // len(different))
    for start in range(0, shuffles, step):
        drawn = min(step, shuffles - start)
        # Of n users who differ by as much, a chance of a half each, so many are swapped.
        many = 2 * rng.binomial(copies[copies > 1], 0.5, (drawn, len(more))) - copies[copies > 1]
        single = np.unpackbits(rng.integers(0, 256, (drawn, -(-len(one) // 8)), np.uint8), axis=1)
        sums = many @ more + (2.0 * single[:, : len(one)] - 1) @ one
        count += int((np.abs(sums) >= least).sum())
    return (1 + count) / (1 + shuffles)


def holm(chances: Sequence[float]) -> list[float]:
    """The same p-values, corrected for being several: 5 % of such families raise any false alarm, or fewer.

    The smallest is multiplied by how many there are, the next by one less, and none falls below the one
    before it (Holm, Scandinavian Journal of Statistics 1979).
    """
    corrected = [1.0] * len(chances)
    floor = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda at: chances[at])):
        floor = max(floor, min(1.0, chances[place] * (len(chances) - rank)))
        corrected[place] = floor
    return corrected


def detectable(differences: Values, level: float = LEVEL, power: float = POWER) -> float | None:
    """The smallest true difference that users like these would show, at `level` and with a chance of `power`.

    (t at 1 − level / 2 + t at power) × deviation / √users, with users − 1 degrees of freedom
    (Bloom, Evaluation Review 1995). None where it can't be said: fewer than two users, or all alike.
    """
    from scipy.special import stdtrit  # 20 MB that serving doesn't need

    known = differences[~np.isnan(differences)]
    deviation = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if deviation <= 1e-12:
        return None
    freedom = len(known) - 1
    steps = float(stdtrit(freedom, 1 - level / 2) + stdtrit(freedom, power))
    return steps * deviation / math.sqrt(len(known))


def contests(
    groups: Sequence[Marks],
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    rng: np.random.Generator,
    resamples: int = 1000,
) -> list[tuple[Contest, ...]]:
    """Every pair by every metric in every group of users, p-values corrected over all of them.

    Args:
        groups: marks by model and metric, each (U,) from 0 to 1 of the same users.
        pairs: ours and theirs, by name.

    Returns: for each group, its contests: by metric, then by pair.
    """
    sides = [
        (ours, theirs, metric, marks[ours][metric], marks[theirs][metric])
        for marks in groups
        for metric in metrics
        for ours, theirs in pairs
    ]
    chances = [permutation_test(one - other, rng) if len(one) else None for *_, one, other in sides]
    corrected = holm([1.0 if chance is None else chance for chance in chances])
    held = []
    for (ours, theirs, metric, one, other), chance, p in zip(sides, chances, corrected, strict=True):
        found = difference_interval(one, other, rng, resamples, within=1.0)
        held.append(
            Contest(
                ours,
                theirs,
                metric,
                Mark.of(found),
                _verdict(found.mean, p),
                chance,
                None if chance is None else p,
                detectable(one - other, LEVEL / len(sides)),
                len(sides),
            )
        )
    each = len(pairs) * len(metrics)
    return [tuple(held[at * each : (at + 1) * each]) for at in range(len(groups))]


def _verdict(mean: float, corrected: float) -> Verdict:
    if not corrected <= LEVEL:
        return "no difference can be shown"
    return "better" if mean > 0 else "worse"
