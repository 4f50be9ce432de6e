"""Groups against one another: who shares people, whose items lie where, what is shown to whom."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.evaluation.intervals import Values

Floats = npt.NDArray[np.float32]


class Crossing(NamedTuple):
    """(G, G) of the same groups.

    people: share of the smaller group's people whom both have; None where nobody touched anything.
    cosine: of the groups' centroids.
    nearness: how near items of a group are to the other's centroid, over how near they are to their own,
        each item left out of its own; 1 says that the two can't be told apart. NaN where a group's items
        have nothing in common.
    """

    people: Values | None
    cosine: Values
    nearness: Values


def crossing(vectors: Floats, member: sparse.csr_array, touched: sparse.csr_array | None) -> Crossing:
    """
    Args:
        vectors: (N, D) of items.
        member: (N, G) of the groups to look at.
        touched: (A, G) how often people touched them.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float64)
    sums = member.T @ unit  # (G, D)
    sizes = np.asarray(member.sum(0)).ravel()
    norms = np.linalg.norm(sums, axis=1)
    centres = sums / np.where(norms > 0, norms, 1)[:, None]
    nearness = np.full((len(sizes), len(sizes)), np.nan)
    for group in range(len(sizes)):
        own = unit[member[:, [group]].nonzero()[0]]
        if len(own) < 2:
            continue
        rest = sums[group] - own
        scale = np.linalg.norm(rest, axis=1)
        cohesion = float((np.sum(own * rest, 1) / np.where(scale > 0, scale, 1)).mean())
        if cohesion > 0:
            nearness[group] = (own @ centres.T).mean(0) / cohesion
            nearness[group, group] = 1.0
    people = None
    if touched is not None:
        has = (touched > 0).astype(np.float64)
        both, alone = (has.T @ has).toarray(), np.asarray(has.sum(0)).ravel()
        people = both / np.maximum(np.minimum(alone[:, None], alone[None, :]), 1)
    return Crossing(people, centres @ centres.T, nearness)


def shown_to(who: sparse.csr_array, what: sparse.csr_array) -> Values:
    """(G, G) of what stands for people of one group, the share that is of the other; NaN where there is none.

    A person is of each group to the share that it has of what they touched.

    Args:
        who: (A, G) how often each person touched each group.
        what: (A, G) how much of each group stands for them.
    """
    weights = who.multiply(1 / np.maximum(np.asarray(who.sum(1)).ravel(), 1e-12)[:, None])
    found = np.asarray((sparse.csr_array(weights).T @ what).todense(), np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(found / found.sum(1, keepdims=True))
