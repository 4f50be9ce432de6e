"""Published data sets in their own layouts → tables of items, interactions and users.

A converter takes a path and returns what there is, columns named as `roles` knows them; cleaning
is left to `read`. Sequences without times get a counter of each user, 0, 1, 2 … as `timestamp`.
"""

import difflib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from tastemaker.data.encoding import to_utf8
from tastemaker.data.names import ITEM_IDS, TITLES, USER_IDS, plain_name
from tastemaker.data.reading import Dataset, read
from tastemaker.data.tables import read_bytes, read_table
from tastemaker.errors import DataError

Frames = dict[str, pl.DataFrame]
"""Any of items, interactions, users; of a data set that comes parted, also valid and test."""


def convert(format: str, path: Path) -> Frames:
    """The tables of a data set in a known layout.

    Args:
        format: one of `FORMATS`.
        path: the folder of the data set, or one file of it.

    Raises:
        DataError: an unknown format, or a path that doesn't hold it.
    """
    if format not in _CONVERTERS:
        close = difflib.get_close_matches(format.lower(), FORMATS, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(FORMATS)}."
        raise DataError(f"There is no format '{format}'. {hint}")
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    return _CONVERTERS[format](path)


def write(frames: Mapping[str, pl.DataFrame], folder: Path) -> list[Path]:
    """Write each table as `folder/NAME.parquet`, whole or not at all. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as beside:
            for name, frame in frames.items():
                frame.write_parquet(Path(beside) / f"{name}.parquet")
            for name in frames:
                os.replace(Path(beside) / f"{name}.parquet", folder / f"{name}.parquet")
    except OSError as error:
        raise DataError(f"Can't write to {folder}: {error.strerror or error}.") from None
    return [folder / f"{name}.parquet" for name in frames]


def _movielens(path: Path) -> Frames:
    """The folder as GroupLens ships it: 100K (u.data), 1M and 10M (.dat), or the .csv editions."""
    folder = path if path.is_dir() else path.parent
    if (folder / "u.data").exists():
        return _movielens_100k(folder)
    if (folder / "movies.dat").exists():
        return _movielens_dat(folder)
    if (folder / "movies.csv").exists():
        return _movielens_csv(folder)
    raise DataError(
        f"{folder} holds no MovieLens data: none of u.data, movies.dat and movies.csv is there. "
        "Name the folder that was unpacked."
    )


def _movielens_100k(folder: Path) -> Frames:
    genres = [line[0] for line in _split_lines(folder / "u.genre", "|") if line[0]]
    rows = _split_lines(folder / "u.item", "|", width=5 + len(genres))
    items = pl.DataFrame(
        {
            "item_id": [row[0] for row in rows],
            "title": [row[1] for row in rows],
            "release_date": [row[2] or None for row in rows],
            "genres": [list(itertools.compress(genres, (flag == "1" for flag in row[5:]))) for row in rows],
        },
        schema_overrides={"release_date": pl.String, "genres": pl.List(pl.String)},
    )
    frames = {"items": items, "interactions": _ratings(_split_lines(folder / "u.data", "\t", width=4))}
    if (folder / "u.user").exists():
        names = ["user_id", "age", "gender", "occupation", "zip_code"]
        frames["users"] = _strings(_split_lines(folder / "u.user", "|", width=5), names)
    return frames


def _movielens_dat(folder: Path) -> Frames:
    frames = {"items": _movies(_split_lines(folder / "movies.dat", "::", width=3))}
    sequences = next(
        (folder / name for name in ("sequences.txt.gz", "sequences.txt") if (folder / name).exists()), None
    )
    if (folder / "ratings.dat").exists():
        frames["interactions"] = _ratings(_split_lines(folder / "ratings.dat", "::", width=4))
    elif sequences is not None:
        frames["interactions"] = _sequences(sequences)
    else:
        raise DataError(
            f"{folder} has neither ratings.dat nor sequences.txt.gz: nobody rated anything there."
        )
    if (folder / "users.dat").exists():
        names = ["user_id", "gender", "age", "occupation", "zip_code"]
        frames["users"] = _strings(_split_lines(folder / "users.dat", "::", width=5), names)
    return frames


def _movielens_csv(folder: Path) -> Frames:
    movies = read_table(folder / "movies.csv", "items").frame
    frames = {
        "items": _movies([list(row) for row in movies.select("movieId", "title", "genres").iter_rows()])
    }
    if (folder / "ratings.csv").exists():
        ratings = read_table(folder / "ratings.csv", "interactions").frame
        frames["interactions"] = _typed_ratings(
            ratings.select(user_id="userId", item_id="movieId", rating="rating", timestamp="timestamp")
        )
    return frames


def _movies(rows: list[list[str]]) -> pl.DataFrame:
    """(item_id, title, genres) with the genres as a list, empty where none is listed."""
    genres = [
        [genre for genre in (row[2] or "").split("|") if genre and genre != "(no genres listed)"]
        for row in rows
    ]
    return pl.DataFrame(
        {"item_id": [row[0] for row in rows], "title": [row[1] for row in rows], "genres": genres},
        schema={"item_id": pl.String, "title": pl.String, "genres": pl.List(pl.String)},
    )


def _ratings(rows: list[list[str]]) -> pl.DataFrame:
    return _typed_ratings(_strings(rows, ["user_id", "item_id", "rating", "timestamp"]))


def _typed_ratings(ratings: pl.DataFrame) -> pl.DataFrame:
    return ratings.with_columns(pl.col("rating").cast(pl.Float64), pl.col("timestamp").cast(pl.Int64))


def _strings(rows: list[list[str]], names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _sequences(path: Path) -> pl.DataFrame:
    """`user item item …` on each line, oldest first, as (user_id, item_id, timestamp 0, 1, 2 …)."""
    lines = to_utf8(read_bytes(path))[0].decode().split("\n")
    parts = pl.Series([line.split() for line in lines if line.strip()], dtype=pl.List(pl.String))
    frame = pl.DataFrame({"user_id": parts.list.first(), "item_id": parts.list.slice(1)})
    with_place = frame.with_columns(timestamp=pl.int_ranges(pl.col("item_id").list.len().cast(pl.Int64)))
    return with_place.explode("item_id", "timestamp").drop_nulls("item_id")


def _s3rec(path: Path) -> Frames:
    """NAME.txt, and NAME_item2attributes.json beside it where there is one."""
    if path.is_dir():
        named = sorted(path.glob("*_item2attributes.json"))
        texts = [path / file.name.replace("_item2attributes.json", ".txt") for file in named]
        texts += [file for file in sorted(path.glob("*.txt")) if not file.stem.endswith("_sample")]
        if not texts or not texts[0].exists():
            raise DataError(f"{path} holds no S3-Rec data: no NAME.txt is there.")
        path = texts[0]
    frames = {"interactions": _sequences(path)}
    attributes = path.with_name(f"{path.stem}_item2attributes.json")
    if attributes.exists():
        try:
            listed = json.loads(read_bytes(attributes))
        except ValueError as error:
            raise DataError(f"{attributes} is not valid JSON: {error}.") from None
        frames["items"] = pl.DataFrame(
            {
                "item_id": list(listed),
                "attributes": [[str(value) for value in values] for values in listed.values()],
            },
            schema={"item_id": pl.String, "attributes": pl.List(pl.String)},
        )
    return frames


def _lightgcn(path: Path) -> Frames:
    """train.txt, valid.txt and test.txt, `user item item …` on each line, in no order.

    The interactions are those of train.txt; the items are all that are named in any of the files.
    """
    files = {path.stem: path} if path.is_file() else {part: path / f"{part}.txt" for part in _PARTS}
    there = {part: _sets(file) for part, file in files.items() if file.exists()}
    if path.is_dir() and "train" not in there:
        raise DataError(f"{path} holds no LightGCN data: no train.txt is there.")
    if path.is_file():
        return {"interactions": there[path.stem]}
    items = pl.concat([frame.select("item_id") for frame in there.values()]).unique(maintain_order=True)
    return {"items": items, "interactions": there.pop("train"), **there}


_PARTS = ("train", "valid", "test")


def _sets(path: Path) -> pl.DataFrame:
    """`user item item …` on each line as (user_id, item_id)."""
    return _sequences(path).drop("timestamp")


def _recbole(path: Path) -> Frames:
    """NAME.inter, NAME.item and NAME.user: tabs, and a type after each name of the header."""
    stem = path.with_suffix("") if path.is_file() else None
    found: Frames = {}
    for kind, suffix in (("interactions", ".inter"), ("items", ".item"), ("users", ".user")):
        if stem is not None:
            files = [stem.with_suffix(suffix)] if stem.with_suffix(suffix).exists() else []
        else:
            files = sorted(path.glob(f"*{suffix}"))
        if len(files) > 1:
            raise DataError(
                f"{path} holds several data sets ({files[0].name}, {files[1].name}); name one file of one."
            )
        if files:
            found[kind] = _atomic(files[0])
    if not found:
        raise DataError(f"{path} holds no RecBole data: no .inter, .item or .user file is there.")
    return found


def _atomic(path: Path) -> pl.DataFrame:
    rows = _split_lines(path, "\t")
    header = [cell.rpartition(":") for cell in rows[0]]
    if any(not name or kind not in _ATOMIC for name, _, kind in header):
        raise DataError(
            f"{path} has no RecBole header ({', '.join(rows[0])[:80]}): each name needs its type, "
            "as in user_id:token."
        )
    names = [name for name, _, _ in header]
    frame = _strings([row for row in rows[1:] if len(row) == len(names)], names)
    if frame.height != len(rows) - 1:
        line = next(number for number, row in enumerate(rows, start=1) if len(row) != len(names))
        raise DataError(
            f"{path} line {line} has {len(rows[line - 1])} cells where the header has {len(names)}."
        )
    frame = frame.with_columns(pl.all().replace("", None))
    return frame.with_columns(_ATOMIC[kind](pl.col(name)) for name, _, kind in header)


_ATOMIC: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "token": lambda column: column,
    "token_seq": lambda column: column.str.split(" "),
    "float": lambda column: column.cast(pl.Float64, strict=False),
    "float_seq": lambda column: column.str.split(" "),
}


def _csv(path: Path) -> Frames:
    """Plain tables: a folder with items, interactions and users files, or one file of either kind."""
    if path.is_dir():
        files = {
            kind: next(iter(sorted(path.glob(f"{kind}.*"))), None)
            for kind in ("items", "interactions", "users")
        }
        if files["items"] is None and files["interactions"] is None:
            raise DataError(
                f"{path} holds neither an items nor an interactions file (items.csv, interactions.csv)."
            )
        return tables_of(read(files["items"], files["interactions"], files["users"]))
    names = {plain_name(name) for name in read_table(path, "items").frame.columns}
    is_log = names & set(USER_IDS) and names & {*ITEM_IDS, *TITLES}
    return tables_of(read(interactions=path) if is_log else read(items=path))


def tables_of(data: Dataset) -> Frames:
    """A data set as plain tables, to be written and read again."""
    frames = {"items": data.items.frame}
    log = data.interactions
    if log is not None:
        users = pl.Series("user_id", log.user_ids).gather(log.users)
        items = data.items.frame[data.items.id_column].gather(log.rows).alias("item_id")
        frames["interactions"] = pl.DataFrame([users, items]).with_columns(
            *([pl.Series("timestamp", log.times)] if log.is_ordered else []), pl.Series("weight", log.weights)
        )
    if data.users is not None:
        frames["users"] = data.users.frame
    return frames


def _split_lines(path: Path, delimiter: str, width: int | None = None) -> list[list[str]]:
    """Cells of each line that isn't blank. Raises DataError naming a line of another width."""
    text = to_utf8(read_bytes(path))[0].decode()
    rows: list[list[str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(line.removesuffix("\r").split(delimiter))
            if width is not None and len(rows[-1]) != width:
                raise DataError(f"{path} line {number} has {len(rows[-1])} cells, not {width}: {line[:60]}")
    return rows


_CONVERTERS: dict[str, Callable[[Path], Frames]] = {
    "movielens": _movielens,
    "s3rec": _s3rec,
    "lightgcn": _lightgcn,
    "recbole": _recbole,
    "csv": _csv,
}
FORMATS = tuple(_CONVERTERS)
