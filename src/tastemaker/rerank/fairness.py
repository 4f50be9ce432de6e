"""Groups of items get their shares of every beginning of a list.

In comes a draft, out comes the same with as much of each group in each beginning as its share wants, and
otherwise in the order in which it came. How much that is, `quotas` tells; what earlier lists still owe,
`ledger`.
"""

import difflib
from bisect import insort
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.errors import RecipeError
from tastemaker.recipe.reranking import FairnessRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.ledger import Ledger
from tastemaker.rerank.quotas import DUST, Dues, adjusted, dues_of, lots, minimums, owing, that_fit

Values = npt.NDArray[np.float64]

PLACES = 200
"""Of each list, that shares are held in; what stands behind them is left as it stands."""
MAKES_UP = 1.0
"""What a list may give beyond its own due, as a part of that; one item at any rate."""


class Fairness:
    """Items of each group in every beginning of the list, by shares.

    With a `significance` above 0 each group has the fewest with which nobody could call the list unfair to
    it (FA*IR, Zehlike et al., CIKM 2017, with the adjustment for testing every beginning; each group is
    tested by itself). With 0 it has what its share comes to, rounded up or down, neither more nor less; which
    of the two is drawn for each request, so that over many requests it has its share of every beginning.
    `over_time` takes from a ledger what a lot would have drawn: the group that has had least comes first.

    Of all orders that hold this, the one that comes out loses the least DCG, whatever the scores and the
    discount, where no item is in two groups. Otherwise the numbers hold just as well, but another order may
    lose less: to find the best one is a set-cover problem.

    Args:
        knobs: with `of` and `shares`.
        ledger: kept from earlier; None for an empty one. Used with `over_time` only.

    Attributes:
        ledger: the only thing that changes from request to request; None without `over_time`.

    Raises: RecipeError where there is no such column, or no such group but one of nearly its name;
        where the ledger is of other groups.
    """

    name = "fairness"

    def __init__(self, knobs: FairnessRule, facts: Facts, ledger: Ledger | None = None) -> None:
        self._knobs = knobs
        self.groups = tuple(knobs.shares)
        shares = list(knobs.shares.values())
        rest = 1 - sum(shares)
        # A test asks nothing of what is in no group; a share that is held from both sides leaves it the rest.
        self._has_rest = knobs.significance == 0 and rest > DUST
        self._shares = (*shares, rest) if self._has_rest else tuple(shares)
        self._called = (*self.groups, "others") if self._has_rest else self.groups
        self._cells, self._members = self._grouped(facts)
        self.ledger: Ledger | None = None
        if knobs.over_time:
            self.ledger = Ledger(self._called, PLACES) if ledger is None else ledger
            if self.ledger.groups != self._called:
                raise RecipeError(
                    f"The ledger is of {', '.join(self.ledger.groups)}, but reranking.fairness.shares makes "
                    f"it {', '.join(self._called)}. Begin a new one, or give back the old shares."
                )

    def __call__(self, draft: Draft, request: Request) -> Draft:
        k = min(request.k, len(draft), PLACES)
        if not k:
            return draft
        wanted, dues = self._planned(k, request)
        cells = self._cells[draft.rows]
        queues = {int(cell): np.flatnonzero(cells == cell).tolist() for cell in np.unique(cells)}
        merged = merge(
            [(self._members[cell], places) for cell, places in queues.items()],
            dues,
            k,
            is_capped=not self._knobs.significance,
        )
        if self.ledger is not None:
            given = np.zeros((len(dues), k), np.int64)
            for group, places in enumerate(merged.given):
                given[group, places] = 1
            least = 0.0 if self._knobs.significance else -np.inf
            self.ledger.book(np.cumsum(given, 1), wanted, least)
        reasons = {
            int(draft.rows[old]): self._reason(group)
            for new, (old, group) in enumerate(zip(merged.order, merged.called_for, strict=True))
            if group is not None and new < old
        }
        after = draft.ordered(np.array(merged.order, np.intp), reasons)
        return after.noting(*self._notes(wanted, dues, merged, k))

    def _planned(self, k: int, request: Request) -> tuple[Values, Dues]:
        """Items of each group (G, k) that each beginning should have, and by which places they are due."""
        level = self._knobs.significance
        if not level:
            wanted = np.outer(self._shares, np.arange(1.0, k + 1))
            if self.ledger is None:
                return wanted, lots(k, self._shares).drawn(request.rng(self.name).random())
            return wanted, owing(wanted + self._made_up(k, wanted))
        tested, dues = _tested(k, self._shares, level)
        if self.ledger is None:
            return tested, dues
        least = np.floor(tested + self._made_up(k, tested) + DUST).astype(np.int64)
        return tested, that_fit([dues_of(own) for own in least])

    def _made_up(self, k: int, wanted: Values) -> Values:
        """(G, k) of what is owed, as much as one list may make up for."""
        assert self.ledger is not None
        own = np.maximum(1.0, MAKES_UP * wanted)
        return np.clip(self.ledger.owed(k), -own, own)

    def _reason(self, group: int) -> str:
        if group == len(self.groups):
            return f"to leave room beside {', '.join(self.groups)}"
        return f"to give {self.groups[group]} its share"

    def _notes(self, wanted: Values, dues: Dues, merged: "Merged", k: int) -> list[str]:
        """What could not hold. Of what a test wants, a part may not even be due: no list has room for it."""
        is_tested, said = self._knobs.significance > 0, []
        for group, own in enumerate(dues):
            got, most = len(merged.given[group]), len(own)
            asked = max(most, int(wanted[group, -1])) if is_tested else most
            if got < asked:
                why = "there are no more" if got < most else "the others leave no room"
                said.append(f"{self._called[group]}: {got} of {asked} wanted in the first {k}, {why}")
        return said

    def _grouped(self, facts: Facts) -> tuple[npt.NDArray[np.int64], list[tuple[int, ...]]]:
        """(N,) a number for each item, and the groups that are held to a share which items of each number are
        in."""
        groups = facts.groups(self._knobs.of)
        rows = np.arange(facts.catalogue.size, dtype=np.int32)
        for name in self.groups:
            close = difflib.get_close_matches(name, groups.names, n=1)
            if name not in groups.names and close:
                raise RecipeError(
                    f"reranking.fairness.shares: {self._knobs.of} is never {name!r}. "
                    f"Did you mean {close[0]!r}?"
                )
        member = np.stack([groups.is_in(name, rows) for name in self.groups], 1)
        if self._has_rest:
            member = np.column_stack([member, ~member.any(1)])
        lines, cells = np.unique(member, axis=0, return_inverse=True)
        return cells.reshape(-1), [tuple(np.flatnonzero(line).tolist()) for line in lines]


