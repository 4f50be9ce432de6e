"""Two opinions on what comes next in one list: the network's and the counted pairs'.

Each is standardised over the catalogue, query by query, so that a share means the same for a sure
query and an unsure one, and for any unit that the pairs are counted in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.features.pairs import Pairs
from tastemaker.hits import Hits, Recount, best, joined, longest, one_by_one, rounding
from tastemaker.retrieve.exact import BLOCK_SCORES

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Blend:
    """(1 − share) × the product of vectors + share × what pairs say, both with mean 0 and deviation 1.

    Attributes:
        vectors: (N, D) float32 of the items to be found.
        pairs: counted between the N items.
        share: 0 to 1.
    """

    vectors: Floats
    pairs: Pairs
    share: float

    def scores(self, queries: Floats, histories: Rows) -> Floats:
        """(B, N) for query vectors (B, D) and the histories (B, T) behind them, newest first."""
        said = self.pairs.scores(histories)
        scale, shift = self._network(queries)
        counted, below = self._counted(said)
        return np.asarray(
            scale[:, None] * (queries @ self.vectors.T) + counted[:, None] * said + (shift + below)[:, None],
            np.float32,
        )

    def search(self, queries: Floats, histories: Rows, k: int, exclude: Sequence[npt.ArrayLike]) -> Hits:
        """The k best for each query, less the rows in its entry of `exclude` (B).

        Keeps the promises of `Index`.
        """
        step = max(1, BLOCK_SCORES // max(1, len(self.vectors)))
        blocks = [
            self._block(queries[at : at + step], histories[at : at + step], k, exclude[at : at + step])
            for at in range(0, len(queries), step)
        ]
        return joined(blocks, k)

    def _block(self, queries: Floats, histories: Rows, k: int, exclude: Sequence[npt.ArrayLike]) -> Hits:
        said = self.pairs.scores(histories)
        scale, shift = self._network(queries)
        counted, below = self._counted(said)
        said = counted[:, None] * said + (shift + below)[:, None]

        def again(query: int, rows: Rows) -> Floats:
            return np.asarray(
                scale[query] * one_by_one(queries[query], self.vectors[rows]) + said[query, rows], np.float32
            )

        slack = scale * rounding(queries, self._longest) + np.finfo(np.float32).eps * np.abs(said).max(1)
        return best(scale[:, None] * (queries @ self.vectors.T) + said, k, exclude, Recount(slack, again))

    def _network(self, queries: Floats) -> tuple[Floats, Floats]:
        """(B,) factor and shift that standardise the products of each query with all items.

        Their mean is q·m and their variance qᵀCq, with the mean m and the covariance C of the items.
        """
        # One query at a time: a product of matrices would round each by its neighbours.
        means = np.einsum("bd,d->b", queries, self._mean)
        spread = np.einsum("bd,bd->b", np.einsum("bd,de->be", queries, self._covariance), queries)
        scale = self._scale(1 - self.share, np.sqrt(np.maximum(spread, 0)))
        return scale, np.asarray(-scale * means, np.float32)

    def _counted(self, said: Floats) -> tuple[Floats, Floats]:
        """The same for what the pairs say (B, N)."""
        scale = self._scale(self.share, said.std(1, dtype=np.float64))
        return scale, np.asarray(-scale * said.mean(1, dtype=np.float64), np.float32)

    @staticmethod
    def _scale(share: float, deviations: Doubles) -> Floats:
        # Where every item is said the same of, nothing is said.
        known = deviations > 1e-9
        return np.asarray(np.where(known, share / np.where(known, deviations, 1), 0), np.float32)

    @cached_property
    def _mean(self) -> Doubles:
        return np.asarray(self.vectors.mean(0, dtype=np.float64))

    @cached_property
    def _covariance(self) -> Doubles:
        centred = self.vectors - self._mean
        return np.asarray(centred.T @ centred / max(1, len(centred)))

    @cached_property
    def _longest(self) -> float:
        return longest(self.vectors)
