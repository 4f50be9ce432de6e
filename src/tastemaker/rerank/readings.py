"""What rules of the business mean in one catalogue: each read once, then only looked up.

A rule names its items by a filter or by ids; here they are rows. Rules that hold at one moment in one place
are laid together, so that a request costs a look at the rows it asks about, however large the catalogue.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.errors import FilterError, RecipeError
from tastemaker.hits import Bools
from tastemaker.recipe.rules import (
    AgeRatingRule,
    BlockRule,
    BoostRule,
    BuryRule,
    BusinessRule,
    CapRule,
    FilterRule,
    PinRule,
    PromoteRule,
    RepeatRule,
    UnavailableRule,
    WatchedRule,
)
from tastemaker.rerank.draft import Request
from tastemaker.rerank.facts import DAY_S, Facts, Groups
from tastemaker.retrieve.predicate import Filters

Floats = npt.NDArray[np.float32]

PLACING = (PinRule, BoostRule, BuryRule, CapRule, PromoteRule)
"""Rules that say where something stands; the others say what isn't shown."""


@dataclass(frozen=True)
class Reading:
    """A rule over a catalogue of N items.

    Attributes:
        number: of the rule, from 1.
        rows: (N,) the items that it names; None for every one.
        row: of the one item that it pins; PAD where the catalogue has none of that id, or it pins nothing.
        groups: by the column that it looks at.
        ages: (N,) years that a viewer must have.
        remarks: what the one who wrote it should know, such as ids that the catalogue lacks.
    """

    number: int
    rule: BusinessRule
    rows: Bools | None = None
    row: int = PAD
    groups: "Membership | None" = None
    ages: Floats | None = None
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"rule {self.number} ({self.rule.called})"

    def lets(self, rows: Rows, request: Request) -> Bools:
        """(n,) which of `rows` (n,) it lets a request have. What would have to be known and isn't, such as
        when something was shown, speaks against an item; but where nobody says the country, all are there.
        """
        rule = self.rule
        if isinstance(rule, FilterRule):
            return self._names(rows)
        if isinstance(rule, BlockRule):
            return ~self._names(rows)
        if isinstance(rule, UnavailableRule):
            is_here = request.country.casefold() in (country.casefold() for country in rule.countries)
            return ~self._names(rows) if is_here else np.ones(len(rows), np.bool_)
        if isinstance(rule, AgeRatingRule) and self.ages is not None:
            return self.ages[rows] <= (rule.viewer if request.age is None else request.age)
        if isinstance(rule, RepeatRule):
            ages = request.now - request.shown_at
            shown = request.shown[~((ages > rule.days * DAY_S) | (ages < 0))]
            counts = Counter((shown if self.rows is None else shown[self.rows[shown]]).tolist())
            often = [row for row, times in counts.items() if times >= rule.times]
            return ~_among(rows, np.array(often, np.int32))
        if isinstance(rule, WatchedRule):
            seen = request.history
            if rule.days is not None and len(request.history_at):
                seen = seen[~(request.now - request.history_at > rule.days * DAY_S)]
            return ~_among(rows, seen if self.rows is None else seen[self.rows[seen]])
        return np.ones(len(rows), np.bool_)

    def _names(self, rows: Rows) -> Bools:
        return np.ones(len(rows), np.bool_) if self.rows is None else self.rows[rows]

    def is_on(self, now: float) -> bool:
        """Whether it holds at a moment, seconds since 1970. Where nobody can tell the moment, a rule with
        dates holds if it keeps something from being shown, and else not."""
        since, until = self.rule.since, self.rule.until
        if since is None and until is None:
            return True
        if np.isnan(now):
            return not isinstance(self.rule, PLACING)
        return (since is None or now >= _start(since)) and (until is None or now < _start(until) + DAY_S)


class Membership:
    """Who is in which groups, ready to be looked up for a few hundred rows at once."""

    def __init__(self, groups: Groups) -> None:
        self.names = groups.names
        starts = groups.offsets.tolist()
        self._sets: list[tuple[int, ...]] | None = None
        if np.diff(groups.offsets).max(initial=0) < 2:
            self._codes = groups.first(np.arange(len(starts) - 1, dtype=np.int32))
            return
        # Many items have the same few groups: which of these sets each has is quickly looked up.
        codes = groups.codes.tolist()
        numbers: dict[tuple[int, ...], int] = {}
        own = (tuple(codes[start:end]) for start, end in pairwise(starts))
        self._codes = np.array([numbers.setdefault(each, len(numbers)) for each in own], np.int32)
        self._sets = list(numbers)

    def of(self, rows: Rows) -> list[int] | list[tuple[int, ...]]:
        """Of each row its group, PAD where it has none; or all its groups, where a row may have several."""
        codes: list[int] = self._codes[rows].tolist()
        if self._sets is None:
            return codes
        sets = self._sets
        return [sets[code] for code in codes]


