"""How many items of each group every beginning of a list should have: by a test, or by lot.

In come shares, out come *dues*: for each group, the places (from 1, rising) by which it should have its
first item, its second, and so on. Whose items these are, and in which order they stand, is left to the rule.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.special import bdtr

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Dues = list[list[int]]

DUST = 1e-9
"""Of an item: what is left over by rounding."""


def minimums(k: int, share: float, significance: float) -> Counts:
    """(k,) how many of a group each beginning of a list must have not to be called unfair.

    A list is fair where nobody can tell it from one whose every place was drawn with chance `share`: m(i) is
    the smallest number with F(m; i, share) > significance, F being the binomial distribution (FA*IR: Zehlike
    et al., CIKM 2017, definition 4.1).
    """
    return _table(_chances(k, share), significance)


@lru_cache(maxsize=1024)
def adjusted(k: int, share: float, significance: float) -> float:
    """The significance to test each beginning at, so that a list whose every place is drawn with chance
    `share` is called unfair at any of its k beginnings with a chance of `significance` or less.

    Numbers of items are whole, so the chance rises in steps: it is the last that isn't above. Worked out
    place by place rather than by the paper's blocks of equal minimums (its section 4.2); both are exact.
    """
    chances = _chances(k, share)
    steps = np.unique(chances[chances <= significance])
    # steps[n] is the first significance at which one more place demands an item.
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if refused(_table(chances, steps[middle]), share) <= significance + DUST:
            low = middle + 1
        else:
            high = middle
    return float(steps[low - 1]) if low else 0.0


def refused(least: Counts, share: float) -> float:
    """Chance that a list of k places, each drawn with chance `share`, has fewer than `least` (k,) of a group
    in any of its beginnings."""
    passing = np.ones(1)  # by the number of items so far
    for minimum in least.tolist():
        passing = np.append(passing * (1 - share), 0.0) + np.append(0.0, passing * share)
        passing[:minimum] = 0
    return 1 - float(passing.sum())


def dues_of(least: Counts) -> list[int]:
    """By which places the items are due, where each beginning must have `least` (k,). Where more than one
    would be due at once, all but one are due before."""
    places = np.arange(1, len(least) + 1)
    early = np.minimum(np.maximum.accumulate((least - places)[::-1])[::-1] + places, places)
    rising = np.maximum.accumulate(np.maximum(early, 0))
    most = int(rising[-1]) if len(rising) else 0
    return [int(place) + 1 for place in np.searchsorted(rising, np.arange(1, most + 1))]


def that_fit(dues: Dues) -> Dues:
    """The same less what there is no room for: at most i items can be due by place i. Those due first stay;
    of those due at once, the earlier group's."""
    kept: Dues = [[] for _ in dues]
    count = 0
    for due, group in sorted((due, group) for group, own in enumerate(dues) for due in own):
        if count < due:
            kept[group].append(due)
            count += 1
    return kept


def owing(targets: Values) -> Dues:
    """Each place to the group that lags most behind its target there, the earlier group first.

    Args:
        targets: (G, k) how many of each group each beginning should have, in parts of items.
    """
    dues: Dues = [[] for _ in targets]
    for place, wanted in enumerate(targets.T.tolist(), 1):
        lags = [target - len(due) for target, due in zip(wanted, dues, strict=True)]
        dues[lags.index(max(lags))].append(place)
    return dues


class Lots(NamedTuple):
    """Ways to share out k places among groups, one of which is drawn.

    Each gives each group, in every beginning, what its share comes to, rounded up or down. Drawn with their
    chances, a group has each place with just the chance of its share; so over many lists it has its share of
    every beginning, which whole numbers can't give it in one.

    ends: (M,) of the stretches of [0, 1) that stand for each.
    dues: (M,) each G groups' own.
    """

    ends: Values
    dues: tuple[Dues, ...]

    def drawn(self, chance: float) -> Dues:
        """The one that `chance`, from 0 to below 1, falls on."""
        return self.dues[min(int(np.searchsorted(self.ends, chance, "right")), len(self.dues) - 1)]


@lru_cache(maxsize=64)
def lots(k: int, shares: tuple[float, ...]) -> Lots:
    """All that is needed to draw from, worked out once.

    A group's first item covers its target from 0 to 1, its second from 1 to 2, and so on; place i adds to it
    the stretch from share · (i − 1) to share · i. How these overlap is a matrix of places × items whose rows
    and columns sum to 1, and that is a mix of permutations (Birkhoff, 1946; that rounding so keeps every
    beginning: Gölz, Peters and Procaccia, EC 2022). Each step takes out one, so there are no more of them
    than overlaps.

    Args:
        shares: (G,) that sum to 1.
    """
    overlaps, group_of = _overlaps(k, shares)
    ends, found, taken = [], [], 0.0
    while taken < 1 - DUST:
        columns = maximum_bipartite_matching(csr_array(overlaps > DUST / 100), perm_type="column")
        if (columns < 0).any():
            break  # nothing but dust is left
        lines = np.arange(len(columns))
        part = float(overlaps[lines, columns].min())
        overlaps[lines, columns] -= part
        taken += part
        ends.append(taken)
        groups = group_of[columns[:k]]
        found.append([(np.flatnonzero(groups == group) + 1).tolist() for group in range(len(shares))])
    return Lots(np.array(ends) / taken, tuple(found))


def _overlaps(k: int, shares: Sequence[float]) -> tuple[Values, Counts]:
    """(n, n) how much of each item falls to each place, and the group (n,) that each item is of.

    Of an item that the k places cover in part only, the rest falls to lines that stand for no place.
    """
    reached = [_whole(np.arange(k + 1, dtype=np.float64) * share) for share in shares]
    group_of = np.repeat(np.arange(len(shares)), [int(np.ceil(own[-1])) for own in reached])
    overlaps = np.zeros((len(group_of), len(group_of)))
    column = 0
    for own in reached:
        for item in range(int(np.ceil(own[-1]))):
            overlaps[:k, column] = np.diff(np.clip(own, item, item + 1))
            column += 1
    if len(group_of) > k:
        overlaps[k:] = (1 - overlaps[:k].sum(0)) / (len(group_of) - k)
    return overlaps, group_of


def _whole(values: Values) -> Values:
    """The same, whole where they are so but for rounding."""
    near = np.rint(values)
    return np.where(np.abs(values - near) < DUST, near, values)


def _chances(k: int, share: float) -> Values:
    """(k, k) of having m or fewer of a group in the first i places; line i - 1, column m."""
    places = np.arange(1, k + 1)[:, None]
    most = np.arange(k)[None]
    return np.where(most < places, bdtr(np.minimum(most, places), places, share), 1.0)


def _table(chances: Values, significance: float) -> Counts:
    return np.asarray((chances <= significance).sum(1), np.int64)
