"""What sorting by an objective does to what people are shown, seen on lists whose outcomes are known.

Held-out lists are put into the order of each objective, and what came of the first k places is looked up.
It is a replay: nobody was shown these orders, so an outcome counts as if it didn't depend on its place beyond
the chance of being looked at. What was in no list can't be judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.evaluation.intervals import bootstrap_means
from tastemaker.evaluation.metrics import list_diversity
from tastemaker.evaluation.report import Mark, markdown_table
from tastemaker.rank.objective import Objective

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

AS_SHOWN = "as shown"

MEASURES = {
    "click_rate": "clicks a place",
    "watch_time": "seconds watched a place",
    "completion_rate": "completed, of clicks",
    "short_rate": "short watches, of clicks",
    "length": "length shown, s",
    "diversity": "diversity",
}
"""What is measured, and how it is called for people."""

SHORT_SHARE = 0.1
"""A click that is followed by less than this of an item's length was bait."""
SHORT_SECONDS = 30.0
"""The same, where the length isn't known."""
MARKED = 0.1
"""From this share of change on, shorter watches or fewer completions are called a trap; less is a trade."""
LONGER = 0.25
"""From this share on, items shown count as longer."""


@dataclass(frozen=True)
class HeldOut:
    """M places of S lists that people were given, those of one list together, lists in order.

    Attributes:
        lists: (M,) int32, rising from 0: which list each belongs to.
        positions: (M,) where it stood, 1 is first; 0 where it was shown at no place, which counts as after
            the others, in the order given.
        heads: (M,) of each head that the ranker has: what it foretells.
        labels: (M,) of click, and of watch_time (seconds) and completion where there are any: what came of
            it, NaN where unknown.
        propensities: (M,) chance that a place was looked at, above 0; None where unknown.
        lengths_s: (M,) seconds an item lasts, NaN where unknown; None where all are.
        vectors: (M, D) of the items; None leaves out diversity.
    """

    lists: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    heads: Mapping[str, Floats]
    labels: Mapping[str, Floats]
    propensities: Floats | None = None
    lengths_s: Floats | None = None
    vectors: Floats | None = None


