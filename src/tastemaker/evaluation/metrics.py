"""How good a ranked list is: the definitions that every number of Tastemaker rests on.

In come ranked rows, (U, K) int32, best first, no row twice, padded with PAD, and what should have been
found; out come an array with one number a user, or one number for all lists together. Gain is
binary and the discount is `log2(rank + 1)`. A user with nothing to be found has no number: NaN.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.rerank.calibration import divergence, mix
from tastemaker.rerank.facts import Groups

PerUser = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def hits(rows: Rows, targets: Interactions, k: int) -> Bools:
    """(U, min(k, K)) whether each recommended row is one of the user's targets."""
    first = rows[:, :k]
    items = int(max(first.max(initial=0), targets.rows.max(initial=0))) + 1
    wanted = targets.users.astype(np.int64) * items + targets.rows
    asked = np.arange(len(first))[:, None] * items + first
    return cast(Bools, np.isin(asked, wanted) & (first != PAD))


def relevant_counts(targets: Interactions) -> npt.NDArray[np.int64]:
    """(U,) how many different rows should be found for each user."""
    items = int(targets.rows.max(initial=0)) + 1
    different = np.unique(targets.users.astype(np.int64) * items + targets.rows)
    return np.bincount(different // items, minlength=targets.user_count)


def precision(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) hits / k, also where the list is shorter than k."""
    return _of_asked(hits(rows, targets, k).sum(1) / k, targets)


def recall(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) hits / |relevant|."""
    return _of_asked(hits(rows, targets, k).sum(1) / np.maximum(relevant_counts(targets), 1), targets)


def hit_rate(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) 1 where anything was found, else 0."""
    return _of_asked(hits(rows, targets, k).any(1).astype(np.float64), targets)


def ndcg(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) Σ_hits 1 / log2(rank + 1), over the same sum of an ideal list of min(k, |relevant|) hits.

    Järvelin and Kekäläinen, TOIS 2002, with binary gain.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[1.0], np.cumsum(discount)])[np.minimum(relevant_counts(targets), k)]
    hit = hits(rows, targets, k)
    return _of_asked(hit @ discount[: hit.shape[1]] / ideal, targets)


def average_precision(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) Σ_hits precision@rank / min(k, |relevant|); its mean over users is MAP@k."""
    hit = hits(rows, targets, k)
    at_rank = np.cumsum(hit, 1) / np.arange(1, hit.shape[1] + 1)
    best = np.clip(relevant_counts(targets), 1, k)
    return _of_asked((hit * at_rank).sum(1) / best, targets)


def reciprocal_rank(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) 1 / rank of the first hit, 0 without one; its mean over users is MRR@k."""
    hit = hits(rows, targets, k)
    if not hit.shape[1]:
        return _of_asked(np.zeros(len(rows)), targets)
    return _of_asked(hit.any(1) / (hit.argmax(1) + 1.0), targets)


PER_USER: dict[str, Callable[[Rows, Interactions, int], PerUser]] = {
    "ndcg": ndcg,
    "hit_rate": hit_rate,
    "recall": recall,
    "precision": precision,
    "map": average_precision,
    "mrr": reciprocal_rank,
}
"""The metrics that have one number a user, and so an interval; the one models are compared by first."""


def coverage(rows: Rows, items: int) -> float:
    """Share of the catalogue shown to anyone."""
    return len(np.unique(rows[rows != PAD])) / items if items else float("nan")


def diversity(rows: Rows, vectors: npt.NDArray[np.float32]) -> float:
    """Mean over lists of `list_diversity`; those of fewer than two are left out."""
    return _mean(list_diversity(rows, vectors))


def list_diversity(rows: Rows, vectors: npt.NDArray[np.float32]) -> PerUser:
    """(U,) mean pairwise 1 − cosine of each list; NaN for one of fewer than two.

    Ziegler et al., WWW 2005, turned around (intra-list distance). Summed without forming the pairs:
    Σ_{i≠j} v_i·v_j = ‖Σ v_i‖² − Σ ‖v_i‖².

    Args:
        rows: (U, K).
        vectors: (N, D), one an item, of any length above 0; an all-zero vector is like nothing.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.append(
        vectors / np.where(lengths > 0, lengths, 1), np.zeros((1, vectors.shape[1])), 0
    )  # PAD → 0
    means = np.full(len(rows), np.nan)
    several = np.flatnonzero((rows != PAD).sum(1) > 1)
    step = max(1, 2**22 // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(several), step):
        block = rows[several[start : start + step]]
        count = (block != PAD).sum(1)
        shown = unit[block]  # (b, K, D)
        pairs = (shown.sum(1) ** 2).sum(1) - (shown**2).sum((1, 2))
        means[several[start : start + step]] = 1 - pairs / (count * (count - 1))
    return means


def novelty(rows: Rows, counts: npt.NDArray[np.int64]) -> float:
    """Mean over lists of the mean −log2 of each item's share of all events, in bits.

    Zhou et al., PNAS 2010 (self-information). An item without events counts as one with one:
    else a single such item would make every mean infinite. NaN without any event.

    Args:
        rows: (U, K).
        counts: (N,) events of each item in train.
    """
    if not counts.sum():
        return float("nan")
    bits = -np.log2(np.maximum(counts, 1) / max(1, int(counts.sum())))
    return _mean(_list_means(rows, bits))


def gini(rows: Rows, items: int) -> float:
    """How unequally the catalogue is shown: 0 all items alike, (N − 1) / N one item only.

    Σ (2i − N − 1) x_i / (N Σ x), over the times x that each item is shown, ascending, items never
    shown included (Damgaard and Weiner, Ecology 2000).
    """
    shown = np.sort(np.bincount(rows[rows != PAD], minlength=items))
    total = shown.sum()
    if not total:
        return float("nan")
    return float((2 * np.arange(1, items + 1) - items - 1) @ shown / (items * total))


def popularity_lift(rows: Rows, history: Interactions, counts: npt.NDArray[np.int64]) -> float:
    """How much more popular the lists are than what the same people watched: 0 alike, 1 twice as much.

    (GAP_lists − GAP_histories) / GAP_histories, where GAP is the mean over users of the mean
    popularity of their items (Abdollahpouri et al., RecSys 2020). Users without a list or a
    history are left out.

    Args:
        rows: (U, K).
        history: of the same U users.
        counts: (N,) events of each item in train.
    """
    shown = _list_means(rows, counts.astype(np.float64))
    lengths = np.diff(history.offsets)
    sums = np.bincount(history.users, weights=counts[history.rows], minlength=history.user_count)
    both = (lengths > 0) & ~np.isnan(shown)
    watched = _mean(sums[both] / lengths[both])
    return (_mean(shown[both]) - watched) / watched if watched else float("nan")


def miscalibration(rows: Rows, history: Interactions, groups: Groups) -> PerUser:
    """(U,) KL(p ‖ q̃) in nats between the groups of what a person touched and of the list; 0 is the same mix.

    Steck, RecSys 2018, with his 0.01 of p in q̃, so that a list which shares nothing with the person has
    log 100. NaN for who has no list, or touched nothing that is in a group.

    Args:
        rows: (U, K).
        history: of the same U users.
    """
    found = np.full(len(rows), np.nan)
    for user, (shown, touched) in enumerate(zip(rows, history, strict=True)):
        own = mix(groups, touched)
        if own.any() and (shown != PAD).any():
            found[user] = divergence(own, mix(groups, shown[shown != PAD]))
    return found


def _of_asked(values: npt.ArrayLike, targets: Interactions) -> PerUser:
    """The same numbers, NaN for the users with nothing to be found."""
    return np.where(np.diff(targets.offsets) > 0, values, np.nan)


def _list_means(rows: Rows, values: npt.NDArray[np.float64]) -> PerUser:
    """(U,) mean of `values` (N,) over each list; NaN for an empty one."""
    shown = rows != PAD
    sums = np.where(shown, values[rows], 0).sum(1)
    return np.where(shown.any(1), sums / np.maximum(shown.sum(1), 1), np.nan)


def _mean(values: PerUser) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
