"""Whether chances can be believed: of all that was given 30 %, did 30 % happen?

In come chances and what came of them; out come bins to look at, a drawing of them, and three numbers.
"""

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.evaluation.report import markdown_table

Z = 1.959963984540054
"""Of a normal distribution, 95 % lie within so many standard deviations."""
NEAREST = 1e-15
"""To 0 or 1, as far as log loss goes: one chance that is wholly wrong would make it infinite."""


@dataclass(frozen=True)
class Bin:
    """Places that were given much the same chance.

    Attributes:
        n: how many.
        lowest, highest: their chances.
        foretold: mean of their chances.
        rate: share of them where it happened.
        low, high: 95 % interval of the rate (Wilson, JASA 1927), which holds near 0 and 1 too.
    """

    n: int
    lowest: float
    highest: float
    foretold: float
    rate: float
    low: float
    high: float

    @property
    def is_off(self) -> bool:
        """The interval leaves out what was foretold."""
        return not self.low <= self.foretold <= self.high


@dataclass(frozen=True)
class Reliability:
    """How far chances can be believed.

    Attributes:
        n: places whose outcome is known.
        left_out: those without.
        bins: of nearly equal mass, the lowest chances first.
        ece: expected calibration error, Σ_bins n_b / n · |foretold_b - rate_b| (Naeini et al., AAAI 2015,
            with bins of equal mass as in Nixon et al., CVPR workshops 2019); 0 is best. It has a floor: of
            perfect chances it is about 0.8 · √(bins · p (1 - p) / n).
        brier: mean of (chance - outcome)²; lower is better.
        log_loss: mean of -log of the chance that what happened was given, in nats; lower is better.

    The three are None where no outcome is known.
    """

    n: int
    left_out: int
    bins: tuple[Bin, ...]
    ece: float | None
    brier: float | None
    log_loss: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; `from_json` makes the same of them again."""
        return asdict(self) | {"bins": [asdict(bin_) for bin_ in self.bins]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Reliability":
        """What `as_json` took apart."""
        return cls(**(dict(values) | {"bins": tuple(Bin(**bin_) for bin_ in values["bins"])}))

    def sentence(self) -> str:
        """The numbers, for a person."""
        if self.ece is None or self.brier is None or self.log_loss is None:
            return f"Of {self.left_out:,} places no outcome is known."
        off = sum(bin_.is_off for bin_ in self.bins)
        left = f" {self.left_out:,} without a known outcome are left out." if self.left_out else ""
        return (
            f"Of {self.n:,} places: calibration error (ECE) {self.ece:.4f}, Brier {self.brier:.4f}, log loss "
            f"{self.log_loss:.4f}; {off} of {len(self.bins)} bins are off at 95 %.{left}"
        )

    def markdown(self) -> str:
        """The bins as a table, and the numbers under it."""
        head = ["chances", "foretold", "happened", "95 %", "n"]
        return f"{markdown_table([head, *self._rows()])}\n\n{self.sentence()}\n"

    def __str__(self) -> str:
        return self.markdown()

    def __rich__(self) -> RenderableType:
        """For `rich`: the same table; bins that are off in red."""
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("chances", no_wrap=True)
        for title in ("foretold", "happened", "95 %", "n"):
            table.add_column(title, justify="right")
        for bin_, cells in zip(self.bins, self._rows(), strict=True):
            table.add_row(*cells, style="red" if bin_.is_off else "")
        return Group(table, Text(self.sentence()))

    def _rows(self) -> list[list[str]]:
        return [
            [
                f"{bin_.lowest:.4f}–{bin_.highest:.4f}",
                f"{bin_.foretold:.4f}",
                f"{bin_.rate:.4f}",
                f"{bin_.low:.3f}–{bin_.high:.3f}",
                f"{bin_.n:,}",
            ]
            for bin_ in self.bins
        ]

    def svg(self, title: str) -> str:
        """A drawing that stands alone: a mark a bin with its interval, over the line of what is right.

        Both axes go from 0 to a round number above all that is drawn, so that rare things fill it too.
        """
        most = max((max(bin_.high, bin_.foretold) for bin_ in self.bins), default=1.0)
        end = next(
            round_ for round_ in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if round_ >= min(most, 1.0)
        )
        return _drawing(self, html.escape(title), end)


def reliability(probabilities: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 15) -> Reliability:
    """Chances beside what came of them.

    Bins have equal mass: sorted by chance, n places are cut after each n / bins of them. Equal chances are
    not parted; all go where the first of them goes, so there may be fewer bins than asked for.

    Args:
        probabilities: (M,) from 0 to 1.
        labels: (M,) 0 or 1; NaN, which nobody knows, is left out.
        bins: at most, 1 or more.
    """
    chance, label = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    known = ~np.isnan(label) & ~np.isnan(chance)
    chance, label, left_out = chance[known], label[known], int((~known).sum())
    if not len(chance):
        return Reliability(0, left_out, (), None, None, None)
    order = np.argsort(chance, kind="stable")
    ranked, outcome = chance[order], label[order]
    _, first, copies = np.unique(ranked, return_index=True, return_inverse=True)
    found = tuple(
        _bin(ranked[part], outcome[part])
        for part in np.split(
            np.arange(len(ranked)), np.flatnonzero(np.diff(first[copies] * bins // len(ranked))) + 1
        )
    )
    sure = np.clip(chance, NEAREST, 1 - NEAREST)
    return Reliability(
        n=len(chance),
        left_out=left_out,
        bins=found,
        ece=float(sum(bin_.n * abs(bin_.foretold - bin_.rate) for bin_ in found) / len(chance)),
        brier=float(((chance - label) ** 2).mean()),
        log_loss=float(-(label * np.log(sure) + (1 - label) * np.log1p(-sure)).mean()),
    )


def _bin(chance: npt.NDArray[np.float64], label: npt.NDArray[np.float64]) -> Bin:
    n, rate = len(chance), float(label.mean())
    middle = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    low, high = max(0.0, float(middle - half)), min(1.0, float(middle + half))
    return Bin(n, float(chance[0]), float(chance[-1]), float(chance.mean()), rate, low, high)


_LEFT, _TOP, _SIDE = 56, 44, 300
"""Where the square stands, and how wide it is, in pixels."""


def _drawing(of: Reliability, title: str, end: float) -> str:
    def across(value: float) -> str:
        return f"{_LEFT + _SIDE * value / end:.1f}"

    def up(value: float) -> str:
        return f"{_TOP + _SIDE * (1 - value / end):.1f}"

    told = "".join(
        f" Foretold {bin_.foretold:.4f}, happened {bin_.rate:.4f} "
        f"({bin_.low:.3f} to {bin_.high:.3f}, n {bin_.n})."
        for bin_ in of.bins
    )
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 400" width="380" height="400" role="img" '
        "aria-labelledby=\"title desc\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', "
        'Helvetica, Arial, sans-serif" font-size="11" fill="#334155">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{of.sentence()}{told}</desc>',
        '<rect width="380" height="400" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" font-size="13" font-weight="600" fill="#0f172a">{title}</text>',
        f'<text x="{_LEFT}" y="34">{_short(of)}</text>',
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#cbd5e1"/>',
        f'<line x1="{across(0)}" y1="{up(0)}" x2="{across(end)}" y2="{up(end)}" stroke="#94a3b8" '
        'stroke-dasharray="4 4"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = share * end
        lines.append(
            f'<text x="{across(value)}" y="{_TOP + _SIDE + 16}" text-anchor="middle">{value:g}</text>'
        )
        lines.append(
            f'<text x="{_LEFT - 6}" y="{float(up(value)) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    lines.append(f'<text x="{_LEFT + _SIDE / 2}" y="388" text-anchor="middle">foretold</text>')
    lines.append(
        f'<text x="14" y="{_TOP + _SIDE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {_TOP + _SIDE / 2})">happened</text>'
    )
    for bin_ in of.bins:
        x, colour = across(bin_.foretold), "#b91c1c" if bin_.is_off else "#2563eb"
        lines.append(
            f'<line x1="{x}" y1="{up(bin_.low)}" x2="{x}" y2="{up(bin_.high)}" stroke="{colour}" '
            'stroke-width="1.5"/>'
        )
        lines.append(f'<circle cx="{x}" cy="{up(bin_.rate)}" r="3.5" fill="{colour}"/>')
    return "\n".join([*lines, "</svg>", ""])


def _short(of: Reliability) -> str:
    if of.ece is None or of.brier is None:
        return "no outcome is known"
    return f"{of.n:,} places, ECE {of.ece:.4f}, Brier {of.brier:.4f}; bars: 95 %"
