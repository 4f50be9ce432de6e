"""What lists have given to groups of items, and what they still owe: fairness over many requests.

One list can seldom give everybody their share: half of five places is nobody's to give, and where a
person's candidates hold nothing Korean, nothing Korean can be shown. Over many lists it can (amortised
fairness: Biega, Gummadi and Weikum, SIGIR 2018). They count attention, each place weighing what it is
looked at. This ledger counts by place, and what is owed by beginnings of the list: a group that has its
share of every beginning has it under any weights that fall with the rank, since such weights are sums of
beginnings. The other way about isn't true: ten last places can be made to weigh what a first one does.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tastemaker.errors import DataError

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MOST_OWED = 100.0
"""Lists' worth that is remembered: a group that was missing for a month shan't have all of the next one."""


class Ledger:
    """Thread-safe, and as large on its last day as on its first.

    Where several lists are made at once, each sees what was owed before any of them; what they give too much
    of is owed less from then on. Lists that come one by one in one order make one ledger.

    Args:
        groups: (G,) whose exposure is kept.
        places: P; what stands behind them isn't kept.
    """

    def __init__(self, groups: Sequence[str], places: int) -> None:
        self.groups = tuple(groups)
        self._lock = Lock()
        self._lists = np.zeros(places, np.int64)
        self._given = np.zeros((len(self.groups), places), np.int64)
        self._owed = np.zeros((len(self.groups), places))

    def owed(self, k: int) -> Values:
        """(G, k) items that each group should have had more in each beginning, over all lists; below 0 where
        it had too many."""
        with self._lock:
            return self._owed[:, :k].copy()

    def book(self, given: Counts, wanted: Values, least: float = -np.inf) -> None:
        """Write down one list.

        Args:
            given: (G, k) items of each group in each beginning of the list.
            wanted: (G, k) items that there should have been.
            least: what is owed doesn't fall below it: 0 where nobody owes what is beyond a due.
        """
        k = given.shape[1]
        most = MOST_OWED * np.arange(1, k + 1)
        with self._lock:
            self._lists[:k] += 1
            # By place: a list of ten is no part of what the first twenty places of others are made of.
            self._given[:, :k] += np.diff(given, axis=1, prepend=0)
            owed = self._owed[:, :k] + wanted - given
            self._owed[:, :k] = np.clip(owed, np.maximum(least, -most), most)

    def exposure(self) -> Values:
        """(G, P) share that each group had of the first place of all lists together, of the first two, and so
        on; NaN without any list."""
        with self._lock:
            shown, given = np.cumsum(self._lists), np.cumsum(self._given, 1)
        return given / np.where(shown > 0, shown, np.nan)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; `from_json` makes the ledger of them again."""
        with self._lock:
            return {
                "groups": list(self.groups),
                "lists": self._lists.tolist(),
                "given": self._given.tolist(),
                "owed": self._owed.tolist(),
            }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The ledger that `as_json` took apart. Raises DataError where it is none."""
        try:
            groups = tuple(str(group) for group in values["groups"])
            lists = np.array(values["lists"], np.int64)
            given = np.array(values["given"], np.int64)
            owed = np.array(values["owed"], np.float64)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError("This is no ledger: it should have groups, lists, given and owed.") from None
        shape = (len(groups), len(lists))
        if lists.ndim != 1 or given.shape != shape or owed.shape != shape or not np.isfinite(owed).all():
            raise DataError("This ledger is damaged: it should have a number for each group and place.")
        ledger = cls(groups, len(lists))
        ledger._lists, ledger._given, ledger._owed = lists, given, owed
        return ledger
