"""What a study came to: who is better and how sure that is, how far raters agree, and whom to doubt.

In go the key and the answers. A point a question and rater: 1 for `a`, 0 for `b`, ½ for a tie; "don't know"
counts for nothing. A model is called better where two things hold: the interval of its share leaves out
one half, with raters and questions both drawn by chance (`crossed`); and a sign-flip test does, in which both
models' lists change places for whole questions (Pitman, 1937; the raters of a question go together).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from tastemaker.evaluation.agreement import Agreement, agreement
from tastemaker.evaluation.crossed import Crossed, crossed_interval, far_from
from tastemaker.evaluation.raters.answers import Answer, Sheet
from tastemaker.evaluation.raters.study import Key
from tastemaker.evaluation.report import Mark, plain

if TYPE_CHECKING:
    from tastemaker.pages.section import Section

Finding = Literal["a", "b", "no difference can be shown", "too few answers to say"]
Points = npt.NDArray[np.float64]

FEWEST = 6
"""Questions: of five that all speak for one model, one in 16 says so by chance (2 / 2⁵)."""
FLIPS = 10_000
LEVEL = 0.05
POWER = 0.8
"""Chance with which a further study should show what this one saw."""
HURRIED_S = 2.0
"""Seconds a question, by the median, in which nobody reads two lists."""
SAME_OF = 10
"""Answers from which "always the same one" says something."""
MOST_QUESTIONS = 2000
ORDER = {"b": -1.0, "both": 0.0, "neither": 0.0, "a": 1.0}
NAMES = {"b": 0.0, "both": 1.0, "neither": 2.0, "a": 3.0}


@dataclass(frozen=True)
class Rater:
    """One rater.

    Attributes:
        answered, unknown: questions; of those, "don't know".
        of_a: share of `a`, ties as a half; None where there is none.
        kept, repeats: how many of the repeated questions got the same answer again.
        passed, checks: how many times the list drawn by chance was not called better.
        left: share of left among left and right; its interval holds for all raters at once at 95 %.
        seconds: median a question.
        doubts: why these answers may say little, a clause each.
    """

    name: str
    answered: int
    unknown: int
    of_a: float | None
    kept: int
    repeats: int
    passed: int
    checks: int
    left: Mark
    seconds: float
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """Attributes:
    finding: which is better, or why that can't be said.
    share: of `a`, ties as a half, with its 95 % interval.
    chance: of the sign-flip test; None where nothing could be flipped.
    wins: answers for a, for b, equally good, equally bad, don't know.
    agreement: by the four answers as names, and by b < tie < a.
    irrelevant: share of titles marked as not belonging, by model.
    irrelevant_more: of `a` less `b`.
    could_show: the least distance from one half that such a study shows four times of five.
    questions_needed: questions, with the same number of raters, that would show what was seen four times of
        five; None where no number does.
    left: share of left of all raters together.
    """

    key: Key
    finding: Finding
    share: Mark
    chance: float | None
    questions: int
    answers: int
    wins: dict[str, int]
    agreement: tuple[Agreement, Agreement]
    irrelevant: dict[str, Mark]
    irrelevant_more: Mark
    could_show: float | None
    questions_needed: int | None
    left: Mark
    raters: tuple[Rater, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        values = asdict(self)
        values.pop("key")
        key = {"study": self.key.study, "a": self.key.a, "b": self.key.b, "identical": self.key.identical}
        told = [each.as_json() for each in self.agreement]
        raters = [each | {"doubts": list(each["doubts"])} for each in values["raters"]]
        return key | values | {"agreement": told, "raters": raters}

    def section(self) -> "Section":
        """For a terminal, a report and JSON."""
        from tastemaker.evaluation.raters.told import told

        return told(self)


def read(key: Key, sheets: Sequence[Sheet], seed: int = 1) -> Reading:
    """The verdict on a study. `seed` is for the test's flips and the bootstrap of alpha."""
    rng = np.random.default_rng(seed)
    main = [each.number for each in key.questions if each.kind == "question"]
    all_of_them = [each.number for each in key.questions]
    points = _grid(main, sheets, lambda answer: answer.of_a)
    given = crossed_interval(points, (0.0, 1.0))
    chance = sign_flips(points - 0.5, rng)
    named = [_grid(main, sheets, partial(_coded, codes)).T for codes in (NAMES, ORDER)]
    marked = {side: _grid(main, sheets, methodcaller("irrelevant", side)) for side in ("a", "b")}
    meanings = [sheet.answers[n].meaning for sheet in sheets for n in main if n in sheet.answers]
    wins = {kind: meanings.count(kind) for kind in ("a", "b", "both", "neither", "unknown")}
    return Reading(
        key=key,
        finding=_finding(given, chance),
        share=_mark(given),
        chance=chance,
        questions=given.questions,
        answers=given.answers,
        wins=wins,
        agreement=(agreement(named[0], "nominal", rng), agreement(named[1], "ordinal", rng)),
        irrelevant={side: _mark(crossed_interval(shares, (0.0, 1.0))) for side, shares in marked.items()},
        irrelevant_more=_mark(crossed_interval(marked["a"] - marked["b"], (-1.0, 1.0))),
        could_show=_could_show(given, given.questions),
        questions_needed=_needed(given),
        left=_mark(crossed_interval(_grid(all_of_them, sheets, _is_left), (0.0, 1.0))),
        raters=tuple(_rater(sheet, main, len(sheets)) for sheet in sheets),
    )


