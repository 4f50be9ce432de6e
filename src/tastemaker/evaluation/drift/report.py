"""Alarms between two windows of a log, told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.drift.alarms import FEWEST, Alarm, Test, of_bundles, of_log, of_model
from tastemaker.evaluation.drift.swaps import holm
from tastemaker.evaluation.drift.windows import Windows
from tastemaker.pages.section import Picture, Section, Table
from tastemaker.progress import Progress, Report, silent

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

TITLES = {
    "activity": "activity: events a person and day",
    "concentration": "popularity concentration",
    "cold items": "events on items the bundle doesn't know",
    "cold people": "people the bundle doesn't know",
    "scores": "scores of what is recommended",
    "choices": "rank of what people chose, 1 is best",
    "query norms": "length of query vectors",
    "item norms": "length of item vectors",
    "churn": "churn of lists between the windows",
    "replaced": "lists against the older bundle's",
}


@dataclass(frozen=True)
class DriftReport:
    """Attributes:
    alarms: all that were measured, raised or not.
    people: of the window before, after, and of both.
    events: of the window before and after.
    notes: what else must be known, a sentence each.
    """

    alarms: tuple[Alarm, ...]
    people: tuple[int, int, int]
    events: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def raised(self) -> tuple[str, ...]:
        """Names of the alarms that are."""
        return tuple(alarm.name for alarm in self.alarms if alarm.is_raised)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        return {
            "alarms": [alarm._asdict() | {"is_raised": alarm.is_raised} for alarm in self.alarms],
            "raised": list(self.raised),
            "people": dict(zip(("before", "after", "both"), self.people, strict=True)),
            "events": dict(zip(("before", "after"), self.events, strict=True)),
            "notes": list(self.notes),
        }

    def section(self, pictures: bool = False) -> Section:
        """For a terminal, a page and JSON. `pictures` takes matplotlib."""
        raised = [_title(name) for name in self.raised]
        lead = f"Drifted: {'; '.join(raised)}." if raised else "Nothing has drifted as far as can be told."
        return Section(
            key="drift",
            title="What has drifted",
            lead=lead,
            values=self.as_json(),
            verdict="alarm" if raised else "good",
            tables=[self._table()],
            pictures=[self._picture()] if pictures else [],
            notes=self.notes,
        )

    def _table(self) -> Table:
        rows = [
            (
                _title(alarm.name),
                alarm.before,
                alarm.after,
                f"{alarm.distance:.3f}",
                f"{alarm.limit:.3g}",
                f"{alarm.adjusted:.3f}",
                "ALARM" if alarm.is_raised else "",
            )
            for alarm in self.alarms
        ]
        strong = [place for place, alarm in enumerate(self.alarms) if alarm.is_raised]
        return Table("", ["", "before", "after", "distance", "limit", "by chance", ""], rows, strong)

    def _picture(self) -> Picture:
        from tastemaker.pages import style

        made, (panel,) = style.figure(7.0, 1.0 + 0.34 * len(self.alarms))
        for place, alarm in enumerate(self.alarms):
            is_sure = alarm.adjusted <= 0.05
            colour = style.ALARM if alarm.is_raised else style.OURS if is_sure else style.QUIET
            panel.barh(place, min(max(alarm.distance, 0) / alarm.limit, 4), color=colour, height=0.6)
        panel.axvline(1, color=style.RIVAL, linestyle="--", linewidth=1)
        panel.set_yticks(range(len(self.alarms)), [_title(alarm.name) for alarm in self.alarms])
        panel.invert_yaxis()
        panel.set_xlim(0, 4)
        panel.set_xlabel("distance, in limits; what chance explains is grey, alarms are orange")
        panel.set_title("Between the two windows")
        alt = f"{len(self.alarms)} distances in their limits; beyond it: {', '.join(self.raised) or 'none'}."
        return Picture(style.svg(made), alt)


def drift(
    recommender: "Recommender",
    before: tuple[Interactions, Catalogue],
    after: tuple[Interactions, Catalogue],
    rng: np.random.Generator,
    *,
    older: "Recommender | None" = None,
    k: int = 10,
    swaps: int = 999,
    report: Report = silent,
) -> DriftReport:
    """Hold two windows of a log against each other, as the bundle sees them.

    Args:
        before, after: logs, each with the items in it, known or not.
        older: another bundle, whose vectors and lists this one's are held against.
        k: length of the lists.
        swaps: behind each chance.

    Raises: DataError where a window has too few people, or the older bundle is of another catalogue.
    """
    for log, which in ((before[0], "before"), (after[0], "after")):
        if log.user_count < FEWEST:
            raise DataError(
                f"The log {which} has {log.user_count} people: with fewer than {FEWEST}, "
                "chance explains anything."
            )
    windows = Windows.of(before, after, recommender.catalogue, rng)
    test = Test(rng, swaps)
    k = min(k, recommender.catalogue.size)
    found: list[Alarm] = []
    parts = [of_log(recommender, windows, test)]
    if min(window.log.size for window in windows.even):
        parts.append(of_model(recommender, windows, test, k))
        if older is not None:
            parts.append(of_bundles(recommender, older, windows, test, min(k, older.catalogue.size)))
    for part in parts:
        for alarm in part:
            found.append(alarm)
            report(Progress("what has drifted", len(found), len(found) + 1))
    report(Progress("what has drifted", len(found), len(found)))
    adjusted = holm([alarm.chance for alarm in found])
    alarms = tuple(alarm._replace(adjusted=own) for alarm, own in zip(found, adjusted, strict=True))
    here = [
        np.bincount(each.people, minlength=windows.people) > 0 for each in (windows.before, windows.after)
    ]
    people = (int(here[0].sum()), int(here[1].sum()), int((here[0] & here[1]).sum()))
    return DriftReport(
        alarms,
        people,
        (before[0].size, after[0].size),
        tuple(_notes(people, before[0], after[0], {alarm.name for alarm in alarms})),
    )


def _notes(
    people: tuple[int, int, int], before: Interactions, after: Interactions, measured: set[str]
) -> list[str]:
    said = [
        f"{before.size:,} events of {people[0]:,} people before, {after.size:,} of {people[1]:,} after, "
        f"{people[2]:,} people in both.",
        "By chance: how likely as great a distance is where nothing changed, each person's windows being "
        "swapped by a coin, and allowing for all that was looked at (Holm). An alarm takes 0.05 or less, and "
        "the limit.",
    ]
    if before.size != after.size:
        said.append("The larger window is thinned to the size of the smaller, but for activity and people.")
    days = [float(np.ptp(log.times)) if log.is_clock and log.size else 0.0 for log in (before, after)]
    if "activity" in measured and max(days) > 1.25 * min(days):
        said.append(
            "One window is longer by more than a quarter: people come and go, so activity, and how many are "
            "new, compare only over windows of one length."
        )
    if "activity" not in measured:
        said.append("One window has no clock, so how much people do a day can't be compared.")
    if "scores" not in measured:
        said.append("The bundle knows no item of one window: scores, vectors and lists can't be compared.")
    elif "churn" not in measured:
        said.append(
            "Too few people are in both windows, with items that the bundle knows, to compare their vectors "
            "and lists."
        )
    return said


def _title(name: str) -> str:
    return TITLES.get(name, name)
