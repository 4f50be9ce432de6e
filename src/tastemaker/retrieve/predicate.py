"""Filters in words: `language == "Korean" and year(released) >= 2020 and not kids` → which rows pass.

Read by hand, a letter at a time; nothing of what was typed is ever run.

    filter     = all {"or" all}
    all        = one {"and" one}
    one        = "not" one | "(" filter ")" | column | comparison
    comparison = column sign value | value sign column
               | column ["not"] "in" "[" [value {"," value}] "]"
               | column "is" ["not"] ("missing" | "known")
    sign       = "==" | "!=" | "<" | "<=" | ">" | ">="
    column     = name | "`" any name "`" | "year(" column ")"
    value      = number | "text" | 'text' | true | false

A date is a text, "2020-01-31". Of a column of lists, == means "has" and != "has not". A comparison with
what is missing is false, != and `not in` too; `not` turns that round like anything else.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal, NamedTuple

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import FilterError
from tastemaker.hits import Bools
from tastemaker.retrieve.columns import Column, Columns, plain, refuse

LONGEST = 4000
"""Characters of a filter, at most."""
DEEPEST = 50
"""Brackets and `not`s within one another, at most."""
KEPT = 32
"""Filters whose masks are kept, those asked for last: a byte an item each."""

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_KEYWORDS = {"and", "or", "not", "in", "is", "true", "false"}
_TOKEN = re.compile(
    r"""(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | `(?P<name>[^`]+)`
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>==|!=|<=|>=|[<>()\[\],])""",
    re.VERBOSE | re.DOTALL,
)


class Passed(NamedTuple):
    """What a filter lets through.

    rows: (N,) which; read-only.
    remarks: comparisons that no item meets, in words: where nothing passes they say why.
    """

    rows: Bools
    remarks: tuple[str, ...]


class Filters:
    """Reads filters over one catalogue and keeps what the last ones let through; threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._columns = Columns(catalogue)
        self._passed = lru_cache(KEPT)(self._read)

    def passed(self, text: str) -> Passed:
        """Which rows pass. Raises FilterError with the place of the mistake and what would be right."""
        return self._passed(text)

    def _read(self, text: str) -> Passed:
        passed = _Reader(text, self._columns).whole()
        passed.rows.setflags(write=False)
        return passed


class _Token(NamedTuple):
    kind: Literal["number", "text", "name", "word", "sign", "end"]
    text: str
    at: int

    @property
    def keyword(self) -> str:
        """A word of the grammar or a sign, in small letters; nothing for a value or a quoted name."""
        return self.text.casefold() if self.kind in ("word", "sign") else ""

    @property
    def shown(self) -> str:
        if self.kind == "end":
            return "the end"
        return repr(self.text if len(self.text) <= 40 else self.text[:39] + "…")


class _Given(NamedTuple):
    """A value of a comparison, and where it stands."""

    value: float | str | bool
    at: int


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise FilterError(f"The filter has {len(text):,} characters; {LONGEST:,} are the most.")
    found: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            refuse(at, _strange(text[at:]))
        kind: Any = match.lastgroup
        if any("\ud800" <= letter <= "\udfff" for letter in match[kind]):
            refuse(at, "this is not text.")
        found.append(_Token(kind, match[kind], at))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


def _strange(rest: str) -> str:
    if rest[0] in "\"'`":
        return f"a {rest[0]} is opened and never closed."
    if rest[0].isdigit() or rest[0] in "-.":
        return f"{rest.split()[0][:20]!r} is no number; a text stands in quotes."
    hint = {"=": "==", "&": "and", "|": "or", "!": "not"}.get(rest[0])
    return f"{rest[0]!r} means nothing here.{f' Did you mean {hint!r}?' if hint else ''}"


