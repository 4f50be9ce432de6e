"""How far popularity explains what is shown, and how much of a list stays with what was asked by.

In come lists, the popularity of items and groups of items; out come figures, a section of each.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation import metrics
from tastemaker.evaluation.calibration import Z
from tastemaker.evaluation.dossier.case import Case
from tastemaker.evaluation.dossier.summary import popularity_name
from tastemaker.evaluation.report import plain
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table, Verdict
from tastemaker.recipe import Role
from tastemaker.rerank.facts import Groups

Floats = npt.NDArray[np.float64]

MUCH_EXPLAINED = 0.5
"""R² from which popularity is said to decide more of what is shown than all else together."""
MUCH_LIFT = 1.0
"""Lists twice as popular as what people turn to of themselves."""
FEW_LISTS = 30
"""Of a group, below which its own share says little."""
MOST_GROUPS = 12
"""Lines of a table."""
MOST_COLUMNS = 3


@dataclass(frozen=True)
class PopularityBias:
    """Attributes:
    correlation: Spearman's, over all items, of how often each is shown and how popular it is; None where
        one of them is the same for all.
    explained: R² of log(1 + times shown) on log(1 + popularity), over all items.
    lift: popularity of lists over that of what the same people turned to, less 1; 0 alike.
    gini: of how often items are shown, those never shown included.
    gini_popularity: of popularity itself.
    shown: share of the items that are shown to anybody.
    head: share of the places that the most popular 1 % of the items have.
    head_popularity: what they have of all popularity.
    """

    correlation: float | None
    explained: float | None
    lift: float | None
    gini: float | None
    gini_popularity: float | None
    shown: float
    head: float | None
    head_popularity: float | None


def popularity_bias(rows: Rows, history: Interactions, popularity: Floats) -> PopularityBias:
    """
    Args:
        rows: (U, K) lists, padded with PAD.
        history: of the same U users.
        popularity: (N,) at least 0.
    """
    items = len(popularity)
    times = np.bincount(rows[rows != PAD], minlength=items).astype(np.float64)
    head = np.argsort(-popularity, kind="stable")[: max(1, round(0.01 * items))]
    return PopularityBias(
        correlation=_correlation(rankdata(times), rankdata(popularity)),
        explained=_square(_correlation(np.log1p(times), np.log1p(popularity))),
        lift=plain(metrics.popularity_lift(rows, history, popularity)),  # type: ignore[arg-type]
        gini=plain(metrics.inequality(times)),
        gini_popularity=plain(metrics.inequality(popularity)),
        shown=float((times > 0).mean()),
        head=_part(times, head),
        head_popularity=_part(popularity, head),
    )


@dataclass(frozen=True)
class OwnLine:
    """One group, where it is what somebody asked by.

    Attributes:
        lists: how many.
        own: share of their places that is of this group too, the mean over lists.
        low, high: 95 % interval of it, by the normal approximation, which many lists allow.
        catalogue: share of all items.
    """

    name: str
    lists: int
    own: float
    low: float
    high: float
    catalogue: float


@dataclass(frozen=True)
class OwnShare:
    """Attributes:
    own: share of the places of all lists that are of a group that was asked by.
    chance: what it would be were lists drawn from the catalogue.
    lines: the groups asked by most often first.
    """

    own: float | None
    chance: float | None
    lines: tuple[OwnLine, ...]


def own_share(rows: Rows, history: Interactions, groups: Groups) -> OwnShare:
    """How much of a list is of the group that its asker's history is mostly of; of a tie, of any of those.

    Args:
        rows: (U, K) lists, padded with PAD.
        history: of the same U users.
        groups: of N items; who touched nothing that is in a group is left out.
    """
    number, items = len(groups.names), len(groups.offsets) - 1
    size = np.bincount(groups.codes, minlength=number)
    asked, sums, squares = np.zeros(number, np.int64), np.zeros(number), np.zeros(number)
    own = chance = whole = 0.0
    for answer, touched in zip(rows, history, strict=True):
        found, member = groups.of_rows(touched)
        shown = answer[answer != PAD]
        if not len(found) or not len(shown):
            continue
        counts = member.sum(0)
        mine = found[counts == counts.max()]
        numbers, of_shown = groups.of_rows(shown)
        is_mine = of_shown[:, np.isin(numbers, mine)]
        own += float(is_mine.any(1).sum())
        shares = is_mine.mean(0)
        sums[numbers[np.isin(numbers, mine)]] += shares
        squares[numbers[np.isin(numbers, mine)]] += shares**2
        asked[mine] += 1
        # An item in two of my groups would count twice here; so the chance is at most 1.
        chance += len(shown) * min(1.0, float(size[mine].sum()) / items)
        whole += len(shown)
    lines = []
    for at in np.argsort(-asked, kind="stable").tolist():
        if n := int(asked[at]):
            mean = float(sums[at]) / n
            half = Z * np.sqrt(max(0.0, float(squares[at]) / n - mean**2) / n)
            low, high = max(0.0, float(mean - half)), min(1.0, float(mean + half))
            lines.append(OwnLine(groups.names[at], n, mean, low, high, float(size[at]) / items))
    return OwnShare(own / whole if whole else None, chance / whole if whole else None, tuple(lines))


def popularity(case: Case) -> Section:
    """Whether lists are more than what is popular anyway."""
    lists, name = case.lists, popularity_name(case)
    figure = np.asarray(case.recommender.bundle.arrays["popularity"], np.float64)
    if figure.max(initial=0) <= 0:
        raise DataError("Nothing says which items are popular.")
    figure = np.maximum(figure, 0)
    found = popularity_bias(lists.rows, lists.own, figure)
    much = (found.explained or 0) > MUCH_EXPLAINED or (found.lift or 0) > MUCH_LIFT
    verdict: Verdict = "alarm" if much else ""
    k = lists.rows.shape[1]
    explained = "can't be told" if found.explained is None else f"{found.explained:.0%}"
    lead = (
        f"How popular an item is ({name}) explains {explained} of how often it stands among the first {k} "
        f"(R², of logarithms), and {found.shown:.0%} of the catalogue is shown to anybody."
    )
    rows = [
        ["rank correlation of being shown and being popular", _figure(found.correlation, "+.2f")],
        ["explained by popularity (R²)", _figure(found.explained, ".1%")],
        ["popularity lift: lists over histories, less 1", _figure(found.lift, "+.2f")],
        ["places that the most popular 1 % have", _figure(found.head, ".1%")],
        [f"{name} that they have", _figure(found.head_popularity, ".1%")],
        ["Gini of being shown", _figure(found.gini, ".3f")],
        [f"Gini of {name}", _figure(found.gini_popularity, ".3f")],
    ]
    notes = [f"Of {lists.size:,} lists: {lists.whose}."]
    if case.exam is not None and not case.is_catalogue:
        notes.append("Popularity is what the bundle has counted, not what came later.")
    times = np.bincount(lists.rows[lists.rows != PAD], minlength=len(figure)).astype(np.float64)
    pictures = [_lorenz(times, figure, name, found), _scatter(times, figure, name, found)]
    values = asdict(found) | {"of": name, "k": k, "lists": lists.size}
    table = Table("Popularity", ["", ""], rows)
    return Section("popularity", "What popularity explains", lead, values, verdict, [table], pictures, notes)


def kinship(case: Case) -> Section:
    """How much of a list is of the language, type or genre that was asked by."""
    lists, facts = case.lists, case.recommender.facts
    names = columns_of(case)
    if not names:
        raise DataError("No column of categories parts the items into groups.")
    tables, values, low = [], {}, []
    told = []
    for name in names:
        groups = facts.groups(name)
        found = own_share(lists.rows, lists.own, groups)
        values[name] = asdict(found) | {"lines": [asdict(line) for line in found.lines]}
        if found.own is None or found.chance is None:
            continue
        told.append(f"{found.own:.0%} by {name} ({found.chance:.0%} by chance)")
        behind = [line.name for line in found.lines if line.lists >= FEW_LISTS and line.high < line.catalogue]
        low += [f"{name} {each}" for each in behind]
        cells = [
            [
                line.name,
                f"{line.lists:,}",
                f"{line.own:.1%}",
                f"{line.low:.0%}–{line.high:.0%}",
                f"{line.catalogue:.1%}",
            ]
            for line in found.lines[:MOST_GROUPS]
        ]
        left = len(found.lines) - MOST_GROUPS
        tables.append(
            Table(
                f"By {name}",
                ["asked by", "lists", "of its own", "95 %", "of the catalogue"],
                cells,
                note=f"{left:,} smaller ones are left out." if left > 0 else "",
            )
        )
    k = lists.rows.shape[1]
    asker = "the title that was asked by" if case.is_catalogue else "what a person touched most"
    lead = f"Of the first {k}, so much is of the same group as {asker}: {'; '.join(told)}."
    notes = [f"Of {lists.size:,} lists: {lists.whose}."]
    if low:
        lead = f"Asked by these, lists have less of them than chance would give: {', '.join(low)}. {lead}"
    verdict: Verdict = "alarm" if low else ""
    return Section("kinship", "Language and kind", lead, {"columns": values}, verdict, tables, (), notes)


def columns_of(case: Case) -> list[str]:
    """Columns of categories that part the items: the language first, then those with the most to tell apart.

    One whose groups are nearly as many as the items, or that is one group, says nothing.
    """
    catalogue = case.recommender.catalogue
    named = catalogue.by_role(Role.CATEGORY, Role.CATEGORIES)
    groups = {name: case.recommender.facts.groups(name) for name in named}
    parting = [name for name in named if 1 < len(groups[name].names) <= max(2, catalogue.size // 10)]
    return sorted(parting, key=lambda name: ("language" not in name.lower(), -len(groups[name].names)))[
        :MOST_COLUMNS
    ]


def _correlation(one: Floats, other: Floats) -> float | None:
    one, other = one - one.mean(), other - other.mean()
    length = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / length if length > 0 else None


def _square(value: float | None) -> float | None:
    return None if value is None else value**2


def _part(values: Floats, rows: npt.NDArray[Any]) -> float | None:
    total = float(values.sum())
    return float(values[rows].sum()) / total if total else None


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else f"{round(value, 6) + 0.0:{form}}"


def _lorenz(times: Floats, popularity: Floats, name: str, found: PopularityBias) -> Picture:
    figure, (panel,) = style.figure(4.6, 3.4)
    for values, colour, label in ((times, style.OURS, "what is shown"), (popularity, style.RIVAL, name)):
        shares = np.concatenate([[0.0], np.cumsum(np.sort(values)) / values.sum()])
        kept = np.unique(np.linspace(0, len(values), 200).astype(int))
        panel.plot(kept / len(values), shares[kept], color=colour, label=label)
    panel.plot([0, 1], [0, 1], color=style.QUIET, linestyle="--", linewidth=1, label="all alike")
    panel.set_xlabel("share of the items, the least first")
    panel.set_ylabel("share of the whole")
    panel.legend(loc="upper left")
    ours, theirs = (_figure(gini, ".3f") for gini in (found.gini, found.gini_popularity))
    alt = f"Lorenz curves of how often items are shown, Gini {ours}, and of {name}, Gini {theirs}."
    return Picture(style.svg(figure), alt, f"Who is shown at all: Gini {ours}, of {name} {theirs}.")


def _scatter(times: Floats, popularity: Floats, name: str, found: PopularityBias) -> Picture:
    figure, (panel,) = style.figure(4.6, 3.4)
    drawn = np.flatnonzero((times > 0) & (popularity > 0))
    panel.scatter(
        popularity[drawn], times[drawn], s=9, alpha=0.3, color=style.OURS, linewidths=0, rasterized=True
    )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel(name)
    panel.set_ylabel("times shown")
    alt = (
        f"How often each item is shown over its {name}, one mark an item: rank correlation "
        f"{_figure(found.correlation, '+.2f')}."
    )
    return Picture(style.svg(figure), alt, "An item a mark, those never shown left out.")
