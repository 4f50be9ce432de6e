"""What lists show of each group of items, beside what there is of it and what people turn to.

In come lists, as an exam or anybody's request gives them; out comes a line a group.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.evaluation.report import percent
from tastemaker.pages import section as pages
from tastemaker.pages.section import Section
from tastemaker.rerank.facts import Groups

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

MOST = 20
"""Lines."""


@dataclass(frozen=True)
class ExposureLine:
    """One group of items; shares are from 0 to 1, of several groups an item may be in each.

    Attributes:
        catalogue: share of all items.
        events: share of all that people did; None where nobody did anything.
        places: share of the places of all lists.
        attention: the same with each place weighing 1 / log2(rank + 1), as in DCG.
        own: of lists that were asked for by an item of this group, the share of their places; None where
            people asked.
    """

    name: str
    catalogue: float
    events: float | None
    places: float | None
    attention: float | None
    own: float | None = None


@dataclass(frozen=True)
class ExposureReport:
    """Attributes:
    of: the column.
    k: length of the lists.
    lists: how many.
    own: of lists that were asked for by an item, the share of places that have a group in common with it;
        None where people asked.
    lines: the groups with the most items first.
    """

    of: str
    k: int
    lists: int
    own: float | None
    lines: tuple[ExposureLine, ...]
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        values = asdict(self)
        return values | {"lines": list(values["lines"]), "notes": self.notes()}

    def notes(self) -> list[str]:
        said = [f"{self.lists:,} lists. Attention: each place weighs 1 / log2(rank + 1), as in DCG."]
        if self.own is not None:
            said.append(
                f"{self.own:.1%} of places share the {self.of} of what was asked for; own: the same by group."
            )
        if self.left_out:
            said.append(f"{self.left_out:,} smaller groups are left out.")
        return said

    def section(self) -> Section:
        """The same as a part of a report."""
        shown = [(name, head) for name, head in zip(_SHARES, _HEADS, strict=True) if self._has(name)]
        first, *more = self.notes()
        most = max(self.lines, key=lambda line: line.attention or 0.0, default=None)
        lead = first
        if most is not None and most.attention is not None:
            known = "" if most.events is None else f", {most.events:.1%} of events"
            lead = (
                f"Of all attention {most.attention:.1%} goes to {most.name}, which is {most.catalogue:.1%} "
                f"of the catalogue{known}. {first}"
            )
        return Section(
            key=f"exposure-{self.of}",
            title=f"What the first {self.k} show, by {self.of}",
            lead=lead,
            tables=[
                pages.Table(
                    "",
                    ["", *(head for _, head in shown)],
                    [
                        [line.name, *(percent(getattr(line, name)) for name, _ in shown)]
                        for line in self.lines
                    ],
                )
            ],
            notes=more,
            values=self.as_json(),
        )

    def __rich__(self) -> RenderableType:
        title = f"What the first {self.k} show, by {self.of}"
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
        table.add_column("")
        shown = [(name, head) for name, head in zip(_SHARES, _HEADS, strict=True) if self._has(name)]
        for _, head in shown:
            table.add_column(head, justify="right")
        for line in self.lines:
            table.add_row(Text(line.name), *(percent(getattr(line, name)) for name, _ in shown))
        return Group(table, *(Text(f"• {note}") for note in self.notes()))

    def _has(self, name: str) -> bool:
        return any(getattr(line, name) is not None for line in self.lines)


_SHARES = ("catalogue", "events", "places", "attention", "own")
_HEADS = ("of the catalogue", "of events", "of places", "of attention", "own")


def exposure(
    recommender: "Recommender", column: str, rows: Rows | None = None, k: int | None = None
) -> ExposureReport:
    """What lists show of each group of items.

    Args:
        column: of categories; also series, franchise, popularity_tier.
        rows: (A, k) lists; None for those of everybody the bundle knows, or, where it knows nobody, of what
            is like each item. No more than `evaluation.max_users` of either, drawn by the recipe's seed.
        k: length of the lists that are made; None for the recipe's.

    Raises: RecipeError where there is no such column.
    """
    groups = recommender.facts.groups(column)
    knobs, log = recommender.recipe, recommender.bundle.histories
    k = knobs.evaluation.k if k is None else k
    rng, most = np.random.default_rng(knobs.seed), knobs.evaluation.max_users
    asked = None
    if rows is None and log.size:
        users = _some(np.flatnonzero(np.diff(log.offsets)).astype(np.int32), most, rng)
        rows = recommender.top(log, users, min(k, recommender.catalogue.size))
    elif rows is None:
        asked = _some(np.arange(recommender.catalogue.size, dtype=np.int32), most, rng)
        rows = _alike(recommender, asked, k)
    counts = log.counts(recommender.catalogue.size)
    lines, own = exposed(rows, groups, counts, asked)
    lines.sort(key=lambda line: -line.catalogue)
    return ExposureReport(
        column, rows.shape[1], len(rows), own, tuple(lines[:MOST]), max(0, len(lines) - MOST)
    )


def exposed(
    rows: Rows, groups: Groups, counts: npt.NDArray[np.int64], asked: Rows | None = None
) -> tuple[list[ExposureLine], float | None]:
    """A line for each group, and the share of places that have a group in common with what was asked for.

    Args:
        rows: (A, k) lists, padded with PAD.
        groups: of N items.
        counts: (N,) events of each.
        asked: (A,) the item that each list was asked for by; None where people asked.
    """
    items, number = len(counts), len(groups.names)
    item_of = np.repeat(np.arange(items), np.diff(groups.offsets))
    shown = rows != PAD
    weights = shown / np.log2(np.arange(rows.shape[1]) + 2)
    times = np.bincount(rows[shown], minlength=items)
    seen = np.bincount(rows[shown], weights=weights[shown], minlength=items)

    def shares(values: npt.NDArray[Any]) -> list[float | None]:
        total = values.sum()
        held = np.bincount(groups.codes, weights=values[item_of], minlength=number)
        return [float(each) / float(total) if total else None for each in held]

    own_share: float | None = None
    owns: list[float | None] = [None] * number
    if asked is not None:
        same, places = np.zeros(number), np.zeros(number)
        alike = 0
        for row, answer in zip(asked.tolist(), rows, strict=True):
            own = groups.codes[groups.offsets[row] : groups.offsets[row + 1]]
            found, member = groups.of_rows(answer[answer != PAD])
            is_own = member[:, np.isin(found, own)]
            alike += int(is_own.any(1).sum())
            same[found[np.isin(found, own)]] += is_own.sum(0)
            places[own] += len(member)
        own_share = alike / int(shown.sum()) if shown.any() else None
        owns = [float(one) / float(all) if all else None for one, all in zip(same, places, strict=True)]
    columns = (shares(np.ones(items)), shares(counts), shares(times), shares(seen), owns)
    lines = [
        ExposureLine(name, catalogue or 0.0, *rest)
        for name, catalogue, *rest in zip(groups.names, *columns, strict=True)
    ]
    return lines, own_share


def _some(numbers: Rows, most: int | None, rng: np.random.Generator) -> Rows:
    if most is None or len(numbers) <= most:
        return numbers
    return np.sort(rng.choice(numbers, most, replace=False))


def _alike(recommender: "Recommender", asked: Rows, k: int) -> Rows:
    """(A, k) what is like each of `asked`, PAD where there is no more."""
    catalogue = recommender.catalogue
    rows = np.full((len(asked), min(k, catalogue.size)), PAD, np.int32)
    for line, (_, slate) in enumerate(recommender.similar_many(catalogue.id_list(asked), k)):
        found = catalogue.rows([item.item_id for item in slate])
        rows[line, : len(found)] = found
    return rows
