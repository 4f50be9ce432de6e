"""A table and its columns → `Interactions`: known items only, each event once, oldest first."""

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.clean import catalogue_of, check_rejected, refused, samples, typed_column
from tastemaker.data.interactions import Interactions
from tastemaker.data.report import FileReport, Finding
from tastemaker.data.tables import Table
from tastemaker.data.values import times, trimmed
from tastemaker.errors import DataError
from tastemaker.recipe import Column, Role


def clean_interactions(
    table: Table, columns: tuple[Column, ...], items: Catalogue | None, max_rejected: float
) -> tuple[Interactions, Catalogue, FileReport]:
    """The log by catalogue rows. Without `items`, the items are those in the log.

    An event without a readable time counts as older than all others: it can be learned from, and
    never stands in what a test asks for. One without a readable weight gets the middle one.

    Raises:
        DataError: more than `max_rejected` of the rows are unusable, or no event is left.
    """
    role_of: dict[Role, Column] = {column.role: column for column in columns if column.role != Role.IGNORED}
    user_ids, item_ids = (table.frame[role_of[role].name] for role in (Role.USER, Role.ITEM))
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
    seconds, weights, repaired = _times_and_weights(table, role_of, usable)
    known_users = user_ids.filter(usable).unique(maintain_order=True)
    events = pl.DataFrame(
        {
            "user": positions(user_ids.filter(usable), known_users),
            "row": rows.filter(usable),
            "time": seconds if seconds is not None else pl.zeros(int(usable.sum()), eager=True),
            "weight": weights,
        }
    )
    # Twice at the same moment is one event written twice.
    once = events.unique(["user", "row", "time"], keep="first", maintain_order=True)
    interactions = Interactions.from_events(
        known_users.to_list(),
        once["user"].to_numpy(),
        once["row"].to_numpy(),
        once["time"].to_numpy() if seconds is not None else None,
        once["weight"].to_numpy().astype(np.float32),
    )
    report = FileReport(
        kind="interactions",
        name=table.name,
        columns=columns,
        read=table.rows_read,
        kept=once.height,
        rejected=rejected,
        duplicates=events.height - once.height,
        repaired=tuple(repaired),
        notes=(*table.notes, *_notes(interactions)),
        samples=samples(table),
    )
    return interactions, items, report


def positions(ids: pl.Series, unique: pl.Series) -> pl.Series:
    """(R,) Int32 place of each id in `unique`, null where it isn't there."""
    places = pl.DataFrame({"id": unique, "at": pl.int_range(len(unique), dtype=pl.Int32, eager=True)})
    return ids.alias("id").to_frame().join(places, on="id", how="left", maintain_order="left")["at"]


def _blank(ids: pl.Series) -> pl.Series:
    return (ids.str.strip_chars() == "").fill_null(True)


def _times_and_weights(
    table: Table, role_of: dict[Role, Column], usable: pl.Series
) -> tuple[pl.Series | None, pl.Series, list[Finding]]:
    """(E,) seconds, or None where the log has no times at all; (E,) weights; and the repairs."""
    lines = table.lines.filter(usable)
    repaired: list[Finding] = []
    seconds: pl.Series | None = None
    if (column := role_of.get(Role.TIME)) is not None:
        cells = table.frame[column.name].filter(usable)
        seconds, _ = times(cells, column.date_order, column.name)
        lost = seconds.is_null()
        if lost.all():
            seconds = None
        elif lost.any():
            shown = trimmed(cells).filter(lost).drop_nulls().head(5).to_list()
            what = f"'{column.name}' isn't a time, counted as the oldest"
            repaired.append(Finding.at(what, lines.filter(lost).to_list(), shown))
            seconds = seconds.fill_null(strategy="min")
    weights = pl.ones(int(usable.sum()), eager=True)
    if (column := role_of.get(Role.WEIGHT)) is not None:
        values, finding = typed_column(table.frame[column.name].filter(usable), column, lines)
        middle = values.median()
        weights = values.fill_null(middle if isinstance(middle, float) else 1.0)
        repaired += [finding] if finding else []
    return seconds, weights, repaired


def _notes(interactions: Interactions) -> list[str]:
    if not interactions.is_ordered:
        return ["no times: nothing is known of the order of events"]
    return [] if interactions.is_clock else ["times are counters of each user, not one clock"]
