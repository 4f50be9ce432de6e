"""What the cells beside an impression say came of it: yes, no, seconds, or nothing.

An empty cell is a no in a column that never says no otherwise (`1` or nothing), and else says nothing.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.clean import flat, typed_column
from tastemaker.data.names import UNITS, plain_name
from tastemaker.data.report import Finding
from tastemaker.data.values import numbers
from tastemaker.recipe import Column, Role

PASSED_OVER = (
    *("", "false", "f", "no", "n", "not", "none", "null", "nan", "n/a", "na", "-", "?", "\\n"),
    *("skip", "skipped", "pass", "passed", "passed over", "ignore", "ignored", "dismiss", "dismissed"),
    *("hide", "hidden", "no_click", "no click", "impression", "impressions", "shown", "show", "seen"),
    *("display", "displayed", "exposure", "exposed", "served"),
)
"""What stands in an outcome for "wasn't chosen", in lower case; 0 and less says so too."""

SILENT = ("", "nan", "null", "n/a", "na", "?", "\\n", "unknown")
"""What stands there for nothing, in lower case."""

NO = ("false", "f", "no", "n", "not", "none", "-", "off")
YES = ("true", "t", "yes", "y", "on", "x")
SAID: dict[Role, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    Role.COMPLETION: (
        "completed",
        ("completed", "complete", "finished"),
        ("incomplete", "partial", "stopped"),
    ),
    Role.LIKE: (
        "liked",
        ("like", "liked", "up", "thumbs_up", "thumbs up"),
        ("dislike", "disliked", "down", "thumbs_down", "thumbs down"),
    ),
    Role.HIDDEN: ("hidden", ("hide", "hidden", "dismiss", "dismissed", "not_interested"), ("shown", "kept")),
    Role.RANDOMISED: (
        "shown in random order",
        ("random", "randomised", "randomized", "explore", "explored", "exploration"),
        ("ranked", "model", "exploit"),
    ),
}
"""What a column says of a row, and its own words for yes and no."""

COMPLETE = 0.9
"""Share of something after which it is over: what is left are the credits."""


class Said(NamedTuple):
    """What one column says of E impressions."""

    values: pl.Series
    """(E,) Float64, 0 or 1, or seconds; null where unknown"""
    chosen: pl.Series
    """(E,) Float64, 0 or 1: whether it was chosen, if this column tells of choice; null where unknown"""
    told: str
    """one line for the report"""
    repaired: tuple[Finding, ...] = ()


def said_by(cells: pl.Series, column: Column, lines: pl.Series) -> Said:
    """Read a column that says what came of what was shown.

    A click, or another sign of choice, is lenient: a word that isn't known counts as chosen, for one negative
    too few does less harm than a wrong one. Elsewhere such a word is left empty and counted.

    Args:
        cells: (E,) as they stand in the file.
        column: its role is an outcome, or `randomised`.
        lines: (E,) where they stand.
    """
    if column.role in (Role.CLICK, Role.OUTCOME):
        return _choice(cells, column, lines)
    if column.role == Role.WATCH_TIME:
        return _seconds(cells, column, lines)
    return _yes_or_no(cells, column, lines)


def positions_of(cells: pl.Series, column: Column, lines: pl.Series) -> tuple[pl.Series, list[Finding]]:
    """(R,) Int32 places as they are counted in the file, null where unknown; and what can't be one."""
    values, unread = typed_column(cells, column, lines)
    known = values.is_not_null()
    whole = ((values >= 0) & (values == values.floor()) & (values < 2**31 - 1)).fill_null(False)
    found = [unread] if unread else []
    if (known & ~whole).any():
        found.append(_finding(cells, known & ~whole, lines, f"'{column.name}' isn't a place, left empty"))
    return values.set(~whole, None).cast(pl.Int32), found


