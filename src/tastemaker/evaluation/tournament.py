"""Several models beside each other and the baselines: who is better, by how much, for whom, how surely.

Plain values in, the table and the picture that people read out; `contenders` asks the models.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from tastemaker.errors import TastemakerError
from tastemaker.evaluation.report import TITLES, Contest, Line, Mark, Report, chance_of
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, PANEL = 0.3, 0.9
"""Inches of a picture's height, for each contest and for each panel besides."""
MOST = 24
"""Contests drawn in a panel."""


@dataclass(frozen=True)
class GroupLine:
    """Some of the people: how many of them were asked, each model's mark, and the models' contests."""

    name: str
    users: int
    marks: dict[str, Mark]
    contests: tuple[Contest, ...]


@dataclass(frozen=True)
class Comparison:
    """What came of asking several models the same questions.

    Attributes:
        report: the models, then the baselines; its contests are those of every two models and of each
            model and the best baseline, by every metric that was asked for.
        metrics: those, the one that decides first.
        by: what people are grouped by.
        groups: marks and contests of the models by the first metric; their p-values are corrected by
            themselves, over all groups.
        more: what else must be known, a sentence each.
        is_tested: false where marks were only remembered, and nobody's own are known.
    """

    report: Report
    metrics: tuple[str, ...]
    by: str = ""
    groups: tuple[GroupLine, ...] = ()
    more: tuple[str, ...] = ()
    is_tested: bool = True

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        values = self.report.as_json() | {"metrics": list(self.metrics), "by": self.by}
        groups = [dataclasses.asdict(group) for group in self.groups]
        for group in groups:
            group["contests"] = list(group["contests"])
        return values | {"groups": groups, "is_tested": self.is_tested, "notes": self.notes()}

    def best(self) -> Line:
        """The model that has most of the first metric."""
        models = [line for line in self.report.lines if not line.is_baseline]
        return max(models, key=lambda line: line.marks[self.metrics[0]].mean or 0.0)

    def lead(self) -> str:
        """What it came to, in a few sentences."""
        best, metric = self.best(), self.metrics[0]
        mean = best.marks[metric].mean
        told = f"{best.name} has most of {self._called(metric)}, {0.0 if mean is None else mean:.4f}"
        if not self.is_tested:
            return f"{told}. Whether that is more than luck isn't known without a paired test."
        won, lost, open_ = self._sides(best.name)
        sentences = [told]
        if won:
            sentences.append(f"It is better than {_listed(won)}")
        if lost:
            sentences.append(f"It is worse than {_listed(lost)}")
        if open_:
            figures = [c.detectable for c in self._of(best.name) if c.detectable is not None and _even(c)]
            would = f": true differences of {max(figures):.4f} or more would have shown" if figures else ""
            sentences.append(f"No difference can be shown between it and {_listed(open_)}{would}")
        return ". ".join(sentences) + "."

    def notes(self) -> list[str]:
        """What must be known beside the table, a sentence each."""
        report = self.report
        asked = (
            f"{report.users_asked:,} users asked, {report.users_left_out:,} left out. Split by {report.split}"
        )
        skipped = [f"{name} was left out: {reason}" for name, reason in report.skipped]
        tests = []
        if report.contests:
            number = report.contests[0].among
            tests = [
                "Differences are of the same people, with 95 % intervals; p from swapping the two lists of "
                f"each person by chance, corrected by Holm over {number} tests; a verdict takes 5 % or less",
                "Would have shown: the least true difference that these people would show four times in five",
            ]
            if self.groups:
                over = self.groups[0].contests[0].among
                tests.append(f"Groups are corrected by themselves, over {over} tests")
        return [each if each.endswith(".") else f"{each}." for each in (asked, *skipped, *tests, *self.more)]

    def section(self, draw: bool = True) -> Section:
        """All of it as a part of a report; without pictures where nothing can be drawn, or unless `draw`."""
        tables = [self._marks()]
        for title, contests in self._by_metric():
            tables.append(_table(f"Differences of {title}", [("", contest) for contest in contests]))
        if self.groups:
            rows = [(f"{g.name}, {g.users:,}", contest) for g in self.groups for contest in g.contests]
            title = f"Differences of {self._called(self.metrics[0])}, by {self.by}"
            tables.append(_table(title, rows, group=self.by))
        pictures = []
        if draw and self.is_tested:
            try:
                picture = style.svg(self.figure())
            except TastemakerError:  # nothing to draw with
                picture = ""
            alt = "Differences between models, each a dot with its 95 % interval, beside a line at 0."
            pictures = [Picture(picture, alt)] if picture else []
        is_clear = self.is_tested and all(c.verdict != "no difference can be shown" for c in self._models())
        return Section(
            key="comparison",
            title="Comparison",
            lead=self.lead(),
            verdict="good" if is_clear else "unclear",
            tables=tables,
            pictures=pictures,
            notes=self.notes(),
            values=self.as_json(),
        )

    def __rich__(self) -> RenderableType:
        return self.section(draw=False)

    def figure(self) -> "Figure":
        """Every difference as a dot with its interval: a panel for each metric, and one for the groups.

        Raises: TastemakerError without matplotlib.
        """
        panels = [(title, [(_pair(c), c) for c in contests]) for title, contests in self._by_metric()]
        if self.groups:
            rows = [(f"{g.name}: {_pair(c)}", c) for g in self.groups for c in g.contests]
            panels.append((f"{self._called(self.metrics[0])}, by {self.by}", rows))
        panels = [(title, rows[:MOST]) for title, rows in panels]
        height = sum(PANEL + ROW * len(rows) for _, rows in panels)
        made, axes = style.figure(7.0, height, rows=len(panels), sharex=True)
        grid = axes[0].get_gridspec()
        assert grid is not None
        grid.set_height_ratios([PANEL + ROW * len(rows) for _, rows in panels])
        for panel, (title, rows) in zip(axes, panels, strict=True):
            _dots(panel, f"difference of {title}", rows)
        return made

    def _called(self, metric: str) -> str:
        return f"{TITLES[metric]}@{self.report.k}"

    def _by_metric(self) -> list[tuple[str, list[Contest]]]:
        held = self.report.contests
        found = [
            (self._called(m), [contest for contest in held if contest.metric == m]) for m in self.metrics
        ]
        return [(title, contests) for title, contests in found if contests]

    def _models(self) -> list[Contest]:
        """Contests of two models, not of one and a baseline, by the first metric."""
        models = {line.name for line in self.report.lines if not line.is_baseline}
        return [c for c in self.report.contests if c.theirs in models and c.metric == self.metrics[0]]

    def _of(self, name: str) -> list[Contest]:
        first = [contest for contest in self.report.contests if contest.metric == self.metrics[0]]
        return [contest for contest in first if name in (contest.ours, contest.theirs)]

    def _sides(self, name: str) -> tuple[list[str], list[str], list[str]]:
        """Whom a model is better than, worse than, and can't be told from; a baseline is said to be one."""
        baselines = {line.name for line in self.report.lines if line.is_baseline}
        won: list[str] = []
        lost: list[str] = []
        open_: list[str] = []
        for contest in self._of(name):
            is_ours = contest.ours == name
            other = contest.theirs if is_ours else contest.ours
            called = f"{other}, the best baseline" if other in baselines else other
            side = open_ if _even(contest) else won if (contest.verdict == "better") == is_ours else lost
            side.append(called)
        return won, lost, open_

    def _marks(self) -> Table:
        order = sorted(self.report.lines, key=lambda line: -(line.marks[self.metrics[0]].mean or 0.0))
        keys = [*self.metrics, *(key for key in self.report.lines[0].marks if key not in self.metrics)]
        rows = [[line.name, *(_mark(line.marks[key]) for key in keys)] for line in order]
        strong = [place for place, line in enumerate(order) if not line.is_baseline]
        head = ["", *(self._called(key) for key in keys)]
        return Table(f"What was found among the first {self.report.k}", head, rows, strong=strong)


