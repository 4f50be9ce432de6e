"""What any way of looking for the nearest items promises."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tastemaker.hits import Bools, Hits

Floats = npt.NDArray[np.float32]


class Index(Protocol):
    """Finds the items nearest to each query. Exact or approximate, an index promises:

    an excluded row never comes back, nor one outside `only`; no row comes back twice; where fewer
    than k are left, all of them do and the rest is PAD; equal scores come smaller row first; and a
    query's answer doesn't depend on who shares its batch.
    """

    def search(
        self, queries: Floats, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None = None
    ) -> Hits:
        """The k best for each of `queries` (B, D), less the rows in its entry of `exclude` (B).

        Args:
            only: (N,) which rows may come back at all; None for every one.
        """
        ...
