"""For whom, and for what, a recommender is good: its marks by segments, beside the best baseline's.

Of people the unit is the person, and the mark NDCG; of items it is the target, and the mark the share of
targets that were found. In comes an exam, out comes a line a segment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.released import YEAR_DAYS
from tastemaker.evaluation.beyond import Known
from tastemaker.evaluation.comparison import permutation_test
from tastemaker.evaluation.exam import Ranks, Result
from tastemaker.evaluation.intervals import bootstrap_means, ends_of, interval
from tastemaker.evaluation.people import ACTIVITY, FEWEST, LEVEL, parted
from tastemaker.evaluation.report import TITLES, Mark, Verdict
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table
from tastemaker.recipe import Role
from tastemaker.rerank.facts import Groups

if TYPE_CHECKING:
    from tastemaker.evaluation.judge import Marked
    from tastemaker.recommend import Recommender

Of = Literal["people", "items"]
METRIC: dict[Of, str] = {"people": "ndcg", "items": "recall"}
MARKS = ("ours", "theirs", "difference")
COLUMNS = 3
"""Of people, and of items, that are looked at: the first ones of categories."""
MOST = 8
"""Segments of one column: those with the most people, or targets."""


@dataclass(frozen=True)
class Segment:
    """One line.

    Attributes:
        of: whether it is some of the people, or some of the items.
        by: what parts them: a column, `activity`, `first seen`, `popularity` or `age`.
        people: whose marks these are; of items, those who have targets in it.
        targets: to be found; of items, those in the segment only.
        ours, theirs: NDCG of people; of items the share of these targets that were found, all together.
        difference: ours less theirs, paired over people.
        chance: of a difference as large, if for each person it were a coin's throw which of the two has which
            mark; holds for few people too, where an interval is too narrow.
        is_sure: whether that chance is low enough for all segments looked at (Bonferroni: 5 % over their
            number).
    """

    of: Of
    by: str
    name: str
    people: int
    targets: int
    ours: Mark
    theirs: Mark | None = None
    difference: Mark | None = None
    chance: float | None = None
    is_sure: bool = False

    @property
    def verdict(self) -> Verdict:
        """By its own permutation test at 5 %, as every verdict of ours."""
        mean = None if self.difference is None else self.difference.mean
        if mean is None or self.chance is None or self.chance > LEVEL:
            return "no difference can be shown"
        return "better" if mean > 0 else "worse"


@dataclass(frozen=True)
class Segments:
    """Attributes:
    k: length of the lists.
    ours, rival: names; no rival where no baseline was asked.
    lines: people first.
    left_out: segments too small, or too many of one column, to have a line.
    """

    k: int
    ours: str
    rival: str | None
    lines: tuple[Segment, ...]
    left_out: int
    more: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        lines = [asdict(line) | {"verdict": line.verdict} for line in self.lines]
        return asdict(self) | {"lines": lines, "more": list(self.more)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Segments":
        """What `as_json` took apart."""
        lines = []
        for line in values["lines"]:
            marks = {name: None if line[name] is None else Mark(**line[name]) for name in MARKS}
            lines.append(
                Segment(**{name: value for name, value in line.items() if name != "verdict"} | marks)
            )
        return cls(**dict(values) | {"lines": tuple(lines), "more": tuple(values["more"])})

    def section(self) -> Section:
        """The same as a part of a report; with pictures where matplotlib is installed."""
        worse, better = self._of("worse"), self._of("better")
        sure = [line for line in worse if line.is_sure]
        verdict: Any = "alarm" if sure else "unclear" if worse or not better else "good"
        tables = [table for of in METRIC if (table := self._table(of)) is not None]
        return Section(
            key="segments",
            title="For whom, and for what",
            lead=self._lead(worse, better, sure),
            verdict=verdict if self.rival else "",
            tables=tables,
            pictures=[picture for of in METRIC if (picture := self._picture(of)) is not None],
            notes=self._notes(),
            values=self.as_json(),
        )

    def _of(self, verdict: Verdict) -> list[Segment]:
        return [line for line in self.lines if line.verdict == verdict]

    def _lead(self, worse: list[Segment], better: list[Segment], sure: list[Segment]) -> str:
        if not self.lines:
            return "No segment is large enough to say anything."
        if self.rival is None:
            return f"{len(self.lines)} segments; no baseline stands beside them."
        told = (
            f"Of {len(self.lines)} segments {self.ours} is better than {self.rival}, the best baseline, in "
            f"{len(better)}, worse in {len(worse)}, and in the others no difference can be shown."
        )
        if not worse:
            return told
        named = ", ".join(f"{line.by} {line.name}" for line in (sure or worse)[:5])
        if sure:
            return f"{told} It loses for: {named}."
        return f"{told} It may lose for: {named}; of so many segments a few look so by chance."

    def _notes(self) -> list[str]:
        said = [
            f"Of people: the mean {TITLES['ndcg']}@{self.k} of those in the segment. Of items: of all "
            f"targets in the segment, the share found among the first {self.k}. Intervals are 95 %, by "
            "bootstrap over people. Better and worse are said by a paired permutation test at 5 %; a loss is "
            "sure where its chance is below 5 % over the number of segments.",
            *self.more,
        ]
        if self.left_out:
            said.append(f"{self.left_out:,} more segments are too small or too many to be shown.")
        return said

    def _table(self, of: Of) -> Table | None:
        lines = [line for line in self.lines if line.of == of]
        if not lines:
            return None
        title = f"{TITLES[METRIC[of]]}@{self.k}"
        head = ["", "people" if of == "people" else "targets", f"{self.ours}, {title}"]
        if self.rival:
            head += [self.rival, "difference, 95 %", ""]
        rows = []
        for line in lines:
            n = line.people if of == "people" else line.targets
            cells = [f"{line.by}: {line.name}", f"{n:,}", line.ours.told(3)]
            if self.rival:
                told = "" if line.verdict == "no difference can be shown" else line.verdict
                cells += ["–" if line.theirs is None else line.theirs.told(3), _range(line.difference), told]
            rows.append(cells)
        strong = [at for at, line in enumerate(lines) if line.verdict == "worse"]
        return Table(f"By {of}", head, rows, strong, words=(5,))

    def _picture(self, of: Of) -> Picture | None:
        lines = [line for line in self.lines if line.of == of]
        if not lines or not style.is_there():
            return None
        made, (panel,) = style.figure(7.0, 0.8 + 0.27 * len(lines))
        shift = 0.14 if self.rival else 0.0
        sides: list[tuple[str, str, float, list[Mark | None]]] = [
            (self.ours, style.OURS, -shift, [line.ours for line in lines])
        ]
        if self.rival:
            sides.append((self.rival, style.RIVAL, shift, [line.theirs for line in lines]))
        for name, colour, by, marks in sides:
            known = [(place, mark) for place, mark in enumerate(marks) if mark is not None]
            for place, mark in known:
                style.dot(panel, place + by, mark.mean, mark.low, mark.high, colour)
            panel.plot([], [], "o", color=colour, label=name)
        panel.set_yticks(range(len(lines)), [f"{line.by}: {line.name}" for line in lines])
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.grid(visible=False, axis="y")
        for at in range(1, len(lines)):
            if lines[at].by != lines[at - 1].by:
                panel.axhline(at - 0.5, color=style.QUIET, linewidth=0.8)
        panel.set_xlabel(f"{TITLES[METRIC[of]]}@{self.k}, with 95 % intervals")
        made.legend(loc="outside upper right", ncols=2, frameon=False)
        told = "; ".join(f"{line.by} {line.name} {line.ours.told(3)}" for line in lines)
        return Picture(style.svg(made), f"{TITLES[METRIC[of]]} of {of} by segment: {told}.")


def segments(recommender: "Recommender", exam: "Marked", rival: Result | None = None) -> Segments:
    """The marks of an exam by segments of people and of items.

    People: by how much they did (thirds), by when they were first seen (the newest third and the rest), and
    by the columns of the users file. Items: head, middle and tail of popularity, those out for a year or less
    and others, and the catalogue's columns. Segments of fewer than ten people have no line.

    Args:
        rival: who stands beside; None for the best baseline of the exam.
    """
    rival = exam.rival if rival is None else rival
    found = [*_people(recommender, exam), *_items(recommender, exam)]
    more = tuple(note for _, _, _, notes in found for note in notes)
    wide = [(of, by, *_largest(names, member)) for of, by, (names, member), _ in found]
    left_out = sum(out for *_, out in wide)
    count = sum(len(names) for _, _, names, _, _ in wide)
    marker = _Marker(recommender, exam.ours, rival, exam.fold.targets.of_users(exam.ours.users).users, count)
    lines = [
        marker.line(of, by, name, own)
        for of, by, names, member, _ in wide
        for name, own in zip(names, member.T, strict=True)
    ]
    return Segments(
        exam.ours.k, exam.ours.name, None if rival is None else rival.name, tuple(lines), left_out, more
    )


Members = tuple[list[str], npt.NDArray[np.bool_]]
"""Names (G,), and who is in which (A or T, G)."""
Cut = tuple[Of, str, Members, Sequence[str]]
"""Of what, by what, the segments, and what to know of their names."""


def _people(recommender: "Recommender", exam: "Marked") -> Iterator[Cut]:
    history, asked = exam.fold.history, exam.ours.users
    users = recommender.bundle.users
    columns = [] if users is None else users.by_role(Role.CATEGORY, Role.CATEGORIES, Role.NUMBER)
    for column in (ACTIVITY, *columns[:COLUMNS]):
        names, member, more = parted(users, column, history, asked)
        yield "people", column, (names, member), more
    starts, lengths = history.offsets[asked], np.diff(history.offsets)[asked]
    if history.is_clock and (lengths > 0).all() and len(asked):
        first = history.times[starts]
        is_new = first > np.quantile(first, 2 / 3, method="inverted_cdf")
        yield "people", "first seen", (["late", "early"], np.column_stack([is_new, ~is_new])), ()


def _items(recommender: "Recommender", exam: "Marked") -> Iterator[Cut]:
    if exam.ours.ranks is None:
        return
    rows = exam.fold.targets.of_users(exam.ours.users).rows
    facts = recommender.facts
    ages = Known.of(recommender, exam.fold).age_days
    yield "items", "popularity", _in_groups(facts.groups("popularity_tier"), rows), ()
    if ages is not None:
        known = ~np.isnan(ages[rows])
        is_new = ages[rows] <= YEAR_DAYS
        parts = np.column_stack([is_new & known, ~is_new & known])
        yield "items", "age", (["a year or less", "older"], parts), ()
    catalogue = recommender.catalogue
    columns = [*catalogue.by_role(Role.CATEGORY), *catalogue.by_role(Role.CATEGORIES)]
    for column in columns[:COLUMNS]:
        yield "items", column, _in_groups(facts.groups(column), rows), ()


def _in_groups(groups: Groups, rows: Rows) -> Members:
    numbers, member = groups.of_rows(rows)
    return [groups.names[number] for number in numbers.tolist()], member


def _largest(names: list[str], member: npt.NDArray[np.bool_]) -> tuple[list[str], npt.NDArray[np.bool_], int]:
    """Those with a line, in the order that they came in, and how many have none."""
    sizes = member.sum(0)
    kept = np.flatnonzero(sizes >= FEWEST)
    if len(kept) > MOST:
        kept = kept[np.argsort(-sizes[kept], kind="stable")[:MOST]]
    return [names[place] for place in kept], member[:, kept], len(names) - len(kept)


class _Marker:
    """Marks and intervals of any segment; each is a ratio of two sums over people."""

    def __init__(
        self,
        recommender: "Recommender",
        ours: Result,
        rival: Result | None,
        users: npt.NDArray[np.int32],
        segments: int,
    ) -> None:
        """`users` (T,): whose each target is, from 0 to A − 1."""
        self.results = [ours] if rival is None else [ours, rival]
        self.users, self.people = users, len(ours.users)
        self.rng = np.random.default_rng(recommender.recipe.seed)
        self.resamples = recommender.recipe.evaluation.bootstrap
        self.level = LEVEL / max(1, segments)
        self.shuffles = max(self.resamples, round(2 / self.level))  # a fair chance to be below the level

    def line(self, of: Of, by: str, name: str, own: npt.NDArray[np.bool_]) -> Segment:
        """Args:
        own: (A,) which of the people, or (T,) which of the targets.
        """
        if of == "people":
            whose = np.flatnonzero(own)
            sums: list[npt.NDArray[np.float64]] = [
                result.per_user[METRIC[of]][whose] for result in self.results
            ]
            weights = np.ones(len(whose))
            targets = int(own[self.users].sum())
        else:
            whose, place = np.unique(self.users[own], return_inverse=True)
            found = [_ranks(result)[own] > 0 for result in self.results]
            sums = [np.bincount(place, hit, minlength=len(whose)).astype(np.float64) for hit in found]
            weights = np.bincount(place, minlength=len(whose)).astype(np.float64)
            targets = int(own.sum())
        # One more person is imagined, as for every mean (see `intervals`), with as many targets as others.
        ends = ends_of(np.column_stack(sums) / weights[:, None], within=(0.0, 1.0))
        imagined = weights.mean() * np.column_stack([ends, np.ones(2)])
        drawn = bootstrap_means(np.column_stack([*sums, weights]), self.rng, self.resamples, imagined)
        ratios = drawn[:, :-1] / drawn[:, -1:]
        shares = [float(each.sum() / weights.sum()) for each in sums]
        ours, *theirs = [
            Mark.of(interval(share, ratio)) for share, ratio in zip(shares, ratios.T, strict=True)
        ]
        if not theirs:
            return Segment(of, by, name, len(whose), targets, ours)
        difference = Mark.of(interval(shares[0] - shares[1], ratios[:, 0] - ratios[:, 1]))
        chance = permutation_test(sums[0] - sums[1], self.rng, self.shuffles)
        is_sure = chance <= self.level
        return Segment(of, by, name, len(whose), targets, ours, theirs[0], difference, chance, is_sure)


def _ranks(result: Result) -> Ranks:
    if result.ranks is None:
        raise ValueError(f"The ranks of {result.name} weren't noted: ask it by `examine`.")
    return result.ranks


def _range(mark: Mark | None) -> str:
    if mark is None or mark.mean is None:
        return "–"
    return f"{mark.low:+.3f} to {mark.high:+.3f}"
