"""How good a ranked list is: the definitions that every number of Tastemaker rests on.

In come ranked rows, (U, K) int32, best first, no row twice, padded with PAD, and what should have been
found; out come an array with one number a user, or one number for all lists together. Gain is
binary and the discount is `log2(rank + 1)`. A user with nothing to be found has no number: NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.rerank.calibration import ALPHA
from tastemaker.rerank.facts import Groups

PerUser = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Most = Literal["reachable", "relevant", "k"]
"""How many hits a list is held against: min(k, |relevant|), |relevant|, or k whoever is asked."""


def hits(rows: Rows, targets: Interactions, k: int) -> Bools:
    """(U, min(k, K)) whether each recommended row is one of the user's targets."""
    first = rows[:, :k]
    items = int(max(first.max(initial=0), targets.rows.max(initial=0))) + 1
    wanted = targets.users.astype(np.int64) * items + targets.rows
    asked = np.arange(len(first))[:, None] * items + first
    return cast(Bools, np.isin(asked, wanted) & (first != PAD))


def ranks(rows: Rows, targets: Interactions, k: int) -> npt.NDArray[np.uint16]:
    """(T,) from 1, where among the first k each target stands; 0 where it doesn't."""
    first = rows[:, :k]
    items = int(max(first.max(initial=0), targets.rows.max(initial=0))) + 1
    users, places = np.nonzero(first != PAD)
    shown = users * items + first[users, places]
    order = np.argsort(shown)
    wanted = targets.users.astype(np.int64) * items + targets.rows
    if not len(shown):
        return np.zeros(targets.size, np.uint16)
    at = order[np.minimum(np.searchsorted(shown[order], wanted), len(order) - 1)]
    return np.where(shown[at] == wanted, places[at] + 1, 0).astype(np.uint16)


