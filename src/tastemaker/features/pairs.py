"""What pairs of items say: which one follows which, and which are touched by the same people.

Counted, not trained. The opponents in `evaluation` are made of this, and so is the part of a bundle
that stands beside the network: `Pairs`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions

Floats = npt.NDArray[np.float32]

EASE_ITEMS = 20_000
"""EASE's dense matrix of items × items takes 1.6 GB in float32 there, twice that while it is fitted."""

EXACT_ITEMS = 8_000
"""Above this, 0.5 GB, it is inverted in float32: about four digits, enough to rank by."""

KEPT = 4_000_000
"""Pairs that a bundle keeps, 32 MB: the heaviest of each item."""

LEAST_KEPT = 32
"""Pairs kept of an item, however large the catalogue."""

FORGOTTEN = 1e-6
"""Weights too small to move a float32 score are left out: they only cost time."""

LONGEST = 1000
"""Events of a history that speak at most, where none is ever forgotten."""


@dataclass(frozen=True)
class Pairs:
    """What the items of a history say of every other item.

    Attributes:
        weights: (N, N) float32; row i is what i says of each.
        decay: what a step back in the history leaves of an item's word.
    """

    weights: sparse.csr_array
    decay: float

    @property
    def reach(self) -> int:
        """Newest events of a history that can make a difference."""
        if not 0 < self.decay < 1:
            return LONGEST if self.decay else 1
        return min(LONGEST, 1 + math.floor(math.log(FORGOTTEN) / math.log(self.decay)))

    def scores(self, rows: Rows) -> Floats:
        """(B, N) for histories (B, T), newest first, PAD where there is nothing.

        A history's scores don't depend on the others of its batch.
        """
        return np.asarray(self.spoken(rows).toarray(), np.float32)

    def spoken(self, rows: Rows) -> sparse.csr_array:
        """`scores` of those items only that some pair speaks of."""
        # scipy adds up each row of a sparse product by itself, in the order of its terms.
        return sparse.csr_array(faded(rows, self.weights.shape[0], self.decay) @ self.weights)

    def only(self, rows: Rows) -> "Pairs":
        """Of the items of `rows` alone, in that order."""
        return Pairs(sparse.csr_array(self.weights[rows][:, rows]), self.decay)

    def beside(self, items: int, blank: Rows) -> "Pairs":
        """Of `items`, those it has and others behind them; nothing is said of the others, nor of `blank`."""
        weights = self.weights
        starts = np.append(
            weights.indptr, np.full(items - weights.shape[0], weights.nnz, weights.indptr.dtype)
        )
        wider = sparse.csr_array((weights.data, weights.indices, starts), shape=(items, items))
        if (blank < weights.shape[0]).any():  # else nobody has spoken of them
            heard = np.ones(items, np.float32)
            heard[blank] = 0
            wider = sparse.csr_array(
                (weights.data * heard[weights.indices], weights.indices, starts), wider.shape
            )
            wider = wider.copy()  # the indices are shared with those before
            wider.eliminate_zeros()
        return Pairs(wider, self.decay)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays, by name, that `from_arrays` takes."""
        return {
            "starts": self.weights.indptr,
            "columns": self.weights.indices,
            "weights": self.weights.data,
            "decay": np.array([self.decay]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Pairs":
        items = len(arrays["starts"]) - 1
        weights = sparse.csr_array(
            (arrays["weights"], arrays["columns"], arrays["starts"]), shape=(items, items)
        )
        weights.check_format()  # a column past the last would be read from wherever it pointed
        return cls(weights, float(arrays["decay"][0]))


def faded(rows: Rows, items: int, decay: float) -> sparse.csr_array:
    """(B, N) what each item of a history counts: decay^t at its newest place t, of histories (B, T)."""
    # Row by row and newest first, so the first of each pair is the newest of its repeats.
    queries, places = np.nonzero(rows != PAD)
    weights = np.power(float(decay), places)
    heavy = weights > FORGOTTEN
    keys = queries[heavy].astype(np.int64) * items + rows[queries, places][heavy]
    keys, newest = np.unique(keys, return_index=True)
    values = weights[heavy][newest].astype(np.float32)
    return sparse.csr_array((values, (keys // items, keys % items)), shape=(len(rows), items))


def following(train: Interactions, items: int, reach: int = 10, fade: float = 0.8) -> sparse.csr_array:
    """(N, N) how often each item comes soon after each other: rows that sum to 1, or 0.

    T_ij = Σ fade^(w − 1) over every place where j comes w ≤ reach events after i, before the division.
    """
    counts: Any = sparse.csr_array((items, items), dtype=np.float64)
    for distance in range(1, reach + 1):
        together = train.users[distance:] == train.users[:-distance]
        before, after = train.rows[:-distance][together], train.rows[distance:][together]
        weights = np.full(len(before), fade ** (distance - 1))
        counts = counts + sparse.csr_array((weights, (before, after)), shape=(items, items))
    sums = np.asarray(counts.sum(1)).ravel()
    shares = sparse.diags_array(1 / np.where(sums > 0, sums, 1)) @ counts
    return sparse.csr_array(shares.astype(np.float32))


def ease(train: Interactions, items: int, ridge: float) -> Floats:
    """(N, N) the best linear weights in closed form, blind to order (Steck, WWW 2019).

    With X (U, N) of who touched what and P = (XᵀX + λI)⁻¹: B_ij = −P_ij / P_jj, B_jj = 0.
    """
    weights = _both(touched(train, items))
    weights[np.diag_indices(items)] += ridge
    return _regressed(weights)


def even_ease(
    train: Interactions,
    items: int,
    ridge: float,
    dropout: float = 0.4,
    activity: float = 0.5,
    rarity: float = 0.15,
) -> Floats:
    """(N, N) EASE in which neither those who touched much nor what is popular drowns the others out.

    A person of n items has n² pairs; here each of them counts n^−activity, by which XᵀX becomes
    G = s Σ_u n_u^−activity x_u x_uᵀ, with s so that its trace stays the number of events, and a ridge means
    the same. The more popular an item, the more it is held back: that is what training EASE to denoise a
    history with items dropped at random comes to (Steck, NeurIPS 2020, EDLAE):
    P = (G + λI + dropout / (1 − dropout) · diag G)⁻¹, and B_ij = −P_ij / P_jj · (c_j / c̄)^−rarity, where c_j
    people touched j, and c̄ the mean item. What each of the three finds: docs/models.md.
    """
    people = touched(train, items)
    counts = np.asarray(people.sum(1)).ravel()
    popularity = np.maximum(np.asarray(people.sum(0)).ravel(), 1)
    shares = np.sqrt(np.maximum(counts, 1.0)) ** -activity
    weights = _both(sparse.csr_array(sparse.diags_array(shares.astype(np.float32)) @ people))
    weights *= counts.sum() / max(np.trace(weights), 1e-9)
    weights[np.diag_indices(items)] = np.diag(weights) / (1 - dropout) + ridge
    found = _regressed(weights)
    found *= (popularity / popularity.mean()) ** -rarity
    return found


def _both(people: sparse.csr_array) -> npt.NDArray[np.floating]:
    """XᵀX of (U, N), in Fortran order, to be overwritten."""
    items = people.shape[1]
    weights = np.zeros((items, items), np.float64 if items <= EXACT_ITEMS else np.float32, order="F")
    for block, both in touched_by_both(people):
        weights[:, block] = both.T
    return weights


def _regressed(weights: npt.NDArray[np.floating]) -> Floats:
    """(N, N) B of a symmetric matrix (N, N), which is overwritten: B_ij = −P_ij / P_jj, B_jj = 0."""
    _invert(weights)
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights, np.float32)


def ease_refusal(items: int) -> str | None:
    """Why `ease` won't be fitted to a catalogue of this size, or None when it will."""
    if items <= EASE_ITEMS:
        return None
    memory = f"{items * items * 8 / 1e9:.1f} GB"
    return f"{items:,} items are more than {EASE_ITEMS:,}: fitting it would take {memory}."


