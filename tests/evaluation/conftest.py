from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions

LogOf = Callable[..., Interactions]


@pytest.fixture(scope="session")
def log_of() -> LogOf:
    """`log_of([3, 1], [])`: one user touched row 3 and then row 1, another nothing."""

    def build(*histories: Sequence[int]) -> Interactions:
        lengths = [len(history) for history in histories]
        return Interactions.from_events(
            [f"u{user}" for user in range(len(histories))],
            np.repeat(np.arange(len(histories), dtype=np.int32), lengths),
            np.array([row for history in histories for row in history], np.int32),
            np.array([float(place) for length in lengths for place in range(length)]),
        )

    return build
