"""Whom a recommender serves well: its marks by groups of people, and who fares worst.

In come marks of each person, as an exam gives them, and what is known of people; out comes a line a group.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError, hint
from tastemaker.evaluation.intervals import DRAWS_AT_ONCE, mean_interval
from tastemaker.evaluation.report import TITLES, Mark
from tastemaker.pages import section as pages
from tastemaker.pages.section import Section
from tastemaker.recipe import Role

if TYPE_CHECKING:
    from tastemaker.evaluation.judge import Marked
    from tastemaker.recommend import Recommender

ACTIVITY = "activity"
"""What people are grouped by where it isn't by a column: how long their history is."""
DEGREES = ("light", "middle", "heavy")
UNKNOWN = "unknown"
METRICS = ("ndcg", "recall")
"""By which groups are compared; by the first of them one is the worst served."""
FEWEST = 10
"""People of a group that gets a line of its own: with fewer, an interval says nothing."""
MOST = 20
"""Lines."""
LEVEL = 0.05
"""Chance up to which a group that falls behind is named."""


@dataclass(frozen=True)
class PeopleLine:
    """One group: its name, how many of it were asked, and their marks."""

    name: str
    users: int
    marks: dict[str, Mark]


@dataclass(frozen=True)
class PeopleReport:
    """Marks by groups of people.

    Attributes:
        by: the column, or `activity`.
        k: length of the lists.
        lines: groups by rising numbers, or the largest first.
        worst: the group that has the least of the first metric, where there are several.
        rest: what everybody else has of it.
        chance: of shuffles of people among the groups, the share in which some group falls so far behind.
        is_worst_sure: whether the two intervals lie apart and that chance is 5 % or less.
        more: what else must be known, a sentence each.
    """

    by: str
    k: int
    lines: tuple[PeopleLine, ...]
    worst: str | None
    rest: Mark | None
    chance: float | None
    is_worst_sure: bool
    more: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        values = asdict(self)
        return values | {"lines": list(values["lines"]), "more": list(self.more), "notes": self.notes()}

    def notes(self) -> list[str]:
        """Who is served worst, and how sure that is; then what else must be known."""
        return [*self._verdict(), *self.more]

    def _verdict(self) -> list[str]:
        if self.worst is None or self.rest is None:
            return ["There is one group only, so nobody can be served worse than others."]
        mark = next(line.marks[METRICS[0]] for line in self.lines if line.name == self.worst)
        figures = f"{TITLES[METRICS[0]]}@{self.k} {mark.told()}, everybody else {self.rest.told()}"
        shuffled = f"shuffle people among the groups, and one is so far behind {self.chance:.1%} of the time"
        if self.is_worst_sure:
            return [f"Worst served: {self.worst}, {figures}; {shuffled}."]
        return [
            f"It can't be shown that any group is served worse than the rest: {self.worst} has the least, "
            f"{figures}, but {shuffled}."
        ]

    def section(self) -> Section:
        """The same as a part of a report."""
        verdict, *more = self.notes()
        rows = [
            [line.name, f"{line.users:,}", *(line.marks[metric].told() for metric in METRICS)]
            for line in self.lines
        ]
        head = ["", "people", *(f"{TITLES[metric]}@{self.k}" for metric in METRICS)]
        strong = [at for at, line in enumerate(self.lines) if self.is_worst_sure and line.name == self.worst]
        return Section(
            key="people",
            title=f"How people are served, by {self.by}",
            lead=verdict,
            verdict="alarm" if self.is_worst_sure else "" if self.worst is None else "good",
            tables=[pages.Table("", head, rows, strong)],
            notes=more,
            values=self.as_json(),
        )

    def __rich__(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, title=f"How people are served, by {self.by}", title_justify="left")
        table.add_column("")
        table.add_column("people", justify="right")
        for metric in METRICS:
            table.add_column(f"{TITLES[metric]}@{self.k}", justify="right")
        for line in self.lines:
            is_worst = self.is_worst_sure and line.name == self.worst
            marks = [line.marks[metric].told() for metric in METRICS]
            table.add_row(Text(line.name), f"{line.users:,}", *marks, style="yellow" if is_worst else "")
        return Group(table, *(Text(f"• {note}") for note in self.notes()))


def by_people(recommender: "Recommender", exam: "Marked", column: str) -> PeopleReport:
    """The marks of an exam by groups of people.

    Numbers are cut into thirds, as `activity` is; categories are groups as they stand. Groups of fewer than
    ten people, and all but the twenty largest, are put together as others.

    Raises: DataError where nothing of that name is known of people.
    """
    history = exam.fold.history
    knobs = recommender.recipe
    rng = np.random.default_rng(knobs.seed)
    asked = exam.ours.users
    names, member, more = parted(recommender.bundle.users, column, history, asked)
    resamples = knobs.evaluation.bootstrap
    values = {metric: exam.ours.per_user[metric] for metric in METRICS}
    lines = tuple(
        PeopleLine(
            name,
            int(own.sum()),
            {
                metric: Mark.of(mean_interval(each[own], rng, resamples, within=(0.0, 1.0)))
                for metric, each in values.items()
            },
        )
        for name, own in zip(names, member.T, strict=True)
    )
    if len(lines) < 2 or not len(asked):
        return PeopleReport(column, exam.ours.k, lines, None, None, None, False, tuple(more))
    ndcg = values[METRICS[0]]
    place = min(range(len(lines)), key=lambda at: float(ndcg[member[:, at]].mean()))
    rest = mean_interval(ndcg[~member[:, place]], rng, resamples, within=(0.0, 1.0))
    chance = falling_behind(ndcg, member, place, rng, resamples)
    high = lines[place].marks[METRICS[0]].high
    is_apart = high is not None and high < rest.low
    return PeopleReport(
        column,
        exam.ours.k,
        lines,
        lines[place].name,
        Mark.of(rest),
        chance,
        is_apart and chance <= LEVEL,
        tuple(more),
    )