def _table(title: str, rows: Sequence[tuple[str, Contest]], group: str = "") -> Table:
    grouped = [f"{group}, people"] if group else []
    head = [*grouped, "difference", "", "95 % interval", "p", "Holm", "better", "would have shown"]
    cells = []
    for name, contest in rows:
        mean, low, high = (
            "–" if value is None else f"{value:+.4f}" for value in dataclasses.astuple(contest.difference)
        )
        chances = [
            "–" if p is None else chance_of(p).removeprefix("p ").removeprefix("= ")
            for p in (contest.chance, contest.corrected)
        ]
        least = "–" if contest.detectable is None else f"{contest.detectable:.4f}"
        won = "none shown" if _even(contest) else _winner(contest)
        figures = [_pair(contest), mean, f"{low} to {high}", *chances, won, least]
        cells.append([*([name] if group else []), *figures])
    strong = [place for place, (_, contest) in enumerate(rows) if not _even(contest)]
    first = len(grouped)
    return Table(title, head, cells, strong=strong, words=(first, first + 5))


def _dots(panel: "Axes", title: str, rows: Sequence[tuple[str, Contest]]) -> None:
    panel.set_title(title, loc="left")
    panel.axvline(0, color=style.QUIET, linewidth=1.2)
    for place, (_, contest) in enumerate(rows):
        mean, low, high = dataclasses.astuple(contest.difference)
        won = style.OURS if (mean or 0) > 0 else style.ALARM
        style.dot(panel, place, mean, low, high, style.RIVAL if _even(contest) else won)
    panel.set_yticks(range(len(rows)), [name for name, _ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.grid(visible=False, axis="y")


def _even(contest: Contest) -> bool:
    return contest.verdict == "no difference can be shown"


def _winner(contest: Contest) -> str:
    return contest.ours if contest.verdict == "better" else contest.theirs


def _pair(contest: Contest) -> str:
    return f"{contest.ours} − {contest.theirs}"


def _mark(mark: Mark) -> str:
    if mark.mean is None or mark.low is None or mark.high is None:
        return "–"
    return f"{mark.mean:.4f}\n{mark.low:.3f}–{mark.high:.3f}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
