"""How far raters agree: Krippendorff's alpha, for any number of raters, with answers missing.

α = 1 − D_o / D_e: the disagreement within questions over that between any two answers, whoever gave them and
whatever they were of (Krippendorff, Content Analysis, 4th ed. 2019, ch. 12). 1 is agreement, 0 what chance
makes, below 0 is against one another.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tastemaker.evaluation.intervals import interval
from tastemaker.evaluation.report import Mark, plain

Level = Literal["nominal", "ordinal"]
Numbers = npt.NDArray[np.float64]

RELIABLE, TENTATIVE = 0.8, 0.667
"""From where Krippendorff (2019, p. 356) draws conclusions, and from where tentative ones."""


@dataclass(frozen=True)
class Agreement:
    """Attributes:
    alpha: with its 95 % interval over questions drawn again; None where nobody disagrees about anything there
        is to tell apart, or no question has two answers.
    same: share of pairs of answers to one question that are the same.
    questions: with two answers or more.
    """

    level: Level
    alpha: Mark
    same: float | None
    questions: int

    @property
    def words(self) -> str:
        """What the figure allows to conclude."""
        if self.alpha.mean is None:
            return "can't be told"
        if self.alpha.mean >= RELIABLE:
            return "reliable"
        return "tentative" if self.alpha.mean >= TENTATIVE else "too low to rely on a single answer"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"words": self.words}


def krippendorff_alpha(ratings: Numbers, level: Level) -> float:
    """Alpha of (R, U) ratings, a row a rater, NaN where one is missing; NaN where it isn't defined.

    Args:
        level: nominal, values are the same or not; ordinal, the further apart in rank, the worse.
    """
    counts, _ = _counted(ratings)
    return float(_alpha(_coincidences(counts).sum(0)[None], level)[0])


def agreement(ratings: Numbers, level: Level, rng: np.random.Generator, resamples: int = 1000) -> Agreement:
    """Alpha of (R, U) ratings with an interval: questions are drawn again with replacement."""
    counts, _ = _counted(ratings)
    each = _coincidences(counts)  # (U, V, V)
    asked = int((counts.sum(1) > 1).sum())
    measured = krippendorff_alpha(ratings, level)
    total = each.sum()
    same = float(np.trace(each.sum(0)) / total) if total else float("nan")
    drawn = np.zeros(0)
    if len(each):
        times = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), size=resamples)
        values = each.shape[1]
        drawn = _alpha((times @ each.reshape(len(each), -1)).reshape(resamples, values, values), level)
        drawn = drawn[~np.isnan(drawn)]
    known = not np.isnan(measured)
    mark = Mark.of(interval(measured, drawn)) if known else Mark(None, None, None)
    return Agreement(level, mark, plain(same), asked)


def _counted(ratings: Numbers) -> tuple[Numbers, Numbers]:
    """(U, V) how often each value was given of each unit, and the values (V,), rising."""
    values = np.unique(ratings[~np.isnan(ratings)])
    return (ratings[:, :, None] == values).sum(0).astype(np.float64), values


def _coincidences(counts: Numbers) -> Numbers:
    """(U, V, V) pairs of values within each unit, each unit's answers counted once: n_c n_k / (m − 1)."""
    given = counts.sum(1)
    pairs = counts[:, :, None] * counts[:, None, :]
    own = np.arange(counts.shape[1])
    pairs[:, own, own] -= counts
    return np.where(given[:, None, None] > 1, pairs / np.maximum(given - 1, 1)[:, None, None], 0.0)


def _alpha(coincidences: Numbers, level: Level) -> Numbers:
    """(B,) of (B, V, V) sums of coincidences."""
    margins = coincidences.sum(2)  # (B, V)
    total = margins.sum(1)
    apart = _distances(margins, level)
    observed = (coincidences * apart).sum((1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * apart).sum((1, 2))
    known = expected > 0
    return np.where(known, 1 - (total - 1) * observed / np.where(known, expected, 1.0), np.nan)


def _distances(margins: Numbers, level: Level) -> Numbers:
    """(B, V, V) squared: of ordinal values, the answers that lie between them, theirs counted half."""
    size = margins.shape[1]
    if level == "nominal":
        return np.broadcast_to(1.0 - np.eye(size), (len(margins), size, size))
    middles = np.cumsum(margins, axis=1) - margins / 2  # in answers, from the lowest value up
    return np.asarray((middles[:, :, None] - middles[:, None, :]) ** 2, np.float64)