def falling_behind(
    values: npt.NDArray[np.float64],
    member: npt.NDArray[np.bool_],
    place: int,
    rng: np.random.Generator,
    shuffles: int,
) -> float:
    """Chance that some group falls as far behind everybody else as the one at `place`, if who is in which
    group had nothing to do with it.

    A permutation test by the largest statistic, which so allows for the group having been picked for being
    the least (Westfall and Young, 1993), and holds for few people too.

    Args:
        values: (A,) of people.
        member: (A, G) whose groups each is in.
        shuffles: R; the answer is 1 / (R + 1) at least.
    """
    sizes = member.sum(0)
    scale = np.sqrt(sizes * len(values) / np.maximum(len(values) - sizes, 1))
    centred, groups = values - values.mean(), member.astype(np.float64)

    def behind(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # How far the mean is below the others', in its deviations, but for a factor that all groups share.
        return np.asarray(-sums / np.maximum(sizes, 1) * scale)

    asked = behind(centred @ groups)[place] * (1 - 1e-12) - 1e-12
    step = max(1, DRAWS_AT_ONCE // max(1, len(values)))
    count = 0
    for start in range(0, shuffles, step):
        drawn = rng.permuted(np.tile(centred, (min(step, shuffles - start), 1)), axis=1)
        count += int((behind(drawn @ groups).max(1) >= asked).sum())
    return (1 + count) / (1 + shuffles)


def parted(
    users: Catalogue | None, column: str, history: Interactions, asked: npt.NDArray[np.int32]
) -> tuple[list[str], npt.NDArray[np.bool_], list[str]]:
    """Groups of those `asked` (A,), by a column of `users` or by `activity`: names, (A, G) whose groups each
    is in, and what to know of the names. Raises DataError where nothing of that name is known of people.
    """
    names, groups_of, more = _grouped(users, column, history, asked)
    member = np.zeros((len(asked), len(names)), np.bool_)
    for line, own in enumerate(groups_of):
        member[line, own] = True
    return *_enough(names, member), more


def _grouped(
    users: Catalogue | None, column: str, history: Interactions, asked: npt.NDArray[np.int32]
) -> tuple[list[str], list[list[int]], list[str]]:
    """Names, whose groups each of those asked is in, and what to know of the names."""
    there = [] if users is None else users.by_role(Role.CATEGORY, Role.CATEGORIES, Role.NUMBER)
    if column in there and users is not None:
        rows = users.rows([history.user_ids[user] for user in asked.tolist()])
        told = users.frame[column].to_list()
        values = [None if row == PAD else told[row] for row in rows.tolist()]
        if column in users.by_role(Role.NUMBER):
            numbers = np.array([np.nan if value is None else value for value in values], np.float64)
            return _thirds(numbers, None, column)
        return _categories(values)
    if column == ACTIVITY:
        return _thirds(np.diff(history.offsets)[asked].astype(np.float64), DEGREES, "events")
    raise DataError(f"Nothing called {column!r} is known of people. {hint(column, [*there, ACTIVITY])}")


def _categories(values: Sequence[Any]) -> tuple[list[str], list[list[int]], list[str]]:
    own = [[value] if isinstance(value, str) else list(value or []) for value in values]
    named = [[str(each) for each in dict.fromkeys(groups)] or [UNKNOWN] for groups in own]
    names = list(dict.fromkeys(name for groups in named for name in groups))
    number = {name: place for place, name in enumerate(names)}
    groups_of = [[number[name] for name in groups] for groups in named]
    sizes = np.bincount([place for groups in groups_of for place in groups], minlength=len(names))
    order = np.argsort(-sizes, kind="stable")
    place_of = np.argsort(order)
    return [names[old] for old in order], [[int(place_of[old]) for old in own] for own in groups_of], []


def _thirds(
    values: npt.NDArray[np.float64], names: Sequence[str] | None, unit: str
) -> tuple[list[str], list[list[int]], list[str]]:
    """Equal values stay together, so thirds may be of unequal size, and one may be empty."""
    known = values[~np.isnan(values)]
    if not len(known):
        return [UNKNOWN], [[0] for _ in values], []
    bounds = np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf")
    thirds = np.where(np.isnan(values), 3, np.searchsorted(bounds, values, side="left"))
    found = [third for third in range(4) if (thirds == third).any()]
    spans = {third: _span(values[thirds == third]) for third in found if third < 3}
    called = [UNKNOWN if third == 3 else names[third] if names else spans[third] for third in found]
    more = []
    if names:
        told = [f"{names[third]}: {span}" for third, span in spans.items()]
        more = [f"{', '.join(told)} {unit} known when asked."]
    return called, [[found.index(third)] for third in thirds.tolist()], more


def _span(values: npt.NDArray[np.float64]) -> str:
    low, high = values.min(), values.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _enough(names: list[str], member: npt.NDArray[np.bool_]) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Groups large enough for a line, and all the others as one."""
    sizes = member.sum(0)
    kept = np.flatnonzero(sizes >= FEWEST)
    if len(kept) > MOST:
        kept = np.sort(kept[np.argsort(-sizes[kept], kind="stable")[: MOST - 1]])
    others = [place for place in range(len(names)) if place not in set(kept.tolist())]
    if not others:
        return names, member
    if len(others) == 1 and not len(kept):
        return names, member
    together = member[:, others].any(1)
    return [*(names[place] for place in kept), "others"], np.column_stack([member[:, kept], together])