def _choice(cells: pl.Series, column: Column, lines: pl.Series) -> Said:
    text, _ = typed_column(cells, column, lines)
    chosen = _chosen(text)
    values = _known(chosen, _words(text)) if column.role == Role.CLICK else chosen
    told = f"'{column.name}' says of {int(chosen.sum()):,} of {len(chosen):,} that they were chosen"
    return Said(values, chosen, told)


def _seconds(cells: pl.Series, column: Column, lines: pl.Series) -> Said:
    values, unread = typed_column(cells, column, lines)
    unit = plain_name(column.name).rpartition("_")[2]
    values = values * UNITS.get(unit, 1.0)
    found = [unread] if unread else []
    wrong = ((values < 0) | (values > np.finfo(np.float32).max)).fill_null(False)
    if wrong.any():
        found.append(_finding(cells, wrong, lines, f"'{column.name}' isn't a length of time, left empty"))
    text, _ = typed_column(cells, column.model_copy(update={"role": Role.OUTCOME}), lines)
    chosen = (values > 0).cast(pl.Float64).fill_null(_chosen(text))
    values = values.set(wrong, None)
    told = (
        f"'{column.name}' says of {values.count():,} of {len(values):,} how long they were watched, in "
        + {1.0: "seconds", 0.001: "milliseconds", 60.0: "minutes", 3600.0: "hours"}[UNITS.get(unit, 1.0)]
    )
    return Said(values, _known(chosen, _words(text)), told, tuple(found))


def _yes_or_no(cells: pl.Series, column: Column, lines: pl.Series) -> Said:
    what, yes, no = SAID[column.role]
    text, _ = typed_column(cells, column, lines)
    word = _words(text)
    bare = text.str.strip_chars().str.strip_suffix("%")
    number, _ = numbers(bare, column.decimal)
    is_yes = (number > 0).fill_null(word.is_in([*YES, *yes]))
    is_no = (number <= 0).fill_null(word.is_in([*NO, *no]))
    chosen = values = is_yes.cast(pl.Float64).set(~(is_yes | is_no), None)
    told = ""
    if column.role == Role.COMPLETION and (whole := _whole(number, text)) is not None:
        values = (number >= COMPLETE * whole).cast(pl.Float64).fill_null(values)
        told = f" ({COMPLETE:.0%} of it or more)"
    values, chosen = _known(values, word), _known(chosen, word)
    odd = ~(is_yes | is_no | word.is_in(list(SILENT)))
    found = [_finding(cells, odd, lines, f"'{column.name}' says neither yes nor no, left empty")] * odd.any()
    told = f"'{column.name}' says of {int(values.sum()):,} of {len(values):,} that they were {what}{told}"
    return Said(values, chosen, told, tuple(found))


def _whole(number: pl.Series, text: pl.Series) -> float | None:
    """How much is all of it, where the cells are shares (0.35, 35%, 35); None where they are 0 and 1."""
    most = number.max()
    if not isinstance(most, float):
        return None
    if text.str.contains("%", literal=True).any() or 10 < most <= 100:  # 2 could be twice
        return 100.0
    return 1.0 if most <= 1 and ((number > 0) & (number < 1)).any() else None


def _chosen(text: pl.Series) -> pl.Series:
    """(E,) 1 where a cell says so, else 0."""
    is_amount = text.cast(pl.Float64, strict=False).fill_null(1) > 0  # of a word, the word decides
    return (~_words(text).is_in(list(PASSED_OVER)) & is_amount).cast(pl.Float64)


def _words(text: pl.Series) -> pl.Series:
    return text.fill_null("").str.strip_chars().str.to_lowercase()


def _known(values: pl.Series, word: pl.Series) -> pl.Series:
    """Without what a silent cell says: a no where the column never says no otherwise, and else nothing."""
    silent = word.is_in(list(SILENT))
    says_no = ((values <= 0) & ~silent).any()
    return values.set(silent, None if says_no else 0.0)


def _finding(cells: pl.Series, where: pl.Series, lines: pl.Series, what: str) -> Finding:
    return Finding.at(what, lines.filter(where).to_list(), flat(cells).filter(where).head(5).to_list())
