"""Cells as numbers, dates and times: one reading for a whole column, decided by all its values.

A cell that doesn't fit the column's reading becomes null; whoever calls counts those. A column that
could be read in two ways with different results is refused where a date is concerned, for a wrong
date looks like a right one.
"""

import re
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.errors import DataError
from tastemaker.recipe import DateOrder

Decimal = Literal[".", ","]

NOTHING = ("", "-", "--", "?", "n/a", "na", "nan", "null", "none", "nil", "\\n", "\\\\n", "unknown")
"""What stands in a number or date cell for "we don't know", in lower case."""

ORDERS: dict[DateOrder, str] = {"ymd": "year-month-day", "dmy": "day-month-year", "mdy": "month-day-year"}

_SPACES = "[\\s\u00a0\u2007\u2009\u202f'’_]"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\b\.?"
_CLOCK = (
    r"(?i)[t ,]\s*(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([ap]m)?\s*(z|utc|gmt|[+-]\d{2}:?\d{2})?\s*$"
)
_TRIPLE = r"^(\d{1,4})\s*[-/. ]\s*(\d{1,2})\s*[-/. ]\s*(\d{1,4})$"
# The one place where a number is told from a word: digits, then groups of 2 or 3 and a last of 3.
_GROUPED = r"^[+-]?\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}(?:{mark}\d*)?$"
_PLAIN = r"^[+-]?(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$"


class Dates(NamedTuple):
    values: pl.Series
    """(R,) Date, null where unreadable."""
    order: DateOrder


def trimmed(series: pl.Series) -> pl.Series:
    """Without spaces around, and null where the cell says in some way that nothing is known."""
    text = series.str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(list(NOTHING)).fill_null(False), None)


def numbers(series: pl.Series, decimal: Decimal | None = None) -> tuple[pl.Series, Decimal]:
    """(R,) Float64 and the column's decimal mark.

    Digits may be grouped the Western way (1,234,567.8), the European (1.234.567,8), the Indian
    (81,21,00,000), or by spaces and apostrophes. Which mark is the decimal one is taken from the
    values that show it; where none does ("1,234" or "1.234" throughout) it is the point.

    Args:
        series: (R,) String.
        decimal: states the mark instead.
    """
    text = trimmed(series)
    if decimal in (None, "."):
        plain = text.cast(pl.Float64, strict=False)
        plain = plain.set(~plain.is_finite().fill_null(True), None)
        if plain.null_count() == text.null_count() and not (decimal is None and _groups_by_point(text)):
            return plain, "."
    text = text.str.replace_all(_SPACES, "")
    if decimal is None:
        decimal = decimal_mark(text)
    return _parse_numbers(text, decimal), decimal


def decimal_mark(text: pl.Series) -> Decimal:
    """The decimal mark that most of the telling values speak for; the point where none tells."""
    comma = _speaks_for(text, mark=",", group=r"\.")
    point = _speaks_for(text, mark=r"\.", group=",")
    return "," if comma > point else "."


def _speaks_for(text: pl.Series, mark: str, group: str) -> int:
    """How many values can only be read with `mark` as the decimal mark."""
    several_groups = rf"^[+-]?\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}{mark}\d*$"
    no_group_of_three = rf"^[+-]?(?:\d*{mark}(?:\d{{0,2}}|\d{{4,}})|(?:0|\d{{4,}}){mark}\d+)$"
    repeated = rf"^[+-]?\d{{1,3}}(?:{group}\d{{2,3}})+{group}\d{{3}}$"
    pattern = f"(?:{several_groups})|(?:{no_group_of_three})|(?:{repeated})"
    return int(text.str.contains(pattern).sum() or 0)


def _groups_by_point(text: pl.Series) -> bool:
    """Whether points group digits somewhere; then "1.234", which reads as a plain number, isn't one."""
    return bool(text.str.contains(r"^[+-]?\d{1,3}(?:\.\d{3}){2,}$").any())


