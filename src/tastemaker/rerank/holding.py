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
wrongly; and the same question is put to an integer program (`program`). Of what that hasn't found within
its bounds it says that it can't be.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np

from tastemaker.rerank.program import Program
from tastemaker.rerank.task import Cap, Filling, Share, Task


def ready() -> None:
    """Load what an integer program takes, so that no request has to wait for it."""
    import scipy.optimize  # noqa: F401


def fill(task: Task) -> Filling:
    """The least disturbed filling of the first places; see above."""
    caps, shares = task.caps, task.shares
    found = _greedy(task)
    if found is not None:
        return Filling(found[0], (0,) * len(caps), (0,) * len(shares), found[1])
    program = Program(task)
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
