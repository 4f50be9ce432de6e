"""One style for every picture: drawn by matplotlib, for pages as SVG and for papers as PNG, SVG or PDF.

matplotlib comes with the extras `train` and `plots`; nothing else here is needed to serve.
"""

import importlib.util
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MISSING = "Drawing takes matplotlib, which isn't installed: pip install 'tastemaker[plots]'."
SUFFIXES = (".png", ".svg", ".pdf")

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#666666")
"""Told apart by colour-blind eyes too (Okabe and Ito, 2008, less its yellow and black)."""
DARK_PALETTE = ("#4aa8ec", "#f0813a", "#21c08b", "#e79ac6", "#f5bf3d", "#9adcff", "#c49a5a", "#a0a6ad")
"""The same hues upon a dark page."""
RAMP = ("#a9dcb4", "#72c8b9", "#41b0c2", "#2590bd", "#2467aa", "#253d94", "#0f1f5c")
DARK_RAMP = ("#31507d", "#2f7298", "#2f95a8", "#3fb9a8", "#7bd89a", "#bfee9b", "#f6ffb5")
"""Steps of an ordered scale, lowest first; what is high stands out from the paper."""
OURS, RIVAL, ALARM, QUIET = PALETTE[0], "#8a8f98", PALETTE[1], "#c3c7cd"
"""The model asked about, its opponents, what is wrong, what only helps the eye."""
MARKERS = "osD^vPX*"

SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "tastemaker",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e5e8",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}


def is_there() -> bool:
    """Whether anything can be drawn: a report may go without pictures."""
    return importlib.util.find_spec("matplotlib") is not None


def check() -> None:
    """Raises TastemakerError where nothing can be drawn, before any work is done for it."""
    if not is_there():
        raise TastemakerError(MISSING)


def figure(
    width: float = 7.0, height: float = 3.6, rows: int = 1, columns: int = 1, sharex: bool = False
) -> "tuple[Figure, list[Axes]]":
    """An empty figure in inches with its panels, row by row. Raises TastemakerError without matplotlib."""
    check()
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**SETTINGS, "axes.prop_cycle": cycler(color=list(PALETTE))}):
        made = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(made)
        panels = made.subplots(rows, columns, squeeze=False, sharex=sharex)
    return made, list(panels.flat)


def dot(
    panel: "Axes",
    place: float,
    mean: float | None,
    low: float | None,
    high: float | None,
    colour: str,
) -> None:
    """A mean on a line of its own, with its interval where there is one; nothing where there is no mean."""
    if mean is None:
        return
    low, high = (mean if low is None else low), (mean if high is None else high)
    panel.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
    panel.plot([mean], [place], "o", color=colour, markersize=7)


def svg(made: "Figure") -> str:
    """The figure as an SVG element that a page can hold: no XML head, no fixed size, no date."""
    import matplotlib

    text = io.StringIO()
    _frameless(made)
    with matplotlib.rc_context(SETTINGS):
        made.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    drawn = text.getvalue()
    drawn = _without_idle_names(drawn[drawn.index("<svg") :])
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1),
        count=1,
    )


def _frameless(made: "Figure") -> None:
    """A legend goes by the settings of the moment it was made, which are over by then."""
    for legend in (*made.legends, *(panel.get_legend() for panel in made.axes)):
        if legend is not None:
            legend.set_frame_on(False)


def _without_idle_names(drawn: str) -> str:
    """Every drawing has its own `figure_1` and `axes_1`, and a page holds several."""
    meant = set(re.findall(r"#([\w-]+)", drawn))
    return re.sub(r' id="([\w.-]+)"', lambda name: name[0] if name[1] in meant else "", drawn)


def write(made: "Figure", path: Path) -> None:
    """A file for a paper; the ending says which kind."""
    import matplotlib

    _frameless(made)
    with matplotlib.rc_context(SETTINGS):
        made.savefig(path, dpi=200)
