"""Rules of the business at work: what may not be shown goes, what must stand somewhere stands there.

They come to a draft twice. First, before any other rule: what may not be shown is taken out, pinned items
that nobody found are brought in, scores of boosted items rise. Last, after all other rules: pins, caps and
promoted shares hold in the places that are shown, whatever stood there before; see `holding` for how, and for
what gives way where not all of them can.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.hits import Bools
from tastemaker.recipe.rules import BusinessRule, CapRule, PromoteRule
from tastemaker.rerank.contradictions import check
from tastemaker.rerank.draft import Draft, Floats, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.holding import fill, ready
from tastemaker.rerank.readings import Reader, Reading, Standing, counted
from tastemaker.rerank.task import Cap, Filling, Share, Task


@dataclass(frozen=True)
class Half:
    """One of the two times that rules of the business come to a draft, as a rule of a chain."""

    name: str
    _run: Callable[[Draft, Request], Draft]

    def __call__(self, draft: Draft, request: Request) -> Draft:
        return self._run(draft, request)


class BusinessRules:
    """All rules of one recipe or file, for one placement; many threads may ask at once.

    Args:
        knobs: in their order.
        placement: where on a site, as the rules call it; empty for nowhere that they name.

    Attributes:
        remarks: what the one who wrote the rules should know, such as ids that the catalogue lacks.
    Raises: RecipeError where a rule can't be read over this catalogue, or two contradict each other, be it in
        another placement; it names both.
    """

    def __init__(self, knobs: Sequence[BusinessRule], facts: Facts, placement: str = "") -> None:
        reader = Reader(facts)
        readings = [reader.read(number, rule) for number, rule in enumerate(knobs, 1)]
        check(readings, facts.catalogue.size)
        self.remarks = tuple(f"{each.label}: {remark}" for each in readings for remark in each.remarks)
        self._size = facts.catalogue.size
        self._here = [
            each for each in readings if not each.rule.placements or placement in each.rule.placements
        ]
        self._made: dict[tuple[int, ...], Standing] = {}
        self._has_dates = any(each.rule.since or each.rule.until for each in self._here)
        self._always = Standing([] if self._has_dates else self._here, self._size)
        if any(isinstance(rule, CapRule | PromoteRule) for rule in knobs):
            ready()

    @property
    def halves(self) -> tuple[Half, Half]:
        """The first rule of a chain and its last."""
        return Half("admitted", self.admit), Half("held", self.hold)

    def allowed(self, request: Request) -> Bools | None:
        """(N,) what may be shown to anybody there and then; None for everything. What this one person was
        shown or has watched is seen to by `admit`."""
        return self._standing(request.now).everywhere(request)

    def admit(self, draft: Draft, request: Request) -> Draft:
        """Without what may not be shown; pinned items that aren't in the draft come in behind all others,
        unless they may not be shown, the request leaves them out, or they stand in its history.

        A boosted item's score rises by its strengths times the list's span, the highest score less the lowest
        (1 where all are the same); a buried one's sinks.
        """
        rules = self._standing(request.now)
        wanted = [
            each.row
            for place, each in rules.pins.items()
            if place <= request.k and not (draft.rows == each.row).any()
        ]
        if wanted:
            missing = np.array(wanted, np.int32)
            missing = missing[~np.isin(missing, request.history)]
            if request.allowed is not None:
                missing = missing[request.allowed[missing]]
            draft = draft.bringing(missing)
        draft = _only_allowed(rules, draft, request)
        return draft if rules.lift is None else _lifted(rules, rules.lift[draft.rows], draft)

    def hold(self, draft: Draft, request: Request) -> Draft:
        """With pins, caps and promoted shares in the first `request.k` places, and nothing that may not be
        shown. What can't hold is noted, with why: pins go before caps, caps before shares, and of two caps or
        two shares the one that stands first among the rules."""
        rules = self._standing(request.now)
        draft = _only_allowed(rules, draft, request)
        return _Held(rules, draft, request).draft() if rules.places else draft

    def _standing(self, now: float) -> Standing:
        if not self._has_dates:
            return self._always
        there = [each for each in self._here if each.is_on(now)]
        key = tuple([each.number for each in there])
        # Two threads may both make one; they are alike, and one is kept.
        if key not in self._made:
            self._made[key] = Standing(there, self._size)
        return self._made[key]


def _only_allowed(rules: Standing, draft: Draft, request: Request) -> Draft:
    allowed = rules.allowed(draft.rows, request)
    return draft if allowed is None else draft.where(allowed)


def _lifted(rules: Standing, lift: Floats, draft: Draft) -> Draft:
    if not lift.any():
        return draft
    span = draft.scores[0] - draft.scores[-1]
    scores = draft.scores + lift * (span if span > 0 else np.float32(1))
    order = np.argsort(-scores, kind="stable")
    came_forward = np.flatnonzero(np.arange(len(order)) < order)
    forward = draft.rows[order[came_forward]]
    reasons: dict[int, str] = {}
    for told, rows in rules.boosts:
        for row in forward[rows[forward]].tolist():
            reasons.setdefault(row, f"boosted: {told}")
    return draft.sorted_by(scores, reasons)


class _Held:
    """The last order of one draft."""

    def __init__(self, rules: Standing, draft: Draft, request: Request) -> None:
        self._rules, self._draft, self._request = rules, draft, request
        self._places = min(request.k, len(draft))

    def draft(self) -> Draft:
        draft, rules = self._draft, self._rules
        pins, notes = self._pins()
        if all(place == item for place, item in pins.items()) and self._is_kept():
            return draft.noting(*notes) if notes else draft
        caps = tuple(
            Cap(min(rule.first, self._places), rule.most, members.of(draft.rows))
            for _, rule, members in rules.caps
        )
        shares = tuple(
            Share(min(rule.first, self._places), self._need(rule), rows[draft.rows])
            for _, rule, rows in rules.shares
        )
        task = Task(len(draft), self._places, pins, caps, shares, rules.apart)
        filling = fill(task)
        order = np.array(filling.items, np.intp)
        reasons = {
            int(draft.rows[item]): f"promoted: {rules.shares[number][1].told}"
            for item, number in filling.promoted.items()
        }
        reasons |= {int(draft.rows[item]): "pinned" for place, item in pins.items() if place < item}
        return draft.ordered(order, reasons).noting(*notes, *self._given_way(task, filling))

    def _pins(self) -> tuple[dict[int, int], list[str]]:
        """By place from 0 the item of the draft that is pinned there; of other pins why they can't hold."""
        rows, request = self._draft.rows, self._request
        pins: dict[int, int] = {}
        notes = []
        for place, each in self._rules.pins.items():
            if place > request.k:
                continue
            found = np.flatnonzero(rows == each.row)
            if not len(found):
                notes.append(_could_not(each, self._why_not(each.row)))
            elif place > len(rows):
                notes.append(_could_not(each, f"there are only {len(rows)} items"))
            else:
                pins[place - 1] = int(found[0])
        notes += [_could_not(each, each.remarks[0]) for each in self._rules.unknown]
        return pins, notes

    def _why_not(self, row: int) -> str:
        request = self._request
        against = self._rules.against(row, request)
        if against is not None:
            return f"{against.label} keeps it from being shown"
        if request.allowed is not None and not request.allowed[row]:
            return "the request leaves it out"
        return "it is in the history" if (request.history == row).any() else "it wasn't found"

    def _is_kept(self) -> bool:
        """Whether caps and shares hold as the draft stands."""
        rows = self._draft.rows
        for _, cap, members in self._rules.caps:
            first = min(cap.first, self._places)
            if first > cap.most and max(counted(members.of(rows[:first])).values(), default=0) > cap.most:
                return False
        return all(
            np.count_nonzero(named[rows[: min(rule.first, self._places)]]) >= self._need(rule)
            for _, rule, named in self._rules.shares
        )

    def _need(self, rule: PromoteRule) -> int:
        """Places that it promotes to; of a part of a place all of it, but for what rounding adds."""
        return math.ceil(rule.share * min(rule.first, self._places) - 1e-9)

    def _given_way(self, task: Task, filling: Filling) -> list[str]:
        """What couldn't hold, and why."""
        notes = []
        for (each, rule, _), more in zip(self._rules.caps, filling.over, strict=True):
            if more:
                notes.append(
                    _could_not(
                        each, f"{rule.most + more} stand there, since {task.size} items fill it no other way"
                    )
                )
        for (each, _, _), share, less in zip(self._rules.shares, task.shares, filling.short, strict=True):
            if less:
                there = int(np.sum(share.member))
                why = (
                    f"only {there} were found"
                    if there < share.need
                    else "pins, caps and other shares leave no more"
                )
                notes.append(_could_not(each, f"{share.need - less} of {share.need} places, since {why}"))
        return notes


def _could_not(each: Reading, why: str) -> str:
    return f"{each.label} could not hold: {why}"
