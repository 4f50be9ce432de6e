"""The opponents: recommenders without a training loop, that every model must stand beside.

In go a log and the histories of those who ask, out come scores for the whole catalogue. They are
tuned as carefully as their rivals, on a validation part, never on the test (the grids and their
numbers: `python -m benchmarks.baselines --tune`). Where a history says nothing of an item, or there is
no history, the more popular item stands first.
"""

from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from tastemaker.data.interactions import Interactions

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
        touched = _touched(train, items)
        lengths = np.sqrt(np.asarray(touched.sum(0)).ravel())
        blocks = []
        for block, both in _together(touched):
            norms = lengths[block, None] * lengths[None, :] + self.shrinkage
            similar = np.divide(both, norms, out=np.zeros_like(both), where=norms > 0)
            similar[np.arange(len(both)), np.arange(items)[block]] = 0
            blocks.append(_largest(similar, self.neighbours))
        self.similar = sparse.csr_matrix(sparse.vstack(blocks))
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

    MAX_ITEMS = 20_000
    """Its dense matrix of items × items takes 1.6 GB in float32 there, twice that while it is fitted."""

    EXACT_ITEMS = 8_000
    """Above this, 0.5 GB, it is inverted in float32: about four digits, enough to rank by."""

    def __init__(self, ridge: float = 100.0, decay: float = 1.0) -> None:
        self.name = "ease" if decay == 1 else "ease_recent"
        self.ridge = ridge
        self.decay = decay

    def refusal(self, items: int) -> str | None:
        if items <= self.MAX_ITEMS:
            return None
        memory = f"{items * items * 8 / 1e9:.1f} GB"
        return f"{items:,} items are more than {self.MAX_ITEMS:,}: fitting it would take {memory}."

    def fit(self, train: Interactions, items: int) -> Self:
        touched = _touched(train, items)
        kind = np.float64 if items <= self.EXACT_ITEMS else np.float32
        weights = np.zeros((items, items), kind, order="F")
        for block, both in _together(touched):
            weights[:, block] = both.T
        weights[np.diag_indices(items)] += self.ridge
        _invert(weights)
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        self.weights = np.ascontiguousarray(weights, np.float32)
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
        counts: Any = sparse.csr_matrix((items, items), dtype=np.float64)
        for distance in range(1, self.reach + 1):
            together = train.users[distance:] == train.users[:-distance]
            before, after = train.rows[:-distance][together], train.rows[distance:][together]
            weights = np.full(len(before), self.fade ** (distance - 1))
            counts = counts + sparse.csr_matrix((weights, (before, after)), shape=(items, items))
        sums = np.asarray(counts.sum(1)).ravel()
        shares = sparse.diags_array(1 / np.where(sums > 0, sums, 1)) @ counts
        self.following = sparse.csr_matrix(shares.astype(np.float32))
        self.fallback = _below_zero(train, items)
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        found = (_histories(history, users, len(self.fallback), self.decay) @ self.following).toarray()
        return np.where(found > 0, found, self.fallback)


def all_baselines(seed: int = 1) -> list[Baseline]:
    """A fresh one of each, the weakest first."""
    return [Random(seed), Popularity(), ItemKnn(), Ease(), Markov()]


def _touched(log: Interactions, items: int) -> sparse.csr_matrix:
    """(U, N) 1 where a user touched an item at all."""
    ones = np.ones(log.size, np.float32)
    matrix = sparse.csr_matrix((ones, (log.users, log.rows)), shape=(log.user_count, items))
    matrix.data[:] = 1  # a repeat is not twice the taste
    return matrix


def _together(touched: sparse.csr_matrix) -> Iterator[tuple[slice, Scores]]:
    """Blocks of items, and (b, N) how many people touched each of them and each other item."""
    items = touched.shape[1]
    columns = touched.tocsc()
    step = max(1, 2**23 // max(1, items))
    for start in range(0, items, step):
        block = slice(start, min(start + step, items))
        yield block, (columns[:, block].T @ touched).toarray()


def _invert(matrix: npt.NDArray[np.floating]) -> None:
    """Put the inverse of a symmetric, positive definite matrix (Fortran order) in its place."""
    functions: Any = linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    factorise, invert = functions
    lower, failed = factorise(matrix, lower=1, overwrite_a=1, clean=0)
    if not failed:
        lower, failed = invert(lower, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError("EASE can't invert its matrix: its ridge is too small.")
    matrix[:] = lower
    for at in range(0, len(matrix), 1024):  # LAPACK fills the lower half only
        corner = matrix[at : at + 1024, at : at + 1024]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        matrix[at : at + 1024, at + 1024 :] = matrix[at + 1024 :, at : at + 1024].T


def _below_zero(train: Interactions, items: int) -> Scores:
    """(N,) −1 / (1 + events): below every score that means something, the more popular item higher."""
    return (-1 / (1 + train.counts(items))).astype(np.float32)


def _histories(history: Interactions, users: Users, items: int, decay: float = 1.0) -> sparse.csr_matrix:
    """(B, N) what each item of a history counts: decay^n for the n-th newest event, the newest of repeats."""
    lengths = np.diff(history.offsets)[users]
    ends = np.cumsum(lengths)
    age = np.repeat(ends, lengths) - 1 - np.arange(ends[-1] if len(ends) else 0)
    places = np.repeat(history.offsets[users + 1], lengths) - 1 - age
    # Weights too small to move a float32 score are left out: they only cost time.
    weights = np.power(decay, age)
    heavy = weights > 1e-6
    rows, queries = history.rows[places][heavy], np.repeat(np.arange(len(users)), lengths)[heavy]
    newest_first = np.lexsort((age[heavy], rows, queries))
    keys = queries[newest_first].astype(np.int64) * items + rows[newest_first]
    newest = newest_first[np.append(True, keys[1:] != keys[:-1])] if len(keys) else newest_first
    values = weights[heavy][newest].astype(np.float32)
    return sparse.csr_matrix((values, (queries[newest], rows[newest])), shape=(len(users), items))


def _largest(block: npt.NDArray[np.float32], count: int) -> sparse.csr_matrix:
    """(b, N) with only the `count` largest of each row kept, and only those above 0."""
    if count < block.shape[1]:
        floor = np.partition(block, -count, axis=1)[:, -count, None]
        block = np.where(block >= floor, block, 0)
    return sparse.csr_matrix(block)
