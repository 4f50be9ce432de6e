"""Maximal marginal relevance: each item against the likest of those above it."""

import numpy as np
import numpy.typing as npt

from tastemaker.rerank.ties import NEAR, FirstBest

Floats = npt.NDArray[np.float32]
Order = npt.NDArray[np.intp]


def maximal_marginal_relevance(
    relevance: Floats, vectors: Floats, k: int, strength: float, window: int = 0
) -> Order:
    """Picks one item after the other: the one of highest
    (1 − strength) · relevance − strength · highest dot product with those picked before it
    (Carbonell & Goldstein, SIGIR 1998, their λ = 1 − strength).

    The first pick is the most relevant. The picks for a smaller k are the first of those for a larger one.

    Args:
        relevance: (n,) from 0 to 1.
        vectors: (n, D) unit vectors, or zeros for what is like nothing.
        k: how many to pick; all where it is more than n.
        strength: from 0 (or less than rounding), by relevance alone, to 1, by unlikeness alone.
        window: only so many picked last count; 0: all.
    Returns: (min(k, n),) places, first pick first; ties, also those to within rounding, go to the one that
        stands first.
    """
    k = min(k, len(relevance))
    if strength < NEAR or k == 0:
        return np.argsort(-relevance, kind="stable")[:k]
    # All in units of strength, so that a product is taken off as it comes.
    gain = np.asarray(relevance * ((1 - strength) / strength), np.float32)
    first_best = FirstBest(len(gain), NEAR / strength)
    window = min(window, k) or k
    # A line a pick: what each item is worth beside it. The least of the lines is what it is worth.
    lines = np.empty((1 if window == k else window, len(gain)), np.float32)
    worth = np.full(len(gain), np.inf, np.float32)
    picks = [first_best(gain)]
    while len(picks) < k:
        pick = picks[-1]
        gain[pick] = -np.inf
        line = lines[(len(picks) - 1) % len(lines)]
        vectors.dot(vectors[pick], out=line)
        np.subtract(gain, line, out=line)
        if window == k:
            np.minimum(worth, line, out=worth)
        else:
            np.minimum.reduce(lines[: len(picks)], axis=0, out=worth)
        picks.append(first_best(worth))
    return np.array(picks, np.intp)
