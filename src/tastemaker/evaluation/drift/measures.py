"""How far apart two windows are: each of sums over people, (R, M) before and after, gives (R,)."""

import numpy as np

from tastemaker.evaluation.drift.swaps import Distance, Floats

TOP = 0.01
"""Share of items that are the top."""


def psi(before: Floats, after: Floats) -> Floats:
    """Population stability index of counts in M bins: Σ (p − q) ln (p / q), half an event added to each.

    Also known as Jeffreys' divergence (Lewis, 1994; Yurdakul and Naranjo, 2020).
    """
    p, q = (_shares(counts + 0.5) for counts in (before, after))
    return np.asarray(((p - q) * np.log(p / q)).sum(1))


def kolmogorov(before: Floats, after: Floats) -> Floats:
    """The largest difference of the two distribution functions over M bins in order."""
    return np.asarray(np.abs(np.cumsum(_shares(before) - _shares(after), 1)).max(1))


def jensen_shannon(before: Floats, after: Floats) -> Floats:
    """Jensen–Shannon divergence of counts in M groups, in bits: 0 the same, 1 all else (Lin, 1991)."""
    p, q = _shares(before), _shares(after)
    middle = (p + q) / 2
    return np.asarray((_bits(p, middle) + _bits(q, middle)).sum(1) / 2)


def gini(counts: Floats) -> Floats:
    """(R,) how unequal M counts are, as `evaluation.metrics.gini` has it."""
    ordered = np.sort(counts, 1)
    width = counts.shape[1]
    weights = 2 * np.arange(1, width + 1) - width - 1
    return np.asarray(ordered @ weights / np.maximum(width * ordered.sum(1), 1e-300))


def gini_change(before: Floats, after: Floats) -> Floats:
    return np.asarray(np.abs(gini(after) - gini(before)))


def top_share(counts: Floats) -> Floats:
    """(R,) share of all events that the most popular hundredth of items has."""
    most = max(1, round(TOP * counts.shape[1]))
    ordered = np.partition(counts, counts.shape[1] - most, axis=1)[:, -most:]
    return np.asarray(ordered.sum(1) / np.maximum(counts.sum(1), 1e-300))


def mean(sums: Floats) -> Floats:
    """(R,) of sums (R, 2) of values and of how many there are."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1e-300))


def rise(before: Floats, after: Floats) -> Floats:
    """How much higher a mean is than before; falling is no alarm."""
    return mean(after) - mean(before)


def change(before: Floats, after: Floats) -> Floats:
    return np.asarray(np.abs(mean(after) - mean(before)))


def factor(before: Floats, after: Floats) -> Floats:
    """By what factor a mean changed, either way, as its log; means above 0."""
    return np.asarray(np.abs(np.log(np.maximum(mean(after), 1e-300) / np.maximum(mean(before), 1e-300))))


def in_bins(distance: Distance, width: int) -> Distance:
    """The same over M / width coarser bins."""

    def coarse(before: Floats, after: Floats) -> Floats:
        return distance(*(each.reshape(len(each), -1, width).sum(2) for each in (before, after)))

    return coarse


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1e-300))


def _bits(p: Floats, middle: Floats) -> Floats:
    return np.asarray(
        np.where(p > 0, p * np.log2(np.where(p > 0, p, 1) / np.where(middle > 0, middle, 1)), 0)
    )
