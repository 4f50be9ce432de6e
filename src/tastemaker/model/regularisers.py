"""What keeps vectors from piling up: penalties over all pairs, in time that doesn't know how many pairs.

Both are norms of Gram matrices (D, D): no pair is ever formed.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Pull(NamedTuple):
    """A penalty, and its gradient in queries (B, D) and candidate vectors (C, D)."""

    loss: float
    queries: Floats
    vectors: Floats


def gravity(queries: Floats, vectors: Floats) -> Pull:
    """Mean squared product of any query with any vector: ‖QVᵀ‖² = ⟨QᵀQ, VᵀV⟩ (Krichene et al., ICLR 2019)."""
    pairs = len(queries) * len(vectors)
    of_queries, of_vectors = queries.T @ queries, vectors.T @ vectors
    return Pull(
        float((of_queries * of_vectors).sum() / pairs),
        queries @ of_vectors * np.float32(2 / pairs),
        vectors @ of_queries * np.float32(2 / pairs),
    )


def spread(queries: Floats, vectors: Floats) -> Pull:
    """Mean squared product of two different vectors: ‖VᵀV‖² less the own ones (Zhang et al., ICCV 2017)."""
    pairs = max(1, len(vectors) * (len(vectors) - 1))
    gram = vectors.T @ vectors
    own = np.einsum("cd,cd->c", vectors, vectors)[:, None]
    return Pull(
        float(((gram * gram).sum() - (own * own).sum()) / pairs),
        np.zeros_like(queries),
        (vectors @ gram - own * vectors) * np.float32(4 / pairs),
    )
