"""How far the item that was chosen stands above the others: one compiled pass over each row of scores.

A candidate that is none for a query has the score `NEVER` and gets the slope 0; a query's own item is
among those, so that it never stands against itself.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tastemaker.model.compiled import Floats, Ints, compiled, exp32, inlined, reordered

NEVER = -1e9
"""Score of a candidate that is no candidate."""
LEAST = NEVER / 2


class Loss(NamedTuple):
    """A loss of rows of scores.

    rows: (scores (b, C), bias (C,), own (b,), weights (C,), knob, losses (b,), slopes (b,), units (b,)).
        The scores, to which the bias is still to be added, are overwritten by their gradient in `units`, so
        that a loss may leave a division to the products after it; losses, the gradients of the own scores
        and the units are filled. `weights` say how many items of the catalogue each candidate stands for.
    sets: the same for rows with several own items each, or None where the loss has no such form:
        (scores (b, C), bias (C,), own (L,), starts (b + 1,), losses (L,), slopes (L,), units (b,)).
    knob: what it has to be tuned.
    takes_logs: whether `bias` comes with the logarithms of the weights added.
    """

    rows: Callable[[Floats, Floats, Floats, Floats, float, Floats, Floats, Floats], None]
    knob: float = 0.0
    takes_logs: bool = False
    sets: Callable[[Floats, Floats, Floats, Ints, Floats, Floats, Floats], None] | None = None


@compiled
def _raised(row: Floats, bias: Floats) -> Any:
    """Add `bias` (C,) to a row of scores, in place; returns the highest, as if NaN were nothing.

    Compilers don't turn a maximum into vectors by themselves: every 64th number has one of its own here.
    """
    highest = np.full(64, np.float32(-np.inf))
    whole = len(row) - len(row) % 64
    for c in range(0, whole, 64):
        for lane in range(64):
            score = row[c + lane] + bias[c + lane]
            row[c + lane] = score
            highest[lane] = score if score > highest[lane] else highest[lane]
    top = np.float32(-np.inf)
    for c in range(whole, len(row)):
        row[c] += bias[c]
        top = row[c] if row[c] > top else top
    for lane in range(64):
        top = highest[lane] if highest[lane] > top else top
    return top


@reordered
def _softmax(
    scores: Floats,
    bias: Floats,
    own: Floats,
    weights: Floats,
    knob: float,
    losses: Floats,
    slopes: Floats,
    units: Floats,
) -> None:
    for b in range(len(scores)):
        row, mine = scores[b], own[b]
        top = max(mine, _raised(row, bias))
        total = np.float32(0)
        for c in range(len(row)):
            share = exp32(row[c] - top)
            row[c] = share
            total += share
        own_share = exp32(mine - top)
        total += own_share
        losses[b] = np.log(total) + top - mine
        units[b] = np.float32(1) / total
        slopes[b] = own_share * units[b] - np.float32(1)


@inlined
def _softplus(x: np.float32) -> Any:
    """log(1 + e^x)"""
    return max(x, np.float32(0)) + np.log1p(exp32(-abs(x)))


@reordered
def _softmax_of_sets(
    scores: Floats, bias: Floats, own: Floats, starts: Ints, losses: Floats, slopes: Floats, units: Floats
) -> None:
    first = starts[0]
    for b in range(len(scores)):
        row, begin, end = scores[b], starts[b] - first, starts[b + 1] - first
        top = _raised(row, bias)
        others = np.float32(0)
        for c in range(len(row)):
            share = exp32(row[c] - top)
            row[c] = share
            others += share
        # Each own item stands against the same others, and not against the rest of its own.
        unit, sum_of_others = np.float32(0), np.log(others) + top
        for at in range(begin, end):
            own_share = exp32(own[at] - top)  # far above the others it is e^88, and they are nothing
            total = others + own_share
            losses[at] = _softplus(sum_of_others - own[at])
            slopes[at] = own_share / total - np.float32(1)
            unit += np.float32(1) / total
        units[b] = unit


def softmax() -> Loss:
    """−log of the own item's share of Σ weight × e^score: cross-entropy.

    Over all items, and with weights 1, it is the full softmax. Over a sample, with each candidate standing
    for as many as its odds say, the sum is an unbiased estimate of the full one (Bengio and Senécal 2008).
    On unit vectors, divided by a temperature, it is InfoNCE.
    """
    return Loss(_softmax, takes_logs=True, sets=_softmax_of_sets)


@inlined
def _below(gap: np.float32) -> Any:
    """σ(−gap)"""
    return np.float32(1) / (np.float32(1) + exp32(gap))


@inlined
def _rivals(row: Floats, weights: Floats) -> np.float32:
    """Items that the candidates of one query stand for."""
    total = np.float32(1e-9)
    for c in range(len(row)):
        if not row[c] <= LEAST:  # NaN is none of the masked, and has to be heard
            total += weights[c]
    return total


@reordered
def _bpr(
    scores: Floats,
    bias: Floats,
    own: Floats,
    weights: Floats,
    knob: float,
    losses: Floats,
    slopes: Floats,
    units: Floats,
) -> None:
    for b in range(len(scores)):
        row = scores[b]
        row += bias
        rivals = _rivals(row, weights)
        loss, slope = np.float32(0), np.float32(0)
        for c in range(len(row)):
            if not row[c] <= LEAST:  # NaN is none of the masked, and has to be heard
                weight = weights[c] / rivals
                gap = own[b] - row[c]
                loss += weight * _softplus(-gap)
                row[c] = weight * _below(gap)
                slope -= row[c]
            else:
                row[c] = 0
        losses[b], slopes[b], units[b] = loss, slope, np.float32(1)


def bpr() -> Loss:
    """Mean of −log σ(own − other), Bayesian personalised ranking (Rendle et al., UAI 2009)."""
    return Loss(_bpr)


@reordered
def _triplet(
    scores: Floats,
    bias: Floats,
    own: Floats,
    weights: Floats,
    knob: float,
    losses: Floats,
    slopes: Floats,
    units: Floats,
) -> None:
    for b in range(len(scores)):
        row = scores[b]
        row += bias
        rivals = _rivals(row, weights)
        loss, slope = np.float32(0), np.float32(0)
        for c in range(len(row)):
            short = np.float32(knob) - own[b] + row[c]
            if not short <= 0:
                weight = weights[c] / rivals
                loss += weight * short
                row[c] = weight
                slope -= weight
            else:
                row[c] = 0
        losses[b], slopes[b], units[b] = loss, slope, np.float32(1)


def triplet(margin: float) -> Loss:
    """Mean of max(0, margin − own + other) (Schroff et al., CVPR 2015)."""
    return Loss(_triplet, margin)


@reordered
def _gbce(
    scores: Floats,
    bias: Floats,
    own: Floats,
    weights: Floats,
    knob: float,
    losses: Floats,
    slopes: Floats,
    units: Floats,
) -> None:
    beta = np.float32(knob)
    for b in range(len(scores)):
        row = scores[b]
        row += bias
        loss = beta * _softplus(-own[b])
        for c in range(len(row)):
            if not row[c] <= LEAST and weights[c] > 0:
                loss += _softplus(row[c])
                row[c] = np.float32(1) - _below(row[c])
            else:
                row[c] = 0
        losses[b], slopes[b], units[b] = loss, -beta * _below(own[b]), np.float32(1)


def gbce(sampled: float, calibration: float) -> Loss:
    """−β log σ(own) − Σ log(1 − σ(other)), generalised binary cross-entropy.

    β takes back the overconfidence that sampling brings (Petrov and Macdonald, RecSys 2023).

    Args:
        sampled: share of the other items that are candidates, 0 to 1.
        calibration: t; 0 is plain binary cross-entropy, and 1 corrects all of it.
    """
    rate = max(sampled, 1e-9)
    return Loss(_gbce, rate * (calibration * (1 - 1 / rate) + 1 / rate))
