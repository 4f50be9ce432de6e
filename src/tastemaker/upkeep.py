"""Items that come, change and go: a bundle made of another, with nothing trained.

Takes items cleaned as the catalogue's own were, gives the new bundle and how its rows moved. Values are never
changed in place, so whoever answers from the old bundle goes on with it. What gives an item its vectors is
said in docs/new-items.md.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import SERIES, Bundle
from tastemaker.data.catalogue import PAD, Catalogue, Move, Rows
from tastemaker.data.report import FileReport
from tastemaker.errors import BundleError, TastemakerError, UnknownItemError
from tastemaker.features.encode import Encoder
from tastemaker.features.kin import Kin, Lesson
from tastemaker.features.newcomers import Newcomers
from tastemaker.features.text import texts_of
from tastemaker.manifest import Manifest
from tastemaker.recipe import Recipe
from tastemaker.retrieve.ivf import LISTS, lists_having
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.settle import settle
from tastemaker.retrieve.tower import Tower

Floats = npt.NDArray[np.float32]

EMBEDDED = 256
"""Items that the item tower sees at once."""
TABLES = ("item_vectors", "item_inputs", "neighbour_vectors")
"""Arrays of a bundle that are foretold."""
TRIES = ("tries/shows", "tries/clicks")
ROWS = (*TABLES, "neighbour_queries", "popularity", LISTS, *TRIES)
"""Those with a row an item."""


@dataclass(frozen=True)
class Change:
    """What set a catalogue apart from the one before it, by ids.

    Attributes:
        same: put in as they stood there already.
        report: how the items were read; None where they went.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    report: FileReport | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {
            "new": len(self.new),
            "changed": len(self.changed),
            "unchanged": len(self.same),
            "removed": len(self.removed),
        }


class Changed(NamedTuple):
    """A bundle made of another."""

    bundle: Bundle
    move: Move
    change: Change


class Placing:
    """What gives items their vectors; made of one bundle when first asked for, good for all that come of it.

    Args:
        nearest: what answers from that bundle.
    Raises: BundleError where it can say nothing of new items.
    """

    def __init__(self, nearest: Nearest) -> None:
        why = _why_not(nearest.bundle)
        if why:
            raise BundleError(f"This bundle can take no items: {why}.")
        self._nearest = nearest
        self._bundle = nearest.bundle

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder.from_json(self._bundle.encoders["items"])

    @cached_property
    def tower(self) -> Tower:
        return Tower(self._bundle.towers["item_tower"])

    @cached_property
    def kin(self) -> Kin:
        encoded = self.encoder.encode(self._bundle.catalogue).without("/ngrams")
        return Kin(encoded, self._bundle.histories.counts(self._bundle.catalogue.size))

    @cached_property
    def lessons(self) -> dict[str, Lesson]:
        arrays = self._bundle.arrays
        return {name: self.kin.learn(arrays[name][self.kin.known]) for name in TABLES if name in arrays}

    @cached_property
    def newcomers(self) -> Newcomers:
        """As training settled them; where nothing was new then, settled now."""
        manifest, log = self._bundle.manifest, self._bundle.histories
        if manifest.spread is not None:
            return Newcomers(manifest.spread)
        users = np.flatnonzero(np.diff(log.offsets)).astype(np.int32)
        rng = np.random.default_rng(Recipe.of(manifest.recipe).seed)
        return settle(self._nearest, self.kin, log, users, rng)


