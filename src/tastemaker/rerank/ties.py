"""Which is best, where rounding can't tell two apart."""

import numpy as np
import numpy.typing as npt

NEAR = 5e-6
"""Of values of about 1, closer than this is the same: sums of float32 are off by up to 3e-6 after a page's
worth of picks, by another amount on each machine."""


class FirstBest:
    """The place of the highest of some values, or of the first that is nearly as high.

    Equal items get values that differ in their last digit, by where they lie in a product: without this, the
    one that stands first wouldn't stay first.

    Args:
        count: of values, above 0.
        near: how far below the highest still counts.
    """

    def __init__(self, count: int, near: float) -> None:
        self._near = near
        # A comparison with a 0-d array takes half the time of one with a number.
        self._least = np.empty((), np.float32)
        self._is_near = np.empty(count, np.bool_)

    def __call__(self, values: npt.NDArray[np.float32]) -> int:
        """Args: values: (count,), one of them finite or more."""
        self._least.fill(values.item(values.argmax()) - self._near)
        return int(np.greater_equal(values, self._least, out=self._is_near).argmax())
