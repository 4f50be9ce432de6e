"""Logs of a policy that left something to chance: what it showed, with what chance, and what came of it.

Takes a table as impressions are kept (columns are found by the same rules), and gives arrays, a row a place.
People and times may be missing: then every row stands for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.clean import typed_column
from tastemaker.data.names import TIMES, USER_IDS, plain_name
from tastemaker.data.outcomes import positions_of, said_by
from tastemaker.data.roles import infer
from tastemaker.data.tables import Source, Table, read_table
from tastemaker.data.values import times as times_of
from tastemaker.data.values import trimmed
from tastemaker.errors import DataError
from tastemaker.recipe import Column, ColumnChoice, Role

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

REWARDS = {"click": Role.CLICK, "watch_time": Role.WATCH_TIME}
"""What may be asked for, and the column that says it."""
CONTEXTS = ("user_", "context_")
"""How the columns begin that say what was known before anything was shown."""
MOST_LEVELS = 50
"""Different values of a context; a column with more would be learnt by heart."""
MOST_PLACES = 1000
"""Of a list. What lies beyond is no place but, say, a number of pixels, and places are counted one by one."""
NOBODY, NEVER = "tastemaker nobody", "tastemaker never"


@dataclass(frozen=True)
class Logs:
    """What was shown, a row a place, the places of a list together and in order.

    Attributes:
        item_ids: (A,) what was shown at least once.
        items: (E,) int32 places in `item_ids`.
        places: (E,) int32, from 0.
        times: (E,) seconds since 1970; infinite where unknown.
        chances: (E,) of the item at its place, given what stands above it; NaN where nobody says.
        rewards: (E,) what came of it.
        lists: (E,) int32, ascending from 0 without a gap: what was shown together.
        units: (E,) int32 from 0: what is independent of all else. A person, or else a list.
        user_ids: (E,) of each row, None where it names nobody; or None where no row names anybody.
        contexts: (E, C) int32 codes from 0 of what was known before.
        context_names: (C,).
        unit: what a unit is called, in the plural.
        reward: what is counted.
        left_out: rows of which nobody knows the item or what came of it.
    """

    item_ids: tuple[str, ...]
    items: Codes
    places: Codes
    times: Floats
    chances: Floats
    rewards: Floats
    lists: Codes
    units: Codes
    user_ids: tuple[str | None, ...] | None = None
    contexts: Codes = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    context_names: tuple[str, ...] = ()
    unit: str = "rows"
    reward: str = "click"
    left_out: int = 0

    @classmethod
    def of(
        cls,
        items: npt.ArrayLike,
        chances: npt.ArrayLike,
        rewards: npt.ArrayLike,
        *,
        places: npt.ArrayLike | None = None,
        lists: npt.ArrayLike | None = None,
        units: npt.ArrayLike | None = None,
        contexts: npt.ArrayLike | None = None,
        item_ids: tuple[str, ...] | None = None,
        **more: Any,
    ) -> "Logs":
        """Of arrays (E,), as a simulator has them; a list's rows together, in order of their places."""
        rows = np.asarray(items, np.int32)
        size = len(rows)
        own = np.arange(size)
        numbered = own if lists is None else np.unique(np.asarray(lists), return_inverse=True)[1]
        known = np.zeros((size, 0), np.int32) if contexts is None else np.asarray(contexts, np.int32)
        return cls(
            item_ids or tuple(str(number) for number in range(int(rows.max(initial=-1)) + 1)),
            rows,
            np.zeros(size, np.int32) if places is None else np.asarray(places, np.int32),
            more.pop("times", np.full(size, np.inf)),
            np.asarray(chances, np.float64),
            np.asarray(rewards, np.float64),
            numbered.astype(np.int32),
            (numbered if units is None else np.asarray(units)).astype(np.int32),
            contexts=known.reshape(size, -1),
            context_names=tuple(f"context {number}" for number in range(known.reshape(size, -1).shape[1])),
            **more,
        )

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.items)

    @property
    def list_count(self) -> int:
        return int(self.lists[-1]) + 1 if self.size else 0

    @property
    def has_lists(self) -> bool:
        """Whether any two rows were shown together."""
        return self.list_count < self.size

    @property
    def unit_count(self) -> int:
        return int(self.units.max(initial=-1)) + 1