def relevant_counts(targets: Interactions) -> npt.NDArray[np.int64]:
    """(U,) how many different rows should be found for each user."""
    items = int(targets.rows.max(initial=0)) + 1
    different = np.unique(targets.users.astype(np.int64) * items + targets.rows)
    return np.bincount(different // items, minlength=targets.user_count)


MIXES_AT_ONCE = 2**20
"""Users × groups held in memory: 8 MB a matrix."""


@dataclass(frozen=True)
class Found:
    """What lists found, from which every metric of one user follows.

    Attributes:
        hit: (U, min(k, K)) whether each recommended row is one of the user's targets.
        relevant: (U,) how many different rows should be found for each user.
        k: length that was asked for.
    """

    hit: Bools
    relevant: npt.NDArray[np.int64]
    k: int

    @classmethod
    def of(cls, rows: Rows, targets: Interactions, k: int) -> "Found":
        return cls(hits(rows, targets, k), relevant_counts(targets), k)

    def precision(self) -> PerUser:
        return self._of_asked(self.hit.sum(1) / self.k)

    def recall(self) -> PerUser:
        return self._of_asked(self.hit.sum(1) / np.maximum(self.relevant, 1))

    def hit_rate(self) -> PerUser:
        return self._of_asked(self.hit.any(1).astype(np.float64))

    def ndcg(self, ideal: Most = "reachable") -> PerUser:
        discount = 1 / np.log2(np.arange(2, self.k + 2))
        best = np.concatenate([[1.0], np.cumsum(discount)])[self._most(ideal)]
        return self._of_asked(self.hit @ discount[: self.hit.shape[1]] / best)

    def average_precision(self, over: Most = "reachable") -> PerUser:
        at_rank = np.cumsum(self.hit, 1) / np.arange(1, self.hit.shape[1] + 1)
        return self._of_asked((self.hit * at_rank).sum(1) / np.maximum(self._most(over), 1))

    def reciprocal_rank(self) -> PerUser:
        if not self.hit.shape[1]:
            return self._of_asked(np.zeros(len(self.hit)))
        return self._of_asked(self.hit.any(1) / (self.hit.argmax(1) + 1.0))

    def _most(self, of: Most) -> npt.NDArray[np.int64]:
        if of == "k":
            return np.full_like(self.relevant, self.k)
        return self.relevant if of == "relevant" else np.minimum(self.relevant, self.k)

    def _of_asked(self, values: npt.ArrayLike) -> PerUser:
        """The same numbers, NaN for the users with nothing to be found."""
        return np.where(self.relevant > 0, values, np.nan)


def precision(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) hits / k, also where the list is shorter than k."""
    return Found.of(rows, targets, k).precision()


def recall(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) hits / |relevant|."""
    return Found.of(rows, targets, k).recall()


def hit_rate(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) 1 where anything was found, else 0."""
    return Found.of(rows, targets, k).hit_rate()


def ndcg(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) Σ_hits 1 / log2(rank + 1), over the same sum of an ideal list of min(k, |relevant|) hits.

    Järvelin and Kekäläinen, TOIS 2002, with binary gain.
    """
    return Found.of(rows, targets, k).ndcg()


def average_precision(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) Σ_hits precision@rank / min(k, |relevant|); its mean over users is MAP@k."""
    return Found.of(rows, targets, k).average_precision()


def reciprocal_rank(rows: Rows, targets: Interactions, k: int) -> PerUser:
    """(U,) 1 / rank of the first hit, 0 without one; its mean over users is MRR@k."""
    return Found.of(rows, targets, k).reciprocal_rank()


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
    return mean(list_diversity(rows, vectors))


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
    """Mean over lists of `list_novelty`, in bits."""
    return mean(list_novelty(rows, counts))


def list_novelty(rows: Rows, counts: npt.NDArray[np.int64]) -> PerUser:
    """(U,) mean −log2 of each item's share of all events, in bits.

    Zhou et al., PNAS 2010 (self-information). An item without events counts as one with one:
    else a single such item would make every mean infinite. NaN for an empty list, and without any event.

    Args:
        rows: (U, K).
        counts: (N,) events of each item in train.
    """
    if not counts.sum():
        return np.full(len(rows), np.nan)
    bits = -np.log2(np.maximum(counts, 1) / int(counts.sum()))
    return list_means(rows, bits)


def gini(rows: Rows, items: int) -> float:
    """How unequally the catalogue is shown: `inequality` of how often each item is."""
    return inequality(np.bincount(rows[rows != PAD], minlength=items))


def inequality(times: npt.NDArray[np.integer] | npt.NDArray[np.floating]) -> float:
    """0 all items alike, (N − 1) / N one item only; NaN where nothing was shown.

    Σ (2i − N − 1) x_i / (N Σ x), over the times x (N,) that each item is shown, ascending, items never
    shown included (Damgaard and Weiner, Ecology 2000).
    """
    shown, items = np.sort(times), len(times)
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
    return lift(list_means(rows, counts.astype(np.float64)), history_popularity(history, counts))


def history_popularity(history: Interactions, counts: npt.NDArray[np.int64]) -> PerUser:
    """(U,) mean popularity of what each person touched; NaN where that is nothing."""
    lengths = np.diff(history.offsets)
    sums = np.bincount(history.users, weights=counts[history.rows], minlength=history.user_count)
    return np.where(lengths > 0, sums / np.maximum(lengths, 1), np.nan)


def lift(shown: PerUser, watched: PerUser) -> float:
    """(mean shown − mean watched) / mean watched, of those who have both."""
    both = ~np.isnan(shown) & ~np.isnan(watched)
    usual = mean(watched[both])
    return (mean(shown[both]) - usual) / usual if usual else float("nan")


def serendipity(found: Found, rows: Rows, history: Interactions, counts: npt.NDArray[np.int64]) -> PerUser:
    """(U,) hits that a popularity list would not have shown, over k: the part of precision that isn't luck
    with what everybody knows.

    Useful and unexpected, where the primitive model that expects is popularity (Ge, Delgado-Battenfeld and
    Jannach, RecSys 2010; over all places of the list, Kaminskas and Bridge, TiiS 2016). The k most popular
    items that the person hasn't touched are expected; of equally popular ones, the smaller row first. NaN
    where nothing is known of popularity.

    Args:
        rows: (U, K) the lists that were found with.
        history: of the same U users; what the primitive model leaves out.
        counts: (N,) events of each item in train.
    """
    if not counts.sum():
        return np.full(len(rows), np.nan)
    items = len(counts)
    place = np.empty(items, np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(items)
    seen = np.sort(history.users.astype(np.int64) * items + place[history.rows])
    seen = seen[np.diff(seen, prepend=-1) > 0]  # three times as fast as np.unique
    starts = np.searchsorted(seen, np.arange(len(rows)) * items)
    users, ranks = np.nonzero(found.hit)
    at = place[rows[users, ranks]]
    # Of those before it in the popularity list, some were seen, and the rest move up.
    expected = at - (np.searchsorted(seen, users * items + at) - starts[users]) < found.k
    surprises = np.bincount(users[~expected], minlength=len(rows))
    return np.where(found.relevant > 0, surprises / found.k, np.nan)


def median_age(times: npt.NDArray[np.int64], age_days: npt.NDArray[np.float64]) -> float:
    """Days; of all places, half show something of this age or younger. Items of unknown age are left out.

    Args:
        times: (N,) that each item is shown.
        age_days: (N,), NaN where nobody knows.
    """
    known = np.flatnonzero(~np.isnan(age_days) & (times > 0))
    if not len(known):
        return float("nan")
    order = known[np.argsort(age_days[known], kind="stable")]
    until = np.cumsum(times[order])
    return float(age_days[order[np.searchsorted(until, (until[-1] + 1) // 2)]])


def miscalibration(rows: Rows, history: Interactions, groups: Groups) -> PerUser:
    """(U,) KL(p ‖ q̃) in nats between the groups of what a person touched and of the list; 0 is the same mix.

    Steck, RecSys 2018, with his 0.01 of p in q̃, so that a list which shares nothing with the person has
    log 100. NaN for who has no list, or touched nothing that is in a group.

    Args:
        rows: (U, K).
        history: of the same U users.
    """
    step = max(1, MIXES_AT_ONCE // max(1, len(groups.names)))
    if len(rows) > step:
        parts = (np.arange(at, min(at + step, len(rows)), dtype=np.int32) for at in range(0, len(rows), step))
        return np.concatenate([miscalibration(rows[of], history.of_users(of), groups) for of in parts])
    users, places = np.nonzero(rows != PAD)
    own = _mixes(groups, history.users, history.rows, len(rows))
    shown = _mixes(groups, users, rows[users, places], len(rows))
    mixed = (1 - ALPHA) * shown + ALPHA * own
    terms = own * np.log(np.divide(own, mixed, out=np.ones_like(own), where=own > 0))
    is_known = (own.sum(1) > 0) & (rows != PAD).any(1)
    return np.where(is_known, terms.sum(1), np.nan)


def _mixes(groups: Groups, users: npt.NDArray[Any], rows: Rows, count: int) -> npt.NDArray[np.float64]:
    """(U, G) `mix` of each user's items: events (E,) of `users` with `rows`."""
    sizes = np.diff(groups.offsets)[rows]
    lines = np.repeat(np.arange(len(rows)), sizes)
    codes = groups.codes[
        np.arange(len(lines)) + np.repeat(groups.offsets[rows] - np.cumsum(sizes) + sizes, sizes)
    ]
    number = len(groups.names)
    keys = users[lines].astype(np.int64) * number + codes
    sums = np.bincount(keys, 1 / sizes[lines], minlength=count * number).reshape(count, number)
    totals = sums.sum(1, keepdims=True)
    return np.asarray(sums / np.where(totals > 0, totals, 1))


def list_means(rows: Rows, values: npt.NDArray[np.float64]) -> PerUser:
    """(U,) mean of `values` (N,) over each list; NaN for an empty one."""
    shown = rows != PAD
    sums = np.where(shown, values[rows], 0).sum(1)
    return np.where(shown.any(1), sums / np.maximum(shown.sum(1), 1), np.nan)


def mean(values: PerUser) -> float:
    """Of those who have a number; NaN where nobody has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
