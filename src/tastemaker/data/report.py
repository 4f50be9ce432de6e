"""What reading found: rows kept, repaired, merged and refused, file by file, for people and machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table as Grid

from tastemaker.errors import DataError
from tastemaker.recipe import Column

Kind = Literal["items", "interactions", "users", "impressions"]

FIRST_LINES = 5
"""Line numbers shown as examples."""


@dataclass(frozen=True)
class Finding:
    """Something that happened to several rows of a file.

    Attributes:
        what: one line without a number, for example `Hours Viewed isn't a number: left empty`.
        count: how many rows.
        lines: the first few line numbers.
        examples: what stood there, as many as `lines`; may be empty.
    """

    what: str
    count: int
    lines: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()

    @classmethod
    def at(cls, what: str, lines: Sequence[int], examples: Sequence[str] = ()) -> "Finding":
        shown = tuple(str(example) for example in examples[:FIRST_LINES])
        return cls(what, len(lines), tuple(int(line) for line in lines[:FIRST_LINES]), shown)

    def __str__(self) -> str:
        where = f" (line{'s' * (len(self.lines) > 1)} {', '.join(map(str, self.lines))}" if self.lines else ""
        more = ", …" if self.count > len(self.lines) and self.lines else ""
        shown = f": {', '.join(self.examples)}" if self.examples else ""
        return f"{self.count:,} × {self.what}{where}{shown}{more}{')' if where else ''}"


@dataclass(frozen=True)
class FileReport:
    """How one file fared.

    Attributes:
        kind: items, interactions, users or impressions.
        name: its path, or what the frame is called.
        columns: what each column was taken for.
        read: rows in the file, without the header and blank lines.
        kept: rows that came out.
        merged: rows that became part of an earlier row with the same key.
        duplicates: rows dropped because the same stood there already.
        repaired: cells that were emptied, rows that were completed.
        suspicious: kept as they are, but worth a look.
        rejected: columns line, reason, raw.
        notes: decisions about the file as a whole.
    """

    kind: Kind
    name: str
    columns: tuple[Column, ...]
    read: int
    kept: int
    rejected: pl.DataFrame
    merged: int = 0
    duplicates: int = 0
    repaired: tuple[Finding, ...] = ()
    suspicious: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    samples: dict[str, str] = field(default_factory=dict)
    """a value of each column, for the table of roles"""

    @property
    def reasons(self) -> list[Finding]:
        """Rejected rows by reason, the most common first."""
        if self.rejected.is_empty():
            return []
        groups = self.rejected.group_by("reason", maintain_order=True).agg("line", "raw")
        findings = [Finding.at(reason, lines, raws[:1]) for reason, lines, raws in groups.iter_rows()]
        return sorted(findings, key=lambda finding: -finding.count)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "file": self.name,
            "columns": [column.model_dump(mode="json", exclude_none=True) for column in self.columns],
            "samples": self.samples,
            "rows": {
                "read": self.read,
                "kept": self.kept,
                "merged": self.merged,
                "duplicates": self.duplicates,
                "rejected": self.rejected.height,
            },
            "repaired": [_finding_json(finding) for finding in self.repaired],
            "suspicious": [_finding_json(finding) for finding in self.suspicious],
            "rejected": [_finding_json(finding) for finding in self.reasons],
            "notes": list(self.notes),
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield f"[bold]{self.kind}[/bold]  {escape(self.name)}"
        yield self.roles_table()
        yield f"  {escape(', '.join(self._counts()))}"
        for label, findings in (
            ("repaired", self.repaired),
            ("look at", self.suspicious),
            ("refused", self.reasons),
        ):
            for finding in findings:
                yield f"  [bold]{label}[/bold]  {escape(str(finding))}"
        for note in self.notes:
            yield f"  [dim]note[/dim]  {escape(note)}"

    def _counts(self) -> Iterator[str]:
        yield f"{self.read:,} rows read"
        yield f"{self.kept:,} kept"
        for count, what in (
            (self.merged, "merged into another with the same key"),
            (self.duplicates, "dropped as duplicates"),
            (self.rejected.height, "refused"),
        ):
            if count:
                yield f"{count:,} {what}"

    def roles_table(self) -> Grid:
        """One row a column: its name, its role, how it is read, and a value from the file."""
        grid = Grid("column", "role", "read as", "for example", box=None, padding=(0, 2), header_style="dim")
        for column in self.columns:
            json_list = column.separator == "json"
            how = ["a JSON list"] if json_list else []
            how += [f"separated by '{column.separator}'"] if column.separator and not json_list else []
            how += [f"{column.date_order}"] if column.date_order else []
            how += ["decimal comma"] if column.decimal == "," else []
            example = self.samples.get(column.name, "")
            shown = example if len(example) <= 40 else f"{example[:39]}…"
            grid.add_row(escape(column.name), str(column.role), escape(", ".join(how)), escape(shown))
        return grid


@dataclass(frozen=True)
class Report:
    """How every file fared; prints with rich, `as_json` for machines."""

    files: tuple[FileReport, ...]

    @property
    def rejected(self) -> pl.DataFrame:
        """Columns file, line, reason, raw: every row that was refused."""
        frames = [
            file.rejected.select(pl.lit(file.name).alias("file"), "line", "reason", "raw")
            for file in self.files
        ]
        return pl.concat(frames)

    def write_rejected(self, path: Path) -> None:
        """Write the refused rows as CSV. Raises DataError where that can't be done."""
        try:
            self.rejected.write_csv(path)
        except OSError as error:
            raise DataError(f"Can't write the refused rows to {path}: {error.strerror or error}.") from None

    def as_json(self) -> dict[str, Any]:
        return {"files": [file.as_json() for file in self.files]}

    def counted(self) -> list[dict[str, Any]]:
        """What was mended and how often, file by file: without any value, or where files lie."""
        return [
            {"kind": told["kind"], "rows": told["rows"]}
            | {
                part: [{"what": each["what"], "count": each["count"]} for each in told[part]]
                for part in ("repaired", "suspicious")
            }
            for told in (file.as_json() for file in self.files)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.files


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "count": finding.count,
        "lines": list(finding.lines),
        "examples": list(finding.examples),
    }
