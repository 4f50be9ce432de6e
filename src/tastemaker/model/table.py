"""Embedding tables as plain arrays, of which a step touches a few rows.

Keras's own optimisers walk the whole table at every step, and Adagrad adds up wrongly when a row comes
twice in one gradient. Here rows come once, their gradients already summed, and only they move.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD
from tastemaker.model import kernels

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Optimizer = Literal["adam", "adagrad"]

DECAYS = (0.9, 0.999)
"""Of Adam's running mean and mean square (Kingma and Ba, ICLR 2015)."""
EPSILON = 1e-7
FIRST_SQUARE = 1e-7
"""What Adagrad's sum starts with: little beside the squares of a mean loss, so that the scale of the loss
makes no difference. Keras's 0.1 is large beside them, and leaves plain gradient descent."""


class Table:
    """(N, D) trainable rows.

    Args:
        values: (N, D) float32, taken over and changed in place.
        optimizer: adam moves a touched row by its running means, as if it had slept in between; adagrad is
            row-wise, with one number of state a row.
    """

    def __init__(self, values: Floats, optimizer: Optimizer) -> None:
        self.values = values
        self.optimizer = optimizer
        self.steps = 0
        if optimizer == "adam":
            self._state = {"means": np.zeros_like(values), "squares": np.zeros_like(values)}
        else:
            self._state = {"squares": np.full(len(values), FIRST_SQUARE, np.float32)}

    @staticmethod
    def bytes_needed(rows: int, dim: int, optimizer: Optimizer) -> int:
        """Memory of a table with its optimiser's state."""
        return 4 * rows * (3 * dim if optimizer == "adam" else dim + 1)

    def update(self, rows: Rows, slopes: Floats, rate: float) -> None:
        """One step down the gradient `slopes` (n, D) of distinct `rows` (n,)."""
        self.steps += 1
        state = self._state
        if self.optimizer == "adagrad":
            kernels.adagrad_rows(self.values, state["squares"], rows, slopes, rate, EPSILON)
            return
        keep, keep_square = DECAYS
        corrected = rate * float(np.sqrt(1 - keep_square**self.steps)) / (1 - keep**self.steps)
        kernels.adam_rows(
            self.values, state["means"], state["squares"], rows, slopes, corrected, DECAYS, EPSILON
        )

    def state(self) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]:
        """Everything that going on needs, by name; not copied."""
        return {"values": self.values, "steps": np.array(self.steps), **self._state}

    @property
    def moments(self) -> dict[str, Floats]:
        """What the optimiser remembers of each row, by name: (N, D) or (N,); not copied."""
        return self._state

    def remember(self, moments: Mapping[str, Floats], rows: Rows, steps: int) -> None:
        """Take over what another table's optimiser remembered after `steps` steps.

        Args:
            moments: of that table, as its `moments` were.
            rows: (N,) which of its rows each of ours was; PAD starts afresh.
        """
        self.steps = steps
        kept = rows != PAD
        for name, array in self._state.items():
            array[kept] = moments[name][rows[kept]]

    def restore(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Go on from what `state` gave."""
        self.steps = int(state["steps"])
        self.values[:] = state["values"]
        for name, array in self._state.items():
            array[:] = state[name]
