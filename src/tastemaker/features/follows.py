"""What the items of a history say of a few others, by how far back each was touched."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows

if TYPE_CHECKING:
    from tastemaker.features.pairs import Pairs

Floats = npt.NDArray[np.float64]

SPEAKING = 50
"""Newest events that say anything."""


class Follows:
    """Counted pairs, asked about a few items at a time. Many threads may ask at once.

    Args:
        pairs: what each of N items says of the others.
        decays: (H,) what a step back in the history leaves of an item's word; 0 lets the newest alone speak.
    """

    def __init__(self, pairs: "Pairs", decays: Sequence[float]) -> None:
        weights = pairs.weights
        self._starts, self._columns, self._values = weights.indptr, weights.indices, weights.data
        self._faded = np.asarray(decays, np.float64)[:, None] ** np.arange(SPEAKING)  # (H, T)

    def of(self, rows: Rows, history: Rows) -> Floats:
        """(H, n) what is said of `rows` (n,), each once, by a `history` (T,), oldest first."""
        speaking = history[: -SPEAKING - 1 : -1]
        starts = self._starts.take(speaking)
        lengths = self._starts.take(speaking + 1) - starts
        ends = np.cumsum(lengths)
        # The pairs of one item after those of another: where each begins, and how far in it we are.
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
        place = np.full(len(self._starts) - 1, -1)
        place[rows] = np.arange(len(rows))
        about = place.take(self._columns.take(places))
        wanted = np.flatnonzero(about >= 0)
        back = np.repeat(np.arange(len(speaking)), lengths).take(wanted)
        about, said = about.take(wanted), self._values.take(places.take(wanted))
        return np.stack(
            [np.bincount(about, said * faded.take(back), minlength=len(rows)) for faded in self._faded]
        )
