"""The rules of one recipe in their order, and what each of them did.

Takes candidates as they are ranked, gives them as they are shown. Soft rules run in the recipe's order; what
the business demands is seen to before them, where it removes, and after them, where it places: so it holds
whatever they did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.rerank.draft import Draft, Request, Rule
from tastemaker.retrieve.candidates import Candidates
from tastemaker.slate import Move

if TYPE_CHECKING:
    from tastemaker.rerank.rules import BusinessRules

Bools = npt.NDArray[np.bool_]
FEW = 10_000
"""Comparisons up to which comparing all with all is quicker than sorting."""
PINNED = "pinned"
"""What a slate calls the source of an item that only a pin brought."""


@dataclass(frozen=True)
class Shown:
    """Candidates in the order in which they are shown, and how they came to it.

    Attributes:
        found: best first.
        reasons: in words, by row, what rules moved an item forward for.
        notes: what the asker should know.
        propensities: (n,) chance that each item would have been given its place; None where nothing was
            left to chance.
        steps: each rule that changed something, with the ranks (n,) that the items had after it, from 1, 0
            for one that wasn't there; first those that it all began with, under no name.
    """

    found: Candidates
    reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    propensities: npt.NDArray[np.float64] | None = None
    steps: tuple[tuple[str, npt.NDArray[np.intp]], ...] = ()

    def moves(self) -> list[tuple[Move, ...]]:
        """Of each item (n,), which rules moved it, and from where to where."""
        rows = self.found.rows
        if len(self.steps) < 2:
            return [()] * len(rows)
        told: list[list[Move]] = [[] for _ in rows]
        for (_, before), (name, after) in pairwise(self.steps):
            for place in np.flatnonzero(before != after):
                told[place].append(Move(name, int(before[place]) or None, int(after[place])))
        return [tuple(own) for own in told]


class Chain:
    """Rules in their order; many threads may ask at once.

    Args:
        rules: in their order.
        business: those of the business among them, which know what may be shown before it is looked for.
    """

    def __init__(self, rules: Sequence[Rule], business: "BusinessRules | None" = None) -> None:
        self._rules = tuple(rules)
        self._business = business

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the one who wrote the rules should know."""
        return () if self._business is None else self._business.remarks

    def allowed(self, request: Request) -> Bools | None:
        """(N,) what may be shown to anybody there and then; None for everything."""
        return None if self._business is None else self._business.allowed(request)

    def __call__(self, found: Candidates, request: Request) -> Shown:
        """The first `request.k` of `found` (n,) as they are shown; behind them there is nothing."""
        draft, k = Draft(found.rows, found.scores), request.k
        orders: list[tuple[str, Rows]] = []
        for rule in self._rules:
            after = rule(draft, request)
            if after.rows is not draft.rows:
                orders.append((rule.name, after.rows))
            draft = after
        rows = draft.rows[:k]
        at = _places(found.rows, rows)
        steps = [("", at + 1), *((name, _places(order, rows) + 1) for name, order in orders[:-1])]
        if orders:  # after the last one they stand as they are shown
            steps.append((orders[-1][0], np.arange(1, len(rows) + 1)))
        chances = None if draft.propensities is None else draft.propensities[:k]
        placed = _placed(found, at, rows, draft.scores[:k])
        return Shown(placed, draft.reasons, draft.notes, chances, tuple(steps))


def _places(order: Rows, rows: Rows) -> npt.NDArray[np.intp]:
    """(m,) where each of `rows` (m,) stands in an order (n,), from 0; PAD where it doesn't."""
    if not len(order):
        return np.full(len(rows), PAD, np.intp)
    if len(rows) * len(order) <= FEW:
        same = order == rows[:, None]
        return np.where(same.any(1), same.argmax(1), PAD)
    sorter = np.argsort(order)
    at = sorter[np.minimum(np.searchsorted(order, rows, sorter=sorter), len(order) - 1)]
    return np.where(order[at] == rows, at, PAD)


def _placed(
    found: Candidates, at: npt.NDArray[np.intp], rows: Rows, scores: npt.NDArray[np.float32]
) -> Candidates:
    """`found` in the order of `rows` (m,), which stand `at` (m,) in it; who doesn't was brought by a pin."""
    is_pin = at == PAD
    if not is_pin.any():
        return Candidates(rows, scores, found.names, found.by[at], found.said[at])
    said = np.full((len(rows), len(found.names) + 1), np.nan, np.float32)
    by = np.full(len(rows), len(found.names), np.int32)
    said[~is_pin, :-1], by[~is_pin] = found.said[at[~is_pin]], found.by[at[~is_pin]]
    said[is_pin, -1] = scores[is_pin]
    return Candidates(rows, scores, (*found.names, PINNED), by, said)
