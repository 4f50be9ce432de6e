"""Finds many of the nearest items down random trees, with the library Annoy (extra `annoy`)."""

import importlib.util
from functools import cached_property
from typing import Any

import numpy as np

from tastemaker.errors import TastemakerError
from tastemaker.hits import Floats
from tastemaker.retrieve.distinct import Distinct, evened
from tastemaker.retrieve.shortlist import Found

TREES = 50

WIDTH = 4096
"""Nodes looked at in all trees together, where nobody has tuned it."""


def check_installed() -> None:
    """Raises TastemakerError where Annoy isn't."""
    if importlib.util.find_spec("annoy") is None:
        raise TastemakerError(
            "retrieval.index.kind is 'annoy', which isn't installed: pip install 'tastemaker[annoy]'."
        )


class Annoy(Distinct):
    """The index of trees.

    They split by angle, of vectors that have been made equally long.

    Args:
        vectors: (N, D) float32; the score is the dot product.
        width: nodes looked at.
    Raises: TastemakerError where Annoy isn't installed.
    """

    fewest = 64

    def __init__(self, vectors: Floats, width: int = WIDTH) -> None:
        check_installed()
        super().__init__(vectors, width)

    @property
    def widest(self) -> int:
        """Width that looks at every node."""
        return TREES * max(1, len(self.vectors))

    def near(self, queries: Floats, wanted: int, width: int) -> Found:
        out = np.full((len(queries), wanted), -1, np.int64)
        for place, query in enumerate(np.pad(queries, ((0, 0), (0, 1))).tolist()):
            found = self.trees.get_nns_by_vector(query, wanted, width)
            out[place, : len(found)] = found
        return out

    @cached_property
    def trees(self) -> Any:
        """Built by one thread from one seed: the same each time."""
        from annoy import AnnoyIndex

        vectors = evened(self.vectors[self.copies.first] * np.float32(self.half.scale))
        trees = AnnoyIndex(vectors.shape[1], "angular")
        trees.set_seed(1)
        for row, vector in enumerate(vectors):
            trees.add_item(row, vector)
        trees.build(TREES, n_jobs=1)
        return trees
