"""The folding doctor: do items that have nothing to do with each other end up side by side?

A model that is only told what goes together may lay unrelated groups in one place, and then recommends
one group's items to another's people (Xin et al., RecSys 2017). No accuracy metric shows it as what it is.
In comes a recommender, and an exam where one was held; out comes a verdict with its reasons.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.doctor.evidence import Evidence, of_items, of_people
from tastemaker.evaluation.doctor.groups import crossing, shown_to
from tastemaker.evaluation.doctor.islands import communities
from tastemaker.evaluation.doctor.shares import Standing, membership
from tastemaker.evaluation.intervals import Values
from tastemaker.evaluation.report import plain
from tastemaker.pages.section import Section, Verdict
from tastemaker.rerank.facts import Groups

if TYPE_CHECKING:
    from tastemaker.evaluation.judge import Marked
    from tastemaker.recommend import Recommender

COMMUNITY = "community"
"""What to ask for by groups that are found in the log."""
PLACES = 5
"""Of each list, looked at: beyond what a model means, a list is filled up, and filler is nobody's error."""
ALARM = 1 / 3
"""Of the way from what people do to lots. On the planted worlds sound models stay below a tenth and folded
ones are about 1: a third lies between the two as far from either, by their ratio (benchmarks/folding.py)."""
FEWEST = 30
"""People, or items asked for: with fewer, the interval's own ends aren't steady."""
MOST = 12
"""Groups told one by one: the largest."""
SHARED = 0.01
"""Share of the smaller group's people whom both have, up to which two groups share nobody to speak of."""
NEAR = 0.9
"""How near items may be to another group's centre, over their own, before the two are one."""


@dataclass(frozen=True)
class GroupLine:
    """Shares from 0 to 1; None where there is nothing to count.

    Attributes:
        items: share of the catalogue's items that are in it.
        queries: share of the lists looked at whose person, or item, is mostly of this group.
        own: of their places, the share that is of this group.
        honest: the same of what these people turn to, or of TF-IDF's places.
    """

    name: str
    items: float
    queries: float
    own: float | None
    honest: float | None