@dataclass(frozen=True)
class ObjectiveLine:
    """One order of the lists.

    Attributes:
        objective: its formula, or AS_SHOWN.
        marks: by measure, over lists.
        changes: by measure, as a share of what is as shown (0.12: 12 % more), drawn on the same lists.
        flags: traps, a sentence each.
    """

    objective: str
    marks: Mapping[str, Mark]
    changes: Mapping[str, Mark]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class ObjectiveReport:
    """What each objective does, `as shown` first.

    Attributes:
        k: places looked at.
        lists: how many there are.
        longer: of these, have more than k places: in others an order changes nothing.
        is_weighed: clicks were freed of their places by propensities.
    """

    k: int
    lists: int
    longer: int
    is_weighed: bool
    lines: tuple[ObjectiveLine, ...]

    def line(self, objective: str) -> ObjectiveLine:
        """The line of one objective, by its text."""
        return next(line for line in self.lines if line.objective == objective)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; `from_json` makes the report of them again."""
        lines = [asdict(line) | {"flags": list(line.flags)} for line in self.lines]
        return asdict(self) | {"lines": lines}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ObjectiveReport":
        """The report that `as_json` took apart."""
        lines = (
            ObjectiveLine(
                objective=line["objective"],
                marks={name: Mark(**mark) for name, mark in line["marks"].items()},
                changes={name: Mark(**mark) for name, mark in line["changes"].items()},
                flags=tuple(line["flags"]),
            )
            for line in values["lines"]
        )
        return cls(**(dict(values) | {"lines": tuple(lines)}))

    def notes(self) -> list[str]:
        """What must be said beside the table, a sentence each."""
        flags = [f"{line.objective}: {flag}." for line in self.lines for flag in line.flags]
        asked = f"{self.lists:,} lists, {self.longer:,} longer than {self.k}: of the others all is shown."
        weighed = (
            "Clicks, and what came of them, count as one over the chance that their place was looked at."
            if self.is_weighed
            else "Clicks count as they came: what stood first had more of them, whatever it was."
        )
        return [*(flags or ["No trap can be shown."]), asked, weighed]

    def markdown(self) -> str:
        """A table and the notes under it."""
        head = [f"first {self.k}, sorted by", *(MEASURES[name] for name in self._measures())]
        body = [
            [f"`{line.objective}`", *(self._cell(line, name).replace("\n", " ") for name in self._measures())]
            for line in self.lines
        ]
        return markdown_table([head, *body]) + "\n\n" + "\n".join(f"- {note}" for note in self.notes()) + "\n"

    def __str__(self) -> str:
        return self.markdown()

    def __rich__(self) -> RenderableType:
        """For `rich`: a table that fits 100 columns, and the notes."""
        table = Table(
            box=box.SIMPLE_HEAD, title=f"What an objective does to the first {self.k}", title_justify="left"
        )
        table.add_column("sorted by", max_width=24)
        for name in self._measures():
            table.add_column(MEASURES[name], justify="right")
        for line in self.lines:
            style = "red" if line.flags else ""
            table.add_row(
                Text(line.objective, style=style), *(self._cell(line, name) for name in self._measures())
            )
        return Group(table, *(Text(f"• {note}") for note in self.notes()))

    def _measures(self) -> list[str]:
        return [name for name in MEASURES if any(line.marks[name].mean is not None for line in self.lines)]

    def _cell(self, line: ObjectiveLine, name: str) -> str:
        """The mean, its interval, and how it changed from what was shown."""
        mark, change = line.marks[name], line.changes[name]
        if mark.mean is None or mark.low is None or mark.high is None:
            return "–"
        mean, low, high = (_plain(value) for value in (mark.mean, mark.low, mark.high))
        changed = "" if line.objective == AS_SHOWN or change.mean is None else f" {_percent(change.mean)}"
        return f"{mean}{changed}\n{low}–{high}"


def compare_objectives(
    shown: HeldOut,
    objectives: Sequence[str],
    *,
    rng: np.random.Generator,
    k: int = 5,
    resamples: int = 1000,
) -> ObjectiveReport:
    """Put held-out lists into the order of each objective, and of each head alone, beside what was shown.

    Per list, over its first k places; means are of sums over all lists, not of lists' means:

    - click_rate: clicks a place. Where propensities are known a click weighs 1 / propensity (Joachims et al.,
      WSDM 2017), divided by the mean weight of all clicks, in the first k or not, so that the scale of the
      propensities cancels and a click still counts 1 on average. What came of a click weighs the same.
    - watch_time: seconds a place.
    - completion_rate, short_rate: shares of clicks. A short watch is less than SHORT_SHARE of the item's
      length, or less than SHORT_SECONDS where that isn't known.
    - length: mean seconds that items last, where known.
    - diversity: mean over lists of the mean pairwise 1 − cosine.

    Equal scores stand as they were shown. Intervals are of lists drawn again with replacement, the same draws
    for all orders.

    Args:
        objectives: formulas; those of heads alone are added.
        k: 1 or more.
        resamples: draws.

    Raises: ObjectiveError where a formula can't be read, or speaks of a head that `shown` doesn't have.
    """
    names = list(shown.heads)
    parsed = [Objective.parse(text, names) for text in dict.fromkeys([*objectives, *names])]
    # From here on places stand as they were shown, so that a stable sort leaves ties like that.
    stood = np.lexsort((np.where(shown.positions > 0, shown.positions, np.iinfo(np.int32).max), shown.lists))
    lists = shown.lists[stood]
    orders = {AS_SHOWN: np.arange(len(stood))}
    for objective in parsed:
        scores = objective({name: shown.heads[name][stood] for name in objective.heads})
        orders[objective.text] = np.lexsort((-scores, lists))
    sums = np.stack([_sums(shown, _first(stood[order], lists, k)) for order in orders.values()])  # (O, S, C)
    count, size, columns = sums.shape
    drawn = bootstrap_means(sums.transpose(1, 0, 2).reshape(size, count * columns), rng, resamples)
    measured = _measured(sums.mean(1)) if size else np.full((count, len(MEASURES)), np.nan)
    draws = _measured(drawn.reshape(-1, count, columns))  # (R, O, measures)
    lines = []
    for place, text in enumerate(orders):
        marks = _marks(measured[place], draws[:, place])
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = _marks(measured[place] / measured[0] - 1, draws[:, place] / draws[:, 0] - 1)
        lines.append(ObjectiveLine(text, marks, changes, _flags(changes) if place else ()))
    longer = int((np.bincount(lists, minlength=size) > k).sum())
    return ObjectiveReport(k, size, longer, shown.propensities is not None, tuple(lines))


def _first(places: npt.NDArray[np.int64], lists: npt.NDArray[np.int32], k: int) -> Rows:
    """(S, k) the first places of each list, of all `places` (M,) sorted by list; PAD where it has fewer."""
    lengths = np.bincount(lists)
    rank = np.arange(len(lists)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.full((len(lengths), k), PAD, np.int32)
    rows[lists[rank < k], rank[rank < k]] = places[rank < k]
    return rows


def _sums(shown: HeldOut, rows: Rows) -> Values:
    """(S, C) what `_measured` divides, for each list."""
    nobody = np.full(len(shown.lists), np.nan)
    click = np.asarray(shown.labels["click"], np.float64)
    watched = np.asarray(shown.labels.get("watch_time", nobody), np.float64)
    completed = np.asarray(shown.labels.get("completion", nobody), np.float64)
    length = np.asarray(nobody if shown.lengths_s is None else shown.lengths_s, np.float64)
    weight = np.ones(len(click)) if shown.propensities is None else 1 / shown.propensities.astype(np.float64)
    short = np.where(length > 0, watched < SHORT_SHARE * length, watched < SHORT_SECONDS)
    chosen, size = click > 0, len(rows)
    clicks = np.where(chosen, weight, 0)

    def first(values: npt.ArrayLike, where: npt.ArrayLike) -> Values:
        """(S,) sums over the first k places, of those where it is known."""
        known: Values = np.append(np.where(where, values, 0.0), 0.0)  # PAD → 0
        sums: Values = known[rows].sum(1)
        return sums

    def known_of(values: Values) -> list[Values]:
        """What was clicked, weighed, of those whose `values` are known: with them, and without."""
        where = chosen & ~np.isnan(values)
        return [first(weight * values, where), first(weight, where)]

    diverse = np.full(size, np.nan) if shown.vectors is None else list_diversity(rows, shown.vectors)
    return np.stack(
        [
            first(clicks, ~np.isnan(click)),
            first(1, ~np.isnan(click)),
            first(weight * watched, ~np.isnan(watched)),
            first(1, ~np.isnan(watched)),
            *known_of(completed),
            *known_of(np.where(np.isnan(watched), np.nan, short)),
            first(length, ~np.isnan(length)),
            first(1, ~np.isnan(length)),
            np.nan_to_num(diverse),
            ~np.isnan(diverse),
            np.bincount(shown.lists, clicks, size),  # of the whole list, whatever its order
            np.bincount(shown.lists, chosen, size),
        ],
        axis=1,
    )


def _measured(sums: Values) -> Values:
    """(…, measures) of (…, C) sums or means of them; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums[..., 0:12:2] / sums[..., 1:12:2]
        scale = np.where(sums[..., 12] > 0, sums[..., 13] / sums[..., 12], 1.0)
    ratios[..., :2] *= scale[..., None]
    return ratios


