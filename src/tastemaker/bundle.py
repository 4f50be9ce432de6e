"""The wall between training and serving: one immutable folder, written by the one, read by the other.

Nothing in it is executable and nothing is a pickle: Parquet, JSON, plain `.npy` arrays, LiteRT towers,
and the Keras originals and what their optimisers remembered, which only a warm start ever opens. Every
file is named with its sha256 in `manifest.json`, and a folder whose bytes differ isn't opened.
"""

import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.door.files import (
    LARGEST_MANIFEST,
    NAME,
    content,
    files_in,
    one_line,
    parsed,
    plain_file,
    read_array,
    read_json,
    told,
)
from tastemaker.door.parquet import read_parquet
from tastemaker.errors import BundleError, RecipeError
from tastemaker.features.batches import Scale
from tastemaker.manifest import FORMAT, Manifest
from tastemaker.recipe import Recipe

if TYPE_CHECKING:
    from tastemaker.features.pairs import Pairs
    from tastemaker.features.tfidf import Tfidf

EVENTS = ("offsets", "rows", "times", "weights")
"""What a bundle keeps of people's histories, beside their ids."""

LEARNING = "learning/"
"""Where in a bundle that lies which only a warm start opens, beside the Keras originals."""

SERIES = "series"

ARRAYS = (
    "item_vectors",
    "item_inputs",
    "neighbour_vectors",
    "neighbour_queries",
    "popularity",
    SERIES,
    "index/centroids",
    "index/lists",
    "ranker/rotation",
    "tries/shows",
    "tries/clicks",
)


