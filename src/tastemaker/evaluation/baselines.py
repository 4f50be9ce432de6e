"""The opponents: recommenders without a training loop, that every model must stand beside.

In go a log and the histories of those who ask, out come scores for the whole catalogue. They are
tuned as carefully as their rivals, on a validation part, never on the test (the grids and their
numbers: `python -m benchmarks.baselines --tune`). Where a history says nothing of an item, or there is
no history, the more popular item stands first.
"""

from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Scale, query_windows
from tastemaker.features.pairs import (
    Pairs,
    ease,
    ease_refusal,
    faded,
    following,
    heaviest_of,
    touched,
    touched_by_both,
)

Scores = npt.NDArray[np.float32]
Users = npt.NDArray[np.int32]


class Baseline(Protocol):
    """Learns by counting, and scores the whole catalogue for a block of users.

    A user's scores don't depend on who else is in the block.
    """

    name: str

    def fit(self, train: Interactions, items: int) -> Self:
        """Count what `train` holds over a catalogue of `items` rows."""
        ...

    def scores(self, history: Interactions, users: Users) -> Scores:
        """(B, N): how well each row follows the histories of `users` (B,). Higher is better."""
        ...

    def refusal(self, items: int) -> str | None:
        """Why it won't be fitted to a catalogue of this size, or None when it will."""
        return None


class Random(Baseline):
    """A different order for everyone: what chance alone finds."""

    name = "random"

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed

    def fit(self, train: Interactions, items: int) -> Self:
        self.items = items
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        draws = [np.random.default_rng([self.seed, int(u)]).random(self.items, np.float32) for u in users]
        return np.array(draws, np.float32).reshape(len(users), self.items)


class Popularity(Baseline):
    """The same order for everyone: the most touched first."""

    name = "popularity"

    def fit(self, train: Interactions, items: int) -> Self:
        self.counts = train.counts(items).astype(np.float32)
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        return np.tile(self.counts, (len(users), 1))


class ItemKnn(Baseline):
    """Items touched by the same people: cosine of who touched them (Deshpande and Karypis, TOIS 2004).

    w_ij = n_ij / (√(n_i n_j) + shrinkage), where n_ij people touched both, kept for the items j most like
    i, and summed over the history.

    Args:
        neighbours: kept of each item. From 10 to all of them make no difference on ML-100K.
        shrinkage: people in common that count for nothing. 0 to 10 are alike on ML-100K; where items have
            a dozen events each (Amazon Beauty) 10 finds a fifth more than 0.
    """

    name = "item_knn"

    def __init__(self, neighbours: int = 50, shrinkage: float = 10.0) -> None:
        self.neighbours = neighbours
        self.shrinkage = shrinkage

    def fit(self, train: Interactions, items: int) -> Self:
        people = touched(train, items)
        lengths = np.sqrt(np.asarray(people.sum(0)).ravel())
        blocks = []
        for block, both in touched_by_both(people):
            norms = lengths[block, None] * lengths[None, :] + self.shrinkage
            similar = np.divide(both, norms, out=np.zeros_like(both), where=norms > 0)
            similar[np.arange(len(both)), np.arange(items)[block]] = 0
            blocks.append(heaviest_of(similar, self.neighbours))
        self.similar = sparse.csr_array(sparse.vstack(blocks))
        self.fallback = _below_zero(train, items)
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        found = (_histories(history, users, len(self.fallback)) @ self.similar).toarray()
        return np.where(found > 0, found, self.fallback)


class Ease(Baseline):
    """The best item-to-item weights in closed form, blind to order (Steck, WWW 2019).

    With X (U, N) of who touched what and P = (XᵀX + λI)⁻¹: B_ij = −P_ij / P_jj, B_jj = 0, and the scores
    are the history's row of X times B.

    Args:
        ridge: λ; higher trusts co-occurrence less. The best NDCG@10 of 50 to 1,200 on ML-100K.
        decay: what a step back in the history leaves; 1 is Steck's own, and below it the name is
            `ease_recent`. With 0.9, a ridge of 500 is best there.
    """

    def __init__(self, ridge: float = 100.0, decay: float = 1.0) -> None:
        self.name = "ease" if decay == 1 else "ease_recent"
        self.ridge = ridge
        self.decay = decay

    def refusal(self, items: int) -> str | None:
        return ease_refusal(items)

    def fit(self, train: Interactions, items: int) -> Self:
        self.weights = ease(train, items, self.ridge)
        self.fallback = _below_zero(train, items)
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        known = _histories(history, users, len(self.weights), self.decay)
        unknown = np.diff(history.offsets)[users] == 0
        return np.where(unknown[:, None], self.fallback, known @ self.weights)


class Markov(Baseline):
    """What follows what: it learns nothing, and is hard to beat where order matters.

    T_ij = Σ 0.8^(w − 1) over every place where j comes w ≤ 10 events after i, its rows then made to
    sum to 1. The scores are Σ decay^n T_i over the history, where n counts back from the newest event;
    an item that came twice counts at its newest place.

    Args:
        reach: the largest distance w.
        fade: what a step of distance leaves.
        decay: what a step back in the history leaves. The best NDCG@10 of 0.7 to 1 on ML-100K.
    """

    name = "markov"

    def __init__(self, reach: int = 10, fade: float = 0.8, decay: float = 0.8) -> None:
        self.reach = reach
        self.fade = fade
        self.decay = decay

    def fit(self, train: Interactions, items: int) -> Self:
        self.pairs = Pairs(following(train, items, self.reach, self.fade), self.decay)
        self.fallback = _below_zero(train, items)
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        found = self.pairs.scores(query_windows(history, users, self.pairs.reach, Scale()).rows)
        return np.where(found > 0, found, self.fallback)


def all_baselines(seed: int = 1) -> list[Baseline]:
    """A fresh one of each, the weakest first."""
    return [Random(seed), Popularity(), ItemKnn(), Ease(), Markov()]


def _below_zero(train: Interactions, items: int) -> Scores:
    """(N,) −1 / (1 + events): below every score that means something, the more popular item higher."""
    return (-1 / (1 + train.counts(items))).astype(np.float32)


def _histories(history: Interactions, users: Users, items: int, decay: float = 1.0) -> sparse.csr_array:
    """(B, N) what each item of a history counts, however long it is."""
    longest = int(np.diff(history.offsets)[users].max(initial=0))
    return faded(query_windows(history, users, longest, Scale()).rows, items, decay)
