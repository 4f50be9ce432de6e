"""Rules of the business that can't both hold, found before anybody asks for a list.

Looked for among the rules that hold together at some moment in some place of a site: what never meets doesn't
contradict itself. What only one person's request can tell, such as an item that is pinned and was watched, is
no contradiction: the list says so when it comes to it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np

from tastemaker.data.catalogue import PAD
from tastemaker.errors import RecipeError
from tastemaker.hits import Bools
from tastemaker.recipe.rules import BlockRule, CapRule, FilterRule, PinRule, PromoteRule
from tastemaker.rerank.readings import Reading, apart, counted

CONTRADICTING = (FilterRule, BlockRule, PinRule, CapRule, PromoteRule)


def check(readings: Sequence[Reading], size: int) -> None:
    """Raises: RecipeError that names the rules which can't all hold over a catalogue of `size` items."""
    for together in _meetings([each for each in readings if isinstance(each.rule, CONTRADICTING)]):
        _Meeting(together, size).check()


def _meetings(readings: Sequence[Reading]) -> Iterator[tuple[Reading, ...]]:
    """All sets of rules that hold at once, somewhere, at some time; each once."""
    days = {each.rule.since for each in readings if each.rule.since is not None}
    days |= {each.rule.until + timedelta(1) for each in readings if each.rule.until is not None}
    moments = [
        -np.inf,
        *sorted(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for day in days),
    ]
    everywhere = ["", *dict.fromkeys(place for each in readings for place in each.rule.placements)]
    met = set()
    for placement in everywhere:
        there = [each for each in readings if not each.rule.placements or placement in each.rule.placements]
        for moment in moments:
            together = tuple(each for each in there if each.is_on(moment))
            numbers = tuple(each.number for each in together)
            if together and numbers not in met:
                met.add(numbers)
                yield together


class _Meeting:
    """Rules that hold together."""

    def __init__(self, readings: Sequence[Reading], size: int) -> None:
        self._size = size
        self._pins = [(each, each.rule) for each in readings if isinstance(each.rule, PinRule)]
        self._caps = [
            (each, each.rule, each.groups)
            for each in readings
            if isinstance(each.rule, CapRule) and each.groups is not None
        ]
        self._shares = [
            (each, each.rule, each.rows)
            for each in readings
            if isinstance(each.rule, PromoteRule) and each.rows is not None
        ]
        self._lets = [
            (each, each.rows if isinstance(each.rule, FilterRule) else ~each.rows)
            for each in readings
            if isinstance(each.rule, FilterRule | BlockRule) and each.rows is not None
        ]

    def check(self) -> None:
        self._pins_apart()
        self._something_passes()
        self._pins_pass()
        self._caps_leave_pins()
        self._shares_pass()
        self._shares_fit()
        self._caps_leave_shares()

    def _pins_apart(self) -> None:
        for (one, first), (other, second) in combinations(self._pins, 2):
            if first.place == second.place and first.item != second.item:
                _refuse([one, other], f"two items can't stand at place {first.place}")
            if first.item == second.item and first.place != second.place:
                _refuse([one, other], f"one item can't stand at places {first.place} and {second.place}")

    def _something_passes(self) -> None:
        for each, rows in self._lets:
            if not rows.any() and self._size:
                told = [f"{each.label} lets nothing pass", *each.remarks]
                raise RecipeError(". ".join(told) + ". Nothing would ever be shown.")
        for (one, rows), (other, more) in combinations(self._lets, 2):
            if not (rows & more).any() and self._size:
                _refuse([one, other], "together they let nothing pass")
        if self._lets and self._size and not self._passing().any():
            _refuse([each for each, _ in self._lets], "together they let nothing pass")

    def _pins_pass(self) -> None:
        for pin, rule in self._pins:
            for each, rows in self._lets:
                if pin.row != PAD and not rows[pin.row]:
                    _refuse([pin, each], f"the second keeps {rule.item} from being shown")

    def _caps_leave_pins(self) -> None:
        for cap, rule, members in self._caps:
            pins = [pin for pin, own in self._pins if own.place <= rule.first and pin.row != PAD]
            groups = members.of(np.array([pin.row for pin in pins], np.int32))
            for group, count in counted(groups).items():
                if count > rule.most:
                    own = [
                        pin
                        for pin, its in zip(pins, groups, strict=True)
                        if group in (its if isinstance(its, tuple) else (its,))
                    ]
                    _refuse(
                        [cap, *own],
                        f"{count} pinned in the first {rule.first} have the {rule.column} "
                        f"{members.names[group]!r}, where {rule.most} may",
                    )

    def _shares_pass(self) -> None:
        for share, _, rows in self._shares:
            if not rows.any():
                continue  # a remark, since an empty group may fill
            for each, let in self._lets:
                if not (rows & let).any():
                    _refuse([share, each], "the second keeps from being shown all that the first promotes")
            if not (rows & self._passing()).any():
                others = [each for each, _ in self._lets]
                _refuse([share, *others], "the others keep from being shown all that the first promotes")

    def _shares_fit(self) -> None:
        """Compared as they stand: that half of five places is three is for the list to settle."""
        by_end = sorted(self._shares, key=lambda share: share[1].first)
        families = [(a, b) for a, b in combinations(range(len(by_end)), 2)]
        families = [two for two in families if not (by_end[two[0]][2] & by_end[two[1]][2]).any()]
        for family in [*families, *apart([rows for *_, rows in by_end])]:
            owed = 0.0
            for at, number in enumerate(family, 1):
                _, rule, _ = by_end[number]
                owed += rule.share * rule.first
                if owed > rule.first + 1e-6:
                    _refuse(
                        [by_end[other][0] for other in family[:at]],
                        f"no item is promoted by two of them, and together they want {owed:g} of the first "
                        f"{rule.first} places",
                    )

    def _caps_leave_shares(self) -> None:
        for cap, limit, members in self._caps:
            for share, rule, rows in self._shares:
                there = members.of(np.flatnonzero(rows & self._passing()).astype(np.int32))
                free = sum(own == () or own == PAD for own in there)
                room = free + sum(min(count, limit.most) for count in counted(there).values())
                room += max(0, rule.first - limit.first)
                if rows.any() and rule.share * rule.first > room + 1e-6:
                    _refuse(
                        [cap, share],
                        f"the second wants {rule.share * rule.first:g} of the first {rule.first} places, and "
                        f"the first leaves room for {room}",
                    )

    def _passing(self) -> Bools:
        found = np.ones(self._size, np.bool_)
        for _, rows in self._lets:
            found &= rows
        return found


def _refuse(readings: Sequence[Reading], why: str) -> None:
    *most, last = [each.label for each in readings]
    raise RecipeError(
        f"{', '.join(most)} and {last} contradict each other: {why}. Change one of them, or give them "
        f"placements or dates that don't meet."
    )
