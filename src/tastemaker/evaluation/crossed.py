"""How sure a mean is where every answer has two sources of chance: who answered, and what was asked.

In go answers of a few raters to the same questions, out comes an interval that would hold for other raters
and other questions of the same kind. A bootstrap over both (Owen, AoAS 2007) knows too little of a handful
of raters and counts the noise of a single answer up to three times (`benchmarks/raters.py` shows both). So
the variance is taken apart: with a of questions, b of raters and e of single answers,

    V(mean) = a / Q + b / R + e / (Q R),

each estimated from its mean square (Searle, Casella and McCulloch, Variance Components, 1992, ch. 4). The
interval's half squared is t²(Q − 1) times what questions and answers add, and t²(R − 1) times what raters
add: few raters who differ make it wide, few who agree don't.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Answers = npt.NDArray[np.float64]
"""(Q, R) a row a question, a column a rater; NaN where there is no answer."""

TURNS = 50
"""Of least squares; where nothing is missing, one is enough."""


class Crossed(NamedTuple):
    """A mean of answers and the range that holds the true one in `level` of all repeats.

    questions, raters, answers: how many.
    of_questions: what questions and single answers add to the variance of the mean; less, the more there are.
    of_raters: what raters add, however many questions they answer.
    """

    mean: float
    low: float
    high: float
    questions: int = 0
    raters: int = 0
    answers: int = 0
    of_questions: float = 0.0
    of_raters: float = 0.0


def crossed_interval(answers: Answers, bounds: tuple[float, float], level: float = 0.95) -> Crossed:
    """The mean of all answers; an empty row or column counts for nothing. NaN where there are none.

    Of one rater only questions are counted as chance: it holds for that rater.

    Args:
        bounds: between which an answer lies. Where all lie at one of them nothing varies, so the interval is
            Clopper and Pearson's (Biometrika 1934) for one answer a question.
    """
    known = ~np.isnan(answers)
    answers, known = answers[known.any(1)][:, known.any(0)], known[known.any(1)][:, known.any(0)]
    questions, raters = answers.shape
    count = int(known.sum())
    if not count:
        return Crossed(float("nan"), float("nan"), float("nan"))
    mean = float(answers[known].mean())
    rest = np.where(known, answers - mean, 0.0)
    noise = _noise(rest, known) / count
    of_questions = max(_of_groups(rest.sum(1), count), noise)
    of_raters = max(0.0, _of_groups(rest.sum(0), count) - noise)
    if mean in bounds:
        tail = ((1 - level) / 2) ** (1 / questions)
        low = mean if mean == bounds[0] else bounds[0] + tail * (bounds[1] - bounds[0])
        high = mean if mean == bounds[1] else bounds[1] - tail * (bounds[1] - bounds[0])
    elif questions == 1:
        low, high = bounds  # one question says nothing of others
    else:
        far = far_from(of_questions, of_raters, questions, raters, level)
        low, high = max(mean - far, bounds[0]), min(mean + far, bounds[1])
    return Crossed(mean, low, high, questions, raters, count, of_questions, of_raters)


def far_from(
    of_questions: float, of_raters: float, questions: int, raters: int, level: float = 0.95
) -> float:
    """Half of the interval for such parts of the variance."""
    upto = (1 + level) / 2
    far = of_questions * stats.t.ppf(upto, questions - 1) ** 2
    if raters > 1:
        far += of_raters * stats.t.ppf(upto, raters - 1) ** 2
    return float(np.sqrt(far))


def _of_groups(sums: npt.NDArray[np.float64], count: int) -> float:
    """Variance of the mean as the sums of G groups show it."""
    groups = len(sums)
    return float(groups / (groups - 1) * (sums**2).sum() / count**2) if groups > 1 else 0.0


def _noise(rest: Answers, known: npt.NDArray[np.bool_]) -> float:
    """Mean square of what questions and raters leave unexplained; 0 where it can't be told apart."""
    df = int(known.sum()) - rest.shape[0] - rest.shape[1] + 1
    if min(rest.shape) < 2 or df < 1:
        return 0.0
    left = rest.copy()
    for _ in range(TURNS if not known.all() else 1):
        left -= np.where(known, (left.sum(1) / known.sum(1))[:, None], 0.0)
        left -= np.where(known, (left.sum(0) / known.sum(0))[None, :], 0.0)
    return float((left**2).sum() / df)
