"""Whether logs can answer at all: chances, overlap, and how much is left of them after weighing.

Each check has a number, the limit that it is held against, and the sentence that is told where it fails.
"""

from typing import NamedTuple

import numpy as np

from tastemaker.evaluation.off_policy.logs import Floats, Logs
from tastemaker.evaluation.off_policy.weighing import effective

NEVER_SHOWN = 0.05
"""Share of what the new policy shows that was never logged at its place. Nothing is known of it, so an
estimate may be off by so much of itself even where the rest is right."""
FEWEST = 50
"""Effective rows. With fewer, a few rows settle the estimate."""
FEWEST_REWARDS = 10
"""Effective rows with a reward above 0. With fewer, 95 % intervals cover less than 93 % of the time
(benchmarks/off_policy.py, rare)."""
SURE = 3.29
"""Standard errors, of 99.9 %: what a mean weight may be off 1 by chance."""


class Check(NamedTuple):
    """value, limit: as told. reason: why the logs can't answer; empty where it holds."""

    name: str
    value: float
    limit: str
    reason: str = ""


def of_chances(logs: Logs) -> list[Check]:
    """Before any weight can be formed."""
    unknown = int(np.isnan(logs.chances).sum())
    known = logs.chances[~np.isnan(logs.chances)]
    wrong = int(((known <= 0) | (known > 1)).sum())
    is_sure = bool(len(known)) and bool((known == 1).all())
    why = (
        "no column says with what chance"
        if unknown == logs.size
        else f"{unknown:,} rows lack the chance with which"
    )
    return [
        Check(
            "rows without a propensity",
            unknown,
            "0",
            f"{why} each item was shown there, so nothing tells what would have come of another"
            if unknown
            else "",
        ),
        Check(
            "propensities outside of (0, 1]",
            wrong,
            "0",
            f"{wrong:,} propensities are no chances above 0 and up to 1" if wrong else "",
        ),
        Check(
            "smallest propensity",
            float(known.min(initial=1.0)),
            "below 1 somewhere",
            "the logger left nothing to chance (every propensity is 1)" if is_sure else "",
        ),
    ]


def of_weights(logs: Logs, weights: Floats, never: float, name: str) -> list[Check]:
    """After weighing.

    Args:
        weights: (E,) that the answer goes by.
        never: share of what the new policy shows that was never logged at its place.
        name: the policy.
    """
    mean = float(weights.mean())
    off = np.bincount(logs.units, weights=weights - mean, minlength=logs.unit_count)
    error = float(np.sqrt(off @ off)) / logs.size
    rows, rewards = effective(weights), effective(weights * np.abs(logs.rewards))
    is_off = abs(mean - 1) > SURE * error + never
    return [
        Check(
            "never logged",
            never,
            f"{NEVER_SHOWN:.0%}",
            f"{never:.0%} of what {name} shows was never logged at its place" if never > NEVER_SHOWN else "",
        ),
        Check(
            "mean weight",
            mean,
            f"1 ± {SURE * error + never:.2g}",
            f"weights are {mean:.3g} on average where 1 is due (give or take {SURE * error + never:.2g}): "
            f"the propensities aren't those of the logger, or {name} shows what the logger never does"
            if is_off
            else "",
        ),
        Check("largest weight", float(weights.max(initial=0.0)), "–"),
        Check(
            "effective rows",
            rows,
            f"{FEWEST}",
            f"what is left after weighing is worth {rows:,.0f} rows; it takes {FEWEST}"
            if rows < FEWEST
            else "",
        ),
        Check(
            "effective rewards",
            rewards,
            f"{FEWEST_REWARDS}",
            f"what is left after weighing is worth {rewards:,.1f} rows with a {logs.reward}; an interval can "
            f"be trusted from {FEWEST_REWARDS} on"
            if rewards < FEWEST_REWARDS
            else "",
        ),
    ]
