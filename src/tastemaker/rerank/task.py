"""What the first places of a list are held to, and what came of it: pins, caps, shares, by places alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Groups = Sequence[int] | Sequence[tuple[int, ...]]


class Cap(NamedTuple):
    """In the first `first` places no group is met more than `most` times.

    groups: (n,) of each item its group, below 0 where it has none; or all its groups.
    """

    first: int
    most: int
    groups: Groups

    def of(self, item: int) -> tuple[int, ...]:
        found = self.groups[item]
        return found if isinstance(found, tuple) else (found,) if found >= 0 else ()


class Share(NamedTuple):
    """In the first `first` places stand `need` items at least of which `member` (n,) is true."""

    first: int
    need: int
    member: Sequence[bool] | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """What is to be filled, and what it is held to.

    Attributes:
        size: n items, in their order.
        places: K ≤ n, from 0. No cap or share looks further.
        pins: the item at a place, none at two.
        caps, shares: earlier ones before later ones where not all can hold.
        apart: numbers of shares that have no item in common, any two of one tuple.
    """

    size: int
    places: int
    pins: Mapping[int, int]
    caps: tuple[Cap, ...] = ()
    shares: tuple[Share, ...] = ()
    apart: tuple[tuple[int, ...], ...] = ()

    @property
    def ends(self) -> list[int]:
        """After which places a cap or a share looks no further, ascending; last K."""
        firsts = [cap.first for cap in self.caps] + [share.first for share in self.shares]
        return sorted({self.places, *firsts})

    @property
    def spans(self) -> int:
        """How many of the ends are those of a cap or a share: behind them all is free."""
        firsts = [cap.first for cap in self.caps] + [share.first for share in self.shares]
        return len(set(firsts))

    def pinned(self, first: int) -> list[int]:
        """The items that are pinned in the first places."""
        return [item for place, item in self.pins.items() if place < first]

    def free(self, first: int) -> int:
        """How many of the first places have no pin."""
        return first - sum(place < first for place in self.pins)

    def at_first(self, cap: Cap) -> dict[int, int]:
        """By group, how many of a cap's own are pinned. What pins alone have above it takes nothing more
        from it: the group is full."""
        if not self.pins:
            return {}
        counts = Counter(group for item in self.pinned(cap.first) for group in cap.of(item))
        return {group: min(count, cap.most) for group, count in counts.items()}

    def owed(self, share: Share) -> int:
        return max(0, share.need - sum(bool(share.member[item]) for item in self.pinned(share.first)))


class Filling(NamedTuple):
    """The answer to a task.

    items: K, in their places.
    over: of each cap, how much higher than its `most` it had to be.
    short: of each share, how many places of its `need` could not be.
    promoted: the share that brought an item forward, by item.
    """

    items: list[int]
    over: tuple[int, ...]
    short: tuple[int, ...]
    promoted: dict[int, int]
