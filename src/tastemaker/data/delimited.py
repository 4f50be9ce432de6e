"""Delimited text as columns of strings, each row with the line it begins on.

A clean file goes through polars whole, and the result is checked against the bytes: as many
delimiters and line ends as the cells account for. Where that doesn't hold (a short row, a stray
quote, a blank line) the file is read again record by record, so that only the bad rows are lost.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.names import KNOWN, plain_name
from tastemaker.data.values import looks_like_value
from tastemaker.errors import DataError

DELIMITERS = (",", ";", "\t", "|", "::")
UNIT = "\x1f"
"""Stands in for `::`, and for the delimiter of a file of one column: text doesn't contain it."""
HEAD_LINES = 200
LONGEST_RECORD_LINES = 500
"""A quote that isn't closed within so many lines was never meant to open."""
BLOCK = 100_000


class Record(NamedTuple):
    """Cells of one record, or why there are none."""

    line: int
    cells: list[str]
    problem: str | None
    raw: str


def parse(content: bytes, name: str) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """(rows, line of each, rejected) from UTF-8 text that isn't empty.

    Raises:
        DataError: there is a header only, or none.
    """
    head = content[: _end_of_line(content, HEAD_LINES)].decode().split("\n")
    delimiter = _delimiter(head)
    if delimiter == "::":
        content, head, delimiter = (
            content.replace(b"::", b"\x1f"),
            [h.replace("::", UNIT) for h in head],
            UNIT,
        )
    start = next(number for number, line in enumerate(head) if line.strip())
    first = next(records(head[start:], delimiter, quoted=True))
    header_lines = start + (first.raw.count("\n") + 1)
    if not content[_end_of_line(content, header_lines) :].strip():
        raise DataError(f"{name} has a header line and no rows ({', '.join(first.cells)[:200]}).")
    names = _names(first.cells)
    fast = _fast(content, delimiter, names, header_lines)
    if fast is not None:
        frame, lines, rejected = *fast, _rejected([])
    else:
        frame, lines, rejected = _careful(content.decode().split("\n"), delimiter, names, header_lines)
    check_header(first.cells, frame, name)
    return frame, lines, rejected


def records(lines: list[str], delimiter: str, quoted: bool, first_line: int = 1) -> Iterator[Record]:
    """Records of `lines` one by one, blank lines left out; a bad quote costs only its own line."""
    at = 0
    while at < len(lines):
        line = lines[at].removesuffix("\r")
        number = first_line + at
        at += 1
        if not line.strip(" "):
            continue
        if not quoted or '"' not in line:
            yield Record(number, line.split(delimiter), None, line)
            continue
        ahead = [part + "\n" for part in lines[at - 1 : at - 1 + LONGEST_RECORD_LINES]]
        reader = csv.reader(ahead, delimiter=delimiter, strict=True)
        try:
            cells = next(reader)
        except csv.Error:
            yield Record(number, [], "a quotation mark is out of place or never closed", line)
            continue
        raw = "".join(ahead[: reader.line_num]).removesuffix("\n").removesuffix("\r")
        at += reader.line_num - 1
        yield Record(number, cells, None, raw)


def _end_of_line(content: bytes, lines: int) -> int:
    """Offset behind the first `lines` lines."""
    end = 0
    for _ in range(lines):
        found = content.find(b"\n", end)
        if found < 0:
            return len(content)
        end = found + 1
    return end


def _delimiter(head: list[str]) -> str:
    """The delimiter that gives most rows of the head as many cells as the header has."""
    best, best_score = UNIT, (0.0, 1)
    for delimiter in DELIMITERS:
        text, one = (
            (head, delimiter) if len(delimiter) == 1 else ([h.replace("::", UNIT) for h in head], UNIT)
        )
        widths = [len(record.cells) for record in records(text, one, quoted=True) if record.problem is None]
        if widths and widths[0] > 1:
            agree = sum(width == widths[0] for width in widths) / len(widths)
            if (agree, widths[0]) > best_score:
                best, best_score = delimiter, (agree, widths[0])
    return best


def _names(cells: list[str]) -> list[str]:
    """Names of the columns: stripped, and told apart where two are alike or one is empty."""
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column {position}"
        names.append(name if name not in names else f"{name} ({position})")
    return names


def _fast(
    content: bytes, delimiter: str, names: list[str], header_lines: int
) -> tuple[pl.DataFrame, pl.Series] | None:
    """The whole file at once, or None when the bytes don't add up to the cells."""
    quoted = b'"' in content
    if quoted and not _quotes_well_formed(content, delimiter):
        return None
    try:
        frame = pl.read_csv(
            content.rstrip(b"\r\n") + b"\n",
            has_header=False,
            skip_lines=header_lines,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            quote_char='"' if quoted else None,
        )
    except pl.exceptions.PolarsError:
        return None
    head = content[: _end_of_line(content, header_lines)]
    body_delimiters = content.count(delimiter.encode()) - head.count(delimiter.encode())
    line_ends = content.rstrip(b"\r\n").count(b"\n") + 1 - header_lines
    within = _count_within(frame, delimiter) if quoted else 0
    breaks = _line_breaks(frame) if quoted else pl.Series([0])
    if body_delimiters != frame.height * (len(names) - 1) + within:
        return None
    if line_ends != frame.height + int(breaks.sum()):
        return None
    if not quoted or not int(breaks.sum()):
        lines = pl.int_range(header_lines + 1, header_lines + 1 + frame.height, eager=True)
    else:
        lines = header_lines + 1 + pl.int_range(frame.height, eager=True) + breaks.cum_sum() - breaks
    frame = frame.with_columns(pl.all().replace("", None)) if quoted else frame  # "" is nothing too
    if len(names) == 1 and frame.to_series().null_count():  # a blank line, which isn't a row
        return None
    if frame.filter(pl.all_horizontal(pl.col(each) == each for each in names)).height:
        return None
    return frame, lines.cast(pl.Int64).alias("line")


