"""Against the plain formulas in double precision; slopes by a complex step (Squire and Trapp 1998)."""

import math

import numpy as np
import pytest

pytest.importorskip("numba")

from tastemaker.model.compiled import exp32
from tastemaker.model.losses import NEVER, Loss, bpr, gbce, softmax, triplet

MARGIN, BETA = 0.7, 0.4
LOSSES = {
    "softmax": softmax(),
    "bpr": bpr(),
    "triplet": triplet(MARGIN),
    "gbce": gbce(sampled=0.2, calibration=0.75),  # β = 0.2 × (0.75 × (1 − 5) + 5) = 0.4
}
each_loss = pytest.mark.parametrize("name", LOSSES)


def graded(loss: Loss, scores, own, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses (b,), slopes of the scores (b, C) and slopes of the own scores (b,)."""
    scores, own, weights = (np.array(part, np.float32) for part in (scores, own, weights))
    bias = np.linspace(-1, 1, scores.shape[1], dtype=np.float32)
    offset = bias + np.log(np.maximum(weights, np.float32(1e-30))) if loss.takes_logs else bias
    losses, slopes, units = (np.full(len(own), 99, np.float32) for _ in range(3))
    scores = np.where(scores > NEVER / 2, scores - bias, scores)
    loss.rows(scores, offset, own, weights, loss.knob, losses, slopes, units)
    return losses, scores * units[:, None], slopes


def by_formula(name: str, scores: np.ndarray, own: complex, weights: np.ndarray) -> complex:
    """One query's loss; a score of NEVER is nobody's."""
    there = scores.real > NEVER / 2
    scores, weights = scores[there], weights[there]
    if name == "softmax":
        return np.log(np.exp(own) + (weights * np.exp(scores)).sum()) - own
    if name == "bpr":
        return (weights * np.log(1 + np.exp(scores - own))).sum() / weights.sum()
    if name == "triplet":
        short = MARGIN - own + scores
        return (weights * np.where(short.real > 0, short, 0)).sum() / weights.sum()
    return BETA * np.log(1 + np.exp(-own)) + np.log(1 + np.exp(scores)).sum()


def slope_by_formula(name: str, scores: np.ndarray, own: float, weights: np.ndarray, place: int) -> float:
    """In the score at `place`; −1 is the own score."""
    step = 1e-30j
    moved = scores.astype(complex)
    if place < 0:
        return by_formula(name, moved, own + step, weights).imag / 1e-30
    moved[place] += step
    return by_formula(name, moved, own + 0j, weights).imag / 1e-30


@each_loss
@pytest.mark.parametrize("candidates", [1, 15, 16, 17, 100])  # around what a vector register holds
def test_a_loss_and_its_slopes_are_those_of_the_formula(name, candidates):
    rng = np.random.default_rng(candidates)
    scores, own = rng.normal(0, 4, (5, candidates)), rng.normal(0, 4, 5)
    weights = rng.gamma(1, 20, candidates)
    if candidates > 1:
        scores[rng.random(scores.shape) < 0.3] = NEVER
        scores[:, 0] = 0.5  # somebody is there
    losses, into, into_own = graded(LOSSES[name], scores, own, weights)
    for b in range(5):
        wanted = by_formula(name, scores[b].astype(complex), own[b] + 0j, weights).real
        assert losses[b] == pytest.approx(wanted, rel=1e-5, abs=1e-6)
        slopes = [slope_by_formula(name, scores[b], own[b], weights, place) for place in range(candidates)]
        assert into[b] == pytest.approx(np.array(slopes), rel=2e-5, abs=1e-7)
        assert into_own[b] == pytest.approx(slope_by_formula(name, scores[b], own[b], weights, -1), rel=2e-5)


@each_loss
def test_one_rival_by_hand(name):
    # Own score 0, a rival at 0 that stands for three: log(1 + 3); log 2; the margin; β log 2 + log 2.
    wanted = {"softmax": math.log(4), "bpr": math.log(2), "triplet": 0.7, "gbce": 1.4 * math.log(2)}
    assert graded(LOSSES[name], [[0]], [0], [3])[0] == pytest.approx(wanted[name], rel=1e-6)


@each_loss
def test_who_is_no_candidate_has_the_slope_0_and_changes_nothing(name):
    scores, weights = [[1, NEVER, -2, NEVER], [NEVER, NEVER, 0.5, 3]], [2, 5, 3, 7]
    losses, into, into_own = graded(LOSSES[name], scores, [0.3, -0.4], weights)
    assert into[np.array(scores) == NEVER].tolist() == [0.0] * 4
    first = graded(LOSSES[name], [[1, -2]], [0.3], [2, 3])
    second = graded(LOSSES[name], [[0.5, 3]], [-0.4], [3, 7])
    assert losses == pytest.approx([first[0][0], second[0][0]], rel=1e-6)
    assert into[0, [0, 2]] == pytest.approx(first[1][0], rel=1e-6)
    assert into[1, [2, 3]] == pytest.approx(second[1][0], rel=1e-6)
    assert into_own == pytest.approx([first[2][0], second[2][0]], rel=1e-6)


@each_loss
@pytest.mark.parametrize("scores", [[], [NEVER, NEVER]])
def test_without_rivals_only_what_a_loss_says_of_the_own_score_is_left(name, scores):
    losses, into, into_own = graded(LOSSES[name], [scores], [0], np.ones(len(scores)))
    wanted = (BETA * math.log(2), -BETA / 2) if name == "gbce" else (0, 0)  # β log(1 + e⁰), −β σ(0)
    assert (losses[0], into_own[0]) == pytest.approx(wanted, rel=1e-6)
    assert not into.any()


@each_loss
def test_a_candidate_that_stands_for_nobody_has_no_say(name):
    # It is there only because it is somebody else's own item.
    losses, into, into_own = graded(LOSSES[name], [[1, 3, -1]], [0.5], [2, 0, 4])
    without, into_without, own_without = graded(LOSSES[name], [[1, -1]], [0.5], [2, 4])
    assert losses == pytest.approx(without, rel=1e-6)
    assert into[0, [0, 2]] == pytest.approx(into_without[0], rel=1e-6)
    assert into[0, 1] == pytest.approx(0, abs=1e-20)
    assert into_own == pytest.approx(own_without, rel=1e-6)


@each_loss
@pytest.mark.parametrize(
    ("own", "scores"),
    [(-80, [80, -80, 0]), (80, [80, -80, 0]), (-300, [-299, -310, -305]), (300, [299, 310, 305])],
)
def test_far_scores_neither_overflow_nor_vanish(name, own, scores):
    scores, weights = np.array([scores], float), np.array([1.0, 2.0, 3.0])
    losses, into, into_own = graded(LOSSES[name], scores, [own], weights)
    wanted = by_formula(name, scores[0].astype(complex), own + 0j, weights).real
    assert losses[0] == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert np.isfinite(into).all()
    assert np.isfinite(into_own).all()


def test_calibration_weakens_the_own_item_by_the_share_that_was_sampled():
    # Petrov and Macdonald: β = α (t (1 − 1/α) + 1/α): 1 for t = 0, α for t = 1.
    alone = lambda loss: graded(loss, [[NEVER]], [0], [1])[0][0] / math.log(2)  # noqa: E731
    assert alone(gbce(0.25, 0)) == pytest.approx(1, rel=1e-6)
    assert alone(gbce(0.25, 1)) == pytest.approx(0.25, rel=1e-6)
    assert alone(gbce(0.25, 0.5)) == pytest.approx(0.625, rel=1e-6)
    assert alone(gbce(1, 0.5)) == pytest.approx(1, rel=1e-6)


@each_loss
@pytest.mark.parametrize("place", ["own", "all"])
def test_scores_that_are_no_numbers_make_a_loss_that_is_none(name, place):
    # Or nobody would notice that training has gone astray.
    scores = np.full((1, 3), math.nan if place == "all" else 0.0)
    assert math.isnan(graded(LOSSES[name], scores, [math.nan], [1, 1, 1])[0][0])


def test_exp32_is_as_exact_as_single_precision():
    for x in np.linspace(-87, 88, 4001, dtype=np.float32):
        assert exp32(x) == pytest.approx(np.exp(np.float64(x)), rel=3e-7)
    assert exp32(np.float32(0)) == 1
    assert [exp32(np.float32(x)) for x in (-87.6, -88, -100, NEVER, -math.inf)] == [0.0] * 5
    assert exp32(np.float32(-87.2)) == pytest.approx(math.exp(-87.2), rel=1e-5)
    assert [exp32(np.float32(x)) for x in (89, 1e9)] == pytest.approx([math.exp(88)] * 2, rel=3e-7)
