"""Which items are parts of one series, by their titles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Move
from tastemaker.data.titles import series_key

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Numbers of series.

    Attributes:
        numbers: by key.
        of: (N,) the number of each item's series; seasons of one series share it.
    """

    numbers: Mapping[str, int]
    of: Ints

    @classmethod
    def named(cls, titles: Sequence[str]) -> "Series":
        """Of titles (N,)."""
        numbers: dict[str, int] = {}
        of = [numbers.setdefault(series_key(title), len(numbers)) for title in titles]
        return cls(numbers, np.array(of, np.int64))

    def after(self, titles: Sequence[str], move: Move) -> "Series":
        """The same for `titles` (M,), which became of these by `move`."""
        of = np.empty(len(titles), np.int64)
        stays = move.rows != PAD
        of[move.rows[stays]] = self.of[stays]
        numbers = dict(self.numbers)
        for row in move.told:
            of[row] = numbers.setdefault(series_key(titles[row]), len(numbers))
        return Series(numbers, of)
