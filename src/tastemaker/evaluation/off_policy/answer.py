"""What a policy would have come to on logs of another, told with what must be known to believe it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tastemaker.evaluation.intervals import Interval
from tastemaker.evaluation.off_policy import rewards, support
from tastemaker.evaluation.off_policy.logs import Logs
from tastemaker.evaluation.off_policy.policies import Policy
from tastemaker.evaluation.off_policy.support import Check
from tastemaker.evaluation.off_policy.weighing import (
    CHOSEN,
    DIFFERENCE,
    LOGGED,
    TITLES,
    Weights,
    ratios,
    values,
)
from tastemaker.pages.section import Picture, Section, Table, Verdict
from tastemaker.progress import Progress, Report, silent


@dataclass(frozen=True)
class OffPolicyReport:
    """Attributes:
    policy: what was asked about.
    reward: what is counted; a value is its mean over places.
    rows, lists, units, unit: what was logged, and what of it is independent.
    logged: what the logger's own policy came to.
    estimates: by estimator; empty where no weight could be formed.
    difference: the answer less what was logged, from the same resamples; None where there is no answer.
    checks: what the logs were held against.
    reasons: why they can't answer; empty where they can.
    notes: what else must be known, a sentence each.
    """

    policy: str
    reward: str
    rows: int
    lists: int
    units: int
    unit: str
    logged: Interval
    estimates: dict[str, Interval]
    difference: Interval | None
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def can_answer(self) -> bool:
        return not self.reasons

    @property
    def answer(self) -> Interval | None:
        """What the policy would have come to; None where the logs can't tell."""
        return self.estimates[CHOSEN] if self.can_answer else None

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        told = asdict(self) | {
            "logged": _plain(self.logged),
            "estimates": {name: _plain(each) for name, each in self.estimates.items()},
            "difference": None if self.difference is None else _plain(self.difference),
            "checks": [each._asdict() for each in self.checks],
            "answer": None if self.answer is None else _plain(self.answer),
            "can_answer": self.can_answer,
        }
        return told | {"reasons": list(self.reasons), "notes": list(self.notes)}

    def section(self, pictures: bool = False) -> Section:
        """For a terminal, a page and JSON. `pictures` takes matplotlib."""
        verdict: Verdict = "good" if self.can_answer else "unclear"
        return Section(
            key="off_policy",
            title=f"What {self.policy} would have come to",
            lead=self._lead(),
            values=self.as_json(),
            verdict=verdict,
            tables=[*([self._estimates()] if self.estimates else []), self._checks()],
            pictures=[self._picture()] if pictures and self.estimates else [],
            notes=self.notes,
        )

    def _lead(self) -> str:
        if self.answer is None or self.difference is None:
            return f"These logs cannot answer that: {'; '.join(self.reasons)}."
        unit = "a place" if self.lists < self.rows else "a row"
        text = (
            f"{self.policy}: {_told(self.answer)} {self.reward} {unit}, and the logger's own policy "
            f"{_told(self.logged)} (95 % intervals). "
        )
        if not self.difference.excludes_zero:
            return text + f"No difference can be shown: {_told(self.difference, '+')}."
        more = "more" if self.difference.mean > 0 else "less"
        return text + f"That is {more}: {_told(self.difference, '+')}."

    def _estimates(self) -> Table:
        rows = [("as logged", *_cells(self.logged))]
        rows += [(TITLES[name], *_cells(each)) for name, each in self.estimates.items()]
        strong = [1 + list(self.estimates).index(CHOSEN)] if self.can_answer else []
        title = f"Mean {self.reward}" if self.can_answer else f"Mean {self.reward}, not to be relied on"
        return Table(title, ["", "estimate", "95 % interval"], rows, strong)

    def _checks(self) -> Table:
        rows = [
            (each.name, f"{each.value:,.4g}", each.limit, "no" if each.reason else "yes")
            for each in self.checks
        ]
        return Table("Whether these logs can answer", ["", "is", "limit", "holds"], rows)

    def _picture(self) -> Picture:
        from tastemaker.pages import style

        made, (panel,) = style.figure(7.0, 0.9 + 0.34 * (len(self.estimates) + 1))
        lines = [("as logged", self.logged), *((TITLES[name], each) for name, each in self.estimates.items())]
        names = [LOGGED, *self.estimates]
        for at, (name, (_, each)) in enumerate(zip(names, lines, strict=True)):
            colour = style.OURS if name == CHOSEN else style.RIVAL
            colour = colour if self.can_answer else style.ALARM if name == CHOSEN else style.QUIET
            panel.plot([each.low, each.high], [at, at], color=colour)
            panel.plot([each.mean], [at], "o", color=colour)
        panel.axvline(self.logged.mean, color=style.QUIET, linestyle="--", linewidth=1)
        panel.set_yticks(range(len(lines)), [title for title, _ in lines])
        panel.invert_yaxis()
        panel.set_xlabel(f"mean {self.reward}, with 95 % intervals")
        panel.set_title(f"{self.policy}, foretold from logs")
        alt = f"Estimates of the mean {self.reward} of {self.policy} by {len(self.estimates)} estimators."
        return Picture(style.svg(made), alt, self._lead())


