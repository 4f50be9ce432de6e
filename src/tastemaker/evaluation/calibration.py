"""Whether chances can be believed: of all that was given 30 %, did 30 % happen?

In come chances and what came of them; out come bins to look at, a drawing of them, and three numbers.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tastemaker.evaluation.report import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tastemaker.pages.section import Picture

ROUND = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the axes of a drawing may end."""
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

    def figure(self, title: str) -> "Figure":
        """A mark a bin with its interval, over the line of what is right; what is off in another colour.

        Both axes go from 0 to a round number above all that is drawn, so that rare things fill it too.
        Raises: TastemakerError without matplotlib.
        """
        from tastemaker.pages import style

        made, (panel,) = style.figure(4.6, 4.6)
        most = max((max(bin_.high, bin_.foretold) for bin_ in self.bins), default=1.0)
        end = next(round_ for round_ in ROUND if round_ >= min(most, 1.0))
        panel.plot([0, end], [0, end], color=style.RIVAL, linestyle="--", linewidth=1)
        for place, bin_ in enumerate(self.bins):
            colour = style.ALARM if bin_.is_off else style.OURS
            panel.plot([bin_.foretold] * 2, [bin_.low, bin_.high], color=colour)
            panel.plot(bin_.foretold, bin_.rate, "o", color=colour, gid=f"bin-{place}")
        panel.set(xlim=(0, end), ylim=(0, end), xlabel="foretold", ylabel="happened", aspect="equal")
        panel.set_title(title.replace("$", r"\$"))
        return made

    def picture(self, title: str) -> "Picture":
        """The same for a page, told in words too."""
        from tastemaker.pages import style
        from tastemaker.pages.section import Picture

        told = "".join(
            f" Foretold {bin_.foretold:.4f}, happened {bin_.rate:.4f} "
            f"({bin_.low:.3f} to {bin_.high:.3f}, n {bin_.n})."
            for bin_ in self.bins
        )
        return Picture(style.svg(self.figure(title)), f"{title}. {self.sentence()}{told}", self.sentence())


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
