"""A split as files that anyone can use, and that can't change unnoticed: three tables and a manifest.

The fingerprint of a part is the sha256 of its events as lines of JSON, `["user", "item", time, weight]`,
sorted as UTF-8 and each ended by a newline; docs/splits.md has it in ten lines for any reader of Parquet.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.protocols import Split
from tastemaker.data.split import Fold
from tastemaker.errors import DataError
from tastemaker.recipe import SplitRecipe

FORMAT = 2
COLUMNS = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64, "weight": pl.Float32}
USED = {
    "global_time": ("test_share", "gap_days"),
    "random": ("test_share",),
    "cold_item": ("test_share",),
    "user_holdout": ("test_share", "fold_in"),
    "cold_user": ("test_share", "cold_events"),
}
"""The knobs that a strategy goes by."""


class Saved(NamedTuple):
    """A split that was read back.

    split: as it was made.
    manifest: what stands beside it.
    unknown: events by part that were left out, because the catalogue lacks their items.
    """

    split: Split
    manifest: dict[str, Any]
    unknown: dict[str, int]


def save(
    split: Split, log: Interactions, item_ids: Sequence[str], folder: Path, recipe: SplitRecipe, seed: int
) -> str:
    """Write train, history and targets as .parquet with a manifest.json: all of it, or nothing.

    Columns are `user_id, item_id, timestamp, weight`. An earlier split in `folder` is replaced;
    anything else in the way is left alone and refused.

    Args:
        log: what was split.
        item_ids: (N,) the catalogue's ids, which rows are turned back into.
        recipe, seed: by which it was made.
    Returns: the fingerprint of the whole split.

    Raises: DataError when the folder can't be written.
    """
    check_folder(folder)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
        parts = {name: _frame(part, item_ids) for name, part in split.fold._asdict().items()}
        for name, frame in parts.items():
            frame.write_parquet(made / f"{name}.parquet")
        prints = {name: fingerprint(frame) for name, frame in parts.items()}
        manifest = {
            "kind": "split",
            "format": FORMAT,
            "fingerprint": _together(prints),
            "strategy": split.strategy,
            "why": split.why,
            "settings": {name: getattr(recipe, name) for name in USED.get(split.strategy, ())},
            "seed": seed,
            "cut": split.cut,
            "is_ordered": log.is_ordered,
            "is_clock": log.is_clock,
            "users": split.fold.train.user_count,
            "users_asked": int(np.sum(np.diff(split.fold.targets.offsets) > 0)),
            "items": len(item_ids),
            "source": {"events": log.size, "fingerprint": fingerprint(_frame(log, item_ids))},
            "parts": {
                name: {"events": frame.height, "fingerprint": prints[name]} for name, frame in parts.items()
            },
        }
        (made / "manifest.json").write_text(
            json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except OSError as error:
        raise DataError(f"Can't write the split to {folder}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return str(manifest["fingerprint"])


def check_folder(folder: Path) -> None:
    """Raises DataError where something else than a split is in the way."""
    if folder.exists() and not _may_be_replaced(folder):
        raise DataError(f"{folder} exists and is not a split. Name a new folder, or remove it first.")


def is_split(folder: Path) -> bool:
    """Whether it is a folder with the manifest of a split."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == "split"


def opened(folder: Path, items: Catalogue) -> Saved:
    """Read a split back and see that nothing was changed since.

    Args:
        items: what the ids of its items are looked up in.

    Raises: DataError when it isn't a split, is damaged or was changed, or is about none of the items.
    """
    _check_split(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("format") != FORMAT:
        raise DataError(
            f"{folder} has format {manifest.get('format')}, this version reads {FORMAT}: split the log again."
        )
    frames = {name: _read(folder, name) for name in Fold._fields}
    prints = {name: fingerprint(frame) for name, frame in frames.items()}
    try:
        told = {name: part["fingerprint"] for name, part in manifest["parts"].items()}
        whole, strategy, why, cut = (manifest[key] for key in ("fingerprint", "strategy", "why", "cut"))
        kinds = {"is_ordered": bool(manifest["is_ordered"]), "is_clock": bool(manifest["is_clock"])}
        cut = None if cut is None else float(cut)
        float(manifest["settings"].get("gap_days", 0.0))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(f"{folder}/manifest.json is damaged: split the log again.") from None
    changed = [name for name, found in prints.items() if told.get(name) != found]
    if changed or whole != _together(prints):
        what = " and ".join(changed) or "the manifest"
        raise DataError(f"{folder} isn't the split that was made: {what} has been changed since.")
    names = list(dict.fromkeys(id for frame in frames.values() for id in frame["user_id"].to_list()))
    number = {name: place for place, name in enumerate(names)}
    parts, unknown = {}, {}
    for name, frame in frames.items():
        rows = items.rows(frame["item_id"].to_list())
        known = rows != PAD
        unknown[name] = int((~known).sum())
        parts[name] = Interactions.from_events(
            names,
            np.array([number[id] for id in frame["user_id"].to_list()], np.int32)[known],
            rows[known],
            frame["timestamp"].to_numpy()[known],
            frame["weight"].to_numpy()[known],
            **kinds,
        )
    if not frames["targets"].height:
        raise DataError(f"{folder} asks for nothing: it has no targets. Split the log otherwise.")
    if not parts["targets"].size:
        raise DataError(f"{folder} asks for no item that this catalogue knows.")
    return Saved(Split(Fold(**parts), why, strategy, cut), manifest, unknown)


def items_of(folder: Path) -> pl.DataFrame:
    """A catalogue of nothing but the ids in a split, for where there is no other; column `item_id`.

    Raises: DataError when it isn't a split.
    """
    _check_split(folder)
    return pl.concat([_read(folder, name).select("item_id") for name in Fold._fields]).unique(
        maintain_order=True
    )


def fingerprint(events: pl.DataFrame) -> str:
    """sha256 of events as sorted lines of JSON; columns `user_id, item_id, timestamp, weight`."""
    columns = events.select(pl.col("user_id", "item_id"), pl.col("timestamp", "weight").cast(pl.Float64))
    lines = sorted(
        json.dumps(
            [user, item, int(time) if time is not None and time.is_integer() else time, weight],
            ensure_ascii=False,
        ).encode()
        for user, item, time, weight in columns.iter_rows()
    )
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def _together(prints: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {prints[name]}\n" for name in Fold._fields).encode()).hexdigest()


def _check_split(folder: Path) -> None:
    if not is_split(folder):
        raise DataError(f"{folder} is not a split: `tastemaker data split` makes one.")


def _read(folder: Path, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(folder / f"{name}.parquet").select(
            pl.col(key).cast(kind, strict=True) for key, kind in COLUMNS.items()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"Can't read {folder}/{name}.parquet: {str(error).splitlines()[0]}") from None


def _may_be_replaced(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or is_split(folder)


def _frame(part: Interactions, item_ids: Sequence[str]) -> pl.DataFrame:
    whole = bool(np.all(part.times == np.round(part.times)))
    return pl.DataFrame(
        {
            "user_id": pl.Series(list(part.user_ids), dtype=pl.String).gather(part.users),
            "item_id": pl.Series(list(item_ids), dtype=pl.String).gather(part.rows),
            "timestamp": part.times.astype(np.int64) if whole else part.times,
            "weight": part.weights,
        }
    )
