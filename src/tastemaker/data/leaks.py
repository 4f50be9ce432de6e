"""Does a split tell what it asks for? Each way in which it can, looked for in the split itself.

In come a fold and what is known of how it was made; out come the leaks, by kind, with how many and some
examples. Nothing found means that none of these kinds is there, not that there is none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.released import released_days
from tastemaker.data.split import DAY_S, Fold
from tastemaker.pages.section import Section, Table
from tastemaker.recipe import Role

EXAMPLES = 3
FEWEST = 20
"""Items or users that a figure must be known of before it can be said to foretell anything."""
AGREED = 0.95
"""Of those whose figure tells past and future apart, the share that must stand with the future."""
BY_PERSON = ("leave_one_out", "user_holdout", "cold_user")
"""Strategies by which each person's own targets come after what is known of them."""
Which = npt.NDArray[np.bool_]


class Protocol(NamedTuple):
    """How a fold was made, as far as anybody knows.

    strategy: its name; "" where nobody knows.
    cut: seconds, the moment from which on events are to be found; None where there is none.
    gap_s: seconds before it that aren't learnt from.
    """

    strategy: str = ""
    cut: float | None = None
    gap_s: float = 0.0

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Protocol":
        """What the manifest of a saved split says."""
        gap = float(manifest.get("settings", {}).get("gap_days", 0.0))
        return cls(manifest["strategy"], manifest["cut"], gap * DAY_S)


UNKNOWN = Protocol()


@dataclass(frozen=True)
class Leak:
    """One kind of leak.

    Attributes:
        kind: its name, as in docs/splits.md.
        count: of events, items or users, as `told` says.
        told: what was found, in a sentence.
        examples: a few of them, by item or column; people aren't named.
    """

    kind: str
    count: int
    told: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaks:
    """What was found.

    Attributes:
        found: the worst first, as they were looked for.
        looked_for: the kinds that could be looked for with what is known.
        notes: what is no leak by the protocol, but should be known.
    """

    found: tuple[Leak, ...]
    looked_for: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.found

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        return {
            "is_clean": self.is_clean,
            "leaks": [asdict(leak) | {"examples": list(leak.examples)} for leak in self.found],
            "looked_for": list(self.looked_for),
        }

    def section(self) -> Section:
        looked = f"Looked for {', '.join(self.looked_for)}."
        lead = (
            f"No leak was found. {looked}"
            if self.is_clean
            else f"{len(self.found)} leaks: numbers of this split say less than they seem to. {looked}"
        )
        rows = [
            [leak.kind, f"{leak.count:,}", f"{leak.told} {'; '.join(leak.examples)}".strip()]
            for leak in self.found
        ]
        tables = [Table("", ["leak", "how many", "what"], rows, words=[2])] if rows else []
        verdict: Any = "good" if self.is_clean else "alarm"
        return Section("leaks", "Leaks of the split", lead, self.as_json(), verdict, tables, (), self.notes)


def leaks(
    fold: Fold,
    items: Catalogue,
    protocol: Protocol = UNKNOWN,
    users: Catalogue | None = None,
) -> Leaks:
    """Look for every kind of leak that can be looked for.

    Args:
        items: what the rows of the fold are; its columns may know too much.
        protocol: how it was made: without a strategy, order among one person's events isn't looked at.
        users: what is known of people beside their ids.
    """
    probes = [
        ("duplicates", list(_duplicates(fold, items))),
        ("target in input", list(_in_input(fold, items))),
        ("learnt from those held out", list(_held_out(fold, items, protocol))),
        ("the future in the past", list(_future(fold, items, protocol))),
        ("released later", list(_released_later(fold, items, protocol))),
        ("features from the future", [*_columns(fold, items, users)]),
        ("one person twice", list(_twins(fold))),
    ]
    blind = _blind(fold, items, protocol, users)
    looked = tuple(kind for kind, _ in probes if kind not in blind)
    found = tuple(leak for _, leaks in probes for leak in leaks)
    return Leaks(found, looked, (*_notes(fold, protocol), *blind.values()))


