"""A table of what people were shown and its columns → `Impressions`, by the rules of a log."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.clean import samples, typed_column
from tastemaker.data.clean_log import clock_notes, events_of
from tastemaker.data.impressions import Impressions
from tastemaker.data.outcomes import positions_of, said_by
from tastemaker.data.report import FileReport, Finding
from tastemaker.data.tables import Table
from tastemaker.data.values import trimmed
from tastemaker.recipe import Column, Role

FIRST_PLACES = 5
"""Places whose share of choices is told."""

_NAMES = {
    Role.CLICK: "click",
    Role.WATCH_TIME: "watch_time",
    Role.COMPLETION: "completion",
    Role.LIKE: "like",
    Role.HIDDEN: "hidden",
}
_CHOICES = (Role.CLICK, Role.OUTCOME, Role.WATCH_TIME, Role.COMPLETION, Role.LIKE)


def clean_impressions(
    table: Table, columns: tuple[Column, ...], items: Catalogue, max_rejected: float
) -> tuple[Impressions, FileReport]:
    """What was shown, by catalogue rows; the same whatever order the file's rows are in.

    One without a readable time counts as newer than all others: nobody can have known it. Twice at the same
    moment is one event written twice: it has the better place, and if either was chosen, it was.

    Raises:
        DataError: as `clean_log.events_of` says.
    """
    found = events_of(table, columns, items, max_rejected, "impressions")
    role_of = {column.role: column for column in columns}
    lines = table.lines.filter(found.usable)
    events = found.frame.with_columns(
        _texts(table, role_of.get(role), found.usable).alias(name)
        for role, name in ((Role.RECOMMENDATION, "list"), (Role.SOURCE, "source"), (Role.DEVICE, "device"))
    )
    places, repaired, told = _positions(table, role_of.get(Role.POSITION), found.usable)
    chosen: list[pl.Series] = []
    outcomes: list[str] = []
    said: list[str] = []
    events = events.with_columns(places.alias("position"), pl.lit(False).alias("is_random"))
    for column in columns:
        if column.role in (*_NAMES, Role.OUTCOME, Role.RANDOMISED):
            one = said_by(table.frame[column.name].filter(found.usable), column, lines)
            said.append(one.told)
            repaired += one.repaired
            if column.role in _CHOICES:
                chosen.append(one.chosen)
            if column.role in _NAMES:
                outcomes.append(_NAMES[column.role])
                events = events.with_columns(one.values.alias(outcomes[-1]))
            if column.role == Role.RANDOMISED:
                events = events.with_columns((one.values > 0).fill_null(False).alias("is_random"))
    is_chosen = _any_of(chosen, len(lines))
    if chosen and "click" not in outcomes:
        outcomes.append("click")
        events = events.with_columns(is_chosen.alias("click"))
    events = events.with_columns(is_chosen.fill_null(0.0).alias("chosen"))
    once = _merged(events)
    impressions = Impressions.from_events(
        found.user_ids,
        once["user"].to_numpy(),
        once["row"].to_numpy(),
        once["time"].to_numpy() if found.has_times else None,
        positions=once["position"].fill_null(0).to_numpy(),
        list_ids=once["list"].fill_null(""),
        sources=once["source"].fill_null(""),
        devices=once["device"].fill_null(""),
        outcomes={name: once[name].cast(pl.Float32).fill_null(np.nan).to_numpy() for name in outcomes},
        is_random=once["is_random"].to_numpy(),
        chosen=once["chosen"].cast(pl.Float32).to_numpy(),
    )
    report = FileReport(
        kind="impressions",
        name=table.name,
        columns=columns,
        read=table.rows_read,
        kept=once.height,
        rejected=found.rejected,
        duplicates=events.height - once.height,
        repaired=(*found.timeless, *repaired),
        notes=(
            *table.notes,
            *clock_notes(impressions.shown),
            *told,
            *_lists_told(impressions),
            *said,
            *([] if chosen else ["no column says what was chosen: only the log tells"]),
        ),
        samples=samples(table),
    )
    return impressions, report


def _texts(table: Table, column: Column | None, usable: pl.Series) -> pl.Series:
    """(E,) String, null where a cell says nothing."""
    if column is None:
        return pl.repeat(None, int(usable.sum()), dtype=pl.String, eager=True)
    return trimmed(typed_column(table.frame[column.name].filter(usable), column, table.lines)[0])


def _positions(
    table: Table, column: Column | None, usable: pl.Series
) -> tuple[pl.Series, list[Finding], list[str]]:
    """(E,) Int32 places from 1, null where unknown; the cells that are none; and what was done to all."""
    if column is None:
        return pl.repeat(None, int(usable.sum()), dtype=pl.Int32, eager=True), [], []
    places, found = positions_of(table.frame[column.name].filter(usable), column, table.lines.filter(usable))
    if places.min() != 0:
        return places, found, []
    return places + 1, found, [f"'{column.name}' counts from 0: each place is raised by one"]


def _any_of(chosen: Sequence[pl.Series], size: int) -> pl.Series:
    """(E,) 1 where any says so, 0 where none does, null where none says anything."""
    if not chosen:
        return pl.repeat(None, size, dtype=pl.Float64, eager=True)
    return pl.DataFrame([one.alias(str(at)) for at, one in enumerate(chosen)]).max_horizontal()


def _merged(events: pl.DataFrame) -> pl.DataFrame:
    """Each user, row and time once. What differs is settled by value, so that no order of rows matters."""
    key = ["user", "row", "time"]
    if not events.select(pl.struct(key).is_duplicated().any()).item():
        return events
    least = ["position", "list", "source", "device"]
    return events.group_by(key).agg(pl.col(least).min(), pl.exclude(*key, *least).max())


def _lists_told(impressions: Impressions) -> list[str]:
    """How many lists there are, and how much oftener than the others the first places are chosen."""
    named = sum(id != "" for id in impressions.list_ids)
    by = "recommendation id" if named == impressions.list_count else "user and moment"
    by = f"{by}, {named:,} of them by recommendation id" if 0 < named < impressions.list_count else by
    known = int((impressions.positions > 0).sum())
    lists = f"{impressions.list_count:,} list{'s' * (impressions.list_count != 1)}"
    told = [f"{lists} by {by}; {known:,} of {impressions.size:,} have a place"]
    if not known or "click" not in impressions.outcomes:
        return told
    clicks = impressions.outcomes["click"]
    rates = []
    for place in range(1, FIRST_PLACES + 1):
        here = clicks[(impressions.positions == place) & ~np.isnan(clicks)]
        rates.append(f"{here.mean():.1%}" if len(here) else "–")
    return [*told, f"chosen at places 1 to {FIRST_PLACES}: {', '.join(rates)}"]
