"""Any file or frame as one plain table: strings, and beside each row the line it stood on.

CSV with any usual delimiter, Parquet and JSON Lines, each also gzipped; what a file is, its content
says and not its name. What the columns mean is left to `roles`, what the rows are worth to `clean`.
"""

import difflib
import gzip
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from tastemaker.data import delimited
from tastemaker.data.encoding import is_binary, to_utf8
from tastemaker.data.names import KNOWN, plain_name
from tastemaker.errors import DataError

Source = str | Path | Any
"""A path, a pandas or polars frame, or a list of dicts."""

REJECTED = pl.Schema({"line": pl.Int64, "reason": pl.String, "raw": pl.String})
"""What could not be used of a file: where, why, and what stood there."""


@dataclass(frozen=True)
class Table:
    """The content of one file before anybody has said what it means.

    Attributes:
        name: the file's path, or `the items frame`.
        frame: (R,) rows; every column is String, or List(String) where Parquet or JSON had a list.
            An empty cell is null; nothing else is: "NA" and "null" are words like any other.
        lines: (R,) Int64, the line of the file each row begins on, its header being line 1; in
            Parquet and frames, which have no lines, the row counted from 1.
        rejected: rows that have no place in the table, columns of `REJECTED`.
        notes: what was decided on the way, one sentence each.
        typed: columns that came as numbers, not as text: their decimal mark is the point.
    """

    name: str
    frame: pl.DataFrame
    lines: pl.Series
    rejected: pl.DataFrame
    notes: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()

    @property
    def rows_read(self) -> int:
        return self.frame.height + self.rejected.height

    def raw(self, keep: pl.Series) -> pl.Series:
        """The rows under the mask `keep` (R,) as text, cells joined by commas."""
        cells = [
            pl.col(name).list.join("|") if isinstance(dtype, pl.List) else pl.col(name)
            for name, dtype in self.frame.schema.items()
        ]
        joined = pl.concat_str([cell.fill_null("") for cell in cells], separator=",")
        return self.frame.filter(keep).select(joined.alias("raw"))["raw"]


def read_table(source: Source, name: str) -> Table:
    """A table from a path, a frame or a list of dicts. `name` is what a frame is called in messages.

    Raises:
        DataError: the path is missing, a folder, unreadable, empty, binary, or has no header.
    """
    if isinstance(source, str | Path):
        return parse_table(read_bytes(Path(source)), str(source))
    if isinstance(source, list):
        return _from_dicts(source, name)
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        raise DataError(
            f"{name} came as {type(source).__name__}; a path or a pandas or polars frame is needed."
        ) from None
    return _from_columns(
        {str(column): _series(frame[column]) for column in frame.columns}, f"the {name} frame", frame.shape[0]
    )


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unzipped when it is gzipped. Raises DataError in one line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.{_near(path)}") from None
    except IsADirectoryError:
        raise DataError(
            f"{path} is a folder; name one file in it. "
            "A published data set becomes tables by `tastemaker data convert FORMAT FOLDER --out DIR`."
        ) from None
    except OSError as error:
        raise DataError(f"Can't read {path}: {error.strerror or error}.") from None
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} begins like a gzip file but can't be unpacked: {error}.") from None
    if not content.strip():
        raise DataError(f"{path} is empty; a header line and at least two rows are needed.")
    return content


def parse_table(content: bytes, name: str) -> Table:
    """A table from the bytes of a file that isn't empty."""
    if content.startswith(b"PAR1"):
        return _parquet(content, name)
    if content.startswith(b"PK\x03\x04"):
        raise DataError(
            f"{name} is a zip archive or an Excel workbook. Unpack it, or save the sheet as CSV (UTF-8)."
        )
    if is_binary(content):
        raise DataError(f"{name} is a binary file; CSV, Parquet or JSON Lines is needed.")
    text, notes = to_utf8(content)
    first = text[:4096].lstrip()[:1]
    if first == b"{":
        return _json_lines(text, name, notes)
    if first == b"[" and text[:4096].lstrip()[1:].lstrip().startswith((b"{", b"[")):
        raise DataError(f"{name} is one JSON array; write one object on each line (`jq -c '.[]'` does it).")
    frame, lines, rejected = delimited.parse(text, name)
    if not KNOWN.intersection(map(plain_name, frame.columns)):
        notes = (*notes, f"the first line was taken for the header: {', '.join(frame.columns)[:80]}")
    return Table(name, frame, lines, rejected, notes)


def _near(path: Path) -> str:
    try:
        close = difflib.get_close_matches(path.name, [file.name for file in path.parent.iterdir()], n=1)
    except OSError:
        return f" There is no folder {path.parent} either."
    return f" Did you mean {path.parent / close[0]}?" if close else ""


def _parquet(content: bytes, name: str) -> Table:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name} begins like a Parquet file but can't be read: {reason}.") from None
    return _from_columns({column: frame[column] for column in frame.columns}, name, frame.height)