def _quotes_well_formed(content: bytes, delimiter: str) -> bool:
    """Whether each quotation mark opens a cell, closes one, or stands doubled inside one."""
    text = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(text == ord('"'))
    if len(marks) % 2:
        return False
    opens, closes = marks[::2], marks[1::2]
    outside = np.array([ord(delimiter), ord("\n"), ord("\r")], np.uint8)
    before = text[np.maximum(opens - 1, 0)]
    opens_well = (opens == 0) | np.isin(before, outside)
    opens_well[1:] |= closes[:-1] == opens[1:] - 1
    after = text[np.minimum(closes + 1, len(text) - 1)]
    closes_well = (closes == len(text) - 1) | np.isin(after, outside)
    closes_well[:-1] |= opens[1:] == closes[:-1] + 1
    return bool(opens_well.all() and closes_well.all())


def _count_within(frame: pl.DataFrame, text: str) -> int:
    counts = frame.select(pl.all().str.count_matches(text, literal=True).sum())
    return sum(count or 0 for count in counts.row(0))


def _line_breaks(frame: pl.DataFrame) -> pl.Series:
    """(R,) line ends inside the cells of each row."""
    counts = pl.all().str.count_matches("\n", literal=True).fill_null(0)
    return frame.select(pl.sum_horizontal(counts).cast(pl.Int64)).to_series()


def _careful(
    lines: list[str], delimiter: str, names: list[str], header_lines: int
) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """Record by record. Where quotation marks are no quotes but letters, fewer rows are lost so."""
    quoted = _sorted_out(lines, delimiter, names, header_lines, quoted=True)
    if any(problem.startswith("a quotation mark") for _, problem, _ in quoted[2]):
        plain = _sorted_out(lines, delimiter, names, header_lines, quoted=False)
        quoted = plain if len(plain[2]) < len(quoted[2]) else quoted
    frame, numbers, rejected = quoted
    return frame, numbers, _rejected(rejected)


def _sorted_out(
    lines: list[str], delimiter: str, names: list[str], header_lines: int, quoted: bool
) -> tuple[pl.DataFrame, pl.Series, list[tuple[int, str, str]]]:
    schema = dict.fromkeys(names, pl.String)
    blocks: list[pl.DataFrame] = [pl.DataFrame(schema=schema)]
    numbers: list[int] = []
    rejected: list[tuple[int, str, str]] = []
    every = records(lines[header_lines:], delimiter, quoted, first_line=header_lines + 1)
    while block := list(itertools.islice(every, BLOCK)):
        good = []
        for record in block:
            problem = record.problem or _wrong_width(len(record.cells), len(names))
            if problem is None and [cell.strip() for cell in record.cells] == names:
                problem = "the header once more"
            if problem is None:
                good.append(record.cells)
                numbers.append(record.line)
            else:
                rejected.append((record.line, problem, record.raw.replace(UNIT, "::")))
        blocks.append(pl.DataFrame(good, schema=schema, orient="row"))
    frame = pl.concat(blocks).with_columns(pl.all().replace("", None))
    return frame, pl.Series("line", numbers, pl.Int64), rejected


def _wrong_width(cells: int, columns: int) -> str | None:
    if cells == columns:
        return None
    return f"{cells} cell{'s' * (cells != 1)} where the header has {columns}"


def _rejected(rows: list[tuple[int, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"line": pl.Int64, "reason": pl.String, "raw": pl.String}, orient="row")


def check_header(cells: list[str], frame: pl.DataFrame, name: str) -> None:
    """Raise DataError when the first line is a row like the others and not names of columns."""
    named = sum(plain_name(cell) in KNOWN for cell in cells)
    if named * 3 >= len(cells):
        return
    values = [cell for cell in cells if looks_like_value(cell)]
    repeated = [
        cell for cell, column in zip(cells, frame.iter_columns(), strict=True) if _repeats(column, cell)
    ]
    if (
        len(values) * 2 >= len(cells)
        or len(repeated) * 2 >= len(cells)
        or (values and (repeated or len(values) > 1 or looks_like_value(cells[0])))
    ):
        raise DataError(
            f"{name} has no header: its first line looks like a row ({', '.join(cells)[:80]}). Put the names "
            "of the columns in a line in front, such as item_id,title,genres or user_id,item_id,timestamp."
        )


def _repeats(values: pl.Series, cell: str) -> bool:
    """Whether what would be a column's name stands in the column too, more than now and then."""
    values = values.head(20_000)
    return bool(cell.strip()) and int((values == cell).sum()) >= max(2, len(values) // 200)
