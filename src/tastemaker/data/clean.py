"""A table and its columns → a `Catalogue`: typed, one row a key, with a report of every repair.

The log is cleaned by `clean_log`, by the same rules: a row without its key is refused, a cell that
can't be read is emptied and counted, and where too many rows are refused reading stops.
"""

import ast
import json
from typing import Any

import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.report import FileReport, Finding, Kind
from tastemaker.data.tables import REJECTED, Table
from tastemaker.data.values import dates, numbers, trimmed
from tastemaker.errors import DataError
from tastemaker.recipe import Column, Role

WORDLESS = ("", "\\n", "n/a", "nan", "null", "none", "(no genres listed)")
"""What stands in a category or text cell for nothing, in lower case."""

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DAMAGED = rf"^(?:\d{{1,2}}-{_MONTH}|{_MONTH}-\d{{1,2}})$"
"""What a spreadsheet makes of a title such as `22 July` or `October 1`."""


def clean_catalogue(
    table: Table, columns: tuple[Column, ...], kind: Kind, max_rejected: float, least: int = 2
) -> tuple[Catalogue, FileReport]:
    """Type the columns, refuse rows without a key, and make one row of those with the same key.

    A file with ids may repeat a whole row, which then says nothing new; one known by its titles may
    be a join of several periods, so there the popularity of every row counts.

    Args:
        least: items that have to remain; of users, none has to.

    Raises:
        DataError: more than `max_rejected` of the rows are unusable, or fewer than `least` items remain.
    """
    key = next(column for role in (Role.ID, Role.TITLE) for column in columns if column.role == role)
    missing = table.frame[key.name].str.strip_chars().fill_null("") == ""
    rejected = pl.concat([table.rejected, refused(table, missing, f"no {key.role}: '{key.name}' is empty")])
    check_rejected(rejected, table, max_rejected)
    kept = ~missing
    lines = table.lines.filter(kept)
    repaired: list[Finding] = []
    typed: list[pl.Series] = []
    for column in columns:
        if column.role != Role.IGNORED:
            cells = table.frame[column.name].filter(kept)
            values, finding = (cells, None) if column == key else typed_column(cells, column, lines)
            typed.append(values)
            repaired += [finding] if finding else []
    frame = pl.DataFrame(typed)
    duplicates = 0
    if key.role == Role.ID and frame[key.name].is_duplicated().any():
        plain = frame.with_columns(pl.col(pl.List(pl.String)).list.join("\x1f"))
        first = plain.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        duplicates = int((~first).sum())
        frame, lines = frame.filter(first), lines.filter(first)
    suspicious = _damaged_titles(frame, columns, lines)
    merged = _merged(frame, columns, key.name)
    if merged.height < least and kind == "items":
        raise DataError(
            f"{table.name} has {merged.height} usable item{'s' * (merged.height != 1)} in "
            f"{table.rows_read:,} rows; a recommender needs at least two."
        )
    report = FileReport(
        kind=kind,
        name=table.name,
        columns=columns,
        read=table.rows_read,
        kept=merged.height,
        rejected=rejected.sort("line"),
        merged=frame.height - merged.height,
        duplicates=duplicates,
        repaired=tuple(repaired),
        suspicious=suspicious,
        notes=(*table.notes, *_ignored(table, columns)),
        samples=samples(table),
    )
    return Catalogue(merged, columns), report


def typed_column(cells: pl.Series, column: Column, lines: pl.Series) -> tuple[pl.Series, Finding | None]:
    """A column's cells as its role has them, and how many of them couldn't be read."""
    if column.role in (
        Role.NUMBER,
        Role.POPULARITY,
        Role.WEIGHT,
        Role.POSITION,
        Role.WATCH_TIME,
        Role.PROPENSITY,
    ):
        values, _ = numbers(flat(cells), column.decimal)
        return values.alias(column.name), unreadable(cells, values, lines, column.name, "a number")
    if column.role == Role.DATE:
        values = dates(flat(cells), column.date_order, column.name).values
        return values.alias(column.name), unreadable(cells, values, lines, column.name, "a date")
    if column.role == Role.CATEGORIES:
        return _lists(cells, column.separator).alias(column.name), None
    text = flat(cells)
    if column.role in (Role.CATEGORY, Role.TEXT):
        text = text.str.strip_chars()
        return text.set(text.str.to_lowercase().is_in(list(WORDLESS)).fill_null(False), None), None
    return text.set((text.str.strip_chars() == "").fill_null(False), None), None


def unreadable(cells: pl.Series, values: pl.Series, lines: pl.Series, name: str, what: str) -> Finding | None:
    """The cells that held something and became nothing."""
    lost = values.is_null() & trimmed(flat(cells)).is_not_null()
    if not lost.any():
        return None
    where, shown = lines.filter(lost).to_list(), flat(cells).filter(lost).head(5).to_list()
    return Finding.at(f"'{name}' isn't {what}, left empty", where, shown)


