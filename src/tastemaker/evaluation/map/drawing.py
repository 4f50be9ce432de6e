"""A chart as a picture for a paper: points as pixels, names and legend as text."""

from pathlib import Path
from typing import Any

import numpy as np

from tastemaker.evaluation.map.chart import Chart
from tastemaker.evaluation.map.sheet import SIZES
from tastemaker.pages import style

NAMED = 8
"""Regions named, greatest first."""
OUTLYING = 0.006
"""Share of the items that may lie outside on each side, as on the page."""
GREY = ("#b3b9c0", "#d3d7db")


def draw(chart: Chart, path: Path) -> None:
    """Writes a .png, .svg or .pdf. Raises TastemakerError without matplotlib."""
    style.write(drawing(chart), path)


def drawing(chart: Chart) -> Any:
    """The figure; in an SVG or a PDF the points alone are pixels, of 200 to the inch."""
    colour = chart.colours[chart.colour]
    figure, (panel,) = style.figure(7.5, 5.6)
    hues = np.array([_hue(group, colour.plain, colour.is_ordered) for group in range(len(colour.labels))])
    n = len(chart.rows)
    size = np.array([9.0, 5.0, 2.8, 1.7])[np.searchsorted(np.array(SIZES), np.arange(n) / n, side="right")]
    order = np.arange(n)[::-1]  # the best known above the others
    x, y = chart.places.T
    grown = 1.0 if n > 8000 else 2.0 if n > 2500 else 5.0
    panel.scatter(
        x[order], y[order], s=grown * size[order], c=hues[colour.codes[order]], linewidths=0, alpha=0.85,
        rasterized=True,
    )  # fmt: skip
    for values, limit in ((x, panel.set_xlim), (y, panel.set_ylim)):
        low, high = np.quantile(values, (OUTLYING, 1 - OUTLYING))
        room = 0.06 * max(high - low, 1e-9)
        limit(low - room, high + room)
    panel.set_aspect("equal", adjustable="box")
    panel.grid(False)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
    counts = np.bincount(colour.codes, minlength=len(colour.labels))
    marks = [
        panel.scatter([], [], s=26, color=hues[group], label=f"{label} ({counts[group]:,})")
        for group, label in enumerate(colour.labels)
    ]
    figure.legend(
        handles=marks,
        loc="outside right upper",
        title=colour.name,
        alignment="left",
        fontsize=8,
        frameon=False,
    )
    _name(chart, figure, panel)
    return figure


def _hue(group: int, plain: int, is_ordered: bool) -> str:
    if group >= plain:
        return GREY[min(group - plain, 1)]
    if is_ordered:
        return style.RAMP[round(group * (len(style.RAMP) - 1) / max(1, plain - 1))]
    return style.PALETTE[group % len(style.PALETTE)]


def _name(chart: Chart, figure: Any, panel: Any) -> None:
    """The greatest regions; a name that would stand on another is left out."""
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()  # only then it is known how much room a name takes
    written: list[Any] = []
    for region in chart.regions:
        text = panel.annotate(
            region.name, chart.places[region.centre], ha="center", va="center", fontsize=8, fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
        box = text.get_window_extent()
        if len(written) == NAMED or any(box.overlaps(other) for other in written):
            text.remove()
        else:
            written.append(box)