def _parse_numbers(text: pl.Series, decimal: Decimal) -> pl.Series:
    mark, group = (r"\.", ",") if decimal == "." else (",", r"\.")
    fits = text.str.contains(_PLAIN.format(mark=mark)) | text.str.contains(
        _GROUPED.format(mark=mark, group=group)
    )
    text = text.set(~fits.fill_null(True), None).str.replace_all(group, "")
    if decimal == ",":
        text = text.str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def looks_like_value(cell: str) -> bool:
    """Whether one cell is a number, a date or a web address rather than a word."""
    if re.match(r"^\s*(https?://|www\.)", cell):
        return True
    one = pl.Series([cell])
    if numbers(one)[0].null_count() == 0:
        return True
    return bool(re.search(r"\d", cell)) and share_of_dates(trimmed(one)) > 0


class _Parts(NamedTuple):
    """Three numbers of each date cell and where the year stands, as far as the cell itself says."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    third: npt.NDArray[np.int64]
    year_first: npt.NDArray[np.bool_]
    """four digits come first, or the month has a name: nothing is left to decide"""
    year_last: npt.NDArray[np.bool_]
    is_date: npt.NDArray[np.bool_]


def _without_clock(text: pl.Series) -> pl.Series:
    return text.str.replace(_CLOCK, "").str.replace(r"(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", "")


def _date_parts(text: pl.Series) -> _Parts:
    """Take each cell apart. `text` is trimmed."""
    day = _without_clock(text)
    day = _with_numbered_months(day)
    day = day.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3").str.replace(
        r"^(\d{4})[-/.](\d{1,2})$", "$1-$2-1"
    )
    groups = day.str.extract_groups(_TRIPLE).struct.unnest()
    texts = [groups.to_series(position) for position in range(3)]
    first, second, third = (
        texts[position].cast(pl.Int64, strict=False).fill_null(-1).to_numpy() for position in range(3)
    )
    long_first = (texts[0].str.len_chars() == 4).fill_null(False).to_numpy()
    long_last = (texts[2].str.len_chars() == 4).fill_null(False).to_numpy()
    short = ((texts[0].str.len_chars() <= 2) & (texts[2].str.len_chars() <= 2)).fill_null(False).to_numpy()
    is_date = (first >= 0) & (long_first ^ long_last | short)
    return _Parts(first, second, third, long_first & ~long_last, long_last & ~long_first, is_date)


def _with_numbered_months(text: pl.Series) -> pl.Series:
    """`01-Jan-1995`, `1 January 1995` and `Jan 1, 1995` as `1995-1-1`; other cells as they are."""
    named = text.str.contains(_MONTH).fill_null(False)
    if not named.any():
        return text
    month = text.str.extract(_MONTH, 1).str.to_lowercase()
    number = month.replace_strict({name: str(1 + at) for at, name in enumerate(_MONTHS)}, default=None)
    rest = text.str.replace(_MONTH, " ").str.replace_all(r"(?i)(\d)(st|nd|rd|th)\b", "$1")
    parts = rest.str.extract_all(r"\d+")
    a, b = parts.list.get(0, null_on_oob=True), parts.list.get(1, null_on_oob=True)
    only_two = (parts.list.len() == 2).fill_null(False)
    year_leads = (a.str.len_chars() == 4).fill_null(False)
    year = pl.select(pl.when(year_leads).then(a).otherwise(b)).to_series()
    day = pl.select(pl.when(year_leads).then(b).otherwise(a)).to_series()
    short = (year.str.len_chars() == 2).fill_null(False)
    pivot = year.cast(pl.Int64, strict=False)
    full = pl.select(
        pl.when(short).then(pivot + pl.when(pivot <= 68).then(2000).otherwise(1900)).otherwise(pivot)
    )
    iso = pl.select(pl.concat_str([full.to_series().cast(pl.String), number, day], separator="-")).to_series()
    month_only = (parts.list.len() == 1).fill_null(False) & year_leads
    first_of = pl.select(pl.concat_str([a, number, pl.lit("1")], separator="-")).to_series()
    return pl.select(
        pl.when(named & only_two).then(iso).when(named & month_only).then(first_of).otherwise(text)
    ).to_series()


def dates(series: pl.Series, order: DateOrder | None = None, column: str = "") -> Dates:
    """(R,) Date and the order the column is written in.

    A year of four digits in front, a month with a name, or a number of seconds or milliseconds
    needs no deciding. For the rest one order is chosen for the whole column: the one that reads
    the most values.

    Args:
        series: (R,) String.
        order: states the order instead.
        column: its name, for the message.

    Raises:
        DataError: two orders read the values equally well with different results, or half one
            way, half the other.
    """
    text = trimmed(series)
    moments = _unix_days(text)
    if moments is not None:
        return Dates(moments, "ymd")
    parts = _date_parts(text)
    fixed = _days(parts.first, parts.second, parts.third, parts.year_first & parts.is_date)
    open_cells = parts.is_date & ~parts.year_first
    if not open_cells.any():
        return Dates(_as_dates(fixed), order or "ymd")
    readings = {each: _read_as(parts, each, open_cells) for each in ([order] if order else ORDERS)}
    chosen = order or _decide(readings, text, open_cells, column)
    days = np.where(np.isnat(fixed), readings[chosen], fixed)
    return Dates(_as_dates(days), chosen)


Days = npt.NDArray[np.datetime64]


def _read_as(parts: _Parts, order: DateOrder, cells: npt.NDArray[np.bool_]) -> Days:
    year, month, day = {
        "ymd": (parts.first, parts.second, parts.third),
        "dmy": (parts.third, parts.second, parts.first),
        "mdy": (parts.third, parts.first, parts.second),
    }[order]
    if order == "ymd":
        cells = cells & ~parts.year_last
    return _days(year, month, day, cells)


def _decide(
    readings: dict[DateOrder, Days], text: pl.Series, cells: npt.NDArray[np.bool_], column: str
) -> DateOrder:
    counts = {order: int((~np.isnat(days)).sum()) for order, days in readings.items()}
    best = max(counts, key=lambda order: counts[order])
    how = f"""State it: --set 'data.columns."{column}".date_order={best}' (or another of ymd, dmy, mdy)."""
    for order, days in readings.items():
        if order == best:
            continue
        differs = ~np.isnat(days) & (days != readings[best])
        example = str(text.filter(pl.Series(differs))[0]) if differs.any() else ""
        if counts[order] == counts[best] and differs.any():
            raise DataError(
                f"The dates of column '{column}' could be {ORDERS[best]} or {ORDERS[order]} "
                f"(for example {example}), and no value tells which. {how}"
            )
        only_here = int((~np.isnat(days) & np.isnat(readings[best])).sum())
        if only_here * 10 > int(cells.sum()):
            raise DataError(
                f"Column '{column}' mixes dates in {ORDERS[best]} and {ORDERS[order]} order "
                f"({only_here} of {int(cells.sum())} fit only the latter, for example {example}). {how}"
            )
    return best


def _days(
    year: npt.NDArray[np.int64],
    month: npt.NDArray[np.int64],
    day: npt.NDArray[np.int64],
    cells: npt.NDArray[np.bool_],
) -> Days:
    """(R,) datetime64[D]; NaT outside `cells` and where there is no such day."""
    year = np.where(year < 100, year + np.where(year <= 68, 2000, 1900), year)
    well = cells & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1000) & (year <= 2999)
    months = (np.where(well, year, 1970) - 1970) * 12 + np.where(well, month, 1) - 1
    start = months.astype("datetime64[M]")
    days = start.astype("datetime64[D]") + np.where(well, day - 1, 0)
    well &= days.astype("datetime64[M]") == start  # 31 April isn't 1 May
    return np.where(well, days, np.datetime64("NaT", "D"))


def _as_dates(days: Days) -> pl.Series:
    return pl.Series(days.astype("datetime64[D]")).cast(pl.Date)


def _unix_days(text: pl.Series) -> pl.Series | None:
    """(R,) Date from seconds or milliseconds since 1970, when that is what the column holds."""
    if not (text.str.contains(r"^\d{9,19}(?:\.\d+)?$").sum() or 0) * 2 > len(text) - text.null_count():
        return None
    return (_seconds(text) * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.date()


def _seconds(text: pl.Series) -> pl.Series:
    """(R,) Float64 seconds of numbers in whatever unit; small numbers stay as they are."""
    values = text.cast(pl.Float64, strict=False)
    values = values.set(~values.is_finite().fill_null(True), None)
    size = values.abs().median()
    # Seconds pass 1e11 in the year 5138; milliseconds were below it until 1973.
    for above, divisor in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if isinstance(size, float) and size > above:
            return values / divisor
    return values


def times(
    series: pl.Series, order: DateOrder | None = None, column: str = ""
) -> tuple[pl.Series, DateOrder | None]:
    """(R,) Float64 seconds since 1970, or the sequence number that stood there; null where unreadable.

    Numbers are seconds, milliseconds, micro- or nanoseconds by their size, or a plain sequence.
    Anything else is a date, with or without a time of day and an offset from UTC.
    """
    text = trimmed(series)
    values = _seconds(text)
    known = len(text) - text.null_count()
    if (len(text) - values.null_count()) * 2 >= known and not _is_compact_date(text):
        return values, None
    day, order = dates(series, order, column)
    return day.to_physical().cast(pl.Float64) * 86_400 + _seconds_of_day(text), order


def _seconds_of_day(text: pl.Series) -> pl.Series:
    """(R,) Float64 seconds after midnight UTC; 0 where the cell is a date alone."""
    clock = text.str.extract_groups(_CLOCK).struct.unnest()
    hour, minute, second, half, zone = (clock.to_series(position) for position in range(5))
    number = pl.Float64
    half = half.str.to_lowercase()
    noon = (half.is_in(["am", "pm"]) & (hour.cast(number) == 12)).fill_null(False).cast(number)
    afternoon = (half == "pm").fill_null(False).cast(number)
    hours = hour.cast(number).fill_null(0.0) - 12 * noon + 12 * afternoon
    seconds = second.str.replace(",", ".", literal=True).cast(number).fill_null(0.0)
    offset = zone.str.extract_groups(r"([+-])(\d{2}):?(\d{2})").struct.unnest()
    sign, ahead_hours, ahead_minutes = (offset.to_series(position) for position in range(3))
    ahead = ahead_hours.cast(number) * 60 + ahead_minutes.cast(number)
    ahead = (ahead * (1 - 2 * (sign == "-").cast(number))).fill_null(0.0)
    return hours * 3600 + (minute.cast(number).fill_null(0.0) - ahead) * 60 + seconds


def _is_compact_date(text: pl.Series) -> bool:
    """Whether all are 8 digits that make a day between 1900 and 2099: 20230131."""
    known = text.drop_nulls()
    if not len(known) or not known.str.contains(r"^(?:19|20)\d{6}$").all():
        return False
    return share_of_dates(known) == 1.0


def share_of_dates(text: pl.Series) -> float:
    """Share of the known cells that are dates in some order. `text` is trimmed."""
    known = text.drop_nulls()
    if not len(known):
        return 0.0
    parts = _date_parts(known)
    valid = np.zeros(len(known), bool)
    for order in ORDERS:
        cells = parts.is_date if order == "ymd" else parts.is_date & ~parts.year_first
        valid |= ~np.isnat(_read_as(parts, order, cells))
    return float(valid.mean())
