"""Who stands where, so that pins, caps and shares hold in the first places with the least disturbance.

Takes an order by places alone, 0 to n - 1, knows nothing of items, and answers which of them fill the first
K places: of all fillings that hold to everything, the first by the alphabet, which is to say that the first
place gets the first of the order that leaves a way to hold to everything, then the second place, and so on.

Where no filling holds to everything, pins go before caps and caps before shares, and of caps or of shares
the earlier before the later: the first cap is loosened by no more than it must be, then the second under
what that left, and so on down to the last share. A cap is loosened for all its groups alike, from "at most 1"
to "at most 2"; a share is lowered by whole places.

A greedy pass finds it in one go nearly always: it leaves out what a full cap or shares still owed forbid,
and both forbid only what can't be. It can miss that an item uses up, under a cap, what a later share needs,
or what would fill a later place. Then it ends with a place that it can't fill, and never with one filled
wrongly; and the same question is put to an integer program over the kinds of items that caps and shares can
tell apart. Such questions are NP-hard where caps are many, so a program may look at `NODES` nodes of its
tree and no more: of what it hasn't found by then it says that it can't be.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

NODES = 2_000
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


def ready() -> None:
    """Load what an integer program takes, so that no request has to wait for it."""
    import scipy.optimize  # noqa: F401


def fill(task: Task) -> Filling:
    """The least disturbed filling of the first places; see above."""
    caps, shares = task.caps, task.shares
    found = _greedy(task)
    if found is not None:
        return Filling(found[0], (0,) * len(caps), (0,) * len(shares), found[1])
    program = _Program(task)
    over, short = program.loosened()
    looser = replace(
        task,
        caps=tuple(cap._replace(most=cap.most + more) for cap, more in zip(caps, over, strict=True)),
        shares=tuple(
            share._replace(need=share.need - less) for share, less in zip(shares, short, strict=True)
        ),
    )
    found = _greedy(looser, task.caps) if any(over) or any(short) else None
    found = found or _greedy(looser, task.caps, program.can_follow)
    # Where a program gave up, pins alone hold; what that breaks is counted as anything else is.
    items, promoted = found or _greedy(replace(task, caps=(), shares=(), apart=())) or ([], {})
    return Filling(
        items,
        tuple(_over(task, cap, items) for cap in caps),
        tuple(_short(share, items) for share in shares),
        promoted,
    )


def _over(task: Task, cap: Cap, items: Sequence[int]) -> int:
    counts = Counter(group for item in items[: cap.first] for group in cap.of(item))
    pinned = Counter(group for item in task.pinned(cap.first) for group in cap.of(item))
    return max([0, *(count - max(cap.most, pinned[group]) for group, count in counts.items())])


def _short(share: Share, items: Sequence[int]) -> int:
    return max(0, share.need - sum(bool(share.member[item]) for item in items[: share.first]))


class _Claim:
    """Places that some shares, no two with an item in common, still have a right to.

    shares: as bits. slack: places before `first` that they could do without.
    """

    def __init__(self, task: Task, numbers: Sequence[int], owed: Sequence[int]) -> None:
        self.shares = sum(1 << number for number in numbers)
        self.first = max(task.shares[number].first for number in numbers)
        self.slack = task.free(self.first) - sum(owed[number] for number in numbers)


def _claims(task: Task, owed: Sequence[int]) -> list[_Claim]:
    found = [_Claim(task, (number,), owed) for number in range(len(task.shares)) if owed[number]]
    for family in task.apart:
        by_end = sorted((number for number in family if owed[number]), key=lambda n: task.shares[n].first)
        found += [_Claim(task, by_end[:count], owed) for count in range(2, len(by_end) + 1)]
    return found


def _greedy(
    task: Task, strict: Sequence[Cap] = (), asks: Callable[[int, int], bool] | None = None
) -> tuple[list[int], dict[int, int]] | None:
    """Items in their places and whom a share brought forward; None where a place stays empty.

    Whom it passes over can't stand in the place: what it takes is then the first that can, if all ends well.
    Nor can they up to the next end, since caps fill and slack shrinks; so the order is read once an end.

    Args:
        strict: the caps before they were loosened; empty where they weren't.
        asks: says of an item whether the rest can follow where it stands next, before which of the ends;
            not asked where nothing holds any more.
    """
    placed: list[int] = [-1] * task.places
    is_placed = bytearray(task.size)
    for place, item in task.pins.items():
        placed[place], is_placed[item] = item, 1
    used = [task.at_first(cap) for cap in strict or task.caps]
    owed = [task.owed(share) for share in task.shares]
    claims = _claims(task, owed)
    if any(claim.slack < 0 for claim in claims):
        return None
    member_of = _bits(task)
    owing = sum(1 << number for number, places in enumerate(owed) if places)
    forward = 0  # shares for which somebody was passed over
    promoted: dict[int, int] = {}
    waiting: list[int] = []
    start, fresh = 0, 0
    for span, end in enumerate(task.ends):
        places = [place for place in range(start, end) if placed[place] < 0]
        start = end
        if not places:
            continue
        live = [(n, cap.groups, cap.most) for n, cap in enumerate(task.caps) if cap.first >= end]
        caps: list[tuple[dict[int, int], Any, int, bool]] = [
            (used[n], groups, most, isinstance(groups[0], tuple)) for n, groups, most in live
        ]
        claimed = [claim for claim in claims if claim.first >= end]
        passed: list[int] = []
        read, at = 0, 0
        for item in chain(waiting, range(fresh, task.size)):
            read += 1
            if is_placed[item] or (caps and _is_full(caps, item)):
                passed.append(item)
                continue
            if claimed:
                helped = member_of[item] & owing
                tight = [claim for claim in claimed if not claim.slack and not claim.shares & helped]
                if tight:
                    for claim in tight:
                        forward |= claim.shares
                    passed.append(item)
                    continue
            if asks is not None and span < task.spans and not asks(item, span):
                passed.append(item)
                continue
            if claimed:
                for claim in claimed:
                    if not claim.shares & helped:
                        claim.slack -= 1
                if helped:
                    for number in range(len(owed)):
                        if helped >> number & 1:
                            owed[number] -= 1
                            if not owed[number]:
                                owing ^= 1 << number
                            if forward >> number & 1:
                                promoted.setdefault(item, number)
            for count, groups, _, has_several in caps:
                for group in groups[item] if has_several else groups[item : item + 1]:
                    count[group] = count.get(group, 0) + 1
            placed[places[at]], is_placed[item] = item, 1
            at += 1
            if at == len(places):
                break
        if at < len(places):
            return None
        fresh += max(0, read - len(waiting))
        waiting = [*passed, *islice(waiting, read, None)]
    return placed, promoted


def _is_full(caps: Sequence[tuple[dict[int, int], Any, int, bool]], item: int) -> bool:
    for count, groups, most, has_several in caps:
        own = groups[item]
        if has_several:
            for group in own:
                if count.get(group, 0) >= most:
                    return True
        elif own >= 0 and count.get(own, 0) >= most:
            return True
    return False


def _bits(task: Task) -> list[int]:
    """Of each item the shares that it is a member of."""
    bits = np.zeros(task.size if task.shares else 0, np.int64 if len(task.shares) < 63 else object)
    for number, share in enumerate(task.shares):
        bits = bits + np.asarray(share.member) * (1 << number)
    found: list[int] = bits.tolist()
    return found


class _Program:
    """The same question to an integer program: how many of each kind of item stand before each end.

    A kind are the items that no cap that could be full and no share that is owed can tell apart.
    """

    def __init__(self, task: Task) -> None:
        from scipy import sparse

        self._task = task
        self._ends = task.ends[: task.spans]
        pinned = set(task.pins.values())
        self._waiting = [item for item in range(task.size) if item not in pinned]
        counts = [Counter(group for item in self._waiting for group in cap.of(item)) for cap in task.caps]
        used = [task.at_first(cap) for cap in task.caps]
        full = [
            {group for group, count in own.items() if count + at_first.get(group, 0) > cap.most}
            for cap, own, at_first in zip(task.caps, counts, used, strict=True)
        ]
        kinds: dict[tuple[tuple[frozenset[int], ...], tuple[bool, ...]], int] = {}
        self._kind = {}
        for item in self._waiting:
            groups = tuple(frozenset(cap.of(item)) & own for cap, own in zip(task.caps, full, strict=True))
            kind = groups, tuple(bool(share.member[item]) for share in task.shares)
            self._kind[item] = kinds.setdefault(kind, len(kinds))
        spans = list(zip([0, *self._ends[:-1]], self._ends, strict=True))
        self._free = [task.free(end) - task.free(start) for start, end in spans]
        self._size = len(kinds) * len(spans)
        self._refused: set[int] = set()
        lines: list[tuple[dict[int, float], float, float]] = []  # sums of variables, from and to
        for span, free in enumerate(self._free):
            lines.append(({self._at(kind, span): 1.0 for kind in kinds.values()}, free, free))
        for number, there in Counter(self._kind.values()).items():
            lines.append(({self._at(number, span): 1.0 for span in range(len(spans))}, 0, there))
        for number, (cap, own, at_first) in enumerate(zip(task.caps, full, used, strict=True)):
            for group in sorted(own):
                line = self._within(cap.first, [n for key, n in kinds.items() if group in key[0][number]])
                line[self._size + number] = -1.0
                lines.append((line, -np.inf, cap.most - at_first.get(group, 0)))
        for number, share in enumerate(task.shares):
            line = self._within(share.first, [n for key, n in kinds.items() if key[1][number]])
            line[self._size + len(task.caps) + number] = 1.0
            lines.append((line, task.owed(share), np.inf))
        self._from, self._to = (np.array([line[side] for line in lines], float) for side in (1, 2))
        self._matrix = sparse.csr_array(
            (
                [factor for line, *_ in lines for factor in line.values()],
                (
                    [number for number, (line, *_) in enumerate(lines) for _ in line],
                    [variable for line, *_ in lines for variable in line],
                ),
            ),
            shape=(len(lines), self._size + len(task.caps) + len(task.shares)),
        )
        give = len(task.caps) + len(task.shares)
        self._low = np.zeros(self._size + give)
        # Fillings that take early items first answer most of what is asked later.
        firsts: dict[int, int] = {}
        for item, kind_of in self._kind.items():
            firsts.setdefault(kind_of, item)
        early = np.repeat([firsts[kind] for kind in range(len(kinds))], len(spans)) / task.size
        self._early = np.concatenate([early, np.zeros(give)])
        self._high = np.concatenate(
            [np.tile(np.array(self._free, float), len(kinds)), np.full(give, float(task.places))]
        )

    def _at(self, kind: int, span: int) -> int:
        return kind * len(self._ends) + span

    def _within(self, first: int, kinds: Sequence[int]) -> dict[int, float]:
        spans = [span for span, end in enumerate(self._ends) if end <= first]
        return {self._at(kind, span): 1.0 for kind in kinds for span in spans}

    def loosened(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """By how little caps (C,) and shares (S,) must give way, the first of them before all others."""
        give = range(self._size, len(self._low))
        as_they_are = np.where(np.arange(len(self._low)) < self._size, self._high, 0.0)
        found = self._solved(self._low, as_they_are, self._early)
        for variable in give:
            if found is None or found[variable] > 0:
                wish = np.zeros(len(self._low))
                wish[variable] = 1.0
                better = self._solved(self._low, self._high, wish)
                found = found if better is None else better
            if found is None:  # not even where everything gives way, of so many nodes: then all of it may
                break
            self._high[variable] = found[variable]
        self._found = found
        given = tuple(int(most) for most in self._high[self._size :])
        return given[: len(self._task.caps)], given[len(self._task.caps) :]

    def can_follow(self, item: int, span: int) -> bool:
        """Whether all places can be filled where an item stands next before an end, the number of which is
        `span`, after all those of which this was said before. What is true of one is true of its kind."""
        variable = self._at(self._kind[item], span)
        if variable in self._refused:
            return False
        self._low[variable] += 1
        if self._found is None or self._found[variable] < self._low[variable]:
            other = self._solved(self._low, self._high, self._early)
            if other is None:
                self._low[variable] -= 1
                self._refused.add(variable)
                return False
            self._found = other
        return True

    def _solved(
        self,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        wish: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.int64] | None:
        """Whole numbers between `low` and `high` that all lines allow, with the least of `wish`."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        done = milp(
            wish,
            integrality=np.ones(len(low), np.int64),
            bounds=Bounds(low, high),
            constraints=LinearConstraint(self._matrix, self._from, self._to),
            options={"node_limit": NODES},
        )
        return None if done.x is None else np.rint(done.x).astype(np.int64)
