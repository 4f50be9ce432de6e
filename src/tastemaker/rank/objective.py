"""What a list is sorted by: a formula of what the heads foretell, worked out for all candidates at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.recipe.formula import LARGEST, Given, Made, Number, Step, read_formula

_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Objective:
    """A formula of heads, such as `click^0.5 * watch_time`; its grammar stands in `recipe.formula`.

    Any heads give finite scores. No step goes beyond ±LARGEST, the range of float32: x / 0 and 0^-1 stop
    there, with the sign of what is divided. What has no value (0 / 0, the square root or a broken power of
    less than 0, log(x) for x < -1, a head that is NaN) has none whatever is made of it, and stands last, at
    -LARGEST.

    Attributes:
        text: as it was written.
        heads: names of those it speaks of, each once, in the order they come.
        steps: what is done, values before what is made of them.
    """

    text: str
    heads: tuple[str, ...]
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str, heads: Collection[str]) -> "Objective":
        """Read a formula of a ranker that has these `heads`.

        Raises: ObjectiveError with the place of the mistake and what would be right.
        """
        steps = read_formula(text, heads)
        used = dict.fromkeys(step.head for step in steps if isinstance(step, Given))
        return cls(text, tuple(used), steps)

    def __call__(self, values: Mapping[str, npt.NDArray[np.floating[Any]]]) -> npt.NDArray[np.float32]:
        """(n,) scores, higher is better. Worked out in double precision.

        Args:
            values: (n,) of each head it speaks of, and of others as it comes.
        """
        stack: list[_Values] = []
        with np.errstate(all="ignore"):
            for step in self.steps:
                if isinstance(step, Made):
                    parts = stack[-step.takes :]
                    del stack[-step.takes :]
                    stack.append(_within(_made(step.sign, parts)))
                elif isinstance(step, Number):
                    stack.append(np.array([step.value]))
                else:
                    stack.append(_within(np.asarray(values[step.head], np.float64)))
        (scores,) = stack
        return np.where(np.isnan(scores), -LARGEST, scores).astype(np.float32)


def _made(sign: str, parts: list[_Values]) -> _Values:
    match sign, parts:
        case "+", [one, other]:
            return one + other
        case "-", [one, other]:
            return one - other
        case "-", [one]:
            return -one
        case "*", [one, other]:
            return one * other
        case "/", [one, other]:
            return one / other
        case "^", [one, other]:
            # IEEE has NaN^0 = 1 and 1^NaN = 1; here what has no value keeps none.
            return np.where(np.isnan(one) | np.isnan(other), np.nan, np.power(one, other))
        case "min", [one, other]:
            return np.minimum(one, other)
        case "max", [one, other]:
            return np.maximum(one, other)
        case "log", [one]:
            return np.log1p(one)
        case "sqrt", [one]:
            return np.sqrt(one)
    raise AssertionError(sign)


def _within(values: _Values) -> _Values:
    """Not beyond ±LARGEST, and 0 without a sign, so that 1 / -0 is no other than 1 / 0; NaN stays."""
    kept: _Values = np.minimum(np.maximum(values, -LARGEST), LARGEST) + 0.0
    return kept
