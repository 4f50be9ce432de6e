"""What a head says, turned into chances that can be trusted, and so multiplied.

Fitted on validation, over one head: scores and what came of them go in, probabilities come out. Neither kind
ever turns two places round or makes them alike: a list sorted by one head is the same before and after, as
far as double precision can tell scores apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from tastemaker.errors import BundleError, TrainingError

Values = npt.NDArray[np.float64]

FLOOR = 1e-6
"""No chance is nearer to 0 or 1: logarithms and quotients of chances stay small."""
TILT = 1e-3
"""How far a chance may fall below that of the lowest block, and the counter-chance below that of the highest,
as a share: what lies outside keeps its order, and hardly moves."""
LEAST_MASS, LEAST_SHARE = 50.0, 0.1
"""Places, or a share of all where they are fewer, that the outermost blocks hold."""
LEAST_SLOPE = 1e-3
"""Of Platt's line, in logits a standard deviation of the scores. Where validation has a head upside down, or
says nothing of it, its order stays, and its chances are all but one."""


@dataclass(frozen=True)
class Isotonic:
    """The rising steps that fit best, joined by straight lines from middle to middle.

    Equal scores are pooled, then neighbours that stand the wrong way round (Zadrozny and Elkan, KDD 2002;
    the steps are those of `scipy.optimize.isotonic_regression`). Steps themselves would make ties; between
    the middles of two blocks the line rises. Beyond the outermost middles a curve that bends towards a share
    TILT takes over from the flat ends, so that order is kept there too.

    Attributes:
        scores: (B,) middle of each block, the weighted mean of its scores; rising.
        chances: (B,) weighted mean label of each; rising, 0 to 1.
    """

    scores: Values
    chances: Values

    @classmethod
    def fit(
        cls, scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> "Isotonic":
        """Of M places of validation.

        Args:
            scores: (M,) of one head, in any unit.
            labels: (M,) 0 or 1; NaN, which nobody knows, is left out.
            weights: (M,) how often each counts, from 0 up; None: once.

        Raises: TrainingError where no label is known.
        """
        at, label, weight = _known(scores, labels, weights)
        single, place = np.unique(at, return_inverse=True)
        total = np.bincount(place, weight)
        pooled = np.bincount(place, weight * label) / total
        # A label may be above 1, where a click counts as one over the chance of being looked at.
        from scipy.optimize import isotonic_regression  # a quarter of a second, for those who fit alone

        steps = np.clip(isotonic_regression(pooled, weights=total).x, 0, 1)
        # Blocks are where the steps rise, which also joins neighbours that happen to be equal.
        starts = _broad(np.flatnonzero(np.diff(steps, prepend=-1.0) > 0), total)
        ends = np.append(starts[1:], len(steps)) - 1
        mass = np.add.reduceat(total, starts)
        middles = np.add.reduceat(total * single, starts) / mass
        chances = np.add.reduceat(total * steps, starts) / mass
        # Rounded, a mean may leave its block by a hair, and meet the next.
        return cls(
            np.clip(middles, single[starts], single[ends]), np.clip(chances, steps[starts], steps[ends])
        )

    def __call__(self, scores: npt.ArrayLike) -> Values:
        """(M,) chances from FLOOR to 1 - FLOOR; NaN stays NaN."""
        at = np.asarray(scores, np.float64)
        inner = _squeezed(np.interp(at, self.scores, self.chances), FLOOR / (1 - TILT))
        first, last = self.scores[0], self.scores[-1]
        span = last - first if last > first else 1.0
        inner = inner * (1 - TILT * _bent((first - at) / span))
        return inner + (1 - inner) * TILT * _bent((at - last) / span)

    def as_json(self) -> dict[str, Any]:
        """Its corners, as plain values."""
        return {"kind": "isotonic", "scores": self.scores.tolist(), "chances": self.chances.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Isotonic":
        """What `as_json` took apart. Raises BundleError where that could never have come of it."""
        _checked(values, "isotonic", {"kind", "scores", "chances"})
        scores, chances = (_numbers(values[name], name) for name in ("scores", "chances"))
        if len(scores) != len(chances) or not len(scores):
            _refuse(f"it has {len(scores)} scores and {len(chances)} chances")
        if (np.diff(scores) <= 0).any() or (np.diff(chances) <= 0).any():
            _refuse("its corners don't rise")
        if chances[0] < 0 or chances[-1] > 1:
            _refuse("its chances aren't between 0 and 1")
        return cls(scores, chances)


@dataclass(frozen=True)
class Platt:
    """A logistic curve: the chance is 1 / (1 + exp(-(slope · score + offset))).

    Labels are softened to (n₁ + 1) / (n₁ + 2) and 1 / (n₀ + 2), as Platt does (Advances in Large Margin
    Classifiers, 1999), so that scores that part yes and no without a fault give no curve of infinite slope;
    found by Newton's steps (Lin, Lin and Weng, Machine Learning 2007). It fits logits; a head that gives
    chances fits better in logits first.

    Attributes:
        slope: above 0.
        offset: any number.
    """

    slope: float
    offset: float

    @classmethod
    def fit(
        cls, scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> "Platt":
        """Of M places of validation; arguments and errors as of `Isotonic.fit`."""
        at, label, weight = _known(scores, labels, weights)
        ones, noughts = weight @ label, weight @ (1 - label)
        wanted = label * (ones + 1) / (ones + 2) + (1 - label) / (noughts + 2)
        middle = np.average(at, weights=weight)
        spread = np.sqrt(np.average((at - middle) ** 2, weights=weight)) or 1.0
        columns = np.stack([(at - middle) / spread, np.ones(len(at))], axis=1)
        slope, offset = _newton(columns, wanted, weight, np.zeros(len(at))) if at.min() < at.max() else (0, 0)
        if slope < LEAST_SLOPE:
            slope = LEAST_SLOPE
            (offset,) = _newton(columns[:, 1:], wanted, weight, slope * columns[:, 0])
        return cls(float(slope / spread), float(offset - slope * middle / spread))

    def __call__(self, scores: npt.ArrayLike) -> Values:
        """(M,) chances from FLOOR to 1 - FLOOR; NaN stays NaN."""
        from scipy.special import expit

        return _squeezed(expit(self.slope * np.asarray(scores, np.float64) + self.offset), FLOOR)

    def as_json(self) -> dict[str, Any]:
        """Both numbers, by name."""
        return {"kind": "platt", "slope": self.slope, "offset": self.offset}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Platt":
        """What `as_json` took apart. Raises BundleError where that could never have come of it."""
        _checked(values, "platt", {"kind", "slope", "offset"})
        slope, offset = _numbers([values["slope"], values["offset"]], "slope and offset")
        if slope <= 0:
            _refuse(f"its slope is {slope}, and should be above 0")
        return cls(float(slope), float(offset))


Calibration = Isotonic | Platt


def calibration_from_json(values: Any) -> Calibration:
    """Either kind, of what its `as_json` gave. Raises BundleError."""
    kind = values.get("kind") if isinstance(values, Mapping) else None
    if kind == "isotonic":
        return Isotonic.from_json(values)
    if kind == "platt":
        return Platt.from_json(values)
    return _refuse(f"its kind is {repr(kind)[:40]}; there are 'isotonic' and 'platt'")


def _broad(starts: npt.NDArray[np.intp], mass: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where blocks start, once the outermost hold enough to say anything: the best three places of all, each
    clicked, are no chance of 1.

    Args:
        starts: (B,) of the blocks, rising from 0.
        mass: (M,) of all scores.
    """
    least = min(LEAST_MASS, LEAST_SHARE * mass.sum())
    before = np.append(0.0, np.cumsum(mass))
    is_kept = (before[starts] >= least) & (before[-1] - before[starts] >= least)
    is_kept[0] = True
    kept: npt.NDArray[np.intp] = starts[is_kept]
    return kept