@dataclass(frozen=True)
class Bundle:
    """Everything that answering needs, and nothing that learns.

    Attributes:
        manifest: what it is.
        catalogue: N items.
        users: those with columns of their own, or None.
        histories: what was known of people when it was trained; empty without users.
        arrays: by name, see `ARRAYS`. `item_vectors` (N, D) is what query vectors meet; `item_inputs`
            (N, Di) what the query tower sees of an item (absent: `item_vectors` without the last
            column); `neighbour_vectors` (N, Dn; absent: `item_vectors`) are compared for similar items,
            from the item's own `neighbour_queries` (N, Dn) where the two differ; `popularity` (N,)
            higher is more; `series` (N,) numbers of the series that items belong to, from 0, where no item
            came or changed since; `index/…` what an index keeps to be opened soon; `ranker/rotation` turns
            vectors into those that the ranker has learnt from; `tries/…` (N,) how often each item was
            shown and clicked, where impressions told.
        towers: LiteRT models, `query_tower`, `item_tower` and `ranker`.
        originals: Keras files by name.
        learning: what the optimisers remembered at the end of training, `.npy` files by name.
        encoders: JSON of the fitted encoders, by "items" and "users".
        tfidf: n-grams of the catalogue's texts, where similarity uses them.
        pairs: what items of a history say of others, where scores use it.
        evaluation: the report of the exam held while training, as JSON; None without one.
        rejected: rows of the input that could not be used.
        golden: requests and their answers, see `golden`.
        ranker: what `rank` needs to know of the tower `ranker`, as JSON; None where retrieval's order stands.
    """

    manifest: Manifest
    catalogue: Catalogue
    users: Catalogue | None
    histories: Interactions
    arrays: Mapping[str, npt.NDArray[Any]]
    towers: Mapping[str, bytes] = field(default_factory=dict)
    originals: Mapping[str, bytes] = field(default_factory=dict)
    learning: Mapping[str, bytes] = field(default_factory=dict)
    encoders: Mapping[str, Any] = field(default_factory=dict)
    tfidf: "Tfidf | None" = None
    pairs: "Pairs | None" = None
    evaluation: dict[str, Any] | None = None
    rejected: pl.DataFrame | None = None
    golden: Sequence[Any] = ()
    ranker: Mapping[str, Any] | None = None
    card: str = ""

    @property
    def scale(self) -> Scale:
        return Scale(**self.manifest.value_scale)

    @property
    def version(self) -> str:
        """Short name of exactly this model."""
        return hashlib.sha256(self.manifest.model_dump_json().encode()).hexdigest()[:12]

    def save(self, path: Path | str) -> None:
        """Write beside `path`, then rename into place; an older bundle there is replaced at the end.

        Raises: BundleError when `path` can't be written or holds something that isn't a bundle.
        """
        path = Path(os.path.realpath(path))  # a link to a bundle stays, and what it leads to is replaced
        check_target(path)
        partial = path.parent / f".{path.name}.{secrets.token_hex(4)}.partial"
        try:
            partial.mkdir(parents=True)
            sums = {name: _write(partial / name, content) for name, content in self._files()}
            manifest = self.manifest.model_copy(update={"files": sums, "checksum": ""})
            _write(partial / "manifest.json", _signed(manifest.model_dump_json(indent=1)).encode())
            _replace(partial, path)
        except OSError as error:
            raise BundleError(
                f"Can't write the bundle {path}: {error.strerror or error}. Nothing was changed there."
            ) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        yield "catalogue.parquet", _parquet(self.catalogue.frame)
        if self.users is not None:
            yield "users.parquet", _parquet(self.users.frame)
        yield (
            "histories/users.parquet",
            _parquet(pl.DataFrame({"user_id": pl.Series(self.histories.user_ids, dtype=pl.String)})),
        )
        for name in EVENTS:
            yield f"histories/{name}.npy", _npy(getattr(self.histories, name))
        yield "encoders.json", json.dumps(self.encoders).encode()
        for name, array in self.arrays.items():
            yield f"{name}.npy", _npy(array)
        for name, model in self.towers.items():
            yield f"{name}.tflite", model
        for name, model in self.originals.items():
            yield f"{name}.keras", model
        for name, array_file in self.learning.items():
            yield f"{LEARNING}{name}.npy", array_file
        for folder, part in (("tfidf", self.tfidf), ("pairs", self.pairs)):
            for name, array in part.arrays().items() if part is not None else ():
                yield f"{folder}/{name}.npy", _npy(array)
        if self.evaluation is not None:
            yield "evaluation.json", json.dumps(self.evaluation, indent=1).encode()
        if self.ranker is not None:
            yield "ranker.json", json.dumps(self.ranker, indent=1).encode()
        if self.golden:
            yield "golden.json", json.dumps(self.golden, indent=1).encode()
        if self.rejected is not None and self.rejected.height:
            yield "rejected.csv", self.rejected.write_csv().encode()
        yield "card.md", self.card.encode()

    @classmethod
    def open(cls, path: Path | str) -> "Bundle":
        """Verify every file, then read what answering needs.

        Raises: BundleError naming the first file that is missing, surplus or changed.
        """
        path = Path(path)
        manifest = read_manifest(path)
        _verify(path, manifest.files)
        with one_line(path):
            return cls._read(path, manifest)

    @classmethod
    def _read(cls, path: Path, manifest: Manifest) -> "Bundle":
        items, users = (manifest.columns.get(name) for name in ("items", "users"))
        catalogue = Catalogue(read_parquet(path / "catalogue.parquet"), tuple(items or ()))
        rejected = path / "rejected.csv"
        evaluation, golden, ranker = (
            read_json(path / name) if name in manifest.files else None
            for name in ("evaluation.json", "golden.json", "ranker.json")
        )
        bundle = cls(
            manifest=manifest,
            catalogue=catalogue,
            users=None if users is None else Catalogue(read_parquet(path / "users.parquet"), tuple(users)),
            histories=_histories(path / "histories", manifest),
            arrays={
                name: read_array(path / f"{name}.npy") for name in ARRAYS if f"{name}.npy" in manifest.files
            },
            towers=_Unread(path, manifest.files, ".tflite"),
            originals=_Unread(path, manifest.files, ".keras"),
            learning=_Unread(path, manifest.files, ".npy", LEARNING),
            encoders=read_json(path / "encoders.json"),
            tfidf=_part(_tfidf, path / "tfidf", manifest),
            pairs=_part(_pairs, path / "pairs", manifest),
            evaluation=evaluation,
            rejected=pl.read_csv(rejected, infer_schema=False, glob=False) if rejected.exists() else None,
            golden=() if golden is None else golden,
            ranker=ranker,
            card=content(path / "card.md", LARGEST_MANIFEST).decode(),
        )
        _check_shapes(path, bundle)
        return bundle


