"""What raters sent back, checked against the key and un-blinded."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tastemaker.errors import DataError, hint
from tastemaker.evaluation.raters.study import FORMAT, Asked, Key

CHOICES = ("left", "right", "both", "neither", "unknown")
"""Left is better, right is better, equally good, equally bad, don't know."""
MOST_S = 1e9
"""Thirty years at one question: no page counts so far."""
SHARES = {"both": 0.5, "neither": 0.5, "unknown": math.nan}


@dataclass(frozen=True)
class Answer:
    """Attributes:
    asked: the question.
    choice: one of CHOICES, as it was seen.
    left, right: places of titles that don't belong, from 0.
    seconds: that it took.
    """

    asked: Asked
    choice: str
    left: tuple[int, ...]
    right: tuple[int, ...]
    seconds: float

    @property
    def of_a(self) -> float:
        """What of the point `a` gets: 1, 0, ½ of a tie; NaN of "don't know"."""
        if self.choice in SHARES:
            return SHARES[self.choice]
        return float(getattr(self.asked, self.choice) == "a")

    @property
    def meaning(self) -> str:
        """The choice without its side: a, b, chance, both, neither or unknown."""
        return str(getattr(self.asked, self.choice)) if self.choice in ("left", "right") else self.choice

    def irrelevant(self, side: str) -> float:
        """Share of the titles of `a` or `b` that were marked; NaN where it wasn't shown."""
        for place, marks, ids in (
            (self.asked.left, self.left, self.asked.left_ids),
            (self.asked.right, self.right, self.asked.right_ids),
        ):
            if place == side and ids:
                return len(marks) / len(ids)
        return math.nan


@dataclass(frozen=True)
class Sheet:
    """All answers of one rater, by the number of the question."""

    rater: str
    answers: dict[int, Answer]


def read_answers(paths: Sequence[Path], key: Key) -> list[Sheet]:
    """The files of a study. Raises DataError with one line where one isn't, or a rater comes twice."""
    if not paths:
        raise DataError("Give the files that raters sent back: tastemaker raters read STUDY answers-*.json")
    sheets: dict[str, Sheet] = {}
    of: dict[str, Path] = {}
    for path in paths:
        sheet = _sheet(path, key)
        name = sheet.rater.casefold()
        if name in sheets:
            raise DataError(f"{path} and {of[name]} are both of {sheet.rater}: give one file a rater.")
        sheets[name], of[name] = sheet, path
    return list(sheets.values())


def _sheet(path: Path, key: Key) -> Sheet:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Can't read {path}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path} is no JSON: it should be a file that the page of a study saved.") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(f"{path} holds no answers to a study.")
    if values.get("study") != key.study:
        other = json.dumps(values.get("study"))[:60].strip('"')
        raise DataError(f"{path} answers another study ({other}); this one is {key.study}.")
    rater, given = values.get("rater"), values.get("answers")
    # What a terminal or a picture can't show is no part of a name.
    rater = "".join(letter for letter in rater if letter.isprintable()) if isinstance(rater, str) else ""
    if not rater.strip() or not isinstance(given, list):
        raise DataError(f"{path} doesn't say who answered, or what.")
    asked = {each.number: each for each in key.questions}
    answers: dict[int, Answer] = {}
    for one in given:
        answer = _answer(path, one, asked)
        if answer.asked.number in answers:
            raise DataError(f"{path} answers question {answer.asked.number} twice.")
        answers[answer.asked.number] = answer
    return Sheet(rater.strip(), answers)


def _answer(path: Path, one: Any, asked: dict[int, Asked]) -> Answer:
    if not isinstance(one, dict):
        raise DataError(f"{path} holds an answer that is none: {json.dumps(one)[:60]}.")
    number, choice, seconds = one.get("number"), one.get("choice"), one.get("seconds", 0)
    if isinstance(number, bool) or not isinstance(number, int) or number not in asked:
        raise DataError(f"{path} answers a question {json.dumps(number)[:60]}, which the study doesn't have.")
    if not isinstance(choice, str) or choice not in CHOICES:
        raise DataError(
            f"{path} answers question {number} with {json.dumps(choice)[:60]}. {hint(str(choice), CHOICES)}"
        )
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_S:
        raise DataError(f"{path}: question {number} took {json.dumps(seconds)[:60]} seconds.")
    question, marks = asked[number], {}
    for side, ids in (("left", question.left_ids), ("right", question.right_ids)):
        found = one.get(side, [])
        places = found if isinstance(found, list) else [None]
        known = all(isinstance(at, int) and not isinstance(at, bool) and 0 <= at < len(ids) for at in places)
        if not known or len(set(places)) < len(places):
            raise DataError(f"{path}: question {number} marks titles that its {side} list doesn't have.")
        marks[side] = tuple(places)
    return Answer(question, choice, marks["left"], marks["right"], float(seconds))
