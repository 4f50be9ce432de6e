"""Finds nearest items by looking at all of them: one product and a partial sort.

Takes query vectors, gives ranked rows. Every answer of every source ends in `best`, so the promises
of `Index` are kept in one place.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows

Floats = npt.NDArray[np.float32]

BLOCK_SCORES = 1 << 22
"""Scores held at once, 16 MB: more is no faster, because it outgrows the cache."""


class Hits(NamedTuple):
    """The best items for each query, best first.

    rows: (B, K) int32; PAD where the catalogue ran out.
    scores: (B, K) float32; -inf beside a PAD.
    """

    rows: Rows
    scores: Floats


class Index(Protocol):
    """Finds the items nearest to each query. Exact or approximate, an index promises:

    an excluded row never comes back; no row comes back twice; where fewer than k are left, the rest
    is PAD; equal scores come smaller row first; and a query's answer doesn't depend on who shares
    its batch.
    """

    def search(self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike]) -> Hits:
        """The k best for each of `queries` (B, D), less the rows in its entry of `exclude` (B)."""
        ...


class Exact(Index):
    """The plain product, in blocks of queries.

    Args:
        vectors: (N, D) float32; the score is the dot product.
    """

    def __init__(self, vectors: Floats) -> None:
        self.vectors = vectors

    def search(self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike]) -> Hits:
        step = max(1, BLOCK_SCORES // max(1, len(self.vectors)))
        blocks = [
            self._block(queries[at : at + step], k, exclude[at : at + step])
            for at in range(0, len(queries), step)
        ]
        return joined(blocks, k)

    def _block(self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike]) -> Hits:
        def again(query: int, rows: Rows) -> Floats:
            return one_by_one(queries[query], self.vectors[rows])

        slack = rounding(queries, self._longest)
        return best(queries @ self.vectors.T, k, exclude, Recount(slack, again))

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)


def joined(blocks: Sequence[Hits], k: int) -> Hits:
    """The answers to several blocks of queries as one."""
    nothing = Hits(np.zeros((0, k), np.int32), np.zeros((0, k), np.float32))
    return Hits(*(np.concatenate(part) for part in zip(nothing, *blocks, strict=True)))


def longest(vectors: Floats) -> float:
    """Length of the longest of `vectors` (N, D); 0 where there is none."""
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0.0)))


def rounding(queries: Floats, longest: float) -> Floats:
    """(B,) how far two roundings of one product with `queries` (B, D) may lie apart."""
    lengths = np.sqrt(np.einsum("bd,bd->b", queries, queries))
    return np.asarray(2 * queries.shape[1] * np.finfo(np.float32).eps * longest * lengths, np.float32)


def one_by_one(query: Floats, vectors: Floats) -> Floats:
    """(n,) dot products of `query` (D,) with `vectors` (n, D), each rounded as if it were alone."""
    return np.asarray(np.einsum("nd,d->n", vectors, query), np.float32)


class Recount(NamedTuple):
    """A product of matrices rounds each number by where it stands, so equal vectors, or one query alone
    and in a batch, differ in the last digits. It says who comes into question; these are counted again.

    slack: (B,) how far a score may be off.
    scores: query number and rows (n,) → (n,) scores that depend on nothing else.
    """

    slack: Floats
    scores: Callable[[int, Rows], Floats]


def best(scores: Floats, k: int, exclude: Sequence[npt.ArrayLike], recount: Recount | None = None) -> Hits:
    """The k highest of each row of `scores` (B, N), which is overwritten.

    Ties: the smaller row first. An excluded row, -inf and NaN never come back; PAD excludes nothing.
    """
    for query, rows in enumerate(exclude):
        struck = np.asarray(rows, dtype=np.int64)
        scores[query, struck[struck >= 0]] = -np.inf
    scores[np.isnan(scores)] = -np.inf
    count = min(k, scores.shape[1])
    rows = np.full((len(scores), k), PAD, np.int32)
    found = np.full((len(scores), k), -np.inf, np.float32)
    for query, row_scores in enumerate(scores):
        # A partition cuts through ties at random, so all that reach the k-th score are sorted.
        bar = np.partition(row_scores, -count)[-count] if count else np.inf
        bar -= recount.slack[query] if recount else 0
        able = np.flatnonzero(row_scores >= max(bar, np.finfo(np.float32).min)).astype(np.int32)
        final = recount.scores(query, able) if recount else row_scores[able]
        order = np.argsort(-final, kind="stable")[:count]
        rows[query, : len(order)] = able[order]
        found[query, : len(order)] = final[order]
    return Hits(rows, found)
