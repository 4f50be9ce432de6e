"""Whether two windows differ by more than chance: each person's two windows are swapped, or not, by a coin.

Were nothing different, before and after could change places for anybody, and how far apart they are would be
one of many like it (a permutation test over people; Good, 2005, ch. 3). So events of one person, which are
alike, never count as many, and without a change an alarm is as rare as was asked for.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, issparse

Floats = npt.NDArray[np.float64]
Distance = Callable[[Floats, Floats], Floats]
"""Of sums (R, M) before and after, how far apart they are (R,)."""

CELLS_AT_ONCE = 2**22


def swapped(
    before: Floats | csr_matrix,
    after: Floats | csr_matrix,
    distance: Distance,
    rng: np.random.Generator,
    swaps: int = 999,
) -> tuple[float, float]:
    """How far apart the windows are, and the chance of being as far apart, or further, were all the same.

    Args:
        before, after: (U, M) what each person adds to the sums that are compared.
    """
    totals = [np.asarray(each.sum(0), np.float64).reshape(1, -1) for each in (before, after)]
    measured = float(distance(totals[0], totals[1])[0])
    differs = after - before
    people, width = differs.shape
    step = max(1, CELLS_AT_ONCE // max(people, width, 1))
    as_far = 0
    for start in range(0, swaps, step):
        coins = rng.integers(0, 2, (min(step, swaps - start), people)).astype(np.float64)
        moved = np.asarray((differs.T @ coins.T).T if issparse(differs) else coins @ differs)
        found = distance(totals[0] + moved, totals[1] - moved)
        as_far += int((found >= measured - 1e-12 * max(1.0, abs(measured))).sum())
    return measured, (1 + as_far) / (1 + swaps)


def holm(chances: list[float]) -> list[float]:
    """The same allowing for how many there are: none is at 5 % by chance oftener than in 5 % (Holm, 1979)."""
    order = np.argsort(chances, kind="stable")
    found = np.zeros(len(chances))
    highest = 0.0
    for place, number in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(chances) - place) * chances[number]))
        found[number] = highest
    return found.tolist()
