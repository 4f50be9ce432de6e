"""How likely each place of a list is to be looked at, from what was clicked there.

All chances are over that of the first place: of a click that never happens, nobody can say whether it
wasn't looked at or wasn't wanted, if the first place isn't there to compare with.
"""

import numpy as np
import numpy.typing as npt
from scipy import linalg

from tastemaker.errors import TrainingError
from tastemaker.features.lessons import Lessons
from tastemaker.features.scaling import Scaling

Floats = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

SMOOTHING = 20.0
"""Showings at the mean rate that every place is given: one never shown is as likely as the mean."""
LEAST = 1e-3
"""No chance is lower: something that was clicked was looked at."""


def randomised(clicks: Floats, positions: npt.NDArray[np.int32], smoothing: float = SMOOTHING) -> Floats:
    """Chances from lists in random order: what stands at a place is then nobody's doing.

    Click rates of the places over that of the first (Joachims et al., WSDM 2017). A rate above that of
    the first place is kept, should a second one be what people see first.

    Args:
        clicks: (M,) 0 or 1, of the share of traffic that was shown in random order.
        positions: (M,) int32, 1 is the first; places without a position (0) are left out.
        smoothing: showings at the common rate that each place is given on top of its own.
    Returns: (P,) for the places 1 to the last one that was shown.
    Raises: TrainingError where nothing of it was clicked.
    """
    at = positions > 0
    place, clicked = positions[at] - 1, clicks[at] == 1
    if not clicked.any():
        raise TrainingError(
            "Nothing was clicked in the lists that were shown in random order, so they don't tell how far"
            " down people look. Take ranking.propensities = 'em', or more of them."
        )
    shown = np.bincount(place) + smoothing
    rate = (np.bincount(place, clicked) + smoothing * clicked.mean()) / shown
    looks: Floats = np.maximum(rate / rate[0], LEAST).astype(np.float32)
    return looks


def by_em(lessons: Lessons, rounds: int = 200, tolerance: float = 1e-4, ridge: float = 1.0) -> Floats:
    """Chances from lists in any order: what was looked at and what was wanted are guessed by turns.

    Regression-EM (Wang et al., WSDM 2018): a click is a look times a want. Given both chances, what was
    not clicked was looked at with a chance of its own, and wanted with another (E); from those, chances of
    places are means, and wants a logistic regression on the numbers, their squares and their products, of
    which a step of Newton's is taken each round (M). The first place counts as always looked at, which
    only says what the others are compared with.

    The guess is as good as the regression: where numbers don't tell what is wanted, an order that does
    is taken for people not looking further down.

    Args:
        lessons: positions from 1 and clicks; vectors aren't looked at.
        rounds: at most; it ends before where no chance moves by more than `tolerance` in a round.
        ridge: pull of the coefficients towards 0, in places.
    Returns: (P,)
    Raises: TrainingError where nothing was clicked.
    """
    clicked = lessons.labels["click"] == 1
    at = (lessons.positions > 0) & np.isfinite(lessons.labels["click"])
    place, clicked = lessons.positions[at] - 1, clicked[at].astype(np.float64)
    if not clicked.any():
        raise TrainingError("Nothing was clicked, so nobody can say how far down people look.")
    terms = _terms(Scaling.fit(lessons.numbers)(lessons.numbers[at]))
    shown = np.maximum(np.bincount(place), 1)
    looks = np.clip(np.bincount(place, clicked) / shown, LEAST, None)
    looks = np.minimum(looks / looks[0], 1.0)
    weights, pull = np.zeros(terms.shape[1]), np.full(terms.shape[1], ridge)
    pull[0] = 1e-9  # the constant is free
    first = clicked[place == 0].mean() if (place == 0).any() else clicked.mean()
    weights[0] = np.log(max(first, LEAST) / (1 - min(first, 1 - LEAST)))
    for turn in range(rounds):
        wants = 1 / (1 + np.exp(-np.clip(terms @ weights, -30, 30)))
        both = looks[place] * wants
        looked = np.where(clicked > 0, 1.0, (looks[place] - both) / np.maximum(1 - both, 1e-9))
        wanted = np.where(clicked > 0, 1.0, (wants - both) / np.maximum(1 - both, 1e-9))
        # How the loss bends changes slowly and costs the most, so a bend serves for ten rounds.
        if turn % 10 == 0:
            bend = linalg.cho_factor(_bend(terms, wants, pull))
        weights = weights + np.clip(
            linalg.cho_solve(bend, terms.T @ (wanted - wants) - pull * weights), -1, 1
        )
        before, looks = looks, np.clip(np.bincount(place, looked) / shown, LEAST, 1.0)
        looks[0] = 1.0
        # The first rounds know nothing of wants yet, and find the looks as they left them.
        if turn > 20 and np.abs(looks - before).max() < tolerance:
            break
    return looks.astype(np.float32)


def _terms(scaled: Floats) -> Wide:
    """(M, F) → (M, 1 + F + F (F + 1) / 2) one, numbers, products of two; no products where F is above 20."""
    ones = np.ones((len(scaled), 1))
    if scaled.shape[1] > 20:
        return np.concatenate([ones, scaled, np.square(scaled)], 1)
    left, right = np.triu_indices(scaled.shape[1])
    return np.concatenate([ones, scaled, scaled[:, left] * scaled[:, right]], 1)


def _bend(terms: Wide, wants: Wide, pull: Wide) -> Wide:
    """Second derivatives of a logistic regression that says `wants` (M,) of `terms` (M, C)."""
    bend: Wide = (terms * (wants * (1 - wants))[:, None]).T @ terms
    bend[np.diag_indices_from(bend)] += pull
    return bend