# --- the kinds --------------------------------------------------------------------------------


def _duplicates(fold: Fold, items: Catalogue) -> Iterator[Leak]:
    """A pair of user and item that is learnt and asked for, or asked for twice."""
    learnt, asked = _pairs(fold.train, fold), _pairs(fold.targets, fold)
    both = np.isin(asked, learnt)
    if both.any():
        told = "targets are learnt from: the same person and item stand in train."
        yield _leak("duplicates", fold.targets, both, told, items)
    twice = np.ones(len(asked), np.bool_)
    twice[np.unique(asked, return_index=True)[1]] = False
    if twice.any():
        yield _leak("duplicates", fold.targets, twice, "targets are asked for twice of one person.", items)


def _in_input(fold: Fold, items: Catalogue) -> Iterator[Leak]:
    known = np.isin(_pairs(fold.targets, fold), _pairs(fold.history, fold))
    if known.any():
        told = "targets stand in the history that is the input."
        yield _leak("target in input", fold.targets, known, told, items)


def _held_out(fold: Fold, items: Catalogue, protocol: Protocol) -> Iterator[Leak]:
    kind = "learnt from those held out"
    if protocol.strategy in ("user_holdout", "cold_user"):
        asked = np.diff(fold.targets.offsets) > 0
        learnt = asked[fold.train.users]
        if learnt.any():
            yield _leak(kind, fold.train, learnt, "events of strangers who are asked are learnt from.", items)
    if protocol.strategy == "cold_item":
        learnt = np.isin(fold.train.rows, fold.targets.rows)
        if learnt.any():
            yield _leak(
                kind, fold.train, learnt, "events with items asked for as new are learnt from.", items
            )


def _future(fold: Fold, items: Catalogue, protocol: Protocol) -> Iterator[Leak]:
    kind = "the future in the past"
    cut = protocol.cut
    if cut is not None:
        late = fold.train.times >= cut - protocol.gap_s
        if late.any():
            inside = " or in the gap before it" if protocol.gap_s else ""
            yield _leak(kind, fold.train, late, f"events from after the cut{inside} are learnt from.", items)
        late = fold.history.times >= cut
        if late.any():
            yield _leak(kind, fold.history, late, "events from after the cut are known when asked.", items)
        early = fold.targets.times < cut
        if early.any():
            yield _leak(kind, fold.targets, early, "targets are from before the cut.", items)
    if protocol.strategy in BY_PERSON and fold.history.is_ordered:
        first = np.full(fold.targets.user_count, np.inf)
        np.minimum.at(first, fold.targets.users, fold.targets.times)
        for part, name in ((fold.history, "known"), (fold.train, "learnt from")):
            late = part.times > first[part.users]
            if late.any():
                told = f"events of people are {name} that came after what they are asked for."
                yield _leak(kind, part, late, told, items)


def _released_later(fold: Fold, items: Catalogue, protocol: Protocol) -> Iterator[Leak]:
    """Learnt or known of before it came out: dates in the catalogue, or in the log, are wrong."""
    days = released_days(items)
    if days is None or not items.by_role(Role.DATE) or not fold.train.is_clock:
        return
    out = np.where(np.isnan(days), -np.inf, days * DAY_S)
    if protocol.cut is not None:
        for part, name in ((fold.train, "learnt from"), (fold.history, "known")):
            unborn = out[part.rows] > protocol.cut
            if unborn.any():
                told = f"events are {name} with items that came out after the split."
                yield _leak("released later", part, unborn, told, items)