class _Unread(Mapping[str, bytes]):
    """Files of one beginning and ending, read when asked for: most answers never need them.

    They are verified again then, since another bundle may have taken the place of this one.
    """

    def __init__(self, folder: Path, sums: Mapping[str, str], ending: str, start: str = "") -> None:
        self._folder = folder
        self._sums = {
            name.removeprefix(start).removesuffix(ending): (name, sums[name])
            for name in sums
            if name.startswith(start) and name.endswith(ending)
        }

    def __getitem__(self, key: str) -> bytes:
        name, expected = self._sums[key]
        try:
            content = (self._folder / name).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise BundleError(f"{self._folder} was changed while it was open: {name} differs. Open it again.")
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)


class _Ids(Sequence[str]):
    """A column that becomes strings of Python when the first is asked for: of 140,000 they take 10 MB, and
    who comes with a history of their own never asks.
    """

    def __init__(self, column: pl.Series) -> None:
        self._ids: pl.Series | list[str] = column

    def _listed(self) -> list[str]:
        ids = self._ids
        if isinstance(ids, pl.Series):
            ids = self._ids = ids.to_list()
        return ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, at: Any) -> Any:
        return self._listed()[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed())


def check_target(path: Path) -> None:
    """Refuse early what `save` would refuse late. Raises BundleError."""
    if path.exists() and not (path / "manifest.json").is_file():
        what = "a folder that isn't a bundle" if path.is_dir() else "a file"
        raise BundleError(f"{path} is {what}; it stays as it is. Give a new name.")
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise BundleError(f"Can't write the bundle {path}: {parent} is not a folder that can be written to.")


def _replace(partial: Path, path: Path) -> None:
    if not path.exists():
        partial.rename(path)
        return
    old = path.parent / f".{path.name}.{secrets.token_hex(4)}.old"
    try:
        path.rename(old)
        partial.rename(path)
    finally:  # of a Ctrl-C as of an error
        if not path.exists():
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> str:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


_UNSIGNED = '"checksum": ""'


def _signed(text: str) -> str:
    """The manifest with its own checksum in it."""
    return text.replace(_UNSIGNED, f'"checksum": "{hashlib.sha256(text.encode()).hexdigest()}"')


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


_Part = TypeVar("_Part")
_Arrays = dict[str, npt.NDArray[Any]]


def _part(made_of: Callable[[_Arrays], _Part], folder: Path, manifest: Manifest) -> _Part | None:
    """What lies in a folder of arrays, or None where the bundle has none."""
    names = [name for name in manifest.files if name.startswith(f"{folder.name}/")]
    if not names:
        return None
    try:
        # A scalar can't be mapped into memory as the large arrays are.
        arrays = {Path(name).stem: read_array(folder / Path(name).name, mapped=False) for name in names}
        return made_of(arrays)
    except (KeyError, ValueError) as error:
        raise BundleError(
            f"{told(folder.parent)} is damaged: {folder.name} can't be read ({told(error)})."
        ) from None


def _tfidf(arrays: _Arrays) -> "Tfidf":
    from tastemaker.features.tfidf import Tfidf  # scipy, 20 MB and 0.1 s, is for those who have such a part

    return Tfidf.from_arrays(arrays)


def _pairs(arrays: _Arrays) -> "Pairs":
    from tastemaker.features.pairs import Pairs

    return Pairs.from_arrays(arrays)


