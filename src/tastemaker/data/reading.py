"""From files to a `Dataset`: tables, roles, cleaning, in that order."""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.clean import clean_catalogue
from tastemaker.data.clean_log import clean_interactions
from tastemaker.data.clean_shown import clean_impressions
from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.data.report import FileReport, Kind, Report
from tastemaker.data.roles import check_choices, choices_from, infer
from tastemaker.data.tables import Source, Table, read_table
from tastemaker.errors import DataError
from tastemaker.recipe import Column, ColumnChoice, DataRecipe, Role

KINDS: tuple[Kind, ...] = ("items", "interactions", "users", "impressions")  # also the order of a report
DEFAULTS = DataRecipe.model_validate({})


@dataclass(frozen=True)
class Dataset:
    """What happened: a catalogue, who touched what of it, who they are, and what they were shown.

    Attributes:
        items: the catalogue; where no items file was given, the items of the log.
        interactions: None for a catalogue alone.
        users: what is known of users beside their ids, or None. Neither all users of the log need
            be in it nor the other way round.
        report: how each file fared.
        impressions: what users were shown, where, and what came of it, or None. Its users need not be
            those of the log.
    """

    items: Catalogue
    interactions: Interactions | None
    users: Catalogue | None
    report: Report
    impressions: Impressions | None = None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the content: equal for the same data, however it was written down."""
        digest = hashlib.sha256()
        for catalogue in (self.items, self.users):
            digest.update(b"\0catalogue")
            for column in () if catalogue is None else catalogue.frame.iter_columns():
                digest.update(f"\0{column.name}\0".encode())
                digest.update(_column_bytes(column))
        if self.interactions is not None:
            digest.update(self.interactions.fingerprint.encode())
            digest.update(self.interactions.weights.tobytes())
        if self.impressions is not None:
            digest.update(b"\0impressions" + self.impressions.fingerprint.encode())
        return digest.hexdigest()

    @property
    def columns(self) -> dict[str, ColumnChoice]:
        """What each column was taken for, as `DataRecipe.columns` says it."""
        return choices_from(column for file in self.report.files for column in file.columns)


def read(
    items: Source | None = None,
    interactions: Source | None = None,
    users: Source | None = None,
    recipe: DataRecipe = DEFAULTS,
    impressions: Source | None = None,
) -> Dataset:
    """Read, repair and check what there is.

    Args:
        items: path or frame of the catalogue; None takes the recipe's path, as for the others.
            Without one, the items are those in the log.
        interactions: path or frame of the log.
        users: path or frame of what is known of users.
        recipe: paths, roles of columns that differ from what would be inferred, and how much of a
            file may be unusable.
        impressions: path or frame of what users were shown, chosen or not.

    Raises:
        DataError: a file can't be read, or what is in it can't be used; one line says what to do.
    """
    sources: dict[Kind, Source | None] = {
        "items": items if items is not None else recipe.items,
        "interactions": interactions if interactions is not None else recipe.interactions,
        "users": users if users is not None else recipe.users,
        "impressions": impressions if impressions is not None else recipe.impressions,
    }
    if sources["items"] is None and sources["interactions"] is None:
        raise DataError("There is nothing to read: give a file of items, of interactions, or both.")
    tables = {kind: read_table(source, kind) for kind, source in sources.items() if source is not None}
    check_choices(recipe.columns, tables)
    reports: list[FileReport] = []
    catalogues: dict[Kind, Catalogue] = {}
    for kind in ("items", "users"):
        if kind in tables:
            catalogues[kind], report = _catalogue(tables[kind], kind, recipe)
            reports.append(report)
    log: Interactions | None = None
    shown: Impressions | None = None
    if "interactions" in tables:
        columns = _logged("interactions", tables, catalogues, recipe)
        log, catalogues["items"], report = clean_interactions(
            tables["interactions"], columns, catalogues.get("items"), recipe.max_rejected
        )
        reports.append(report)
    if "impressions" in tables:  # the items may be those in the log
        columns = _logged("impressions", tables, catalogues, recipe)
        shown, report = clean_impressions(
            tables["impressions"], columns, catalogues["items"], recipe.max_rejected
        )
        reports.append(report)
    reports.sort(key=lambda report: KINDS.index(report.kind))
    return Dataset(catalogues["items"], log, catalogues.get("users"), Report(tuple(reports)), shown)


def read_log(
    source: Source, items: Catalogue, columns: Mapping[str, ColumnChoice] | None = None
) -> tuple[Interactions, FileReport]:
    """A log alone, against a catalogue that is already known; events of other items are left out.

    Args:
        columns: what is known of columns by their names; those that the log lacks don't matter.
    Raises:
        DataError: the file can't be read, or no event of it is about an item of the catalogue.
    """
    table = read_table(source, "interactions")
    log, _, report = clean_interactions(
        table, _alone(table, "interactions", items, columns), items, max_rejected=1.0
    )
    return log, report


def read_new_log(
    source: Source, items: Catalogue, columns: Mapping[str, ColumnChoice] | None = None
) -> tuple[Interactions, Catalogue]:
    """A log alone, with all the items in it, those that the catalogue lacks too; else as `read_log`."""
    table = read_table(source, "interactions")
    log, own, _ = clean_interactions(
        table, _alone(table, "interactions", items, columns), None, max_rejected=1.0
    )
    return log, own


def read_impressions(
    source: Source, items: Catalogue, columns: Mapping[str, ColumnChoice] | None = None
) -> tuple[Impressions, FileReport]:
    """What people were shown, alone, against a catalogue that is already known; as `read_log` in all else."""
    table = read_table(source, "impressions")
    return clean_impressions(table, _alone(table, "impressions", items, columns), items, max_rejected=1.0)


def read_items(source: Source, items: Catalogue, max_rejected: float) -> tuple[Catalogue, FileReport]:
    """Items for a catalogue that is already known, read as its columns are.

    A column that the source lacks is missing throughout.

    Args:
        source: path, frame, or list of dicts.
        items: the catalogue.
        max_rejected: share of the rows that may be unusable.
    Raises:
        DataError: the source can't be read, lacks the ids, or has a column that the catalogue doesn't know.
    """
    table = read_table(source, "items")
    names = [column.name for column in items.columns]
    for name in table.frame.columns:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"Did you mean '{close[0]}'?" if close else f"It knows {', '.join(names)}."
            raise DataError(f"There is a column '{name}' in {table.name} that the catalogue lacks. {hint}")
    if items.id_column not in table.frame.columns:
        raise DataError(
            f"There is no column '{items.id_column}' in {table.name}, by which the catalogue knows its items."
        )
    missing = [
        pl.lit(None, pl.String).alias(name) for name in items.frame.columns if name not in table.frame.columns
    ]
    kept = table.frame.with_columns(missing).select(items.frame.columns)
    columns = tuple(
        column.model_copy(update={"decimal": "."})
        if column.decimal and column.name in table.typed
        else column
        for column in items.columns
        if column.name in items.frame.columns
    )
    found, report = clean_catalogue(
        replace(table, frame=kept), columns, "items", max_rejected=max_rejected, least=1
    )
    return Catalogue(found.frame, items.columns), replace(report, notes=table.notes)


_LOG_ROLES = (Role.USER, Role.ITEM, Role.TIME, Role.WEIGHT)
_ROLES_OF: Mapping[Kind, tuple[Role, ...]] = {
    "interactions": _LOG_ROLES,
    "impressions": (
        *(Role.USER, Role.ITEM, Role.TIME, Role.POSITION, Role.RECOMMENDATION, Role.SOURCE, Role.DEVICE),
        *(Role.CLICK, Role.WATCH_TIME, Role.COMPLETION, Role.LIKE, Role.HIDDEN, Role.OUTCOME),
        *(Role.RANDOMISED, Role.PROPENSITY),
    ),
}
_KEY_ROLES: Mapping[Kind, Role] = {"items": Role.ITEM, "users": Role.USER}


def _catalogue(table: Table, kind: Kind, recipe: DataRecipe) -> tuple[Catalogue, FileReport]:
    columns = infer(table, kind, recipe.columns)
    return clean_catalogue(table, columns, kind, recipe.max_rejected)


def _alone(
    table: Table, kind: Kind, items: Catalogue, columns: Mapping[str, ColumnChoice] | None
) -> tuple[Column, ...]:
    """Of a log read by itself."""
    stated = {name: choice for name, choice in (columns or {}).items() if name in table.frame.columns}
    # What the catalogue's own columns are says nothing of the same name in a log, but for the key.
    stated = {name: choice for name, choice in stated.items() if choice.role in _ROLES_OF[kind]}
    return infer(table, kind, stated, {items.id_column: Role.ITEM})


def _logged(
    kind: Kind, tables: Mapping[Kind, Table], catalogues: Mapping[Kind, Catalogue], recipe: DataRecipe
) -> tuple[Column, ...]:
    keys = {catalogue.id_column: _KEY_ROLES[of] for of, catalogue in catalogues.items()}
    return infer(tables[kind], kind, recipe.columns, keys)


def _column_bytes(series: pl.Series) -> bytes:
    text = series.list.join("\x1f") if isinstance(series.dtype, pl.List) else series.cast(pl.String)
    return "\x1e".join(text.fill_null("\0").to_list()).encode()