def _marks(values: Values, draws: Values) -> dict[str, Mark]:
    marks = {}
    for place, name in enumerate(MEASURES):
        known = draws[np.isfinite(draws[:, place]), place]
        if np.isfinite(values[place]) and len(known):
            low, high = np.quantile(known, [0.025, 0.975])
            marks[name] = Mark(float(values[place]), float(low), float(high))
        else:
            marks[name] = Mark(None, None, None)
    return marks


def _flags(changes: Mapping[str, Mark]) -> tuple[str, ...]:
    """Traps that the intervals bear out: each change is one that 95 % of draws agree on."""

    def more(name: str, by: float = 0.0) -> bool:
        mark = changes[name]
        return mark.mean is not None and mark.low is not None and mark.low > 0 and mark.mean >= by

    def less(name: str, by: float = 0.0) -> bool:
        mark = changes[name]
        return mark.mean is not None and mark.high is not None and mark.high < 0 and mark.mean <= -by

    def told(name: str, what: str) -> str:
        return f"{what} {_percent(changes[name].mean or 0.0)}"

    flags = []
    if more("click_rate") and (less("watch_time") or more("short_rate", MARKED)):
        worse = (
            told("watch_time", "watch time")
            if less("watch_time")
            else told("short_rate", "clicks watched hardly at all")
        )
        flags.append(f"{told('click_rate', 'clicks')}, {worse}: clickbait")
    if more("watch_time") and more("length", LONGER) and not more("completion_rate"):
        flags.append(
            f"{told('watch_time', 'watch time')}, but what is shown lasts "
            f"{_percent(changes['length'].mean or 0.0)}: long-video trap"
        )
    elif more("watch_time") and changes["length"].mean is None and less("completion_rate", MARKED):
        flags.append(
            f"{told('watch_time', 'watch time')}, but {told('completion_rate', 'completions')}: "
            "long-video trap, as far as can be told without lengths"
        )
    return tuple(flags)


def _plain(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{'−' if round(share * 100) < 0 else '+'}{abs(share) * 100:.0f}\u00a0%"
