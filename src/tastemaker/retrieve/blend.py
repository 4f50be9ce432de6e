"""Two opinions on what comes next in one list: the network's and the counted pairs'.

They are added as they stand. Where the network is sure it is heard, and where the pairs know little of a
history they say little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.hits import Bools, Hits, Recount, best, joined, longest, one_by_one, ranked, rounding
from tastemaker.retrieve.index import Index
from tastemaker.retrieve.scan import BLOCK_SCORES

if TYPE_CHECKING:
    from tastemaker.features.pairs import Pairs

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Blend:
    """The product of vectors, plus `weight` × what pairs say.

    Attributes:
        vectors: (N, D) float32 of the items to be found.
        pairs: counted between the N items.
        weight: 0 or more.
        index: of the vectors, to be asked instead of looking at all items; None looks at all.
    """

    vectors: Floats
    pairs: "Pairs"
    weight: float
    index: Index | None = None

    def scores(self, queries: Floats, histories: Rows) -> Floats:
        """(B, N) for query vectors (B, D) and the histories (B, T) behind them, newest first."""
        return np.asarray(queries @ self.vectors.T + self._said(histories), np.float32)

    def search(
        self,
        queries: Floats,
        histories: Rows,
        k: int,
        exclude: Sequence[npt.ArrayLike],
        only: Bools | None = None,
    ) -> Hits:
        """The k best for each query, less its entry of `exclude` (B) and what lies outside `only` (N,).

        Keeps the promises of `Index`.
        """
        if self.index is not None and self._only_lifts:
            return self._search_some(self.index, queries, histories, k, exclude, only)
        return self.search_each([self.weight], queries, histories, k, exclude, only)[0]

    def _search_some(
        self,
        index: Index,
        queries: Floats,
        histories: Rows,
        k: int,
        exclude: Sequence[npt.ArrayLike],
        only: Bools | None,
    ) -> Hits:
        """Among the nearest, and those that pairs speak of.

        That is all of them: pairs only lift, so who isn't lifted and comes among the k best of both is among
        the k nearest too.
        """
        near, spoken = index.search(queries, k, exclude, only).rows, self.pairs.spoken(histories)
        found = []
        for query, here in enumerate(near):
            part = slice(spoken.indptr[query], spoken.indptr[query + 1])
            lifted = spoken.indices[part]
            stays = ~np.isin(lifted, np.asarray(exclude[query], np.int64))
            if only is not None:
                stays &= only[lifted]
            plain = here[(here != PAD) & ~np.isin(here, lifted)]
            rows = np.concatenate([plain, lifted[stays]]).astype(np.int64)
            said = np.zeros(len(rows), np.float32)
            said[len(plain) :] = np.float32(self.weight) * spoken.data[part][stays].astype(np.float32)
            scores = one_by_one(queries[query], self.vectors.take(rows, 0)) + said
            found.append(ranked(rows[None], scores[None], k))
        return joined(found, k)

    @cached_property
    def _only_lifts(self) -> bool:
        return self.weight >= 0 and not bool((self.pairs.weights.data < 0).any())

    def search_each(
        self,
        weights: Sequence[float],
        queries: Floats,
        histories: Rows,
        k: int,
        exclude: Sequence[npt.ArrayLike],
        only: Bools | None = None,
    ) -> list[Hits]:
        """`search` with each of `weights` in the place of the own one; what is added is worked out once."""
        step = max(1, BLOCK_SCORES // max(1, len(self.vectors)))
        found: list[list[Hits]] = [[] for _ in weights]
        for at in range(0, len(queries), step):
            part = slice(at, at + step)
            products = queries[part] @ self.vectors.T
            said = self.pairs.scores(histories[part])
            for weight, hits in zip(weights, found, strict=True):
                added = np.asarray(np.float32(weight) * said, np.float32)
                hits.append(self._block(queries[part], products, added, k, exclude[part], only))
        return [joined(blocks, k) for blocks in found]

    def _block(
        self,
        queries: Floats,
        products: Floats,
        said: Floats,
        k: int,
        exclude: Sequence[npt.ArrayLike],
        only: Bools | None,
    ) -> Hits:
        def again(query: int, rows: Rows) -> Floats:
            return np.asarray(one_by_one(queries[query], self.vectors[rows]) + said[query, rows], np.float32)

        slack = rounding(queries, self._longest) + np.finfo(np.float32).eps * np.abs(said).max(1, initial=0)
        return best(products + said, k, exclude, Recount(slack, again), only)

    def _said(self, histories: Rows) -> Floats:
        """(B, N) what the pairs add."""
        return np.asarray(np.float32(self.weight) * self.pairs.scores(histories), np.float32)

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)