@dataclass(frozen=True)
class Upkeep:
    """Puts items into one bundle.

    Attributes:
        placing: of this bundle, or of one that it came of.
        now: (N then,) the row that each of the items has now which `placing` knew; PAD where it has gone.
    """

    placing: Placing
    now: Rows

    @classmethod
    def of(cls, nearest: Nearest) -> "Upkeep":
        """Raises: BundleError where the bundle can say nothing of new items."""
        return cls(Placing(nearest), np.arange(nearest.bundle.catalogue.size, dtype=np.int32))

    def after(self, move: Move) -> "Upkeep":
        return replace(self, now=move.follow(self.now))

    def put(self, bundle: Bundle, items: Catalogue, report: FileReport | None = None) -> Changed:
        """The bundle with `items` in it, each in the place of one with the same id or behind all others.

        Args:
            items: with the columns of the catalogue.
            report: how they were read.
        """
        size = bundle.catalogue.size
        same = bundle.catalogue.has(items)
        told = items.only(np.flatnonzero(~same).astype(np.int32))
        catalogue, rows = bundle.catalogue.having(told)
        change = Change(
            new=_ids(told, rows >= size),
            changed=_ids(told, rows < size),
            same=_ids(items, same),
            report=report,
        )
        placed = np.ones(len(rows), bool)
        if bundle.manifest.kind == "history":  # what people did with an item says more than another label
            placed = bundle.histories.counts(catalogue.size)[rows] == 0
        move = Move(np.arange(size, dtype=np.int32), np.sort(rows), np.sort(rows[placed]))
        if not told.size:
            return Changed(bundle, move, change)
        made = replace(
            bundle, manifest=_noted(bundle.manifest, change, told.frame.write_ndjson()), catalogue=catalogue
        )
        nobody = np.zeros(0, np.int32)  # what is new was never tried, and what has changed stays as tried
        tried = {
            name: _having(made.arrays[name], nobody, made.arrays[name][:0], catalogue.size)
            for name in TRIES
            if name in made.arrays
        }
        made = replace(made, arrays={**_without_series(made), "popularity": _popularity(made, rows), **tried})
        few = told.only(np.flatnonzero(placed).astype(np.int32))
        place = self._embedded if bundle.manifest.kind == "content" else self._foretold
        return Changed(place(made, few, rows[placed]), move, change)

    def _embedded(self, bundle: Bundle, items: Catalogue, rows: Rows) -> Bundle:
        """By the item tower, of their metadata."""
        encoded = self.placing.encoder.encode(items)
        inputs = {"ids": encoded.joined.ids, "weights": encoded.joined.weights, "dense": encoded.dense}
        vectors = [
            self.placing.tower(**{name: array[at : at + EMBEDDED] for name, array in inputs.items()})
            for at in range(0, items.size, EMBEDDED)
        ]
        known = bundle.arrays["item_vectors"]
        whole = _having(known, rows, np.concatenate(vectors), bundle.catalogue.size)
        features = Recipe.of(bundle.manifest.recipe).features
        tfidf = None if bundle.tfidf is None else bundle.tfidf.having(rows, texts_of(items, features))
        return replace(bundle, arrays={**bundle.arrays, "item_vectors": whole}, tfidf=tfidf)

    def _foretold(self, bundle: Bundle, items: Catalogue, rows: Rows) -> Bundle:
        """As training foretells what nobody has touched, from what was learnt of the others."""
        placing, size = self.placing, bundle.catalogue.size
        near = placing.kin.near_others(placing.encoder.encode(items).without("/ngrams"))
        arrays = {
            name: _having(bundle.arrays[name], rows, values, size)
            for name, values in placing.newcomers.rows(placing.lessons, near).items()
        }
        if LISTS in bundle.arrays:
            arrays[LISTS] = lists_having(bundle.arrays, arrays["item_vectors"], rows)
        pairs = bundle.pairs
        if pairs is not None:
            known = self.now[placing.kin.known]
            pairs = placing.newcomers.with_columns(placing.kin, known, pairs.beside(size, rows), rows, near)
        manifest = bundle.manifest.model_copy(update={"spread": placing.newcomers.spread})
        return replace(bundle, manifest=manifest, arrays={**bundle.arrays, **arrays}, pairs=pairs)


