"""What a ranker learns from: lists that somebody was given, and what came of each place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tastemaker.recipe.formula import HEADS, Head

__all__ = ["HEADS", "Floats", "Head", "Lessons"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lessons:
    """M places of S lists, those of one list together, lists in order.

    Attributes:
        numbers: (M, F) as `moments.Moments` gives them, NaN where unknown.
        queries: (S, D) query vectors.
        vectors: (N, D) of all items.
        rows: (M,) int32 which of them stood there.
        lists: (M,) int32, rising from 0 to S - 1: which list each belongs to.
        positions: (M,) int32, 1 is the first place; 0 where nobody was shown it at a place.
        labels: (M,) each: what came of it, by head, NaN where unknown; click, completion and like are 0 or 1,
            watch_time seconds. `dwell` is watch_time of what was clicked, and has no label of its own.
        propensities: (M,) chance that a place was looked at, above 0; None where none are known.
        is_random: (M,) whether chance alone put it where it stood; None where nobody says so.
        stands_for: (M,) how many places of its list each stands for, where only some were kept; None: itself.
    """

    numbers: Floats
    queries: Floats
    vectors: Floats
    rows: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    labels: Mapping[str, Floats]
    propensities: Floats | None = None
    is_random: npt.NDArray[np.bool_] | None = None
    stands_for: Floats | None = None

    @property
    def size(self) -> int:
        """M"""
        return len(self.lists)

    @property
    def list_count(self) -> int:
        """S"""
        return len(self.queries)

    def of_lists(self, chosen: npt.NDArray[np.int64]) -> "Lessons":
        """Only the lists in `chosen` (C,), rising, renumbered from 0."""
        new = np.full(self.list_count, -1, np.int32)
        new[chosen] = np.arange(len(chosen), dtype=np.int32)
        kept = self.where(new[self.lists] >= 0)
        return replace(kept, queries=self.queries[chosen], lists=new[kept.lists])

    def where(self, keep: npt.NDArray[np.bool_]) -> "Lessons":
        """The same lists with only the places in `keep` (M,); one of which nothing is left stays, empty."""
        return replace(
            self,
            numbers=self.numbers[keep],
            rows=self.rows[keep],
            lists=self.lists[keep],
            positions=self.positions[keep],
            labels={name: label[keep] for name, label in self.labels.items()},
            propensities=None if self.propensities is None else self.propensities[keep],
            is_random=None if self.is_random is None else self.is_random[keep],
            stands_for=None if self.stands_for is None else self.stands_for[keep],
        )
