"""Vectors in half precision: half the memory to read, and it is known how far off they are."""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.hits import longest

Floats = npt.NDArray[np.float32]

LARGEST = 2.0**13
"""Half precision ends at 65,504, and loses digits below 2**-14: numbers are brought to below this one."""

EPS, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)

AT_ONCE = 1 << 12
"""Rows written at once, a megabyte or two."""


@dataclass(frozen=True)
class Half:
    """How the vectors of one catalogue are written in half precision.

    Attributes:
        scale: they are multiplied by it first, a power of two, which costs no digit.
        error: that of the vector which comes out worst, as a length.
        longest: of the vectors as they are.
        is_fit: whether it can be done: every number, and the square of every length, is finite.
    """

    scale: float
    error: float
    longest: float
    is_fit: bool

    @classmethod
    def of(cls, vectors: Floats) -> "Half":
        most, length = TINY, 0.0
        for _, block in _blocks(vectors):
            most = float(np.maximum(most, np.maximum(block.max(), -block.min())))  # NaN stays
            length = max(length, longest(block))
        if not np.isfinite(most) or not np.isfinite(length):
            return cls(1.0, np.inf, np.inf, is_fit=False)
        scale = float(2.0 ** np.clip(np.floor(np.log2(LARGEST / most)), -100, 100))
        worst = 0.0
        for _, block in _blocks(vectors):
            scaled = block * np.float32(scale)
            worst = max(worst, longest(scaled - scaled.astype(np.float16).astype(np.float32)))
        # A half more, for those who round halves the other way.
        return cls(scale, 1.5 * worst / scale, length, is_fit=True)

    def blocks(self, vectors: Floats) -> Iterator[tuple[int, Floats]]:
        """Where each block begins, and the block as it is written."""
        for at, block in _blocks(vectors):
            yield at, np.ascontiguousarray(block * np.float32(self.scale))

    def slack(self, queries: Floats) -> list[float]:
        """(B) how far a score found in half precision may be off: |q · (v − v₁₆)| ≤ |q| · |v − v₁₆|, and
        what adding up in another order does.
        """
        # A few numbers each: for one query alone, plain Python takes less than NumPy does to begin.
        each = self.error + 3 * queries.shape[1] * EPS * self.longest
        return [math.sqrt(query.dot(query)) * each + TINY for query in queries]

    def bar(self, lowest: Floats, queries: Floats) -> list[float]:
        """(B) what a row may really score, at most, that comes out below `lowest` (B,) in half precision."""
        slacks = self.slack(queries)
        return [score / self.scale + slack for score, slack in zip(lowest.tolist(), slacks, strict=True)]


def _blocks(vectors: Floats) -> Iterator[tuple[int, Any]]:
    for at in range(0, len(vectors), AT_ONCE):
        yield at, vectors[at : at + AT_ONCE]
        let_go(vectors)


def let_go(vectors: npt.NDArray[Any], *, is_picked: bool = False) -> None:
    """Of a file that is mapped, the pages that were read needn't stay: few rows are asked for later.

    Args:
        is_picked: from now on it is read a row here and a row there, and nothing of what lies beside.
    """
    base: Any = vectors
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
        if is_picked:
            base.madvise(mmap.MADV_RANDOM)