def off_policy(
    logs: Logs,
    policy: Policy,
    rng: np.random.Generator,
    *,
    most: float | None = None,
    resamples: int = 1000,
    report: Report = silent,
) -> OffPolicyReport:
    """What `policy` would have come to, from `logs` of another.

    Args:
        most: weights above are cut to this; None leaves them.
        resamples: of the units, behind an interval.
    """
    checks = support.of_chances(logs)
    reasons = [check.reason for check in checks if check.reason]
    own = {LOGGED: [(logs.rewards, np.ones(logs.size))]}
    if reasons:
        found, _ = values(logs, own, rng, resamples)
        return _told_of(logs, policy.name, found, None, checks, reasons, most)
    model = rewards.fit(logs, rng)
    was_shown = np.zeros((int(logs.places.max(initial=0)) + 1, len(logs.item_ids) + 1), np.bool_)
    was_shown[logs.places, logs.items] = True
    chances, expected = np.zeros(logs.size), np.zeros(logs.size)
    never = 0.0
    for choices in policy.over(logs):
        rows = choices.rows
        chances[rows] = choices.of_logged(logs)
        expected[rows] = rewards.expected(model, rows, choices.items, choices.chances)
        known = was_shown[logs.places[rows][:, None], choices.items]
        never += float((1 - (choices.chances * known).sum(1)).sum())
        report(Progress(f"what {policy.name} would show", rows.stop, logs.size))
    weights = Weights.of(logs, chances, most)
    found, _ = values(logs, ratios(logs, weights, rewards.of_logged(model, logs), expected), rng, resamples)
    checks += support.of_weights(
        logs, Weights.of(logs, chances).down, max(round(never / logs.size, 9), 0.0), policy.name
    )
    reasons = [check.reason for check in checks if check.reason]
    # Weighing rows by chance tells nothing of how wrong a model is: its interval would be far too narrow.
    found["dm"] = found["dm"]._replace(low=np.nan, high=np.nan)
    return _told_of(logs, policy.name, found, found.pop(DIFFERENCE), checks, reasons, most)


def _told_of(
    logs: Logs,
    name: str,
    found: dict[str, Interval],
    difference: Interval | None,
    checks: list[Check],
    reasons: list[str],
    most: float | None,
) -> OffPolicyReport:
    rest = dict(found)
    logged = rest.pop(LOGGED)
    return OffPolicyReport(
        name,
        logs.reward,
        logs.size,
        logs.list_count,
        logs.unit_count,
        logs.unit,
        logged,
        rest,
        None if reasons else difference,
        tuple(checks),
        tuple(reasons),
        tuple(_notes(logs, most)),
    )


def _notes(logs: Logs, most: float | None) -> list[str]:
    rows = f"{logs.size:,} rows" + (f" in {logs.list_count:,} lists" if logs.has_lists else "")
    whose = "" if logs.unit == "rows" else f", of {logs.unit_count:,} {logs.unit}"
    said = [f"{rows}{whose}; intervals come from weighing {logs.unit} by chance."]
    if logs.left_out:
        said.append(f"{logs.left_out:,} rows are left out: they lack an item, or what came of it.")
    if logs.has_lists:
        said.append(
            "A propensity is taken as the chance of an item given those above it in the list, as slates of "
            "tastemaker have it."
        )
    unnamed = 0 if logs.user_ids is None else logs.user_ids.count(None)
    if unnamed:
        said.append(f"{unnamed:,} rows name nobody: each list of theirs counts as of somebody else.")
    if logs.unit != "people":
        said.append(
            f"Nobody is named in the logs: {logs.unit} count as independent, which may flatter intervals."
        )
    said.append("The reward model alone has no interval: nobody knows how wrong it is.")
    if most is not None:
        said.append(f"Weights above {most:g} are cut to it, which may bias every estimate but the model's.")
    return said


def _plain(each: Interval) -> dict[str, float | None]:
    known = np.isfinite(each)
    return {
        name: value if is_known else None
        for name, value, is_known in zip(each._fields, each, known, strict=True)
    }


def _told(each: Interval, sign: str = "") -> str:
    return f"{each.mean:{sign}.4g} ({each.low:{sign}.4g} to {each.high:{sign}.4g})"


def _cells(each: Interval) -> tuple[str, str]:
    return f"{each.mean:.4g}", "–" if np.isnan(each.low) else f"{each.low:.4g} to {each.high:.4g}"