def _columns(fold: Fold, items: Catalogue, users: Catalogue | None) -> Iterator[Leak]:
    """Figures of the catalogue, or of people, that equal what only all events together come to.

    Told apart by those of whom the targets say something new: for nearly all of them the figure is the
    count, or the mean weight, of all events, and not that of the history.
    """
    parts = (fold.history, fold.targets)
    own = np.arange(items.size, dtype=np.int32)
    tables = [(items, own, [part.rows for part in parts])]
    if users is not None:
        tables.append((users, users.rows(fold.train.user_ids), [part.users for part in parts]))
    for table, rows, where in tables:
        figures = _figures(parts, where, len(rows))
        later = np.bincount(where[1], minlength=len(rows)) > 0
        for name in table.by_role(Role.NUMBER, Role.POPULARITY):
            values = np.array([np.nan if v is None else v for v in table.frame[name].to_list()], np.float64)
            said = np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)
            for figure, (past, whole) in figures.items():
                telling = later & ~np.isnan(said) & ~_close(past, whole)
                agreed = telling & _close(said, whole)
                if telling.sum() >= FEWEST and agreed.sum() >= AGREED * telling.sum():
                    told = f"of them have in '{name}' {figure} of all events, those to be found included."
                    yield Leak("features from the future", int(agreed.sum()), told, (f"column '{name}'",))
                    break


def _figures(
    parts: tuple[Interactions, Interactions], where: list[npt.NDArray[np.int32]], size: int
) -> dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """What may be counted of each item or person (size,): of the history, and of history and targets."""
    known, later = (np.bincount(each, minlength=size).astype(np.float64) for each in where)
    first, second = (np.bincount(each, part.weights, size) for each, part in zip(where, parts, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = first / known, (first + second) / (known + later)
    return {"the number of events": (known, known + later), "the mean weight": means}


def _twins(fold: Fold) -> Iterator[Leak]:
    """Ids that differ by case or spaces only: one of them is asked for what the other has done."""
    plain = [" ".join(id.split()).casefold() for id in fold.train.user_ids]
    met: dict[str, int] = {}
    for each in plain:
        met[each] = met.get(each, 0) + 1
    asked = np.flatnonzero(np.diff(fold.targets.offsets) > 0)
    count = sum(met[plain[user]] > 1 for user in asked.tolist())
    if count:
        told = "people who are asked stand there under another spelling of their id too."
        yield Leak("one person twice", count, told)


# --- what they share --------------------------------------------------------------------------


def _leak(kind: str, part: Interactions, which: Which, told: str, items: Catalogue) -> Leak:
    rows = list(dict.fromkeys(part.rows[which].tolist()))[:EXAMPLES]
    return Leak(kind, int(which.sum()), told, tuple(items.titles[row] for row in rows))


def _pairs(part: Interactions, fold: Fold) -> npt.NDArray[np.int64]:
    """(E,) one number for each user and item."""
    items = 1 + max(int(each.rows.max(initial=0)) for each in fold)
    return part.users.astype(np.int64) * items + part.rows


def _close(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> Which:
    """Equal up to what a file with two digits behind the point keeps."""
    return np.asarray(np.abs(one - other) <= 0.0051)


def _notes(fold: Fold, protocol: Protocol) -> Iterator[str]:
    if protocol.strategy != "leave_one_out" or not fold.train.is_clock or not fold.targets.size:
        return
    moments = np.sort(fold.train.times)
    later = 1 - np.searchsorted(moments, fold.targets.times, side="left") / max(1, len(moments))
    yield (
        f"In leave_one_out other people's future is learnt from: of the median target {np.median(later):.0%} "
        "of train came after it. That is the protocol, not a mistake; global_time has none of it."
    )


def _blind(fold: Fold, items: Catalogue, protocol: Protocol, users: Catalogue | None) -> dict[str, str]:
    """What couldn't be looked for, and why."""
    blind = {}
    figures: Sequence[str] = items.by_role(Role.NUMBER, Role.POPULARITY)
    if users is not None:
        figures = [*figures, *users.by_role(Role.NUMBER, Role.POPULARITY)]
    if not figures:
        blind["features from the future"] = "The catalogue has no figures that could come from the future."
    if protocol.cut is None or not items.by_role(Role.DATE):
        blind["released later"] = (
            "What came out after the split can't be looked for: that takes one cut in time, and a date."
        )
    if protocol.cut is None and protocol.strategy not in BY_PERSON:
        blind["the future in the past"] = (
            f"By {protocol.strategy} order says nothing, so it isn't looked at."
            if protocol.strategy
            else "How the question was made isn't known, so order isn't looked at: `data split` notes it."
        )
    return blind
