"""The estimators: rows of a log weighed by how much oftener another policy would have shown them.

A value is the mean reward of a place. Every estimate is a ratio of two means over independent units, or a sum
of two such ratios, so that one bootstrap over units serves them all, with the same draws.

w is the ratio of chances, new to logged, q what a reward model foretells, e its mean over what the new policy
would show, k a place of a list.

ips: Σ w·r / n (Horvitz and Thompson, 1952). snips: Σ w·r / Σ w (Swaminathan and Joachims, NIPS 2015).
dm: Σ e / n. dr: Σ (e + w·(r − q)) / n (Dudík et al., ICML 2011); sndr divides its second part by Σ w.
In lists: slate, by w of the whole list. iips, each place by its own w (Li et al., KDD 2018): right where a
reward depends on nothing but its place and item. rips, by the product down to the place (McInerney et al.,
KDD 2020): right where it depends on what stands above too. dr, in lists, corrects rips by the same product
(Kiyohara et al., WSDM 2022), with a model of each place's own reward.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from tastemaker.evaluation.intervals import Interval, bootstrap_means
from tastemaker.evaluation.off_policy.logs import Floats, Logs

TITLES = {
    "ips": "inverse propensity (IPS)",
    "snips": "self-normalised IPS",
    "slate": "whole lists (slate IPS)",
    "snslate": "whole lists, self-normalised",
    "iips": "each place alone (IIPS)",
    "sniips": "each place alone, self-normalised",
    "rips": "each place and those above (RIPS)",
    "snrips": "each place and those above, self-normalised",
    "dm": "reward model alone (DM)",
    "dr": "doubly robust (DR)",
    "sndr": "doubly robust, self-normalised",
}
LOGGED = "logged"
"""What the logger's own policy came to."""
CHOSEN = "sndr"
"""What an answer goes by: unbiased but for terms of 1/n where the propensities are right, never carried away
by one large weight, and the better the more the reward model knows."""
DIFFERENCE = "difference"
"""Of the answer and what was logged."""


class Weights(NamedTuple):
    """(E,) each, of the rows of a log.

    place: by the chances at its own place.
    down: by the product of those of its place and of all above it in the list.
    whole: by the product of all places of the list.
    before: `down` of the place above; 1 at the top of a list.
    """

    place: Floats
    down: Floats
    whole: Floats
    before: Floats

    @classmethod
    def of(cls, logs: Logs, chances: Floats, most: float | None = None) -> "Weights":
        """Of the new policy's `chances` (E,) of what was shown.

        Args:
            most: weights above are cut to this, which trades variance for bias (Ionides, 2008).
        """
        ratio = chances / logs.chances
        starts = np.flatnonzero(np.diff(logs.lists, prepend=-1))
        depth = np.arange(logs.size) - starts[logs.lists]
        down = ratio.copy()
        for place in range(1, int(depth.max(initial=0)) + 1):
            at = np.flatnonzero(depth == place)
            down[at] *= down[at - 1]
        before = np.where(depth == 0, 1.0, np.roll(down, 1))
        ends = np.append(starts[1:], logs.size) - 1
        found = cls(ratio, down, down[ends][logs.lists], before)
        return found if most is None else cls(*(np.minimum(each, most) for each in found))


Ratio = tuple[Floats, Floats]


def ratios(logs: Logs, weights: Weights, told: Floats, expected: Floats) -> dict[str, list[Ratio]]:
    """By estimator, the pairs of (E,) numerators and denominators whose ratios of sums add up to it.

    Args:
        told: (E,) what the reward model says of what was shown.
        expected: (E,) what it says of what the new policy would show there.
    """
    one, r = np.ones(logs.size), logs.rewards
    found: dict[str, list[Ratio]] = {LOGGED: [(r, one)]}
    kinds = [("ips", weights.place)]
    if logs.has_lists:
        kinds = [("slate", weights.whole), ("iips", weights.place), ("rips", weights.down)]
    for name, w in kinds:
        found[name] = [(w * r, one)]
        found[f"sn{name}"] = [(w * r, w)]
    w, before = weights.down, weights.before
    found |= {
        "dm": [(expected, one)],
        "dr": [(before * expected + w * (r - told), one)],
        "sndr": [(before * expected, before), (w * (r - told), w)],
    }
    return found | {DIFFERENCE: [*found[CHOSEN], (-r, one)]}


def values(
    logs: Logs, found: Mapping[str, list[Ratio]], rng: np.random.Generator, resamples: int
) -> tuple[dict[str, Interval], dict[str, Floats]]:
    """Each estimate with its 95 % interval, and (R,) resamples: Bayesian bootstrap over units, BCa ends."""
    arrays: dict[int, Floats] = {
        id(each): each for pairs in found.values() for pair in pairs for each in pair
    }
    column = {key: number for number, key in enumerate(arrays)}
    sums = np.column_stack(
        [np.bincount(logs.units, weights=each, minlength=logs.unit_count) for each in arrays.values()]
    )
    drawn = bootstrap_means(np.asarray(sums, np.float64), rng, resamples)
    middle = sums.mean(0, keepdims=True)
    told, spread = {}, {}
    for name, pairs in found.items():
        places = [(column[id(top)], column[id(bottom)]) for top, bottom in pairs]
        own, spread[name] = (
            np.asarray(sum(_ratio(means[:, top], means[:, bottom]) for top, bottom in places))
            for means in (middle, drawn)
        )
        pulls = sum(
            (sums[:, top] - _ratio(middle[:, top], middle[:, bottom]) * sums[:, bottom])
            / max(float(middle[0, bottom]), 1e-300)
            for top, bottom in places
        )
        told[name] = accelerated(float(own[0]), spread[name], np.asarray(pulls))
    return told, spread


def accelerated(mean: float, drawn: Floats, pulls: Floats, level: float = 0.95) -> Interval:
    """The BCa interval (Efron, JASA 1987): the percentiles, moved for bias and for skewness.

    Few rewards with large weights make estimates skewed to the right, and plain percentiles then end too low.

    Args:
        drawn: (R,) resamples of the mean.
        pulls: (U,) how strongly each unit pulls at it (its influence), up to a factor.
    """
    below = float((drawn < mean).mean() + (drawn == mean).mean() / 2)
    shift = float(ndtri(min(max(below, 1 / (len(drawn) + 1)), 1 - 1 / (len(drawn) + 1))))
    squares = float((pulls**2).sum())
    skew = float((pulls**3).sum()) / (6 * squares**1.5) if squares else 0.0
    ends = shift + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(drawn, ndtr(shift + ends / (1 - skew * ends)))
    return Interval(mean, float(low), float(high))


def effective(weights: Floats) -> float:
    """How many rows of equal weight would tell as much: (Σ w)² / Σ w² (Kish, 1965); 0 without any."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