@dataclass(frozen=True)
class Pair:
    """Two groups of which one is shown to the other's people, or lies where the other lies.

    Attributes:
        shown, honest: share of the places of `one`'s people that is of `other`; the same of what they do.
        people: share of the smaller group's people whom both have; None without people.
        cosine, nearness: as `groups.Crossing` has them.
        items: titles of `other` that `one`'s people, who never touched their groups, are shown most.
    """

    one: str
    other: str
    shown: float | None
    honest: float | None
    people: float | None
    cosine: float | None
    nearness: float | None
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folding:
    """What the doctor found.

    Attributes:
        by: the column, or `community`.
        of: whether lists are of people or of items.
        k: places of each that were looked at.
        lists: where they stand; its figure is what the verdict rests on.
        neighbours: the same of items' own neighbours, where people were asked; else None.
        honest: what `lists` were held against, in words; "" where nothing was known.
        lines: the largest groups.
        worst: pairs in which most is shown beyond what people do, of groups that share nobody to speak of.
        folded: pairs that share nobody and lie in one place.
        names, shown, expected, cosine, people: of the largest groups, for pictures; (G, G).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    by: str
    of: str
    k: int
    groups: int
    lists: Standing
    neighbours: Standing | None
    honest: str
    lines: tuple[GroupLine, ...]
    worst: tuple[Pair, ...]
    folded: tuple[Pair, ...]
    names: tuple[str, ...]
    shown: list[list[float | None]]
    expected: list[list[float | None]] | None
    cosine: list[list[float | None]]
    people: list[list[float | None]] | None

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        told = asdict(self)
        for name in ("lists", "neighbours"):
            standing = getattr(self, name)
            told[name] = None if standing is None else _told(standing)
        return told

    def section(self) -> Section:
        """With pictures, where matplotlib is installed."""
        from tastemaker.evaluation.doctor.told import section

        return section(self)


def examine_folding(
    recommender: "Recommender", exam: "Marked | None" = None, by: str | None = None, k: int = PLACES
) -> Folding:
    """Whether groups that share nobody are folded into each other.

    Args:
        exam: of later events: its lists are looked at, and held against what people turned to. None for the
            lists of everybody the bundle knows, held against each one's own events, asked one against the
            others; of a catalogue alone, for what is like each item, held against plain TF-IDF.
        by: a column of categories, or series, franchise, popularity_tier; `community` for groups found in
            the log. None: by community, or without a log by the column that tells most apart.
        k: places of each list, from the first.
    Raises: RecipeError where there is no such column; DataError where there is nothing to go by.
    """
    log = recommender.bundle.histories
    rng = np.random.default_rng(recommender.recipe.seed)
    by = by or (COMMUNITY if log.size else recommender.facts.telling_column)
    if by is None:
        raise DataError("The catalogue has no column of categories and no log: there are no groups to go by.")
    groups, said = _grouped(recommender, by, log)
    if log.size or exam is not None:
        evidence = of_people(recommender, exam, groups, k, rng)
    else:
        evidence = of_items(recommender, groups, k, rng)
    return _diagnosis(recommender, by, k, groups, said, evidence)


def _grouped(recommender: "Recommender", by: str, log: Interactions) -> tuple[Groups, str]:
    if by != COMMUNITY:
        return recommender.facts.groups(by), ""
    if not log.size:
        raise DataError("Communities are found in a log, and this bundle has none: give a column instead.")
    items = recommender.catalogue.size
    labels, strict = communities(log, items)
    counts = log.counts(items)
    titles, names = recommender.catalogue.titles, []
    for label in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == label)
        first = rows[np.argsort(-counts[rows], kind="stable")[:2]]
        names.append(f"{label + 1}: {', '.join(titles[row] for row in first)}")
    values = [[names[label]] if label != PAD else [] for label in labels.tolist()]
    found = Groups.of(values)
    how = "islands: nobody ever crosses" if strict else "by Louvain on what the same people touch"
    return found, f"{len(names):,} communities were found in the log ({how})."


@dataclass(frozen=True)
class _Main:
    """The groups told one by one: `chosen` (C,) of all."""

    chosen: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, groups: Groups, touched: sparse.csr_array) -> "_Main":
        sizes = np.asarray((touched > 0).sum(0)).ravel()
        chosen = np.argsort(-sizes, kind="stable")[:MOST]
        chosen = chosen[sizes[chosen] > 0]
        return cls(chosen, tuple(groups.names[place] for place in chosen))


def _diagnosis(
    recommender: "Recommender", by: str, k: int, groups: Groups, said: str, evidence: Evidence
) -> Folding:
    main = _Main.of(groups, evidence.touched)
    touched = evidence.touched[:, main.chosen]
    shown = shown_to(touched, evidence.shown[:, main.chosen])
    expected = None if evidence.honest is None else shown_to(touched, evidence.honest[:, main.chosen])
    member = membership(groups)[:, main.chosen]
    vectors = np.asarray(recommender.nearest.neighbours.vectors)
    cross = crossing(vectors, member, touched if evidence.of == "people" else None)
    beyond = shown - (0 if expected is None else np.nan_to_num(expected))

    def pair(one: int, other: int) -> Pair:
        number = int(main.chosen[one]), int(main.chosen[other])
        return Pair(
            main.names[one],
            main.names[other],
            plain(shown[one, other]),
            None if expected is None else plain(expected[one, other]),
            None if cross.people is None else float(cross.people[one, other]),
            float(cross.cosine[one, other]),
            plain(cross.nearness[one, other]),
            evidence.where.get(number, ()),
        )

    size = len(main.names)
    off = [(one, other) for one in range(size) for other in range(size) if one != other]
    strangers = [at for at in off if cross.people is None or cross.people[at] <= SHARED]
    worst = sorted(strangers, key=lambda at: -np.nan_to_num(beyond[at], nan=-9.0))[:5]
    worst = [at for at in worst if beyond[at] > 0.02]
    one_place = []
    if cross.people is not None:
        for one, other in off:
            both = np.array([cross.nearness[one, other], cross.nearness[other, one]])
            if one < other and cross.people[one, other] <= SHARED and both.mean() >= NEAR:
                one_place.append((one, other))
    one_place.sort(key=lambda at: -cross.cosine[at])
    verdict, reasons = _verdict(evidence, size, len(one_place))
    mostly = np.asarray(evidence.touched.argmax(1)).ravel()
    items = np.asarray(membership(groups).sum(0)).ravel() / recommender.catalogue.size
    lines = tuple(
        GroupLine(
            main.names[at],
            float(items[number]),
            float((mostly == number).mean()),
            plain(shown[at, at]),
            None if expected is None else plain(expected[at, at]),
        )
        for at, number in enumerate(main.chosen.tolist())
    )
    return Folding(
        verdict,
        tuple(([said] if said else []) + reasons),
        by,
        evidence.of,
        k,
        len(groups.names),
        evidence.standing,
        evidence.neighbours,
        evidence.yardstick,
        lines,
        tuple(pair(*at) for at in worst),
        tuple(pair(*at) for at in one_place[:10]),
        main.names,
        _plain(shown),
        None if expected is None else _plain(expected),
        _plain(cross.cosine),
        None if cross.people is None else _plain(cross.people),
    )


def _verdict(evidence: Evidence, groups: int, one_place: int) -> tuple[Verdict, list[str]]:
    """It rests on the lists, which are what people see. Neighbours only clear a model whose lists can't tell:
    small sound networks have foreign neighbours too (benchmarks/folding.py), so they don't condemn one."""
    lists, neighbours, honest = evidence.standing, evidence.neighbours, evidence.yardstick
    if groups < 2:
        return "unclear", ["There is one group only, so nothing could be foreign."]
    if lists.people < FEWEST:
        return "unclear", [f"Only {lists.people} lists could be looked at; {FEWEST} are the fewest."]
    reasons = []
    if one_place:
        reasons.append(f"{one_place} pairs of groups share nobody and lie in one place by their vectors.")
    if neighbours is not None and neighbours.figure is not None:
        value, low, high = neighbours.figure
        reasons.append(
            f"Items' own neighbours stand at {value:.2f} ({low:.2f}–{high:.2f}): {neighbours.shown.mean:.1%} "
            f"of them are foreign, {neighbours.honest:.1%} by the people who touched both, "
            f"{neighbours.chance:.1%} by lot."
        )
    if lists.figure is None:
        told = f"Groups overlap: by lot {lists.chance:.1%} of places would be foreign"
        told = f"{told}, and {lists.honest:.1%} of what would be honest, so the lists can't tell."
        clear = neighbours is not None and neighbours.figure is not None and neighbours.figure.high <= ALARM
        return "good" if clear else "unclear", [told, *reasons]
    if not honest and lists.figure[1] > ALARM:
        return "unclear", ["Nothing is known that an honest model could be told by.", *reasons]
    _, low, high = lists.figure
    bound = f"the bound of {ALARM:.2f}, a third of the way from {honest or 'nothing foreign'} to lots"
    if low > ALARM:
        return "alarm", [f"The whole interval lies above {bound}.", *reasons]
    if high <= ALARM:
        return "good", [f"The whole interval lies below {bound}.", *reasons]
    return "unclear", [f"The interval holds {bound}: more {evidence.of} are needed.", *reasons]


def _told(standing: Standing) -> dict[str, Any]:
    return {
        "figure": None if standing.figure is None else [plain(value) for value in standing.figure],
        "shown": [plain(value) for value in standing.shown],
        "honest": plain(standing.honest),
        "chance": plain(standing.chance),
        "lists": standing.people,
    }


def _plain(values: Values) -> list[list[float | None]]:
    return [[plain(float(value)) for value in row] for row in values]
