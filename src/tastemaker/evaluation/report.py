"""The table people read: models beside baselines, how sure each number is, and who is better.

A report is plain values: it goes into a bundle's manifest and comes back as it was, and renders
itself for a console or as Markdown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.evaluation.intervals import Interval

Verdict = Literal["better", "worse", "no difference can be shown"]

TITLES = {
    "ndcg": "NDCG",
    "hit_rate": "hit rate",
    "recall": "recall",
    "precision": "precision",
    "map": "MAP",
    "mrr": "MRR",
    "coverage": "coverage",
    "diversity": "diversity",
    "novelty": "novelty, bits",
    "gini": "Gini",
    "popularity_lift": "popularity lift",
    "serendipity": "serendipity",
    "age_days": "age, days",
    "miscalibration": "miscalibration",
}
"""How a metric is called for people."""
DIGITS = {"age_days": 0}
"""Behind the point, where it isn't three."""


def plain(value: float) -> float | None:
    """What JSON can hold: it has no NaN."""
    return None if math.isnan(value) else float(value)


@dataclass(frozen=True)
class Mark:
    """A mean over users with its 95 % interval; None where nobody was asked."""

    mean: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, measured: Interval) -> "Mark":
        return cls(*(plain(value) for value in measured))

    def told(self, digits: int = 4, of_ends: int | None = None) -> str:
        """The mean and its interval, e.g. `0.2512 (0.2481–0.2543)`; `of_ends`: other digits for these."""
        if self.mean is None:
            return number(None)
        of_ends = digits if of_ends is None else of_ends
        return f"{number(self.mean, digits)} ({number(self.low, of_ends)}–{number(self.high, of_ends)})"


@dataclass(frozen=True)
class Line:
    """One model of the table.

    Attributes:
        marks: by metric, one number a user.
        overall: by metric, one number for all lists together; None where it says nothing.
        seconds: for all answers.
    """

    name: str
    is_baseline: bool
    marks: Mapping[str, Mark]
    overall: Mapping[str, float | None]
    seconds: float


@dataclass(frozen=True)
class Contest:
    """A paired test of two models on the same users.

    Attributes:
        difference: `ours` less `theirs`, with its 95 % interval.
        verdict: by `corrected`, at 5 %; in reports older than that, by whether the interval leaves out 0.
        chance: p-value of the permutation test, alone; None in older reports.
        corrected: the same after Holm, for as many contests as were held.
        detectable: the smallest true difference that would have shown, four times in five; None unknown.
        among: contests that were held.
    """

    ours: str
    theirs: str
    metric: str
    difference: Mark
    verdict: Verdict
    chance: float | None = None
    corrected: float | None = None
    detectable: float | None = None
    among: int = 1

    def sentence(self, k: int, note: str = "") -> str:
        """What it says, for a person; `note` says who `theirs` is."""
        mean, low, high = (
            _signed(value) for value in (self.difference.mean, self.difference.low, self.difference.high)
        )
        rival = f"{self.theirs}{note}"
        told = {
            "better": f"{self.ours} is better than {rival}",
            "worse": f"{self.ours} is worse than {rival}",
            "no difference can be shown": f"it can't be shown that {self.ours} differs from {rival}",
        }[self.verdict]
        figures = f"{TITLES[self.metric]}@{k} {mean}, 95 % interval {low} to {high}{self._chances()}"
        if self.verdict == "no difference can be shown" and self.detectable is not None:
            figures += (
                f"; a true difference of {self.detectable:.4f} or more would have shown, four times in five"
            )
        return f"{told}: {figures}"

    def _chances(self) -> str:
        if self.chance is None or self.corrected is None:
            return ""
        if self.among == 1:
            return f", {chance_of(self.chance)}"
        return f", {chance_of(self.chance)} ({chance_of(self.corrected)} after Holm, {self.among} contests)"


