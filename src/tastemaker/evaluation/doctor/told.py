"""What the folding doctor found, as a part of a report: sentences, tables and pictures."""

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from tastemaker.evaluation.doctor.folding import Folding
from tastemaker.evaluation.report import number, percent
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 22
"""Letters of a name in a picture."""


def section(found: Folding) -> Section:
    drawn: list[Picture] = []
    if len(found.names) > 1 and importlib.util.find_spec("matplotlib") is not None:
        drawn = [
            Picture(
                style.svg(drawing(found)),
                f"Shares of places by {found.by}, shown and honest; centroid cosines, and shared people",
                "A row is whose lists, a column what stands in them. Folding is colour off the diagonal of "
                "what is shown that what is honest lacks.",
            )
        ]
    notes = list(found.reasons)
    if found.folded:
        pairs = ", ".join(f"{pair.one} and {pair.other}" for pair in found.folded[:3])
        notes.append(f"In one place, and nobody shared: {pairs}.")
    tables = [_lines(found)]
    if found.worst and found.verdict != "good":  # of a sound model, chance alone
        tables.append(_worst(found))
    return Section(
        "folding",
        f"Folding by {found.by}",
        lead(found),
        found.as_json(),
        found.verdict,
        tables,
        drawn,
        notes,
    )


def lead(found: Folding) -> str:
    lists = found.lists
    if not lists.people:
        return "There is no list to look at."
    whose = "their people" if found.of == "people" else "the item asked for"
    told = f"{lists.shown.mean:.1%} of the first {found.k} places lie in groups that {whose} never touched"
    if found.of == "items":
        told = f"{lists.shown.mean:.1%} of the first {found.k} places share no {found.by} with {whose}"
    honest = f", {lists.honest:.1%} of {found.honest}" if found.honest else ""
    told = f"{told}{honest}, {lists.chance:.1%} by lot"
    if lists.figure is None:
        return f"{told}."
    value, low, high = lists.figure
    sure = f"95 % interval {low:.2f} to {high:.2f}, {lists.people:,} lists"
    return f"{told}: {value:.2f} of the way to lots ({sure})."


def _lines(found: Folding) -> Table:
    rows = [
        [line.name, percent(line.items), percent(line.queries), percent(line.own), percent(line.honest)]
        for line in found.lines
    ]
    head = ["", "of all items", "of all lists", "own share of lists", "own share, honest"]
    return Table(f"The largest groups, of {found.groups:,}", head, rows)


def _worst(found: Folding) -> Table:
    rows = [
        [
            f"{pair.one} → {pair.other}",
            percent(pair.shown),
            percent(pair.honest),
            percent(pair.people),
            number(pair.cosine, 2),
            ", ".join(pair.items) or "–",
        ]
        for pair in found.worst
    ]
    head = ["shown to whom → what", "shown", "honest", "people shared", "cosine", "foreign items shown most"]
    return Table("Where most is shown beyond what would be honest", head, rows, words=(5,))


def drawing(found: Folding) -> "Figure":
    """Heat maps: what is shown beside what would be honest, and centroids beside shared people."""
    maps: list[tuple[str, Any, str]] = [("shown: share of places", found.shown, "Blues")]
    if found.expected is not None:
        maps.append(("honest: share of places", found.expected, "Blues"))
    maps.append(("cosine of centroids", found.cosine, "RdBu_r"))
    if found.people is not None:
        maps.append(("people in both groups", found.people, "Blues"))
    columns = 2
    rows = -(-len(maps) // columns)
    made, panels = style.figure(8.4, 3.7 * rows, rows, columns)
    labels = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in found.names]
    for at, panel in enumerate(panels):
        if at >= len(maps):
            panel.set_visible(False)
            continue
        title, values, colours = maps[at]
        grid = np.array([[np.nan if cell is None else cell for cell in row] for row in values], float)
        low = -1.0 if colours == "RdBu_r" else 0.0
        image = panel.imshow(grid, cmap=colours, vmin=low, vmax=1.0, aspect="auto")
        panel.grid(False)
        panel.set_title(title)
        panel.set_yticks(range(len(labels)), labels if at % columns == 0 else [""] * len(labels), fontsize=7)
        is_low = at + columns >= len(maps)
        panel.set_xticks(
            range(len(labels)), labels if is_low else [""] * len(labels), rotation=90, fontsize=7
        )
        made.colorbar(image, ax=panel, shrink=0.8)
    return made