def refused(table: Table, rows: pl.Series, reason: str) -> pl.DataFrame:
    """The rows under the mask as `REJECTED`."""
    if not rows.any():
        return pl.DataFrame(schema=REJECTED)
    return pl.DataFrame(
        {"line": table.lines.filter(rows), "reason": [reason] * int(rows.sum()), "raw": table.raw(rows)},
        schema=REJECTED,
    )


def check_rejected(rejected: pl.DataFrame, table: Table, max_rejected: float) -> None:
    """Raise DataError when more of a file is unusable than was agreed to."""
    if rejected.height <= max_rejected * table.rows_read:
        return
    reasons = (
        rejected.group_by("reason")
        .agg(pl.len().alias("n"), pl.col("line", "raw").first())
        .sort("n", "reason")
    )
    reason, count, line, raw = reasons.row(-1)
    raise DataError(
        f"{rejected.height:,} of {table.rows_read:,} rows of {table.name} can't be used, more than the "
        f"{max_rejected:.0%} allowed. Mostly ({count:,}): {reason}; line {line}: {_short(raw)}. "
        "Mend the file, or raise data.max_rejected."
    )


def samples(table: Table) -> dict[str, str]:
    """The first value of each column, to show."""
    first = {name: table.frame[name].drop_nulls().head(1).to_list() for name in table.frame.columns}
    return {
        name: ", ".join(value[0]) if isinstance(value[0], list) else value[0]
        for name, value in first.items()
        if value
    }


def _short(raw: str) -> str:
    one_line = " ".join(raw.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:59]}…"


def flat(cells: pl.Series) -> pl.Series:
    """(R,) String: lists as one text."""
    return cells.list.join(", ") if isinstance(cells.dtype, pl.List) else cells


def _ignored(table: Table, columns: tuple[Column, ...]) -> list[str]:
    return [
        f"column '{column.name}' is empty throughout and is ignored"
        for column in columns
        if table.frame[column.name].null_count() == table.frame.height
    ]


def _lists(cells: pl.Series, separator: str | None) -> pl.Series:
    """(R,) List(String): parts stripped, empty ones dropped, each once; null where none is left."""
    if separator == "json":
        cells = pl.Series([_json_names(cell) for cell in cells.to_list()], dtype=pl.List(pl.String))
    elif cells.dtype == pl.String:
        cells = cells.str.split(separator) if separator else cells.reshape((-1, 1)).arr.to_list()
    part = pl.element().str.strip_chars()
    known = part.filter(~part.str.to_lowercase().is_in(list(WORDLESS))).unique(maintain_order=True)
    frame = cells.alias("parts").to_frame().select(pl.col("parts").list.eval(known))
    return frame.select(pl.when(pl.col("parts").list.len() > 0).then(pl.col("parts"))).to_series()


def _json_names(cell: str | None) -> list[str] | None:
    """`[{"id": 1, "name": "Drama"}]`, `["Drama"]` or `['Drama']` as names; None where it is none of them."""
    if cell is None:
        return None
    try:
        values = json.loads(cell)
    except ValueError:
        try:
            values = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return [_json_name(value) for value in values] if isinstance(values, list) else None


def _json_name(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", next(iter(value.values()), "")))
    return str(value)


def _merged(frame: pl.DataFrame, columns: tuple[Column, ...], key: str) -> pl.DataFrame:
    """One row a key, in order of first appearance.

    Popularity adds up, the earliest date stays, categories unite; of anything else the first that
    is known stays.
    """
    if not frame[key].is_duplicated().any():
        return frame
    together = {
        Role.POPULARITY: lambda name: pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name),
        Role.DATE: lambda name: pl.col(name).min(),
        Role.CATEGORIES: lambda name: pl.col(name).explode().drop_nulls().unique(maintain_order=True),
    }
    first = lambda name: pl.col(name).drop_nulls().first()  # noqa: E731
    kept = [column for column in columns if column.name in frame.columns and column.name != key]
    united = frame.group_by(key, maintain_order=True).agg(
        [together.get(column.role, first)(column.name) for column in kept]
    )
    lists = [name for name, dtype in united.schema.items() if isinstance(dtype, pl.List)]
    united = united.with_columns(pl.when(pl.col(name).list.len() > 0).then(pl.col(name)) for name in lists)
    return united.select(frame.columns)


def _damaged_titles(
    frame: pl.DataFrame, columns: tuple[Column, ...], lines: pl.Series
) -> tuple[Finding, ...]:
    titles = [column.name for column in columns if column.role == Role.TITLE]
    found = []
    for name in titles:
        damaged = frame[name].str.contains(DAMAGED).fill_null(False)
        if damaged.any():
            where, shown = lines.filter(damaged).to_list(), frame[name].filter(damaged).to_list()
            found.append(
                Finding.at(f"'{name}' looks like a title that a spreadsheet made into a date", where, shown)
            )
    return tuple(found)


def catalogue_of(ids: pl.Series, name: str) -> Catalogue:
    """A catalogue of nothing but ids, in order of first appearance."""
    frame = ids.unique(maintain_order=True).alias(name).to_frame()
    return Catalogue(frame, (Column(name=name, role=Role.ID),))