def _known(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Values, Values, Values]:
    """Scores, labels and weights of the places that say something."""
    at, label = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    weight = np.ones(len(at)) if weights is None else np.asarray(weights, np.float64)
    kept = np.isfinite(at) & ~np.isnan(label) & (weight > 0)
    if not kept.any():
        raise TrainingError(
            f"Of {len(at):,} places of validation it is known of none what came of it, so chances can't be "
            'calibrated. Set ranking.calibration to "none", or hold out more.'
        )
    return at[kept], label[kept], weight[kept]


def _squeezed(chances: Values, floor: float) -> Values:
    """From [0, 1] into [floor, 1 - floor], keeping the order, which a cut would not."""
    return floor + (1 - 2 * floor) * chances


def _bent(distance: Values) -> Values:
    """0 up to 0, then rising towards 1."""
    return 1 - 1 / (1 + np.maximum(distance, 0))


def _newton(columns: Values, wanted: Values, weight: Values, base: Values) -> Values:
    """(C,) the logistic regression of `wanted` (M,) on `columns` (M, C), beside `base` (M,) logits."""

    from scipy.special import expit

    def loss(point: Values) -> float:
        logit = base + columns @ point
        return float(weight @ (np.logaddexp(0, logit) - wanted * logit))

    point = np.zeros(columns.shape[1])
    now = loss(point)
    for _ in range(100):
        chance = expit(base + columns @ point)
        slope = columns.T @ (weight * (chance - wanted))
        bend = columns.T @ (columns * (weight * chance * (1 - chance))[:, None])
        step = np.linalg.solve(bend + 1e-12 * weight.sum() * np.eye(len(point)), slope)
        share = 1.0
        while (then := loss(point - share * step)) > now and share > 1e-10:
            share /= 2
        point, gained, now = point - share * step, now - then, then
        if gained <= 0 or np.abs(step).max() < 1e-10:
            break
    return point


def _checked(values: Mapping[str, Any], kind: str, names: set[str]) -> None:
    if not isinstance(values, Mapping) or set(values) != names or values["kind"] != kind:
        _refuse(f"{kind} has {', '.join(sorted(names))}, and nothing else")


def _numbers(values: Any, name: str) -> Values:
    """(B,) of a list of finite numbers."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        _refuse(f"{name} should be numbers")
    try:
        numbers = np.array(values, np.float64)
    except OverflowError:
        numbers = np.array([np.inf])
    if not np.isfinite(numbers).all():
        _refuse(f"{name} should be finite")
    return numbers


def _refuse(what: str) -> NoReturn:
    raise BundleError(
        f"The bundle is damaged: a calibration of its ranker can't be read, {what}. Train it anew."
    )
