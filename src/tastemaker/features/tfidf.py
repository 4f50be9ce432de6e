"""TF-IDF over character n-grams: texts as sparse rows, whose products are likenesses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import Rows
from tastemaker.features.text import Counts, count, cut, idf

FEW = 16
"""Queries answered from the rows themselves; more are answered from the columns, made once."""


@dataclass(frozen=True)
class Tfidf:
    """Plain character n-grams: hard to beat where a name says what a thing belongs to.

    A weight is (1 + log of the count) × idf, and rows are unit vectors: scikit-learn's `sublinear_tf`.

    Attributes:
        ngrams: shortest and longest.
        hashes: (V,) uint64, sorted: the n-grams met in fitting.
        idf: (V,) float32.
        matrix: (N, V) float32 rows of length 1 (or 0, where a text is empty).
    """

    ngrams: tuple[int, int]
    hashes: npt.NDArray[np.uint64]
    idf: npt.NDArray[np.float32]
    matrix: sparse.csr_array

    @classmethod
    def fit(cls, texts: Sequence[str | None], ngrams: tuple[int, int] = (3, 5)) -> "Tfidf":
        tokens = cut(texts, ngrams).ngrams
        hashes, token = np.unique(tokens.hashes, return_inverse=True)
        counts = count(tokens.text, token, max(1, len(hashes)))
        weights = idf(np.bincount(counts.token, minlength=len(hashes)), len(texts))
        return cls(ngrams, hashes, weights, _unit_rows(counts, weights, len(texts)))

    def transform(self, texts: Sequence[str | None]) -> sparse.csr_array:
        """(B, V) rows as in `matrix`. An n-gram never met in fitting is left out."""
        tokens = cut(texts, self.ngrams).ngrams
        token = np.searchsorted(self.hashes, tokens.hashes)
        known = token < len(self.hashes)
        known[known] = self.hashes[token[known]] == tokens.hashes[known]
        counts = count(tokens.text[known], token[known], max(1, len(self.hashes)))
        return _unit_rows(counts, self.idf, len(texts))

    def mixed(self, rows: Rows, weights: npt.NDArray[np.float32]) -> sparse.csr_array:
        """(B, V) weighted sums of texts: of `rows` (B, H) by `weights` (B, H); a PAD needs weight 0."""
        queries, places = np.nonzero(weights)
        mix = sparse.csr_array(
            (weights[queries, places], (queries, rows[queries, places])),
            shape=(len(rows), self.matrix.shape[0]),
        )
        return sparse.csr_array(mix @ self.matrix)

    def similarity(self, queries: sparse.csr_array) -> npt.NDArray[np.float32]:
        """(B, N) cosines of (B, V) queries with every row of the catalogue, 0 to 1."""
        if queries.shape[0] > FEW:
            return np.asarray((queries @ self._columns).toarray(), np.float32)
        # For a few, or none, a second copy of the matrix is not worth its making.
        cosines = np.empty((queries.shape[0], self.matrix.shape[0]), np.float32)
        for query, dense in enumerate(queries.toarray()):
            cosines[query] = self.matrix @ dense
        return cosines

    @cached_property
    def _columns(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix.T)  # (V, N): a query reads the lists of its own n-grams only

    def having(self, rows: Rows, texts: Sequence[str | None]) -> "Tfidf":
        """With other `texts` (b,) in `rows` (b,), of which those from N on are new; n-grams and idf stay."""
        size = max(self.matrix.shape[0], int(rows.max(initial=-1)) + 1)
        order = np.arange(size)
        order[rows] = self.matrix.shape[0] + np.arange(len(rows))
        both: Any = sparse.vstack([self.matrix, self.transform(texts)], format="csr")
        if np.array_equal(order, np.arange(both.shape[0])):
            return replace(self, matrix=sparse.csr_array(both))
        return replace(self, matrix=sparse.csr_array(both[order]))

    def only(self, rows: Rows) -> "Tfidf":
        """Of the texts of `rows` alone, in that order."""
        return replace(self, matrix=sparse.csr_array(self.matrix[rows]))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays, by name, that `from_arrays` takes."""
        return {
            "ngrams": np.array(self.ngrams),
            "hashes": self.hashes,
            "idf": self.idf,
            "starts": self.matrix.indptr,
            "columns": self.matrix.indices,
            "weights": self.matrix.data,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Tfidf":
        starts, hashes = arrays["starts"], arrays["hashes"]
        shape = (len(starts) - 1, len(hashes))
        matrix = sparse.csr_array((arrays["weights"], arrays["columns"], starts), shape=shape)
        matrix.check_format()  # a column past the last would be read from wherever it pointed
        shortest, longest = arrays["ngrams"].tolist()
        return cls((shortest, longest), hashes, arrays["idf"], matrix)


def _unit_rows(counts: Counts, idf: npt.NDArray[np.float32], texts: int) -> sparse.csr_array:
    weights = (1 + np.log(counts.times)) * idf[counts.token]
    norms = np.sqrt(np.bincount(counts.text, weights**2, minlength=texts))
    data = (weights / norms[counts.text]).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(counts.text, minlength=texts))]).astype(np.int32)
    return sparse.csr_array((data, counts.token.astype(np.int32), indptr), shape=(texts, len(idf)))
