"""Columns of numbers brought to one size, so that none is louder than another before anything is learnt."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LIMIT = 5.0
"""Standard deviations beyond which a number says no more: one wild value must not decide alone."""


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of each column, as they were where a network was trained.

    Row by row and number by number: what stands in a row depends on nothing beside it, so a batch and a
    single candidate get the same bits.

    Attributes:
        mean: (F,) of the known values.
        scale: (F,) one over their standard deviation; 0 where a column says nothing, being constant or
            nowhere known.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, numbers: Floats) -> Self:
        """What (M, F) numbers, NaN where unknown, are like."""
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, numbers, 0).sum(0, dtype=np.float64) / count
        square = np.where(known, np.square(numbers - mean), 0).sum(0, dtype=np.float64) / count
        # A constant column is off its own mean by rounding, and that must not be blown up.
        varies = square > np.square(1e-6 * np.maximum(np.abs(mean), 1e-12))
        scale = np.where(varies, 1 / np.sqrt(np.where(varies, square, 1)), 0)
        return cls(mean.astype(np.float32), scale.astype(np.float32))

    def __call__(self, numbers: Floats) -> Floats:
        """(M, F) → (M, F) within ± `LIMIT`; 0, which is the mean, where unknown or constant."""
        scaled = numbers - self.mean
        scaled *= self.scale
        np.copyto(scaled, 0, where=np.isnan(scaled))
        return np.clip(scaled, -LIMIT, LIMIT, out=scaled)

    def of(self, column: int) -> Self:
        """That of one column alone."""
        return type(self)(self.mean[column : column + 1], self.scale[column : column + 1])

    def as_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        return cls(np.array(given["mean"], np.float32), np.array(given["scale"], np.float32))