def read_logs(
    source: Source, columns: Mapping[str, ColumnChoice] | None = None, reward: str = "click"
) -> Logs:
    """Read a file of what was shown.

    Rows are one list where they have one recommendation id; without one, where one person was shown them at
    one moment, at different places.

    Args:
        columns: what is known of columns by their names.
        reward: `click` or `watch_time`, in seconds.

    Raises: DataError where there is no item, nothing says what came of it, or no number can be read where
        propensities should be.
    """
    given = read_table(source, "logs")
    table = _whole(given, columns or {})
    stated = {name: choice for name, choice in (columns or {}).items() if name in table.frame.columns}
    for name, role in ((NOBODY, Role.USER), (NEVER, Role.TIME)):
        if name in table.frame.columns:
            stated[name] = ColumnChoice(role=role)
    try:
        found = {column.role: column for column in infer(table, "impressions", stated)}
    except DataError:
        # Said of the file as it is, without the columns that stand in for what it lacks.
        infer(given, "impressions", columns or {})
        raise
    rewards = _rewards(table, found, reward)
    item_ids = _ids(table, found[Role.ITEM])
    keep = item_ids.is_not_null() & rewards.is_not_null()
    if not keep.any():
        raise DataError(f"No row of {table.name} says both what was shown and what came of it.")
    frame = pl.DataFrame(
        {
            "item": item_ids,
            "reward": rewards,
            "place": _places(table, found.get(Role.POSITION)),
            "time": _times(table, found[Role.TIME]),
            "chance": _chances(table, found.get(Role.PROPENSITY)),
            "user": _ids(table, found[Role.USER]),
            "list": _texts(table, found.get(Role.RECOMMENDATION)),
            **_contexts(table, found),
        }
    ).filter(keep)
    is_named = found[Role.USER].name != NOBODY
    logs = _grouped(frame, is_named)
    return replace(logs, reward=reward, left_out=int((~keep).sum()) + table.rejected.height)


def _whole(table: Table, stated: Mapping[str, ColumnChoice]) -> Table:
    """With a person and a moment a row, where the file names none: logs need neither."""
    names = {plain_name(name) for name in table.frame.columns if table.frame[name].count()}
    roles = {choice.role for name, choice in stated.items() if name in table.frame.columns}
    frame = table.frame
    if not names & set(USER_IDS) and Role.USER not in roles:
        own = pl.int_range(frame.height, eager=True).cast(pl.String)
        frame = frame.with_columns(own.alias(NOBODY))
    if not names & set(TIMES) and not roles & {Role.TIME, Role.DATE}:
        frame = frame.with_columns(pl.lit("0").alias(NEVER))
    return replace(table, frame=frame)


def _rewards(table: Table, found: Mapping[Role, Column], reward: str) -> pl.Series:
    if reward not in REWARDS:
        raise DataError(f"A reward is one of {' and '.join(REWARDS)}, not {reward!r}.")
    column = found.get(REWARDS[reward])
    if column is None:
        raise DataError(
            f"{table.name} has no column that says {reward}, so nobody knows what came of what was shown. It "
            f"has {', '.join(table.frame.columns[:12])}."
        )
    return said_by(table.frame[column.name], column, table.lines).values


def _places(table: Table, column: Column | None) -> pl.Series:
    """(R,) Int32 from 0; null where unknown."""
    if column is None:
        return pl.repeat(None, table.frame.height, dtype=pl.Int32, eager=True)
    places, _ = positions_of(table.frame[column.name], column, table.lines)
    first, last = places.min(), places.max()
    if isinstance(last, int) and last > MOST_PLACES:
        raise DataError(
            f"'{column.name}' of {table.name} goes up to {last:,}: a place of a list is at most "
            f"{MOST_PLACES:,}. Without that column, the order of the rows counts."
        )
    return places - (first != 0)


def _times(table: Table, column: Column) -> pl.Series:
    """(R,) Float64; infinite where unknown."""
    if column.name == NEVER:
        return pl.repeat(np.inf, table.frame.height, dtype=pl.Float64, eager=True)
    return times_of(table.frame[column.name], column.date_order, column.name)[0].fill_null(np.inf)