@lru_cache(maxsize=256)
def _tested(k: int, shares: tuple[float, ...], significance: float) -> tuple[Values, Dues]:
    """What the test wants of each beginning, and the dues of it. Both are shared: leave them as they are."""
    least = [minimums(k, share, adjusted(k, share, significance)) for share in shares]
    return np.array(least, np.float64), that_fit([dues_of(own) for own in least])


class Merged(NamedTuple):
    """Which items stand in the first k places.

    order: (k,) where each stood before.
    called_for: (k,) the group that an item was preferred to a better one for; None where there was none.
    given: (G,) the places, from 0, that each group's items are at.
    """

    order: list[int]
    called_for: list[int | None]
    given: Dues


def merge(
    cells: list[tuple[tuple[int, ...], list[int]]], dues: Dues, k: int, *, is_capped: bool = False
) -> Merged:
    """At each place the best item after which all that is due can still come in time.

    Items that are in the same groups keep their order, so the r-th of a group to be shown is due by
    `dues[group][r]`: unit jobs with deadlines. What is due can come in time while no more is due by place j
    than there are places up to j. Taking the best that leaves it so is optimal where each item is in one
    group at most: say that the best order begins with x, and y is the best of those that could have been
    first. Put y first, x where the next item stands that isn't due before y's old place is reached, that one
    further on in the same way, until one comes to stand at y's place. All of them could have been first, so
    none is better than y; y wins what all the others together have lost, or more.

    Args:
        cells: groups, and where items that are in just these groups stand (rising), best first.
        dues: (G,) places from 1, rising, no more of them by place j than j.
        k: at most as many as there are items.
        is_capped: whether a group shan't have an item before it is due, where something else can stand there.
    """
    supply = [0] * len(dues)
    for groups, places in cells:
        for group in groups:
            supply[group] += len(places)
    coming = [own[:count] for own, count in zip(dues, supply, strict=True)]
    # room[j] is j less what is due by j and hasn't come; where it is the number of places filled, each place
    # up to j is spoken for.
    room = list(range(k + 1))
    for own in coming:
        for due in own:
            room[due:] = [left - 1 for left in room[due:]]
    never = k + 1
    for own in coming:
        own.append(never)
    waits = [iter(own) for own in coming]
    next_due = [next(own) for own in waits]
    bits = [sum(1 << group for group in groups) for groups, _ in cells]
    following = [iter(places) for _, places in cells]
    heads = sorted((next(places), cell) for cell, places in enumerate(following))
    order: list[int] = []
    called_for: list[int | None] = []
    given: Dues = [[] for _ in dues]
    for filled in range(k):
        called = early = 0  # groups, as bits: those that must come now; those not due yet
        is_urgent = filled in room[filled + 1 :]
        last = room.index(filled, filled + 1) if is_urgent else 0
        for group, due in enumerate(next_due):
            called |= (due <= last) << group
            early |= (due > filled + 1) << group
        chosen = -1
        for number, (_, cell) in enumerate(heads):
            if is_urgent and not bits[cell] & called:
                continue
            chosen = number if chosen < 0 else chosen
            if not is_capped or not bits[cell] & early:
                chosen = number
                break
        at, cell = heads.pop(chosen)
        after = next(following[cell], None)
        if after is not None:
            insort(heads, (after, cell))
        cause: int | None = None
        for group in cells[cell][0]:
            due = next_due[group]
            given[group].append(filled)
            if due < never:
                next_due[group] = next(waits[group])
                room[due:] = [left + 1 for left in room[due:]]
                if cause is None and chosen > 0:
                    cause = group
        order.append(at)
        called_for.append(cause)
    return Merged(order, called_for, given)
