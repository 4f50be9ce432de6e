"""Items like an item: vectors learnt by a model, blended with plain n-gram TF-IDF of the texts.

Takes rows and their weights, gives a score for every item. TF-IDF is there because a shared name is
the best evidence of kinship that a catalogue alone holds, and no small network matches strings as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.hits import Bools, Hits, Recount, best, longest, one_by_one, rounding

if TYPE_CHECKING:
    from tastemaker.features.tfidf import Tfidf

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """How alike items are.

    Attributes:
        vectors: (N, D) float32 of the items to be found.
        queries: (N, D) float32 of the items asked from; mostly the same array.
        tfidf: of the N texts, or None.
        tfidf_share: its part in the score, 0 to 1; the rest is the dot product of the vectors.
    """

    vectors: Floats
    queries: Floats
    tfidf: "Tfidf | None" = None
    tfidf_share: float = 0.0

    def scores(self, rows: Rows, weights: Floats) -> Floats:
        """Likeness to a weighted mix of items.

        Args:
            rows: (B, H) int32; a PAD needs weight 0.
            weights: (B, H) float32.
        Returns: (B, N) float32.
        """
        texts = None if self._texts is None else self._texts.similarity(self._texts.mixed(rows, weights))
        return self._blended(self._mixed(rows, weights) @ self.vectors.T, texts)

    def search(
        self,
        rows: Rows,
        weights: Floats,
        k: int,
        exclude: Sequence[npt.ArrayLike],
        only: Bools | None = None,
    ) -> Hits:
        """The k most like each weighted mix of items, less the rows in its entry of `exclude` (B) and those
        outside `only` (N,).

        Keeps the promises of `Index`.
        """
        mixed = self._mixed(rows, weights)
        scores, slack = mixed @ self.vectors.T, rounding(mixed, self._longest)
        if self._texts is None:
            return best(
                scores,
                k,
                exclude,
                Recount(slack, lambda query, rows: one_by_one(mixed[query], self.vectors[rows])),
                only,
            )
        matrix, asked = self._texts.matrix, self._texts.mixed(rows, weights)

        def again(query: int, rows: Rows) -> Floats:
            texts = matrix[rows] @ asked[[query]].toarray()[0]
            return self._blended(one_by_one(mixed[query], self.vectors[rows]), texts)

        slack += np.finfo(np.float32).eps * np.diff(matrix.indptr).max(initial=0) * np.abs(weights).sum(1)
        blended = self._blended(scores, self._texts.similarity(asked))
        return best(blended, k, exclude, Recount(slack, again), only)

    def likeness(self, rows: Rows, others: Rows) -> Floats:
        """(n, H) of each of `rows` (n,) to each of `others` (H,), by the vectors alone."""
        return np.asarray(self.vectors[rows] @ self.queries[others].T, np.float32)

    @property
    def _texts(self) -> "Tfidf | None":
        return self.tfidf if self.tfidf_share else None

    def _mixed(self, rows: Rows, weights: Floats) -> Floats:
        return np.asarray(np.einsum("bh,bhd->bd", weights, self.queries[rows]), np.float32)

    def _blended(self, scores: Floats, texts: Floats | None) -> Floats:
        if texts is None:
            return np.asarray(scores, np.float32)
        return np.asarray((1 - self.tfidf_share) * scores + self.tfidf_share * texts, np.float32)

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)