def _chances(table: Table, column: Column | None) -> pl.Series:
    if column is None:
        return pl.repeat(np.nan, table.frame.height, dtype=pl.Float64, eager=True)
    chances, unread = typed_column(table.frame[column.name], column, table.lines)
    if unread is not None and not chances.count():
        raise DataError(
            f"No cell of '{column.name}' in {table.name} could be read as a number, for example "
            f"{table.frame[column.name].drop_nulls()[0]!r}: a propensity is a chance above 0 and up to 1."
        )
    return chances.fill_null(np.nan)


def _ids(table: Table, column: Column) -> pl.Series:
    """(R,) as they came, since a bundle knows them so; null where there is nothing."""
    cells = table.frame[column.name]
    return cells.set((cells.str.strip_chars() == "").fill_null(True), None)


def _texts(table: Table, column: Column | None) -> pl.Series:
    if column is None:
        return pl.repeat("", table.frame.height, dtype=pl.String, eager=True)
    return trimmed(table.frame[column.name]).fill_null("")


def _contexts(table: Table, found: Mapping[Role, Column]) -> dict[str, pl.Series]:
    """What was known before anything was shown, by name: a few different words each."""
    taken = {column.name for role, column in found.items() if role not in (Role.IGNORED, Role.DEVICE)}
    kept = {}
    for name in table.frame.columns:
        is_context = plain_name(name).startswith(CONTEXTS) or (
            Role.DEVICE in found and found[Role.DEVICE].name == name
        )
        cells = table.frame[name]
        if not is_context or name in taken or cells.dtype != pl.String:
            continue
        if 2 <= cells.n_unique() <= MOST_LEVELS and cells.cast(pl.Float64, strict=False).is_null().any():
            kept[f"context {name}"] = cells.fill_null("")
    return kept


def _grouped(frame: pl.DataFrame, is_named: bool) -> Logs:
    """Sorted into lists. What has an id, and one person; or was shown to one person at one moment."""
    is_nobody = pl.col("user").is_null() if is_named else pl.lit(True)
    frame = frame.with_row_index("row").with_columns(
        alone=pl.when((pl.col("list") == "") & (is_nobody | pl.col("time").is_infinite()))
        .then(pl.col("row") + 1)
        .otherwise(0),
        moment=pl.when(pl.col("list") == "").then("time").otherwise(0.0),
    )
    # Rows that nobody is named in belong together by their list's id alone.
    key = ["list", "moment", "alone", *(["user"] if is_named else [])]
    frame = frame.with_columns(first=pl.col("row").min().over(key))
    # Two things can't stand at one place: without an id, such rows weren't shown together.
    is_twice = pl.struct("first", "place").is_duplicated() & pl.col("place").is_not_null()
    is_none = is_twice.any().over("first") & (pl.col("list") == "")
    frame = frame.with_columns(pl.when(is_none).then("row").otherwise("first").alias("first")).sort(
        "first", pl.col("place").fill_null(2**31 - 1), "row"
    )
    lists = np.unique(frame["first"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    order = np.arange(len(lists)) - np.flatnonzero(np.diff(lists, prepend=-1))[lists]
    places = frame["place"].to_numpy() if frame["place"].null_count() == 0 else order
    item_ids = frame["item"].unique(maintain_order=True)
    contexts = [name for name in frame.columns if name.startswith("context ")]
    users = frame["user"].to_list() if is_named else None
    units: npt.NDArray[np.integer[Any]] = lists
    if is_named:  # what names nobody is of somebody else each time
        people = frame["user"].rank("dense").fill_null(0).to_numpy().astype(np.int64)
        _, units = np.unique(np.where(people == 0, -1 - lists, people), return_inverse=True)
    unit = "people" if is_named else "lists" if int(lists[-1]) + 1 < len(lists) else "rows"
    return Logs(
        tuple(item_ids.to_list()),
        frame["item"].replace_strict(item_ids, np.arange(len(item_ids)), return_dtype=pl.Int32).to_numpy(),
        np.asarray(places, np.int32),
        frame["time"].to_numpy(),
        frame["chance"].to_numpy(),
        frame["reward"].cast(pl.Float64).to_numpy(),
        lists,
        np.asarray(units, np.int32),
        None if users is None else tuple(users),
        np.column_stack([frame[name].rank("dense").to_numpy() - 1 for name in contexts]).astype(np.int32)
        if contexts
        else np.zeros((frame.height, 0), np.int32),
        tuple(name.removeprefix("context ") for name in contexts),
        unit,
    )
