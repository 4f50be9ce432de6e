"""A table and its columns → `Interactions`: known items only, each event once, oldest first.

Impressions are read by the same rules (`clean_shown`): an event of theirs is a look at something.
"""

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.clean import catalogue_of, check_rejected, refused, samples, typed_column
from tastemaker.data.interactions import Interactions
from tastemaker.data.report import FileReport, Finding, Kind
from tastemaker.data.tables import Table
from tastemaker.data.values import times, trimmed
from tastemaker.errors import DataError
from tastemaker.recipe import Column, Role


class Events(NamedTuple):
    """What every event of a log must have, of those that have it (E of R rows)."""

    items: Catalogue
    user_ids: list[str]
    frame: pl.DataFrame
    """(E,) user and row, Int32; time, Float64 seconds, 0 where there are no times at all"""
    has_times: bool
    usable: pl.Series
    """(R,) which rows of the table these are"""
    rejected: pl.DataFrame
    timeless: tuple[Finding, ...]
    """cells that are no time"""


def clean_interactions(
    table: Table, columns: tuple[Column, ...], items: Catalogue | None, max_rejected: float
) -> tuple[Interactions, Catalogue, FileReport]:
    """The log by catalogue rows. Without `items`, the items are those in the log.

    An event without a readable time counts as older than all others: it can be learned from, and
    never stands in what a test asks for. One without a readable weight gets the middle one.

    Raises:
        DataError: as `events_of` says.
    """
    found = events_of(table, columns, items, max_rejected, "interactions")
    weight = next((column for column in columns if column.role == Role.WEIGHT), None)
    weights, repaired = _weights(table, weight, found.usable)
    events = found.frame.with_columns(weight=weights)
    # Twice at the same moment is one event written twice.
    once = events.unique(["user", "row", "time"], keep="first", maintain_order=True)
    interactions = Interactions.from_events(
        found.user_ids,
        once["user"].to_numpy(),
        once["row"].to_numpy(),
        once["time"].to_numpy() if found.has_times else None,
        once["weight"].to_numpy().astype(np.float32),
    )
    report = FileReport(
        kind="interactions",
        name=table.name,
        columns=columns,
        read=table.rows_read,
        kept=once.height,
        rejected=found.rejected,
        duplicates=events.height - once.height,
        repaired=(*found.timeless, *repaired),
        notes=(*table.notes, *clock_notes(interactions)),
        samples=samples(table),
    )
    return interactions, found.items, report


def events_of(
    table: Table, columns: tuple[Column, ...], items: Catalogue | None, max_rejected: float, kind: Kind
) -> Events:
    """Who, what and when, of the rows that say so; without `items`, the items are those in the log.

    Of interactions, an event without a readable time counts as older than all others; of impressions as
    newer: nobody can have known it.

    Raises:
        DataError: cells of the user, the item or the time are lists, more than `max_rejected` of the rows
            are unusable, or no event is left.
    """
    role_of: dict[Role, Column] = {column.role: column for column in columns if column.role != Role.IGNORED}
    user_ids, item_ids = (_single(table, role_of[role].name) for role in (Role.USER, Role.ITEM))
    no_user, no_item = _blank(user_ids), _blank(item_ids)
    if items is None:
        items = catalogue_of(item_ids.filter(~no_item), role_of[Role.ITEM].name)
        if items.size < 2:
            raise DataError(
                f"{table.name} has {items.size} item{'s' * (items.size != 1)} in {table.rows_read:,} rows; "
                "a recommender needs at least two."
            )
    rows = positions(item_ids, items.frame[items.id_column])
    unknown = rows.is_null() & ~no_item & ~no_user
    rejected = pl.concat(
        [
            table.rejected,
            refused(table, no_user, f"no user: '{role_of[Role.USER].name}' is empty"),
            refused(table, no_item & ~no_user, f"no item: '{role_of[Role.ITEM].name}' is empty"),
            refused(table, unknown, "the item isn't in the catalogue"),
        ]
    ).sort("line")
    check_rejected(rejected, table, max_rejected)
    usable = ~(no_user | no_item | unknown)
    if not usable.any():
        raise DataError(f"No event of {table.name} is left of {table.rows_read:,}; see data.max_rejected.")
    seconds, timeless = _times(table, role_of.get(Role.TIME), usable, kind)
    known_users = user_ids.filter(usable).unique(maintain_order=True)
    if kind == "impressions":  # in no order that the file has: it says nothing
        known_users = known_users.sort()
    frame = pl.DataFrame(
        {
            "user": positions(user_ids.filter(usable), known_users),
            "row": rows.filter(usable),
            "time": seconds if seconds is not None else pl.zeros(int(usable.sum()), eager=True),
        }
    )
    has_times = seconds is not None
    return Events(items, known_users.to_list(), frame, has_times, usable, rejected, tuple(timeless))


def positions(ids: pl.Series, unique: pl.Series) -> pl.Series:
    """(R,) Int32 place of each id in `unique`, null where it isn't there."""
    places = pl.DataFrame({"id": unique, "at": pl.int_range(len(unique), dtype=pl.Int32, eager=True)})
    return ids.alias("id").to_frame().join(places, on="id", how="left", maintain_order="left")["at"]


def _single(table: Table, name: str) -> pl.Series:
    """(R,) the cells of a column in which each holds one value."""
    cells = table.frame[name]
    if isinstance(cells.dtype, pl.List):
        raise DataError(f"'{name}' of {table.name} holds lists; write one event a row: a user and one item.")
    return cells


def _blank(ids: pl.Series) -> pl.Series:
    return (ids.str.strip_chars() == "").fill_null(True)


def _times(
    table: Table, column: Column | None, usable: pl.Series, kind: Kind
) -> tuple[pl.Series | None, list[Finding]]:
    """(E,) seconds, or None where there are no times at all; and the cells that aren't any."""
    if column is None:
        return None, []
    cells = _single(table, column.name).filter(usable)
    seconds, _ = times(cells, column.date_order, column.name)
    lost = seconds.is_null()
    if lost.all():
        return None, []
    if not lost.any():
        return seconds, []
    shown = trimmed(cells).filter(lost).drop_nulls().head(5).to_list()
    place, stand_in = ("oldest", seconds.min()) if kind == "interactions" else ("newest", math.inf)
    what = f"'{column.name}' isn't a time, counted as the {place}"
    found = Finding.at(what, table.lines.filter(usable).filter(lost).to_list(), shown)
    return seconds.fill_null(stand_in), [found]


def _weights(table: Table, column: Column | None, usable: pl.Series) -> tuple[pl.Series, list[Finding]]:
    """(E,) how strong each event is, and the cells that don't say."""
    if column is None:
        return pl.ones(int(usable.sum()), eager=True), []
    cells, lines = table.frame[column.name].filter(usable), table.lines.filter(usable)
    values, finding = typed_column(cells, column, lines)
    middle = values.median()
    weights = values.fill_null(middle if isinstance(middle, float) else 1.0)
    return weights, [finding] if finding else []


def clock_notes(interactions: Interactions) -> list[str]:
    """What is to be said of its times."""
    if not interactions.is_ordered:
        return ["no times: nothing is known of the order of events"]
    return [] if interactions.is_clock else ["times are counters of each user, not one clock"]
