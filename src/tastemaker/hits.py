"""The best of many scores: where every ranked list is made, in training, serving and evaluation alike."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

LEAST_IN_A_GROUP = 8
"""Scores: with fewer, looking at all of them costs no more."""


class Hits(NamedTuple):
    """The best items for each query, best first.

    rows: (B, K) int32; PAD where the catalogue ran out.
    scores: (B, K) float32; -inf beside a PAD.
    """

    rows: Rows
    scores: Floats


def joined(blocks: Sequence[Hits], k: int) -> Hits:
    """The answers to several blocks of queries as one."""
    nothing = Hits(np.zeros((0, k), np.int32), np.zeros((0, k), np.float32))
    return Hits(*(np.concatenate(part) for part in zip(nothing, *blocks, strict=True)))


def longest(vectors: Floats) -> float:
    """Length of the longest of `vectors` (N, D) that are numbers; 0 where there is none."""
    return float(np.sqrt(np.fmax.reduce(np.einsum("nd,nd->n", vectors, vectors), initial=0.0)))


def rounding(queries: Floats, longest: float) -> Floats:
    """(B,) how far two roundings of one product with `queries` (B, D) may lie apart."""
    lengths = np.sqrt(np.einsum("bd,bd->b", queries, queries))
    return np.asarray(2 * queries.shape[1] * np.finfo(np.float32).eps * longest * lengths, np.float32)


def one_by_one(query: Floats, vectors: Floats) -> Floats:
    """Dot products, each rounded as if it were alone: (n,) of `query` (D,) with `vectors` (n, D), or (B, n)
    of (B, D) with (B, n, D).
    """
    return np.asarray(np.einsum("...nd,...d->...n", vectors, query), np.float32)


def ranked(rows: npt.NDArray[np.int64], scores: Floats, k: int) -> Hits:
    """The k best of `rows` (B, m), which stand there once each, by `scores` (B, m).

    Ties: the smaller row first. A row with a score of -inf or NaN never comes back.
    """
    if len(rows) == 1 and 0 < k <= rows.shape[1]:
        # NaN come first or last, and -inf behind all numbers: where neither end is one, none is kept.
        hits = _packed(rows, scores, k)
        if hits.scores[0, 0] <= np.inf and hits.scores[0, -1] > -np.inf:
            return hits
    if not np.minimum.reduce(scores, None, initial=0) > -np.inf:
        out = ~(scores > -np.inf)
        rows, scores = np.where(out, PAD, rows), np.where(out, np.float32(-np.inf), scores)
    if rows.shape[1] < k:
        rest = ((0, 0), (0, k - rows.shape[1]))
        rows = np.pad(rows, rest, constant_values=PAD)
        scores = np.pad(scores, rest, constant_values=-np.inf)
    return _packed(rows, scores, k)


def _packed(rows: npt.NDArray[np.int64], scores: Floats, k: int) -> Hits:
    """The first k where every score is a number."""
    # Score and row in one whole number, which sorts ten times as fast as two keys. Read as a whole number, a
    # float above 0 keeps its order and one below 0 turns it round; adding 0 makes -0 the same as 0.
    keys = _turned((scores + np.float32(0)).view(np.int32))
    both = (~keys).astype(np.int64) << 32 | (rows & 0xFFFFFFFF)
    both.sort(axis=1)
    both = both[:, :k]
    return Hits(both.astype(np.int32), _turned(~(both >> 32).astype(np.int32)).view(np.float32))


def _turned(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return bits ^ (bits >> 31 & 0x7FFFFFFF)


class Recount(NamedTuple):
    """A product of matrices rounds each number by where it stands, so equal vectors, or one query alone
    and in a batch, differ in the last digits. It says who comes into question; these are counted again.

    slack: (B,) how far a score may be off.
    scores: query number and rows (n,) → (n,) scores that depend on nothing else.
    """

    slack: Floats
    scores: Callable[[int, Rows], Floats]


def best(
    scores: Floats,
    k: int,
    exclude: Sequence[npt.ArrayLike],
    recount: Recount | None = None,
    only: Bools | None = None,
) -> Hits:
    """The k highest of each row of `scores` (B, N), which is overwritten.

    Ties: the smaller row first. An excluded row, one that isn't in `only` (N,), -inf and NaN never come
    back; PAD excludes nothing.
    """
    if only is not None:
        scores[:, ~only] = -np.inf
    for query, rows in enumerate(exclude):
        struck = np.asarray(rows, dtype=np.int64)
        scores[query, struck[struck >= 0]] = -np.inf
    count = min(k, scores.shape[1])
    rows = np.full((len(scores), k), PAD, np.int32)
    found = np.full((len(scores), k), -np.inf, np.float32)
    for query, row_scores in enumerate(scores):
        able = _reaching(row_scores, count, float(recount.slack[query]) if recount else 0.0)
        final = recount.scores(query, able) if recount else row_scores[able]
        order = np.argsort(-final, kind="stable")[:count]
        rows[query, : len(order)] = able[order]
        found[query, : len(order)] = final[order]
    return Hits(rows, found)


def _reaching(scores: Floats, count: int, slack: float) -> Rows:
    """Rows of `scores` (N,) no more than `slack` below the `count`-th highest, or a few more, ascending.

    A partition cuts through ties at random, so all that reach a bar are given. Of many scores the highest of
    each of √(count · N) groups is looked at first. The count-th of those is the bar: no higher than the
    count-th of all, and nearly as high; a group whose highest is below it is passed over.
    """
    groups = max(1, math.isqrt(count * len(scores)))
    is_worth_it = count and len(scores) >= LEAST_IN_A_GROUP * groups
    whole = len(scores) - len(scores) % groups if is_worth_it else 0
    table, rest = scores[:whole].reshape(-1, groups), scores[whole:]
    tops = np.concatenate([table.max(axis=0, initial=-np.inf), rest])
    if np.isnan(tops).any():
        scores[np.isnan(scores)] = -np.inf
        return _reaching(scores, count, slack)
    bar = max(np.partition(tops, -count)[-count] - slack if count else np.inf, np.finfo(np.float32).min)
    columns = np.flatnonzero(tops[:groups] >= bar)
    lines, places = np.divmod(np.flatnonzero(table.take(columns, axis=1) >= bar), max(1, len(columns)))
    able = lines * groups + columns[places]
    return np.concatenate([able, whole + np.flatnonzero(rest >= bar)]).astype(np.int32)
