"""Objectives in words: `click^0.5 * watch_time` → the steps that work them out.

Read by hand, a letter at a time; nothing of what was typed is ever run. This part knows no arrays, so that a
recipe can be checked where it is read; `rank.objective` does the sums.

    formula = product {("+" | "-") product}
    product = signed {("*" | "/") signed}
    signed  = "-" signed | power
    power   = one ["^" signed]
    one     = number | head | "(" formula ")" | "log" "(" formula ")" | "sqrt" "(" formula ")"
            | "min" "(" formula "," formula ")" | "max" "(" formula "," formula ")"

So ^ binds tightest and to the right, as in school: -2^2 is -4, and 2^3^2 is 2^9.
"""

import difflib
import re
from collections.abc import Collection
from typing import Any, Literal, NamedTuple, NoReturn

from tastemaker.errors import ObjectiveError

Head = Literal["click", "watch_time", "dwell", "completion", "like"]
HEADS: tuple[Head, ...] = ("click", "watch_time", "dwell", "completion", "like")
"""What a ranker foretells of a place. click, completion, like: the chance of it. watch_time: seconds, 0 where
nothing was chosen. dwell: seconds, of those who chose."""

LONGEST = 1000
"""Characters of a formula, at most."""
DEEPEST = 50
"""Brackets, minus signs and powers within one another, at most."""
LARGEST = 3.4028234663852886e38
"""The largest float32: no number of a formula is further from 0."""

FUNCTIONS = {"log": 1, "sqrt": 1, "min": 2, "max": 2}
"""How many values each takes; log is that of 1 + x."""

_TOKEN = re.compile(
    r"""(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>\*\*|[-+*/^(),])""",
    re.VERBOSE,
)


class Number(NamedTuple):
    """A step that lays down a number, from 0 to LARGEST."""

    value: float


class Given(NamedTuple):
    """A step that lays down what a head foretells."""

    head: str


class Made(NamedTuple):
    """A step that takes the last values, `takes` of them, and lays down what comes of them.

    sign: "+", "-", "*", "/", "^" or a function; "-" of one value turns it round.
    """

    sign: str
    takes: int


Step = Number | Given | Made


def read_formula(text: str, heads: Collection[str] = HEADS) -> tuple[Step, ...]:
    """The steps of a formula, in the order they are taken: each value before what is made of it.

    Args:
        heads: those that there are; any of HEADS is known by name.

    Raises: ObjectiveError with the place of the mistake and what would be right.
    """
    return _Reader(text, heads).whole()


class _Token(NamedTuple):
    kind: Literal["number", "word", "sign", "end"]
    text: str
    at: int

    @property
    def shown(self) -> str:
        if self.kind == "end":
            return "the end"
        return repr(self.text if len(self.text) <= 40 else self.text[:39] + "…")


def _refuse(at: int, what: str) -> NoReturn:
    raise ObjectiveError(" ".join(f"In the objective, at character {at + 1}: {what}".split()))


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise ObjectiveError(f"The objective has {len(text):,} characters; {LONGEST:,} are the most.")
    found: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            _refuse(at, _strange(text[at:]))
        kind: Any = match.lastgroup
        if match[0] == "**":
            _refuse(at, "'**' means nothing here. Did you mean '^'?")
        found.append(_Token(kind, match[0], at))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


def _strange(rest: str) -> str:
    if rest[0].isdigit() or rest[0] == ".":
        return f"{rest.split()[0][:20]!r} is no number."
    hint = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")", "{": "(", "}": ")"}
    close = hint.get(rest[0])
    return f"{rest[0]!r} means nothing here.{f' Did you mean {close!r}?' if close else ''}"


class _Reader:
    """One formula, from its first letter to its last."""

    def __init__(self, text: str, heads: Collection[str]) -> None:
        self._tokens = _tokens(text)
        self._heads = heads
        self._place = 0
        self._depth = 0
        self._steps: list[Step] = []

    def whole(self) -> tuple[Step, ...]:
        if self._ends():
            _refuse(0, "it is empty. An objective reads like this: click^0.5 * watch_time.")
        self._formula()
        if not self._ends():
            _refuse(self._next.at, f"+, -, *, /, ^ or the end should stand here, not {self._next.shown}.")
        if not any(isinstance(step, Given) for step in self._steps):
            _refuse(
                0, f"it speaks of no head, so it can't tell items apart. There are {_listed(self._heads)}."
            )
        return tuple(self._steps)

    def _ends(self) -> bool:
        return self._next.kind == "end"

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _takes(self, *signs: str) -> str:
        """The sign that comes next, read, where it is one of these; else nothing."""
        return self._take().text if self._next.kind == "sign" and self._next.text in signs else ""

    def _need(self, sign: str) -> None:
        if not self._takes(sign):
            _refuse(self._next.at, f"'{sign}' should stand here, not {self._next.shown}.")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            at = self._next.at
            _refuse(at, f"brackets, minus signs and powers lie within one another more than {DEEPEST} deep.")

    def _formula(self) -> None:
        self._product()
        while sign := self._takes("+", "-"):
            self._product()
            self._steps.append(Made(sign, 2))

    def _product(self) -> None:
        self._signed()
        while sign := self._takes("*", "/"):
            self._signed()
            self._steps.append(Made(sign, 2))

    def _signed(self) -> None:
        self._deeper()
        if self._takes("-"):
            self._signed()
            self._steps.append(Made("-", 1))
        else:
            self._one()
            if self._takes("^"):
                self._signed()
                self._steps.append(Made("^", 2))
        self._depth -= 1

    def _one(self) -> None:
        token = self._take()
        if token.kind == "number":
            if float(token.text) > LARGEST:
                _refuse(token.at, f"{token.shown} is more than {LARGEST:.2g}, the most there is.")
            self._steps.append(Number(float(token.text)))
        elif token.text == "(":
            self._formula()
            self._need(")")
        elif token.kind != "word":
            _refuse(token.at, f"a head or a number should stand here, not {token.shown}.")
        elif token.text in FUNCTIONS or self._next.text == "(":
            self._function(token)
        else:
            self._head(token)

    def _function(self, name: _Token) -> None:
        count = FUNCTIONS.get(name.text)
        if count is None:
            _refuse(name.at, f"there is no function {name.shown}; there are {_listed(FUNCTIONS)}.")
        self._need("(")
        self._formula()
        for _ in range(1, count):
            self._need(",")
            self._formula()
        if self._next.text == ",":
            what = "one value" if count == 1 else "two values"
            _refuse(self._next.at, f"{name.text} takes {what}: ')' should stand here, not ','.")
        self._need(")")
        self._steps.append(Made(name.text, count))

    def _head(self, name: _Token) -> None:
        if name.text in self._heads:
            self._steps.append(Given(name.text))
            return
        has = f"It has {_listed(self._heads)}." if self._heads else "It has none."
        if name.text in HEADS:
            _refuse(name.at, f"this ranker has no head '{name.text}'. {has}")
        close = difflib.get_close_matches(name.text.casefold(), self._heads, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"There are {_listed(self._heads)}."
        _refuse(name.at, f"there is no head {name.shown}. {hint}")


def _listed(names: Collection[str]) -> str:
    *most, last = names or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