@dataclass(frozen=True)
class Report:
    """All of one exam.

    Attributes:
        k: length of the lists.
        split: one sentence on how targets were parted from the past.
        users_asked, users_left_out: those with nothing to be found, or not drawn, are left out.
        lines: the models, then the baselines, in the order they were examined.
        contests: each model against the best baseline, and the first model against the others.
        skipped: (name, reason) of baselines that weren't examined.
    """

    k: int
    split: str
    users_asked: int
    users_left_out: int
    lines: tuple[Line, ...]
    contests: tuple[Contest, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def line(self, name: str) -> Line:
        """The line of one model, by its name."""
        return next(line for line in self.lines if line.name == name)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; `from_json` makes the report of them again."""
        values = asdict(self)
        values["lines"] = list(values["lines"])
        values["contests"] = list(values["contests"])
        values["skipped"] = [{"name": name, "reason": reason} for name, reason in self.skipped]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Report":
        """The report that `as_json` took apart; what else a bundle keeps beside it is left aside."""
        lines = (
            Line(**(line | {"marks": {key: Mark(**mark) for key, mark in line["marks"].items()}}))
            for line in values["lines"]
        )
        contests = (
            Contest(**(contest | {"difference": Mark(**contest["difference"])}))
            for contest in values["contests"]
        )
        skipped = ((skip["name"], skip["reason"]) for skip in values["skipped"])
        parts = {"lines": tuple(lines), "contests": tuple(contests), "skipped": tuple(skipped)}
        whole = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        return cls(**(whole | parts))

    def notes(self) -> list[str]:
        """What must be said beside the table, a sentence each."""
        asked = f"{self.users_asked:,} users asked, {self.users_left_out:,} left out. Split by {self.split}"
        equal = [f"{TITLES[key]} equals {TITLES[other]}" for key, other in self._copies().items()]
        kinds = {line.name: line.is_baseline for line in self.lines}
        told = [
            contest.sentence(self.k, ", the best baseline" if kinds.get(contest.theirs) else "")
            for contest in self.contests
        ]
        skips = [f"{name} was left out: {reason}" for name, reason in self.skipped]
        sentences = [asked, *([f"{', '.join(equal)} here"] if equal else []), *told, *skips]
        return [_ended(sentence) for sentence in sentences]

    def markdown(self) -> str:
        """Two tables and the notes under them."""
        names = [f"**{line.name}**" if not line.is_baseline else line.name for line in self._sorted()]
        per_user = [["", *(f"{TITLES[key]}@{self.k}" for key in self._columns())]]
        overall = [["", *(TITLES[key] for key in self._overall_columns()), "seconds"]]
        for name, line in zip(names, self._sorted(), strict=True):
            per_user.append([name, *(line.marks[key].told(4, 3) for key in self._columns())])
            overall.append([name, *self._overall_cells(line)])
        notes = "\n".join(f"- {note}" for note in self.notes())
        return f"{markdown_table(per_user)}\n\n{markdown_table(overall)}\n\n{notes}\n"

    def __str__(self) -> str:
        return self.markdown()

    def __rich__(self) -> RenderableType:
        """For `rich`: two tables that fit 100 columns, best marks in green, and the notes."""
        per_user = Table(
            box=box.SIMPLE_HEAD, title=f"What was found among the first {self.k}", title_justify="left"
        )
        overall = Table(
            box=box.SIMPLE_HEAD,
            title="What the lists are like",
            title_justify="left",
            collapse_padding=True,
        )
        for table in (per_user, overall):
            table.add_column("", no_wrap=True)
        for key in self._columns():
            per_user.add_column(f"{TITLES[key]}@{self.k}", justify="right")
        for title in (*(TITLES[key] for key in self._overall_columns()), "seconds"):
            # Words stay whole: a heading may take two lines instead.
            overall.add_column(title, justify="right", min_width=max(map(len, title.split())))
        best = {key: max(_order(line.marks[key].mean) for line in self.lines) for key in self._columns()}
        for line in self._sorted():
            name = Text(line.name, style="" if line.is_baseline else "bold")
            cells = [_in_two_lines(line.marks[key], best[key]) for key in self._columns()]
            per_user.add_row(name, *cells)
            overall.add_row(name, *self._overall_cells(line))
        return Group(per_user, overall, *(Text(f"• {note}") for note in self.notes()))

    def _sorted(self) -> list[Line]:
        """The best first, by the first metric."""
        return sorted(self.lines, key=lambda line: -_order(next(iter(line.marks.values())).mean))

    def _metrics(self) -> list[str]:
        return list(self.lines[0].marks) if self.lines else []

    def _copies(self) -> dict[str, str]:
        """Metrics that say the same as one before them, as recall and hit rate do with one target each."""
        copies: dict[str, str] = {}
        for place, key in enumerate(self._metrics()):
            for other in self._metrics()[:place]:
                if other not in copies and all(
                    _equal(line.marks[key], line.marks[other]) for line in self.lines
                ):
                    copies.setdefault(key, other)
        return copies

    def _columns(self) -> list[str]:
        return [key for key in self._metrics() if key not in self._copies()]

    def _overall_columns(self) -> list[str]:
        return [key for key in TITLES if any(key in line.overall for line in self.lines)]

    def _overall_cells(self, line: Line) -> list[str]:
        return [
            *(number(line.overall.get(key), DIGITS.get(key, 3)) for key in self._overall_columns()),
            f"{line.seconds:.2f}",
        ]


def chance_of(p: float) -> str:
    """A p-value for a person."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _equal(one: Mark, other: Mark) -> bool:
    if one.mean is None or other.mean is None:
        return False
    return abs(one.mean - other.mean) < 1e-12 and one.low == other.low and one.high == other.high


def _order(value: float | None) -> float:
    return float("-inf") if value is None else value


def number(value: float | None, digits: int = 4) -> str:
    """A figure for a person."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share from 0 to 1, for a person."""
    return "–" if value is None else f"{value:.1%}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


def _in_two_lines(mark: Mark, best: float) -> Text:
    """The mean above its interval; green where no other model has more."""
    mean = (number(mark.mean, 4), "bold green" if mark.mean == best else "")
    return Text.assemble(mean, (f"\n{number(mark.low, 3)}–{number(mark.high, 3)}", "dim"))


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first of them the head; all columns but the first stand to the right."""
    head, *body = rows
    ruled = [head, ["---", *(["---:"] * (len(head) - 1))], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in ruled)