class _Reader:
    """One filter, from its first letter to its last."""

    def __init__(self, text: str, columns: Columns) -> None:
        self._tokens = _tokens(text)
        self._columns = columns
        self._place = 0
        self._depth = 0
        self._remarks: dict[str, None] = {}

    def whole(self) -> Passed:
        if self._ends():
            refuse(0, 'it is empty. A filter reads like this: language == "Korean" and not kids.')
        rows = self._any()
        if not self._ends():
            refuse(self._next.at, f"'and', 'or' or the end should stand here, not {self._next.shown}.")
        return Passed(rows, tuple(self._remarks))

    def _ends(self) -> bool:
        return self._next.kind == "end"

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _takes(self, *keywords: str) -> bool:
        """Whether these words come next; if so, they are read."""
        ahead = self._tokens[self._place : self._place + len(keywords)]
        if tuple(token.keyword for token in ahead) != keywords:
            return False
        self._place += len(keywords)
        return True

    def _need(self, sign: str) -> None:
        if not self._takes(sign):
            refuse(self._next.at, f"'{sign}' should stand here, not {self._next.shown}.")

    def _any(self) -> Bools:
        rows = self._all()
        while self._takes("or"):
            rows |= self._all()
        return rows

    def _all(self) -> Bools:
        rows = self._one()
        while self._takes("and"):
            rows &= self._one()
        return rows

    def _one(self) -> Bools:
        first = self._next
        if first.keyword not in ("not", "("):
            return self._comparison()
        self._depth += 1
        if self._depth > DEEPEST:
            refuse(first.at, f"brackets and 'not' lie within one another more than {DEEPEST} deep.")
        if self._takes("not"):
            rows = ~self._one()
        else:
            self._need("(")
            rows = self._any()
            self._need(")")
        self._depth -= 1
        return rows

    def _comparison(self) -> Bools:
        if self._next.kind in ("number", "text") or self._next.keyword in ("true", "false"):
            shown = self._next.shown
            value = self._value()
            sign = self._take()
            if sign.keyword not in _SIGNS:
                refuse(sign.at, f"{shown} should be compared with a column, as in year >= 2020.")
            return self._compared(self._column(), _TURNED[sign.keyword], value)
        place = self._next.at
        column = self._column()
        if self._next.keyword in _SIGNS:
            return self._compared(column, self._take().keyword, self._value())
        if self._takes("in"):
            return self._having(column)
        if self._takes("not", "in"):
            return ~self._having(column) & column.known
        if self._takes("is"):
            return self._is(column)
        return column.flags(place)

    def _column(self) -> Column:
        token = self._name()
        if token.kind == "name" or not self._takes("("):
            return self._columns.named(token.text, token.at)
        if token.keyword != "year":
            refuse(token.at, f"there is no {token.shown} of a column; there is year().")
        inner = self._name()
        self._need(")")
        return self._columns.year(self._columns.named(inner.text, inner.at), token.at)

    def _name(self) -> _Token:
        token = self._take()
        if token.kind not in ("word", "name") or token.keyword in _KEYWORDS:
            refuse(token.at, f"a column should stand here, not {token.shown}.")
        return token

    def _value(self) -> _Given:
        token = self._take()
        if token.kind == "number":
            return _Given(float(token.text), token.at)
        if token.kind == "text":
            return _Given(re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL), token.at)
        if token.keyword in ("true", "false"):
            return _Given(token.keyword == "true", token.at)
        hint = " A text stands in quotes." if token.kind in ("word", "name") else ""
        return refuse(token.at, f"a value should stand here, not {token.shown}.{hint}")

    def _compared(self, column: Column, sign: str, value: _Given) -> Bools:
        if self._next.keyword in _SIGNS:
            refuse(self._next.at, "one comparison at a time: 1990 <= year and year < 2000.")
        given = _fit(column, value)
        if column.holds in ("numbers", "dates") and not isinstance(given, bool):
            return plain(_SIGNS[sign](column.values, given))
        if sign not in ("==", "!="):
            what = "yes and no have" if isinstance(given, bool) else f"'{column.name}' has"
            refuse(value.at, f"{what} no order: use ==, != or in.")
        rows = column.flags(value.at) == given if isinstance(given, bool) else self._remarked(column, [given])
        found: Bools = (rows == (sign == "==")) & column.known
        return found

    def _having(self, column: Column) -> Bools:
        self._need("[")
        values: list[Any] = []
        while self._next.keyword != "]":
            if values:
                self._need(",")
            value = self._value()
            if isinstance(value.value, bool):
                refuse(value.at, "a list is of numbers, texts or dates.")
            values.append(_fit(column, value))
        self._need("]")
        return self._remarked(column, values)

    def _remarked(self, column: Column, values: list[Any]) -> Bools:
        rows = column.having(values)
        if not rows.any() and column.holds in ("texts", "lists"):
            for value in values[:3]:
                close = column.spelled(value)
                hint = f" (there is '{close}')" if close else ""
                self._remarks[f"no item has {value[:40]!r} in '{column.name}'{hint}"] = None
        return rows

    def _is(self, column: Column) -> Bools:
        turned = self._takes("not")
        state = self._take()
        if state.keyword not in ("missing", "known"):
            refuse(state.at, f"'missing' or 'known' should stand here, not {state.shown}.")
        return column.known if (state.keyword == "known") != turned else ~column.known


def _fit(column: Column, given: _Given) -> Any:
    """The value as the column holds them; true and false are of any."""
    name, (value, at) = column.name, given
    if isinstance(value, bool):
        return value
    match column.holds, value:
        case ("numbers", float()) | ("texts" | "lists", str()):
            return value
        case "numbers", _:
            refuse(at, f"'{name}' holds numbers; this is a text.")
        case "dates", str():
            try:
                return date.fromisoformat(value)
            except ValueError:
                refuse(at, f"'{name}' holds dates, and {value[:40]!r} is none. \"2020-01-31\" is.")
        case "dates", _:
            refuse(at, f"'{name}' holds dates, as \"2020-01-31\"; its years are year(`{name}`).")
    return refuse(at, f"'{name}' holds texts: put this number in quotes.")
