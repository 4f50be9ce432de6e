"""The model beside the baselines: the table that every claim rests on, and a picture of it."""

from typing import Any

from tastemaker.evaluation.dossier.case import Case
from tastemaker.evaluation.judge import NAME
from tastemaker.evaluation.report import DIGITS, TITLES, Contest, Line, Mark, Report, number
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table, Verdict


def standing(case: Case) -> Section:
    """All marks with their intervals, what the lists are like, and the paired contests."""
    report = case.report
    assert report is not None
    found, alike = _tables(report)
    contest = main_contest(report)
    verdict: Verdict = ""
    if contest is not None:
        verdicts: dict[str, Verdict] = {"better": "good", "worse": "alarm"}
        verdict = verdicts.get(contest.verdict, "unclear")
    return Section(
        "standing",
        "Beside the baselines",
        verdict_of(report),
        report.as_json(),
        verdict,
        [found, alike],
        [_dots(report)],
        _notes(report, contest),
    )


def _notes(report: Report, told: Contest | None) -> list[str]:
    """What the report says beside its table, less who was asked, which `protocol` tells, and the verdict."""
    said = "" if told is None else told.sentence(report.k, ", the best baseline")
    return [note for note in report.notes()[1:] if not said or not note.startswith(said)]


def main_contest(report: Report) -> Contest | None:
    """The recommender against the best baseline; None where there is none."""
    baselines = {line.name for line in report.lines if line.is_baseline}
    return next((c for c in report.contests if c.ours == NAME and c.theirs in baselines), None)


def verdict_of(report: Report) -> str:
    """What the exam came to, in a sentence for who reads nothing else."""
    contest = main_contest(report)
    if contest is None:
        return "There is no baseline to compare it with."
    metric = f"{TITLES[contest.metric]}@{report.k}"
    ours, theirs = (report.line(name).marks[contest.metric].mean for name in (contest.ours, contest.theirs))
    low, high = contest.difference.low, contest.difference.high
    span = f"95 % interval of the difference {low:+.4f} to {high:+.4f}" if low is not None else "no interval"
    marks = f"{metric} {number(ours)} against {number(theirs)}, {span}"
    if contest.verdict == "no difference can be shown":
        return f"It can't be shown that it differs from {contest.theirs}, the best baseline: {marks}."
    gain = ""
    if ours is not None and theirs and contest.verdict == "better":
        more = ours / theirs - 1
        gain = f" by {more:.0%}" if more >= 0.01 else " by less than 1 %"
    return f"It is {contest.verdict} than {contest.theirs}, the best baseline,{gain}: {marks}.".replace(
        ",:", ":"
    )


def sorted_lines(report: Report) -> list[Line]:
    """The best first, by the metric that models are compared by."""

    def order(line: Line) -> float:
        mean = next(iter(line.marks.values())).mean
        return float("-inf") if mean is None else mean

    return sorted(report.lines, key=order, reverse=True)


def _tables(report: Report) -> tuple[Table, Table]:
    lines = sorted_lines(report)
    metrics = list(lines[0].marks) if lines else []
    shown = [key for key in metrics if key not in _copies(report, metrics)]
    strong = [place for place, line in enumerate(lines) if not line.is_baseline]
    found = Table(
        f"What was found among the first {report.k}",
        ["", *(f"{TITLES.get(key, key)}@{report.k}" for key in shown)],
        [[line.name, *(_interval(line.marks[key]) for key in shown)] for line in lines],
        strong,
    )
    overall = [key for key in TITLES if any(line.overall.get(key) is not None for line in lines)]
    alike = Table(
        "What the lists are like",
        ["", *(TITLES[key] for key in overall)],
        [
            [line.name, *(number(line.overall.get(key), DIGITS.get(key, 3)) for key in overall)]
            for line in lines
        ],
        strong,
    )
    return found, alike


def _copies(report: Report, metrics: list[str]) -> set[str]:
    """Metrics whose means are those of one before them for every model."""
    means: dict[tuple[Any, ...], str] = {}
    for key in metrics:
        means.setdefault(tuple(line.marks[key].mean for line in report.lines), key)
    return set(metrics) - set(means.values())


def _interval(mark: Mark) -> str:
    if mark.mean is None:
        return "–"
    return f"{mark.mean:.4f}\n{number(mark.low, 3)}–{number(mark.high, 3)}"


def _dots(report: Report) -> Picture:
    lines = [
        line for line in reversed(sorted_lines(report)) if next(iter(line.marks.values())).mean is not None
    ]
    metric = next(iter(report.lines[0].marks))
    figure, (panel,) = style.figure(5.6, 0.9 + 0.32 * max(1, len(lines)))
    for place, line in enumerate(lines):
        mark = line.marks[metric]
        style.dot(
            panel, place, mark.mean, mark.low, mark.high, style.RIVAL if line.is_baseline else style.OURS
        )
    panel.set_yticks(range(len(lines)), [line.name for line in lines])
    panel.set_xlabel(f"{TITLES[metric]}@{report.k}, with 95 % intervals")
    panel.set_xlim(left=0)
    panel.grid(axis="y", visible=False)
    told = "; ".join(f"{line.name} {number(line.marks[metric].mean)}" for line in reversed(lines))
    return Picture(
        style.svg(figure),
        f"A mark and an interval a model of {TITLES[metric]}@{report.k}: {told}.",
        "In blue what is examined, in grey the baselines. Intervals of the same people: a difference can be "
        "sure where they overlap.",
    )