def heaviest(weights: sparse.csr_array | Floats, kept: int = KEPT) -> sparse.csr_array:
    """(N, N) about `kept` of the weights (N, N), the largest of each row by amount."""
    count = max(LEAST_KEPT, kept // max(1, weights.shape[0]))
    if isinstance(weights, np.ndarray):
        at_once = 1024
        blocks = [
            heaviest_of(weights[at : at + at_once], count) for at in range(0, max(1, len(weights)), at_once)
        ]
        return sparse.csr_array(sparse.vstack(blocks))
    if np.diff(weights.indptr).max(initial=0) <= count:
        return weights
    # By row, heaviest first: a pair's place within its row says whether it stays.
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((-np.abs(weights.data), row))
    stays = np.zeros(weights.nnz, bool)
    stays[order] = np.arange(weights.nnz) - weights.indptr[row] < count
    counts = np.bincount(row[stays], minlength=weights.shape[0])
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(weights.indptr.dtype)
    return sparse.csr_array((weights.data[stays], weights.indices[stays], starts), shape=weights.shape)


def heaviest_of(block: Floats, count: int) -> sparse.csr_array:
    """(b, N) with only the `count` largest of each row kept, by amount; ties at the edge all stay."""
    if count < block.shape[1]:
        amounts = np.abs(block)
        block = np.where(amounts >= np.partition(amounts, -count, axis=1)[:, -count, None], block, 0)
    return sparse.csr_array(block)


def touched(log: Interactions, items: int) -> sparse.csr_array:
    """(U, N) 1 where a user touched an item at all."""
    ones = np.ones(log.size, np.float32)
    matrix = sparse.csr_array((ones, (log.users, log.rows)), shape=(log.user_count, items))
    matrix.data[:] = 1  # a repeat is not twice the taste
    return matrix


def touched_by_both(people: sparse.csr_array) -> Iterator[tuple[slice, Floats]]:
    """Blocks of items, and (b, N) how many of `people` (U, N) touched each of them and each other item."""
    items = people.shape[1]
    columns = people.tocsc()
    step = max(1, 2**23 // max(1, items))
    for start in range(0, items, step):
        block = slice(start, min(start + step, items))
        yield block, (columns[:, block].T @ people).toarray()


def _invert(matrix: npt.NDArray[np.floating]) -> None:
    """Put the inverse of a symmetric, positive definite matrix (Fortran order) in its place."""
    from scipy import linalg  # not for those who only answer

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