def without(bundle: Bundle, item_ids: Sequence[str]) -> Changed:
    """The bundle without some items, and without what people did with them.

    Raises: UnknownItemError where an id is nobody's, TastemakerError where no item would be left.
    """
    rows = bundle.catalogue.rows(item_ids)
    unknown = [id for id, row in zip(item_ids, rows, strict=True) if row == PAD]
    if unknown:
        more = f" (and {len(unknown) - 1:,} more of the {len(item_ids):,})" if len(unknown) > 1 else ""
        raise UnknownItemError(f"No item has the id {unknown[0]!r}{more}; nothing was removed.")
    size = bundle.catalogue.size
    stays = np.ones(size, bool)
    stays[rows] = False
    kept = np.flatnonzero(stays).astype(np.int32)
    if not len(kept):
        raise TastemakerError("Without these items none would be left; nothing was removed.")
    now = np.full(size, PAD, np.int32)
    now[kept] = np.arange(len(kept))
    nothing = np.zeros(0, np.int32)
    change = Change(removed=tuple(dict.fromkeys(item_ids)))
    if len(kept) == size:
        return Changed(bundle, Move(now, nothing, nothing), change)
    made = replace(
        bundle,
        manifest=_noted(bundle.manifest, change, ""),
        catalogue=bundle.catalogue.only(kept),
        histories=bundle.histories.renumbered(now),
        arrays={
            **_without_series(bundle),
            **{name: np.asarray(bundle.arrays[name])[kept] for name in ROWS if name in bundle.arrays},
        },
        tfidf=None if bundle.tfidf is None else bundle.tfidf.only(kept),
        pairs=None if bundle.pairs is None else bundle.pairs.only(kept),
    )
    return Changed(made, Move(now, nothing, nothing), change)


def _without_series(bundle: Bundle) -> dict[str, Any]:
    """Its arrays, but for the numbers of series, which are made anew of the titles."""
    return {name: array for name, array in bundle.arrays.items() if name != SERIES}


def _why_not(bundle: Bundle) -> str | None:
    """Why it can say nothing of new items, or None."""
    if bundle.manifest.recipe["preset"] != "default":
        return f"the preset {bundle.manifest.recipe['preset']} knows an item by its place alone"
    if not bundle.encoders.get("items", {}).get("parts"):
        return "it was trained without metadata of items, and nothing else tells of a new one"
    if bundle.manifest.kind == "content" and "item_tower" not in bundle.towers:
        return "it has no item tower"
    return None


def _ids(items: Catalogue, those: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(items.id_list(np.flatnonzero(those).astype(np.int32)))


def _having(table: npt.NDArray[Any], rows: Rows, values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """A copy of `table` (N, …) that is `size` long, with `values` in `rows`; what is then unsaid is 0."""
    made = np.zeros((size, *table.shape[1:]), table.dtype)
    made[: len(table)] = table
    made[rows] = values
    return made


def _popularity(bundle: Bundle, rows: Rows) -> npt.NDArray[Any]:
    """(N,) after items were put into `rows`: of a catalogue alone its own figure; nobody's touch is none."""
    known = bundle.arrays["popularity"]
    own = None if bundle.histories.size else bundle.catalogue.popularity
    some = np.zeros(0, np.int32) if own is None else rows
    return _having(known, some, known[:0] if own is None else own[rows], bundle.catalogue.size)


def _noted(manifest: Manifest, change: Change, content: str) -> Manifest:
    """With the change counted. The sums of the old bundle's files aren't those of the new."""
    since = manifest.since
    counts = {name: len(getattr(change, name)) for name in ("new", "changed", "removed")}
    story = [since.get("fingerprint", ""), *change.new, *change.changed, *change.removed, content]
    noted = {name: since.get(name, 0) + count for name, count in counts.items()} | {
        "fingerprint": hashlib.sha256("\0".join(story).encode()).hexdigest()
    }
    return manifest.model_copy(update={"since": noted, "files": {}, "checksum": ""})
