"""How Python loops become compiled ones, and an exponential for them.

Compiled loops are cached beside their source. The cache of a file doesn't notice a change in another one:
after a change here, `__pycache__` of this folder has to go.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
LOOSE = {"reassoc", "contract", "arcp", "afn", "nsz"}
"""Sums in any order: the compiler chooses one, the same every time. NaN and infinity stay what they are."""


def compiled(function: Function) -> Function:
    """Sums keep their order."""
    made: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    return cast(Function, made)


def reordered(function: Function) -> Function:
    """Sums of a row don't, so that they are done sixteen numbers at a time."""
    made: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath=LOOSE)(function)
    return cast(Function, made)


def inlined(function: Function) -> Function:
    """For use in a loop of those."""
    made: Any = njit(inline="always", fastmath=LOOSE)(function)
    return cast(Function, made)


def _as_float(_context: Any, _whole: Any) -> Any:
    """An int32 read as the float32 of the same bits."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.FloatType())

    return types.float32(types.int32), generate


_same_bits: Any = intrinsic(_as_float)


@inlined
def exp32(x: np.float32) -> Any:
    """e^x for float32, to about 1e-7 of its size; 0.0 for x below −87.5 and e^88 above 88.

    NumPy's and C's own aren't vectorised inside a compiled loop. With n the nearest whole number to
    x / ln 2 it is 2^n × e^r, r = x − n ln 2, and a polynomial for e^r (Cephes, expf).
    """
    bounded = min(max(x, np.float32(-87.5)), np.float32(88.0))
    n = np.floor(bounded * np.float32(1.44269504) + np.float32(0.5))
    # ln 2 in two parts, the first of few digits, so that nothing is lost.
    r = bounded - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1)
    power: Any = _same_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))
    # x − x is NaN where x is none, and 0 elsewhere: training that has gone astray must not look well.
    return (np.float32(0) if x < np.float32(-87.5) else p * power) + (x - x)