def _grid(main: Sequence[int], sheets: Sequence[Sheet], value: Any) -> Points:
    """(Q, R) of the questions that count, NaN where one wasn't answered."""
    return np.array(
        [[value(sheet.answers[n]) if n in sheet.answers else np.nan for sheet in sheets] for n in main],
        np.float64,
    ).reshape(len(main), len(sheets))


def _finding(given: Crossed, chance: float | None) -> Finding:
    if given.questions < FEWEST:
        return "too few answers to say"
    if chance is None or chance > LEVEL or given.low <= 0.5 <= given.high:
        return "no difference can be shown"
    return "a" if given.low > 0.5 else "b"


def sign_flips(points: Points, rng: np.random.Generator, flips: int = FLIPS) -> float | None:
    """Chance of a sum as far from 0, were each question's sides a toss; all of 2^Q where that is few."""
    sums = np.nansum(points, axis=1)
    sums = sums[sums != 0]
    if not len(sums):
        return None
    if 2 ** len(sums) <= flips:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((abs(signs @ sums) >= abs(sums.sum()) - 1e-9).mean())
    signs = 1 - 2 * rng.integers(0, 2, (flips, len(sums)))
    return float((1 + (abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum()) / (1 + flips))


def _could_show(given: Crossed, questions: int) -> float | None:
    """Half of the interval for so many questions, and what POWER takes beside."""
    if given.questions < 2 or questions < 2:
        return None
    of_questions = given.of_questions * given.questions / questions
    far = far_from(of_questions, given.of_raters, questions, given.raters)
    return float(far + stats.norm.ppf(POWER) * np.sqrt(of_questions + given.of_raters))


def _needed(given: Crossed) -> int | None:
    if given.questions < 2 or given.mean == 0.5:
        return None
    far = abs(given.mean - 0.5)

    def is_enough(questions: int) -> bool:
        least = _could_show(given, questions)
        return least is not None and least <= far

    found = bisect_left(range(MOST_QUESTIONS + 1), True, lo=FEWEST, key=is_enough)
    return found if found <= MOST_QUESTIONS else None


def _mark(given: Crossed) -> Mark:
    return Mark(plain(given.mean), plain(given.low), plain(given.high))


def _coded(codes: dict[str, float], answer: Answer) -> float:
    return codes.get(answer.meaning, np.nan)


def _is_left(answer: Answer) -> float:
    return float(answer.choice == "left") if answer.choice in ("left", "right") else np.nan


def _left(answers: Sequence[Answer], raters: int) -> Mark:
    """Clopper and Pearson's interval, the 5 % shared by `raters` of them (Bonferroni)."""
    picks = [answer.choice == "left" for answer in answers if answer.choice in ("left", "right")]
    if not picks:
        return Mark(None, None, None)
    exact = stats.binomtest(sum(picks), len(picks)).proportion_ci(1 - LEVEL / raters, "exact")
    return Mark(sum(picks) / len(picks), float(exact.low), float(exact.high))


def _rater(sheet: Sheet, main: Sequence[int], raters: int) -> Rater:
    answers = list(sheet.answers.values())
    counted = np.array([sheet.answers[n].of_a for n in main if n in sheet.answers], np.float64)
    pairs = [
        (sheet.answers[answer.asked.repeats], answer)
        for answer in answers
        if answer.asked.repeats is not None and answer.asked.repeats in sheet.answers
    ]
    kept = sum(first.meaning == second.meaning for first, second in pairs)
    checks = [answer for answer in answers if answer.asked.kind == "check" and answer.choice != "unknown"]
    passed = sum(answer.meaning != "chance" for answer in checks)
    left = _left(answers, raters)
    seconds = float(np.median([answer.seconds for answer in answers])) if answers else 0.0
    doubts = []
    if passed < len(checks):
        doubts.append(f"called a list drawn by chance better ({len(checks) - passed} of {len(checks)})")
    turned = sum({first.meaning, second.meaning} == {"a", "b"} for first, second in pairs)
    if turned > 1 and 2 * turned > len(pairs):
        doubts.append(f"preferred the other model in {turned} of {len(pairs)} repeated questions")
    if left.low is not None and left.high is not None and not left.low <= 0.5 <= left.high:
        doubts.append(f"chose the {'left' if left.low > 0.5 else 'right'} side whatever stood there")
    if answers and seconds < HURRIED_S:
        doubts.append(f"took {seconds:.1f} s a question")
    if len(answers) >= SAME_OF and len({answer.choice for answer in answers}) == 1:
        doubts.append("always gave the same answer")
    return Rater(
        sheet.rater,
        len(answers),
        sum(answer.choice == "unknown" for answer in answers),
        None if np.isnan(counted).all() else float(np.nanmean(counted)),
        kept,
        len(pairs),
        passed,
        len(checks),
        left,
        seconds,
        tuple(doubts),
    )