def _from_columns(columns: dict[str, pl.Series], name: str, height: int) -> Table:
    if not columns or not height:
        raise DataError(f"{name} has {len(columns)} columns and {height} rows; at least two rows are needed.")
    frame = pl.DataFrame([as_text(series).alias(column) for column, series in columns.items()])
    return Table(
        name,
        frame,
        pl.Series("line", range(1, height + 1), pl.Int64),
        pl.DataFrame(schema=REJECTED),
        typed=frozenset(column for column, series in columns.items() if series.dtype.is_numeric()),
    )


def _from_dicts(objects: list[Any], name: str) -> Table:
    """One row a dict; a key may be missing anywhere."""
    if not objects:
        raise DataError(f"The list of {name} is empty.")
    for place, value in enumerate(objects, 1):
        if not isinstance(value, dict):
            raise DataError(
                f"The list of {name} holds a {type(value).__name__} in place {place}, not a dict."
            )
    keys = list(dict.fromkeys(key for value in objects for key in value))
    if not keys:
        raise DataError(f"The {name} came without a single key.")
    values = {str(key): [_plain(value.get(key)) for value in objects] for key in keys}
    return Table(
        f"the {name} list",
        pl.DataFrame([_json_column(key, cells) for key, cells in values.items()]),
        pl.Series("line", range(1, len(objects) + 1), pl.Int64),
        pl.DataFrame(schema=REJECTED),
        typed=frozenset(
            key
            for key, cells in values.items()
            if all(isinstance(cell, int | float) for cell in cells if cell is not None)
        ),
    )


def _plain(value: Any) -> Any:
    """A value as JSON would have brought it: NumPy's and other sequences as lists."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _series(column: nw.Series[Any]) -> pl.Series:
    """A polars series from any frame's column; a column of mixed Python objects value by value."""
    try:
        return column.to_polars()
    except Exception:  # pyarrow, pandas and polars each raise their own kind for mixed objects
        return pl.Series([_text(value) for value in column.to_list()], dtype=pl.String)


def as_text(series: pl.Series) -> pl.Series:
    """Any column as String or List(String): whole numbers without a point, dates in ISO form."""
    dtype = series.dtype
    if dtype == pl.String:
        return series.replace("", None)
    if isinstance(dtype, pl.List | pl.Array):
        as_list = series.arr.to_list() if isinstance(dtype, pl.Array) else series
        if isinstance(as_list.dtype, pl.List) and as_list.dtype.inner == pl.String:
            return as_list
        return pl.Series([_texts(value) for value in as_list.to_list()], dtype=pl.List(pl.String))
    if dtype.is_float():
        known = series.drop_nulls().drop_nans()
        # 2**53: beyond it a float no longer names one whole number.
        if len(known) and bool(((known == known.floor()) & (known.abs() < 2**53)).all()):
            return series.fill_nan(None).cast(pl.Int64).cast(pl.String)
        return series.fill_nan(None).cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else series
        midnight = bool((utc.dt.truncate("1d") == utc).all())
        return utc.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M:%S%.f")
    if dtype == pl.Boolean or dtype.is_numeric() or dtype in (pl.Date, pl.Categorical, pl.Enum):
        return series.cast(pl.String).replace("", None)
    return pl.Series([_text(value) for value in series.to_list()], dtype=pl.String)


def _json_lines(text: bytes, name: str, notes: tuple[str, ...]) -> Table:
    """One object a line. A line that isn't one is rejected; a key may be missing anywhere."""
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    rejected: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.decode().split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            rejected.append((number, f"not JSON: {str(error).partition(':')[0].lower()}", line))
            continue
        if isinstance(value, dict):
            objects.append(value)
            lines.append(number)
        else:
            rejected.append((number, "not a JSON object", line))
    if not objects:
        raise DataError(
            f"{name} looks like JSON Lines, but none of its {len(rejected)} lines is a JSON object "
            f"(line {rejected[0][0]}: {rejected[0][1]}). Write one object on each line."
        )
    keys = list(dict.fromkeys(key for value in objects for key in value))
    frame = pl.DataFrame([_json_column(key, [value.get(key) for value in objects]) for key in keys])
    return Table(
        name,
        frame,
        pl.Series("line", lines, pl.Int64),
        pl.DataFrame(rejected, schema=REJECTED, orient="row"),
        notes,
    )


def _json_column(key: str, values: list[Any]) -> pl.Series:
    if any(isinstance(value, list) for value in values):
        return pl.Series(key, [_texts(value) for value in values], dtype=pl.List(pl.String))
    return pl.Series(key, [_text(value) for value in values], dtype=pl.String)


def _texts(value: Any) -> list[str] | None:
    """The texts of a list (of objects, their names), or of one value as a list of one."""
    if value is None:
        return None
    parts: Iterable[Any] = value if isinstance(value, list) else [value]
    named = (part.get("name", part) if isinstance(part, dict) else part for part in parts)
    return [text for part in named if (text := _text(part)) is not None]


def _text(value: Any) -> str | None:
    """One value as it would stand in a CSV cell; None for nothing, "" and NaN."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
