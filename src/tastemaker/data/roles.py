"""What each column is to the model, from its name and its values; what a person says comes first.

Every file is of one kind (items, interactions, users or impressions) with roles of its own. A role that only
one column can have goes to the best name for it. Nothing here changes a value: `clean` does.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import polars as pl

from tastemaker.data.names import (
    CLICKS,
    COMPLETIONS,
    DEVICES,
    HIDDENS,
    ITEM_IDS,
    KINDS_OF,
    LIKES,
    LISTS,
    NEVER,
    OUTCOMES,
    POPULARITY,
    POSITIONS,
    PROPENSITIES,
    RANDOMISED,
    RECOMMENDATIONS,
    SOURCES,
    TEXTS,
    TIMES,
    TITLES,
    USER_IDS,
    WATCH_TIMES,
    WEIGHTS,
    plain_name,
)
from tastemaker.data.report import Kind
from tastemaker.data.tables import Table
from tastemaker.data.values import dates, numbers, share_of_dates, times, trimmed
from tastemaker.errors import DataError
from tastemaker.recipe import Column, ColumnChoice, Role

DESCRIPTIVE = (Role.TITLE, Role.CATEGORY, Role.CATEGORIES, Role.NUMBER, Role.DATE, Role.TEXT, Role.POPULARITY)
SHOWN: dict[Role, tuple[str, ...]] = {
    Role.POSITION: POSITIONS,
    Role.RECOMMENDATION: RECOMMENDATIONS,
    Role.SOURCE: SOURCES,
    Role.DEVICE: DEVICES,
    Role.CLICK: CLICKS,
    Role.WATCH_TIME: WATCH_TIMES,
    Role.COMPLETION: COMPLETIONS,
    Role.LIKE: LIKES,
    Role.HIDDEN: HIDDENS,
    Role.RANDOMISED: RANDOMISED,
    Role.PROPENSITY: PROPENSITIES,
}
"""What one column of impressions may be beside user, item and time, and what it is called then."""

ROLES: dict[Kind, tuple[Role, ...]] = {
    "items": (Role.ID, *DESCRIPTIVE, Role.IGNORED),
    "interactions": (Role.USER, Role.ITEM, Role.TIME, Role.WEIGHT, Role.IGNORED),
    "users": (Role.ID, *DESCRIPTIVE[1:], Role.IGNORED),
    "impressions": (Role.USER, Role.ITEM, Role.TIME, *SHOWN, Role.OUTCOME, Role.IGNORED),
}
SYNONYMS: dict[tuple[Kind, Role], Role] = {
    ("items", Role.ITEM): Role.ID,
    ("users", Role.USER): Role.ID,
    ("interactions", Role.DATE): Role.TIME,
    ("impressions", Role.DATE): Role.TIME,
}

# An event may have an id of its own: `id` names the item only where nothing else does.
LOGGED_ITEMS = (*(name for name in ITEM_IDS if name != "id"), *TITLES, "id")
SEPARATORS = ("|", ";", ", ", ",", " / ", "/", " · ", "、")
SAMPLE = 5_000
SINGLE = (Role.ID, Role.TITLE, Role.USER, Role.ITEM, Role.TIME, Role.WEIGHT, *SHOWN)
"""What only one column of a file can be."""

DECIMAL = (
    *(Role.NUMBER, Role.POPULARITY, Role.WEIGHT, Role.POSITION, Role.WATCH_TIME, Role.COMPLETION),
    Role.PROPENSITY,
)
"""What is read as numbers."""


def infer(
    table: Table,
    kind: Kind,
    choices: Mapping[str, ColumnChoice],
    keys: Mapping[str, Role] | None = None,
) -> tuple[Column, ...]:
    """The columns of one file, in its order.

    Args:
        table: the file.
        kind: which of the four it is.
        choices: what a person says, by column name; names of other files' columns are passed over.
        keys: for interactions and impressions, the names that the id columns have in the other files.

    Raises:
        DataError: no column can be the key (the user and the item, in interactions; the time too, in
            impressions); a role that only one column can have was given to two.
    """
    chosen = {
        name: role for name in table.frame.columns if (role := _chosen_role(name, kind, choices)) is not None
    }
    known = {plain_name(name): role for name, role in (keys or {}).items()}
    roles = _single_roles(table, kind, chosen, known)
    return tuple(
        _described(table.frame[name], name, kind, roles.get(name), choices.get(name, ColumnChoice()))
        for name in table.frame.columns
    )


def check_choices(choices: Mapping[str, ColumnChoice], tables: Mapping[Kind, Table]) -> None:
    """Raise DataError for a column that no file has, or a role that means nothing where it is."""
    names = {name: kind for kind, table in tables.items() for name in table.frame.columns}
    for name, choice in choices.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" Did you mean '{close[0]}'?" if close else f" There are: {', '.join(names)}."
            raise DataError(f"data.columns speaks of '{name}', which no file has as a column.{hint}")
        if choice.role is None:
            continue
        kinds = [kind for kind, table in tables.items() if name in table.frame.columns]
        if not any(SYNONYMS.get((kind, choice.role), choice.role) in ROLES[kind] for kind in kinds):
            raise DataError(
                f"Column '{name}' of the {kinds[0]} can't have the role '{choice.role}'; "
                f"it may be one of {', '.join(ROLES[kinds[0]])}."
            )


def choices_from(columns: Iterable[Column]) -> dict[str, ColumnChoice]:
    """What was inferred, as a recipe says it. Give the items' columns first: a name that two files
    share keeps what the first says of it, unless that is to ignore it."""
    stated: dict[str, ColumnChoice] = {}
    for column in columns:
        if column.name not in stated or stated[column.name].role == Role.IGNORED:
            stated[column.name] = ColumnChoice(
                role=column.role,
                separator=column.separator,
                date_order=column.date_order,
                decimal=column.decimal,
            )
    return stated


def _chosen_role(name: str, kind: Kind, choices: Mapping[str, ColumnChoice]) -> Role | None:
    role = choices[name].role if name in choices else None
    if role is None:
        return None
    role = SYNONYMS.get((kind, role), role)
    return role if role in ROLES[kind] else None


def _single_roles(
    table: Table, kind: Kind, chosen: Mapping[str, Role], known: Mapping[str, Role]
) -> dict[str, Role]:
    """The roles that only one column has, given out; and the chosen ones."""
    roles = dict(chosen)
    free = {name: plain_name(name) for name in table.frame.columns if name not in roles}
    free = {
        name: plain for name, plain in free.items() if table.frame[name].null_count() < table.frame.height
    }
    _refuse_two(roles, kind)

    def give(role: Role, aliases: Sequence[str], fits: Callable[[pl.Series], bool] = _anything) -> str | None:
        taken = next((name for name, has in roles.items() if has == role), None)
        if taken is not None:
            return taken
        named = [name for name, plain in free.items() if known.get(plain) == role]
        named += sorted(
            (name for name in free if free[name] in aliases), key=lambda name: aliases.index(free[name])
        )
        for name in [name for name in named if fits(table.frame[name])][:1]:
            roles[name] = role
            del free[name]
            return name
        return None

    if kind in ("interactions", "impressions"):
        user, item = give(Role.USER, USER_IDS), give(Role.ITEM, LOGGED_ITEMS)
        if user is None or item is None:
            raise DataError(_no_key(table, "user" if user is None else "item"))
        time = give(Role.TIME, TIMES)
        if kind == "interactions":
            give(Role.WEIGHT, WEIGHTS)
        elif time is None:  # nobody could tell which of them a part of the log may know
            raise DataError(_no_key(table, "time"))
        else:
            for role, aliases in SHOWN.items():
                give(role, aliases)
            # In some logs it is the list's, in others the row's own: then it puts nothing together.
            give(Role.RECOMMENDATION, ["impression_id"], fits=_repeats)
    elif kind == "users":
        if give(Role.ID, [*USER_IDS, "id"]) is None:
            raise DataError(_no_key(table, "id"))
    else:
        key = give(Role.ID, ITEM_IDS)
        title = give(Role.TITLE, TITLES) or _title_by_values(table, free, roles)
        if key is None and title is None and _id_by_values(table, free, roles) is None:
            raise DataError(_no_key(table, "id"))
        give(Role.POPULARITY, POPULARITY, fits=_is_numeric)
    return roles


def _refuse_two(roles: Mapping[str, Role], kind: Kind) -> None:
    for role in SINGLE:
        names = [name for name, has in roles.items() if has == role]
        if len(names) > 1:
            raise DataError(
                f"data.columns gives the role '{role}' to two columns of the {kind}, "
                f"{' and '.join(repr(name) for name in names[:2])}; only one can have it."
            )


def _no_key(table: Table, role: str) -> str:
    columns = table.frame.columns
    what = {"user": "the user", "item": "the item", "time": "the time", "id": "an id or a title"}[role]
    name = next((name for name in columns if plain_name(name) not in TIMES), columns[0])
    return (
        f"{table.name} has no column that looks like {what}; it has {', '.join(columns)[:200]}. "
        f"""Say which it is, for example --set 'data.columns."{name}".role={role}'."""
    )


def _title_by_values(table: Table, free: dict[str, str], roles: dict[str, Role]) -> str | None:
    """The first column of words that are nearly all different and not too long."""
    for name, plain in free.items():
        column = table.frame[name]
        if column.dtype != pl.String or plain in (*TEXTS, *LISTS, *NEVER) or plain.endswith("_id"):
            continue
        sample = trimmed(column.head(SAMPLE)).drop_nulls()
        if not len(sample) or not _is_words(sample):
            continue
        lengths = sample.str.len_chars()
        if sample.n_unique() > len(sample) * 0.6 and 2 <= float(lengths.mean() or 0) <= 80:  # type: ignore[arg-type]
            roles[name] = Role.TITLE
            del free[name]
            return name
    return None


def _id_by_values(table: Table, free: dict[str, str], roles: dict[str, Role]) -> str | None:
    """The first column without a gap or a repetition; an unnamed index column comes last."""
    for name in sorted(free, key=lambda name: name.startswith("column ")):
        column = table.frame[name]
        if column.dtype == pl.String and not column.null_count() and column.n_unique() == len(column):
            roles[name] = Role.ID
            del free[name]
            return name
    return None


def _described(series: pl.Series, name: str, kind: Kind, role: Role | None, choice: ColumnChoice) -> Column:
    """One column with its role and how it is read."""
    role = role or _role_by_values(series, name, kind, choice)
    separator: str | None = None
    if role == Role.CATEGORIES and series.dtype == pl.String:
        separator = choice.separator or find_separator(trimmed(series.head(SAMPLE)).drop_nulls(), hint=True)
    order = choice.date_order
    decimal = choice.decimal
    if series.dtype == pl.String:
        if role == Role.DATE:
            order = dates(series, choice.date_order, name).order
        elif role == Role.TIME:
            order = times(series, choice.date_order, name)[1]
        elif role in DECIMAL:
            decimal = numbers(series, choice.decimal)[1]
    return Column(
        name=name,
        role=role,
        separator=separator,
        date_order=order if role in (Role.DATE, Role.TIME) else None,
        decimal=decimal if role in DECIMAL else None,
    )


def _role_by_values(series: pl.Series, name: str, kind: Kind, choice: ColumnChoice) -> Role:
    """A role for a column whose name told nothing that only one column can be."""
    plain = plain_name(name)
    if kind == "impressions" and plain in OUTCOMES and series.null_count() < len(series):
        return Role.OUTCOME
    if kind in ("interactions", "impressions") or series.null_count() == len(series) or plain in NEVER:
        return Role.IGNORED
    if series.dtype != pl.String or choice.separator is not None:
        return Role.CATEGORIES
    if choice.date_order is not None:
        return Role.DATE
    sample = trimmed(
        series.head(SAMPLE) if series.head(SAMPLE).null_count() < SAMPLE else series
    ).drop_nulls()
    distinct = sample.n_unique()
    if not distinct or _is_url(sample) or (name.startswith("column ") and _counts_up(sample)):
        return Role.IGNORED
    if plain in TEXTS:
        return Role.TEXT
    if _is_json_list(sample) or (plain in LISTS and find_separator(sample, hint=True)):
        return Role.CATEGORIES
    if plain in KINDS_OF and distinct <= max(20, len(sample) * 0.5):
        return Role.CATEGORY
    readable = 1 - numbers(sample, choice.decimal)[0].null_count() / len(sample)
    as_id = bool(re.search(r"(^|_)(id|code|zip|postcode)($|_)|zip", plain))
    if readable > 0.9 and not as_id:
        return Role.DATE if _is_unix_time(sample, plain) else Role.NUMBER
    if share_of_dates(sample) > 0.8:
        return Role.DATE
    if find_separator(sample) is not None:
        return Role.CATEGORIES
    return _words(sample, distinct, as_id)


def _words(sample: pl.Series, distinct: int, as_id: bool) -> Role:
    """Strings that are neither numbers, dates nor lists: a category, a text, or nothing."""
    long = float(sample.str.len_chars().mean() or 0)  # type: ignore[arg-type]
    if long > 60 and distinct > len(sample) * 0.2:
        return Role.TEXT
    if distinct <= (len(sample) * 0.5 if as_id else max(20, len(sample) * 0.5)):
        return Role.CATEGORY
    several_words = float(sample.str.contains(r"\S\s+\S").mean() or 0) > 0.5  # type: ignore[arg-type]
    return Role.TEXT if several_words and not as_id else Role.IGNORED if as_id else Role.CATEGORY


def find_separator(sample: pl.Series, hint: bool = False) -> str | None:
    """What stands between the values of a cell, when the parts come again more than the wholes do.

    Args:
        sample: (n,) known cells.
        hint: the column is known to hold lists: the likeliest separator will do.
    """
    if not len(sample):
        return None
    if _is_json_list(sample):
        return "json"
    whole = sample.n_unique()
    for separator in SEPARATORS:
        holding = float(sample.str.contains(separator, literal=True).mean() or 0)  # type: ignore[arg-type]
        if holding < (0.02 if hint else 0.1):
            continue
        parts = sample.str.split(separator).explode().str.strip_chars()
        short = float(parts.str.len_chars().mean() or 0) <= 30  # type: ignore[arg-type]
        if short and (
            hint or parts.n_unique() < 0.7 * whole or (separator == "|" and whole < len(sample) + 1)
        ):
            return separator
    return None


def _is_json_list(sample: pl.Series) -> bool:
    return float(sample.str.contains(r"^\s*\[.*\]\s*$").mean() or 0) > 0.9  # type: ignore[arg-type]


def _anything(series: pl.Series) -> bool:
    return True


def _repeats(series: pl.Series) -> bool:
    """Whether a value stands in three rows for every two values there are, or oftener."""
    known = series.drop_nulls()
    return known.n_unique() * 3 <= len(known) * 2


def _is_numeric(series: pl.Series) -> bool:
    if series.dtype != pl.String:
        return False
    sample = trimmed(series).drop_nulls().head(SAMPLE)
    return numbers(sample)[0].null_count() * 2 < len(sample)


def _is_words(sample: pl.Series) -> bool:
    """Whether the cells are neither numbers nor dates, addresses or lists."""
    return not (
        _is_numeric(sample) or _is_url(sample) or share_of_dates(sample) > 0.8 or find_separator(sample)
    )


def _is_url(sample: pl.Series) -> bool:
    return float(sample.str.contains(r"^(https?://|www\.)\S+$").mean() or 0) > 0.5  # type: ignore[arg-type]


def _counts_up(sample: pl.Series) -> bool:
    values = sample.cast(pl.Int64, strict=False)
    return values.null_count() == 0 and bool((values.diff().drop_nulls() == 1).all())


def _is_unix_time(sample: pl.Series, plain: str) -> bool:
    dated = bool(re.search(r"(^|_)(time|timestamp|date|at|added|created|released|ts)($|_)", plain))
    return dated and bool(sample.str.contains(r"^\d{9,13}$").all())