class Reader:
    """Reads rules over the catalogue of `facts`."""

    def __init__(self, facts: Facts) -> None:
        self._facts, self._catalogue = facts, facts.catalogue
        self._filters = Filters(facts.catalogue)
        self._members: dict[str, Membership] = {}

    def read(self, number: int, rule: BusinessRule) -> Reading:
        """Raises: RecipeError where its filter can't be read, or a column isn't there; it names the rule."""
        try:
            return self._read(number, rule)
        except (FilterError, RecipeError) as error:
            raise RecipeError(f"{Reading(number, rule).label}: {error}") from None

    def _read(self, number: int, rule: BusinessRule) -> Reading:
        if isinstance(rule, PinRule):
            (row,) = self._catalogue.rows([rule.item]).tolist()
            unknown = f"no item has the id {rule.item!r}"
            return Reading(number, rule, row=row, remarks=(unknown,) if row == PAD else ())
        if isinstance(rule, CapRule):
            return Reading(number, rule, groups=self._groups(rule.column))
        if isinstance(rule, AgeRatingRule):
            ages, unmet = self._ages(rule)
            return Reading(number, rule, ages=ages, remarks=unmet)
        items: tuple[str, ...] = () if isinstance(rule, FilterRule) else rule.items
        if not rule.where and not items:
            return Reading(number, rule)
        rows = np.zeros(self._catalogue.size, np.bool_)
        remarks: tuple[str, ...] = ()
        if rule.where:
            passed = self._filters.passed(rule.where)
            rows |= passed.rows
            remarks = passed.remarks
        found = self._catalogue.rows(items)
        rows[found[found != PAD]] = True
        lacking = [repr(id) for id, row in zip(items, found.tolist(), strict=True) if row == PAD]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            remarks = (*remarks, f"not in the catalogue: {', '.join(lacking[:3])}{more}")
        rows.setflags(write=False)
        return Reading(number, rule, rows, remarks=remarks)

    def _groups(self, column: str) -> Membership:
        if column not in self._members:
            self._members[column] = Membership(self._facts.groups(column))
        return self._members[column]

    def _ages(self, rule: AgeRatingRule) -> tuple[Floats, tuple[str, ...]]:
        groups = self._facts.groups(rule.column)
        unrated = max(rule.ages.values()) if rule.unrated is None else rule.unrated
        of_group = np.array([rule.ages.get(name, unrated) for name in groups.names], np.float32)
        counts = np.diff(groups.offsets)
        # Of several ratings the strictest counts.
        ages = np.full(self._catalogue.size, -np.inf, np.float32)
        np.maximum.at(ages, np.repeat(np.arange(len(counts)), counts), of_group[groups.codes])
        ages[counts == 0] = unrated
        unmet = [repr(rating) for rating in rule.ages if rating not in groups.names]
        return ages, (f"no item has {', '.join(unmet)} in {rule.column!r}",) if unmet else ()


