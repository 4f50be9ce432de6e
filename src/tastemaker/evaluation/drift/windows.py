"""Two logs side by side: the same people and items under the same numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.data.interactions import Interactions

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

DAY_S = 86_400.0


@dataclass(frozen=True)
class Window:
    """One log. people: (E,) numbers, ascending. items: (E,) numbers. days: how long it is; 1 without a clock.
    log: the events on items that the bundle knows, its user numbers being those of people."""

    people: Codes
    items: Codes
    days: float
    log: Interactions


@dataclass(frozen=True)
class Windows:
    """Two logs against one catalogue.

    Attributes:
        user_ids: (U,) of whoever is in either.
        rows: (M,) the catalogue row of each item in either; PAD for one that the bundle doesn't know.
        before, after: as they are.
        even: the same two, the larger thinned by chance to the size of the smaller: what is compared of them
            doesn't differ for the one being longer.
    """

    user_ids: tuple[str, ...]
    rows: Rows
    before: Window
    after: Window
    even: tuple[Window, Window]

    @classmethod
    def of(
        cls,
        before: tuple[Interactions, Catalogue],
        after: tuple[Interactions, Catalogue],
        catalogue: Catalogue,
        rng: np.random.Generator,
    ) -> "Windows":
        """Of two logs, each with a catalogue of its own."""
        users = {name: at for at, name in enumerate(dict.fromkeys([*before[0].user_ids, *after[0].user_ids]))}
        items = {name: at for at, name in enumerate(dict.fromkeys([*before[1].ids, *after[1].ids]))}
        rows = catalogue.rows(items)
        names = tuple(users)
        size = min(before[0].size, after[0].size)
        whole: list[Window] = []
        even: list[Window] = []
        for log, own in (before, after):
            people = np.array([users[name] for name in log.user_ids], np.int64)[log.users]
            shown = np.array([items[name] for name in own.ids], np.int64)[log.rows]
            span = float(log.times.max() - log.times.min()) / DAY_S if log.is_clock and log.size else 0.0
            kept = np.sort(rng.permutation(log.size)[:size])
            for found, part in ((whole, np.arange(log.size)), (even, kept)):
                found.append(
                    _window(names, people[part], shown[part], log.times[part], rows, span or 1.0, log)
                )
        return cls(names, rows, whole[0], whole[1], (even[0], even[1]))

    @property
    def people(self) -> int:
        return len(self.user_ids)


def pooled(
    windows: tuple[Window, Window], names: tuple[str, ...], rng: np.random.Generator
) -> list[Interactions]:
    """The events of both dealt out again, each person keeping the number of events in each window."""
    logs = [window.log for window in windows]
    users = np.concatenate([log.users for log in logs])
    rows = np.concatenate([log.rows for log in logs])
    times = np.concatenate([log.times for log in logs])
    counts = np.diff(logs[0].offsets)
    order = np.lexsort((rng.random(len(users)), users))
    starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(names)))])
    within = np.arange(len(users)) - starts[users[order]]
    is_first = within < counts[users[order]]
    found = []
    for own in (order[is_first], order[~is_first]):
        found.append(
            Interactions.from_events(
                names,
                users[own].astype(np.int32),
                rows[own],
                times[own] if logs[0].is_ordered else None,
                is_clock=logs[0].is_clock,
            )
        )
    return found


def learnt(recommender: "Recommender", now: Interactions) -> tuple[Interactions, Catalogue]:
    """The newest that a bundle has learnt from, as long a time as `now`; all where one has no clock."""
    log = recommender.bundle.histories
    if log.is_clock and now.is_clock and log.size and now.size:
        log = log.where(log.times >= log.times.max() - np.ptp(now.times))
        active = np.flatnonzero(np.diff(log.offsets)).astype(np.int32)
        log = log.of_users(active)
    return log, recommender.catalogue


def _window(
    names: tuple[str, ...],
    people: Codes,
    items: Codes,
    times: Floats,
    rows: Rows,
    days: float,
    log: Interactions,
) -> Window:
    known = rows[items] != PAD
    order = np.argsort(people, kind="stable")
    own = Interactions.from_events(
        names,
        people[known].astype(np.int32),
        rows[items[known]],
        times[known] if log.is_ordered else None,
        is_clock=log.is_clock,
    )
    return Window(people[order], items[order], days, own)
