"""A planted world of clicks: what is relevant and who looks where are known, so bias can be measured.

The law. An item is F = 12 independent standard normal numbers x. How relevant it is, is a chance:

    u = x₀ + 0.8 x₁ + 0.8 x₂ x₃ + 0.6 (|x₄| − 0.8)          relevance γ = 0.02 + 0.9 σ(2.5 (u − 1.5))

so a few items of a hundred are worth having, and no line through the numbers tells which. The order of
production is that of an older, linear ranker, which is half right: it knows x₀ and a little of x₁, and
puts up what x₆ and x₇ say (think of popularity and freshness), which is relevant to nobody:

    s = 0.7 x₀ + 0.3 x₁ + 0.8 x₆ + 0.5 x₇ + noise of deviation 0.5

A list is ten items drawn at random, put in that order; a share of lists is put in random order instead. Who
learns from the clicks alone takes x₆ and x₇ for relevant, since what has them stood where people look.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.features.lessons import Lessons

Floats = npt.NDArray[np.float32]
ClickModel = Literal["position", "cascade", "trust"]

NUMBERS = 12


class Shown(NamedTuple):
    """Lists that somebody was shown, and what is known of them because they are planted.

    Attributes:
        lessons: what a learner may see: numbers, positions and clicks; no vectors.
        relevance: (M,) the chance that who looks at an item and judges it right clicks it.
        is_random: (M,) whether its list was put in random order.
    """

    lessons: Lessons
    relevance: Floats
    is_random: npt.NDArray[np.bool_]


def relevance_of(numbers: Floats) -> Floats:
    """(M, F) → (M,)"""
    x = numbers.T
    u = x[0] + 0.8 * x[1] + 0.8 * x[2] * x[3] + 0.6 * (np.abs(x[4]) - 0.8)
    relevance: Floats = 0.02 + 0.9 / (1 + np.exp(-2.5 * (u - 1.5)))
    return relevance


def production_score(numbers: Floats) -> Floats:
    """(M, F) → (M,), without its noise."""
    score: Floats = 0.7 * numbers[:, 0] + 0.3 * numbers[:, 1] + 0.8 * numbers[:, 6] + 0.5 * numbers[:, 7]
    return score


def examination(places: int, eta: float) -> Floats:
    """(P,) chance that each place is looked at: (1 / position)^η."""
    return ((1.0 / np.arange(1, places + 1)) ** eta).astype(np.float32)


def clicked_lists(
    lists: int,
    seed: int,
    *,
    model: ClickModel = "position",
    eta: float = 1.0,
    places: int = 10,
    random_share: float = 0.1,
) -> Shown:
    """Lists of `places` items and what was clicked in them.

    Args:
        model: position: looked at with chance (1 / position)^η, and clicked with chance γ if looked at.
            cascade: people go down from the top, stop at the first click, and look further after each item
            that they didn't click with chance (k / (k + 1))^η, so that who clicks nothing has looked as in
            `position`. trust: as position, but who looks at place k clicks what is relevant with chance
            0.98 − k / 100 and what isn't with 0.65 / k (Agarwal et al., WWW 2019; numbers as Vardasbi et
            al., CIKM 2020).
        eta: 0 looks at everything, and clicks are then unbiased (but for the false clicks of trust, which
            stay as long as eta is above 0 and are none at 0).
        random_share: share of lists in random order.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal((lists, places, NUMBERS)).astype(np.float32)
    score = production_score(numbers.reshape(-1, NUMBERS)).reshape(lists, places)
    order = score + 0.5 * rng.standard_normal((lists, places))
    is_random = rng.random(lists) < random_share
    order[is_random] = rng.random((int(is_random.sum()), places))
    numbers = np.take_along_axis(numbers, np.argsort(-order, 1)[:, :, None], 1).reshape(-1, NUMBERS)
    relevance = relevance_of(numbers)
    clicked = _clicks(relevance.reshape(lists, places), model, eta, rng)
    lessons = Lessons(
        numbers=numbers,
        queries=np.zeros((lists, 0), np.float32),
        vectors=np.zeros((1, 0), np.float32),
        rows=np.zeros(lists * places, np.int32),
        lists=np.repeat(np.arange(lists, dtype=np.int32), places),
        positions=np.tile(np.arange(1, places + 1, dtype=np.int32), lists),
        labels={"click": clicked.ravel().astype(np.float32)},
    )
    return Shown(lessons, relevance, np.repeat(is_random, places))


def _clicks(
    relevance: Floats, model: ClickModel, eta: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(S, P) → (S, P)"""
    lists, places = relevance.shape
    looks = examination(places, eta)
    chance: npt.NDArray[np.floating] = relevance
    if model == "trust" and eta:
        k = np.arange(1, places + 1)
        chance = (0.98 - k / 100) * relevance + 0.65 / k * (1 - relevance)
    likes = rng.random((lists, places)) < chance
    if model == "cascade":
        # How far down somebody would go if nothing was clicked: place k or further with chance θ_k.
        depth = (rng.random((lists, 1)) < looks).sum(1, keepdims=True)
        is_first = np.cumsum(likes, 1) == 1
        return likes & is_first & (np.arange(places) < depth) if eta else likes
    return likes & (rng.random((lists, places)) < looks)


def ndcg(scores: Floats, relevance: Floats, k: int = 10) -> float:
    """Mean over (S, C) lists of Σ γ / log2(rank + 1) over the first k, over that of the best order.

    The gain is γ itself: a chance of being worth having grows as 2^grade does.
    """
    discount = 1 / np.log2(np.arange(2, min(k, scores.shape[1]) + 2))
    got = np.take_along_axis(relevance, np.argsort(-scores, 1, kind="stable")[:, :k], 1) @ discount
    best = -np.sort(-relevance, 1)[:, :k] @ discount
    return float((got / best).mean())