class Standing:
    """Those of the rules that hold together at one moment in one place, laid together.

    Attributes:
        pins: by place, those of items that the catalogue has.
        unknown: pins of others.
        caps, shares: in the order of the rules.
        apart: numbers of shares that no item could help both of, any two of one tuple.
        lift: (N,) what is added to scores, in spans of a list; None where nothing is.
    """

    def __init__(self, readings: Iterable[Reading], size: int) -> None:
        self.readings = tuple(readings)
        self._size = size
        self.removing = [each for each in self.readings if not isinstance(each.rule, PLACING)]
        self._bases: dict[tuple[str, bool], Bools | None] = {}
        self._countries = {
            country.casefold()
            for each in self.removing
            if isinstance(each.rule, UnavailableRule)
            for country in each.rule.countries
        }
        ages = [each.ages for each in self.removing if each.ages is not None]
        self._ages = np.maximum.reduce(ages) if ages else None
        self._repeats = [each for each in self.removing if isinstance(each.rule, RepeatRule)]
        self._watched = [each for each in self.removing if isinstance(each.rule, WatchedRule)]
        pins = [(each.rule.place, each) for each in self.readings if isinstance(each.rule, PinRule)]
        self.pins = {place: each for place, each in sorted(pins, key=lambda pin: pin[0]) if each.row != PAD}
        self.unknown = [each for _, each in pins if each.row == PAD]
        self.caps = [
            (each, each.rule, each.groups)
            for each in self.readings
            if isinstance(each.rule, CapRule) and each.groups is not None
        ]
        self.shares = [
            (each, each.rule, each.rows)
            for each in self.readings
            if isinstance(each.rule, PromoteRule) and each.rows is not None
        ]
        self.apart = apart([rows for *_, rows in self.shares])
        self.lift = self._lifted()
        self.boosts = [
            (each.rule.told, each.rows)
            for each in self.readings
            if isinstance(each.rule, BoostRule) and each.rows is not None
        ]

    @property
    def places(self) -> bool:
        """Whether it says where anything stands."""
        return bool(self.pins or self.unknown or self.caps or self.shares)

    def everywhere(self, request: Request) -> Bools | None:
        """(N,) what may be shown to anybody of that age in that country; None for everything."""
        if not self.removing:
            return None
        country = request.country.casefold()
        found = self._base(country if country in self._countries else "", request.age is None)
        if self._ages is None or request.age is None:
            return found
        return _both(found, self._ages <= request.age)

    def allowed(self, rows: Rows, request: Request) -> Bools | None:
        """(n,) which of `rows` may be shown; None where all may."""
        if not self.removing:
            return None
        country = request.country.casefold()
        base = self._base(country if country in self._countries else "", request.age is None)
        found = None if base is None else base[rows]
        if self._ages is not None and request.age is not None:
            found = _both(found, self._ages[rows] <= request.age)
        for each in self._repeats if len(request.shown) else ():
            found = _both(found, each.lets(rows, request))
        for each in self._watched if len(request.history) else ():
            found = _both(found, each.lets(rows, request))
        return found

    def against(self, row: int, request: Request) -> Reading | None:
        """The first rule that keeps one item from being shown."""
        rows = np.array([row], np.int32)
        return next((each for each in self.removing if not each.lets(rows, request)[0]), None)

    def _base(self, country: str, is_ageless: bool) -> Bools | None:
        """(N,) what may be shown in a country that rules name, to somebody whose age is told or isn't."""
        # Two threads may both make one; they are alike, and one is kept.
        key = country, is_ageless
        if key not in self._bases:
            everything = np.arange(self._size, dtype=np.int32)
            found = np.ones(self._size, np.bool_)
            for each in self.removing:
                if not isinstance(each.rule, RepeatRule | WatchedRule) and (
                    is_ageless or not isinstance(each.rule, AgeRatingRule)
                ):
                    found &= each.lets(everything, Request(0, country=country))
            self._bases[key] = None if found.all() else found
        return self._bases[key]

    def _lifted(self) -> Floats | None:
        lift = np.zeros(self._size, np.float32)
        for each in self.readings:
            if isinstance(each.rule, BoostRule | BuryRule) and each.rows is not None:
                sign = 1 if isinstance(each.rule, BoostRule) else -1
                lift[each.rows] += np.float32(sign * each.rule.strength)
        return lift if lift.any() else None


def apart(members: Sequence[Bools]) -> tuple[tuple[int, ...], ...]:
    """Numbers of sets (N,) of which no two have an item in common, as many in a tuple as come together when
    each joins the first tuple that it can."""
    families: list[list[int]] = []
    for number, own in enumerate(members):
        for family in families:
            if not any((own & members[other]).any() for other in family):
                family.append(number)
                break
        else:
            families.append([number])
    return tuple(tuple(family) for family in families if len(family) > 1)


def counted(groups: Sequence[int] | Sequence[tuple[int, ...]]) -> Counter[int]:
    """How often each group is met."""
    sets = (own if isinstance(own, tuple) else (own,) for own in groups if own != PAD)
    return Counter(chain.from_iterable(sets))


def _among(rows: Rows, few: Rows) -> Bools:
    """(n,) which of `rows` are among a few (m,), in any order."""
    if not len(few):
        return np.zeros(len(rows), np.bool_)
    few = np.sort(few)
    return np.asarray(few[np.minimum(few.searchsorted(rows), len(few) - 1)] == rows)


def _both(found: Bools | None, more: Bools) -> Bools:
    return more if found is None else found & more


def _start(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