def read_manifest(path: Path) -> Manifest:
    """What a bundle says of itself, its own checksum verified and nothing else.

    Raises: BundleError where there is none, or none that this version reads.
    """
    try:
        text = content(path / "manifest.json", LARGEST_MANIFEST).decode()
        values = parsed(text.encode(), path / "manifest.json")
        found, checksum = values.get("format"), values.get("checksum")
    except FileNotFoundError:
        what = (
            "has no manifest.json" if path.is_dir() else "is not there" if not path.exists() else "is a file"
        )
        raise BundleError(
            f"{told(path)} is not a bundle: it {what}. `tastemaker train … --out` makes one."
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        what = "is a file" if isinstance(error, NotADirectoryError) else "has an unreadable manifest.json"
        raise BundleError(f"{told(path)} is not a bundle: it {what}.") from None
    if found != FORMAT:
        raise BundleError(
            f"{told(path)} has format {told(repr(found))}; this version reads format {FORMAT}. Train it anew."
        )
    if not checksum or _signed(text.replace(f'"checksum": "{checksum}"', _UNSIGNED)) != text:
        raise BundleError(f"{told(path)} is damaged: manifest.json differs from what was written.")
    try:
        manifest = Manifest.model_validate_json(text)
        Recipe.of(manifest.recipe)
    except (ValidationError, RecipeError) as error:
        first = told(str(error).splitlines()[0])
        raise BundleError(f"{told(path)}/manifest.json is damaged: {first}") from None
    return manifest


def _verify(path: Path, files: Mapping[str, str]) -> None:
    try:
        present = set(files_in(path)) - {"manifest.json"}
    except OSError as error:
        raise BundleError(f"{told(path)} can't be read: {error.strerror}.") from None
    for name in sorted(present | set(files)):
        if not NAME.fullmatch(name) and name in files:
            raise BundleError(f"{told(path)} is damaged: no file of a bundle is called {told(name)!r}.")
        if name not in present:
            raise BundleError(f"{told(path)} is damaged: {name} is missing.")
        if name not in files:
            raise BundleError(f"{told(path)} is damaged: {told(name)} is not in its manifest.")
        with os.fdopen(plain_file(path / name), "rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != files[name]:
                raise BundleError(f"{told(path)} is damaged: {name} differs from what was written.")


def _histories(folder: Path, manifest: Manifest) -> Interactions:
    """Mapped: of a large log an answer needs one person's events."""
    mapped = {name: read_array(folder / f"{name}.npy") for name in EVENTS}
    return Interactions(
        _Ids(read_parquet(folder / "users.parquet")["user_id"]),
        **{name: np.asarray(array) for name, array in mapped.items()},
        is_ordered=manifest.is_ordered,
        is_clock=manifest.is_clock,
    )


BY_ITEM = ("item_vectors", "item_inputs", "neighbour_vectors", "neighbour_queries")
"""Of `ARRAYS`, those of a vector an item; see `Bundle`."""


def _check_shapes(path: Path, bundle: Bundle) -> None:
    """Whether the parts are of the same items and people. Raises BundleError.

    Only what is small is looked through: what large arrays hold is for `registry.proving`.
    """
    items, log = bundle.catalogue.size, bundle.histories
    wrong = ""
    for name, array in bundle.arrays.items():
        if name in BY_ITEM and (array.ndim != 2 or array.dtype.kind != "f"):
            wrong = f"{name} are no vectors"
        is_by_item = name in BY_ITEM or name.startswith(("popularity", "tries/", SERIES))
        if is_by_item and array.shape[:1] != (items,):
            wrong = f"{name} has {array.shape[:1]} rows, and the catalogue has {items:,} items"
    series = bundle.arrays.get(SERIES, np.zeros(0, np.int32))
    if series.dtype.kind not in "iu" or series.min(initial=0) < 0 or series.max(initial=-1) >= max(1, items):
        wrong = "series are no numbers below the number of items"
    offsets, events = log.offsets, len(log.rows)
    if any(each.ndim != 1 for each in (offsets, log.rows, log.times, log.weights)):
        wrong = "histories are no lists"
    elif offsets.dtype != np.int64 or log.rows.dtype != np.int32 or len(offsets) != len(log.user_ids) + 1:
        wrong = f"histories are of {len(offsets) - 1:,} people, and {len(log.user_ids):,} have a name"
    elif not len(log.times) == len(log.weights) == events:
        wrong = "histories have more times or weights than events"
    elif offsets[0] != 0 or offsets[-1] != events or (np.diff(offsets) < 0).any():
        wrong = "histories begin and end elsewhere than their events do"
    if not isinstance(bundle.encoders, dict) or not isinstance(bundle.golden, Sequence):
        wrong = "encoders or golden answers are of another kind"
    if ("ranker" in bundle.towers) != isinstance(bundle.ranker, dict):
        wrong = "of its ranker there is a network or a note, and not both"
    if any(part is not None and len(part["starts"]) != items + 1 for part in _counted(bundle)):
        wrong = "counted pairs or n-grams are of other items"
    if wrong:
        raise BundleError(f"{told(path)} is damaged: {wrong}.")


def _counted(bundle: Bundle) -> Iterator[_Arrays | None]:
    for part in (bundle.tfidf, bundle.pairs):
        yield None if part is None else part.arrays()
