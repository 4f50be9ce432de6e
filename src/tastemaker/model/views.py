"""What training on a catalogue alone is shown: pairs of corrupted views of its rows, drawn in NumPy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.titles import english_half, franchise_key, native_half, series_key
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded, Field
from tastemaker.recipe import ContentRecipe

Floats = npt.NDArray[np.float32]

POSITIVES = (0.4, 0.3)
"""Chance that the second view is of the row itself, and of its series; else it is of its franchise."""
GUESS_ROWS = 2048
"""Fields with a larger table are not predicted: they cost more than they say."""


class Families(NamedTuple):
    """Which rows may stand for one another in training, and are no rivals.

    Attributes:
        series: (N,) equal for the parts of one series.
        franchise: (N,) equal for all of one franchise, so for all of one series.
    """

    series: Sequence[str]
    franchise: Sequence[str]

    @classmethod
    def of(cls, titles: Sequence[str]) -> "Families":
        return cls([series_key(title) for title in titles], [franchise_key(title) for title in titles])


class Flat(NamedTuple):
    """Bags without padding: thing n owns `starts[n]:starts[n + 1]`."""

    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    weights: Floats
    field: npt.NDArray[np.int32]


class Views:
    """Draws pairs of corrupted views of a catalogue's rows.

    Args:
        catalogue: N things.
        encoder: fitted on them.
        recipe: how much is dropped.
    """

    def __init__(
        self, catalogue: Catalogue, encoder: Encoder, recipe: ContentRecipe, families: Families | None = None
    ) -> None:
        self.encoded = encoder.encode(catalogue)
        titles = catalogue.titles if catalogue.title_column else [str(row) for row in range(catalogue.size)]
        series, franchise = families or Families.of(titles)
        self.series, self.franchise = _Groups(series), _Groups(franchise)
        native = [native_half(title) for title in titles]
        self.is_bilingual = np.array([half is not None for half in native])
        sources = [self.encoded]
        if catalogue.title_column:  # three blocks of N rows: whole titles, English halves, native halves
            for texts in ([english_half(title) for title in titles], native):
                frame = catalogue.frame.with_columns(pl.Series(catalogue.title_column, texts, pl.String))
                sources.append(encoder.encode(frame))
        self.flat = _flat(self.encoded, sources)
        numbers = self.encoded.dense.shape[1] - self.encoded.vector_dim
        self.dense_widths = [numbers, self.encoded.vector_dim]
        self.dense = np.tile(self.encoded.dense, (len(sources), 1))
        self.dense[:, numbers:] = np.concatenate([source.dense[:, numbers:] for source in sources])
        self.drop = np.array([_drop_chance(field.name, field.kind, recipe) for field in self.encoded.fields])
        self.drop_dense, self.halves = recipe.drop_fields, recipe.halves
        self.is_text = np.array([field.kind == "text" for field in self.encoded.fields])
        self.guessed = [place for place, field in enumerate(self.encoded.fields) if is_guessed(field)]

    def pairs(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
        """Two views each of `rows` (B,): the first views of all, then the second.

        Returns: bags as (T,) `place` (0 to 2B - 1), `ids` and `weights`; `dense` (2B, M); `group` (B,),
            equal for things that are no rivals; `guess` (2B, F) rows of the dropped fields' tables,
            -1 where the field was not dropped or is not known.
        """
        size = self.encoded.size
        of_series, of_franchise = self.series.draw(rows, rng), self.franchise.draw(rows, rng)
        choice = rng.random(len(rows))[:, None] >= np.cumsum(POSITIVES)
        partners = np.choose(choice.sum(1), [rows, of_series, of_franchise])
        split = (rng.random(len(rows)) < self.halves) & self.is_bilingual[rows]
        swap = np.where(rng.random(len(rows)) < 0.5, 1, 2)
        first = rows + size * np.where(split, swap, 0)
        second = partners + size * np.where(split & self.is_bilingual[partners], 3 - swap, 0)
        return {**self._corrupted(np.concatenate([first, second]), rng), "group": self.franchise.of[rows]}

    def _corrupted(
        self, places: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[Any]]:
        things = places % self.encoded.size
        is_dropped = rng.random((len(places), len(self.drop))) < self.drop  # a field goes as a whole
        counts = np.diff(self.flat.starts)[places]
        of = np.repeat(np.arange(len(places)), counts)
        at = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts - self.flat.starts[places], counts)
        field = self.flat.field[at]
        keep = np.where(self.is_text[field], rng.random(len(at)) >= self.drop[field], ~is_dropped[of, field])
        guess = np.stack(
            [self.encoded.bags[place].ids[things, 0] for place in self.guessed] or [np.zeros(len(places))], 1
        )
        known = (guess > 0) & (is_dropped[:, self.guessed] if self.guessed else False)
        kinds = 1 + (self.encoded.vector_dim > 0)  # numbers go as a whole, vectors by themselves
        has_kind = np.ones((len(places), 2), np.bool_)
        has_kind[:, :kinds] = rng.random((len(places), kinds)) >= self.drop_dense
        return {
            "place": of[keep].astype(np.int32),
            "ids": self.flat.ids[at[keep]],
            "weights": self.flat.weights[at[keep]],
            "dense": self.dense[places] * np.repeat(has_kind, self.dense_widths, axis=1),
            "guess": np.where(known, guess, -1).astype(np.int32),
        }


class _Groups:
    """Rows that share a key."""

    def __init__(self, keys: Sequence[str]) -> None:
        _, self.of = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)
        self.order = np.argsort(self.of, kind="stable")
        self.counts = np.bincount(self.of)
        self.starts = np.cumsum(self.counts) - self.counts

    def draw(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """A member of each row's group, itself perhaps."""
        group = self.of[rows]
        drawn: npt.NDArray[np.int64] = self.order[self.starts[group] + rng.integers(self.counts[group])]
        return drawn


def is_guessed(field: Field) -> bool:
    """Whether a view predicts it where it was dropped."""
    return field.kind != "text" and field.size <= GUESS_ROWS


def _drop_chance(name: str, kind: str, recipe: ContentRecipe) -> float:
    if kind != "text":
        return recipe.drop_fields
    return recipe.drop_words if name.endswith("/words") else recipe.drop_ngrams


def _flat(whole: Encoded, sources: Sequence[Encoded]) -> Flat:
    """Rows of all sources one under the other."""
    blocks = []
    first_rows = np.cumsum([0, *(field.size for field in whole.fields)])
    for block, source in enumerate(sources):
        for place, bag in enumerate(source.bags):
            row, column = np.nonzero(bag.weights)
            ids = bag.ids[row, column]
            blocks.append(
                (
                    row + block * whole.size,
                    ids + first_rows[place],
                    bag.weights[row, column],
                    np.full(len(row), place),
                )
            )
    rows, ids, weights, fields = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=whole.size * len(sources)))])
    return Flat(starts, ids[order].astype(np.int32), weights[order], fields[order].astype(np.int32))
