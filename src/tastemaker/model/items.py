"""The item side of a model: a vector an item, from its id's row and its metadata, and how it learns."""

from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from tastemaker.features.schema import Encoded
from tastemaker.model import kernels
from tastemaker.model.history import item_tower
from tastemaker.model.table import Optimizer, Table

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]

START = 0.05
"""Standard deviation of a new table."""
BLOCK = 8192
"""Items made into vectors at once."""


class Chosen(NamedTuple):
    """U items of a step.

    rows: (U,) int32, distinct.
    keep: (U,) 0 where the id has nothing to say, or is left out of this step.
    """

    rows: Rows
    keep: Floats


class Items:
    """Tables of N items.

    Args:
        known: (N,) 1 where the training log holds the item, else 0: an id that was never a label has
            nothing to say.
        dim: D.
        encoded: the items' features, or None.
        id_dropout: share of items whose id is left out of a step, so that metadata learns to stand alone.
            With 1 there is nothing but metadata.
        optimizer: of the tables.
        rng: for where they start.
        tied: whether an item in a history has the vector that it has as an answer, or one of its own.

    Attributes:
        tables: `ids` (N, D) and `bias` (N, 1); with features `features` (F, D), and with numbers
            `numbers` (M + 1, D), a row a number and one that is always added. `past` (N, D) if not tied.
    """

    def __init__(
        self,
        known: Floats,
        dim: int,
        encoded: Encoded | None,
        id_dropout: float,
        optimizer: Optimizer,
        rng: np.random.Generator,
        tied: bool = True,
    ) -> None:
        self.known, self.dim, self.encoded, self.tied = known, dim, encoded, tied
        self.id_dropout = id_dropout if encoded is not None else 0.0
        self.tables = {
            "ids": Table(_started(rng, len(known), dim), optimizer),
            "bias": Table(np.zeros((len(known), 1), np.float32), optimizer),
        }
        self._features, self._weights = _packed(encoded, len(known))
        self._numbers = np.zeros((len(known), 0), np.float32) if encoded is None else encoded.dense
        if self._features.shape[1] and encoded is not None:
            self.tables["features"] = Table(_started(rng, encoded.table_size, dim), optimizer)
            self._place = np.full(encoded.table_size, -1, np.int32)
            self._found = np.empty(encoded.table_size, np.int32)
            self._slopes = np.empty((encoded.table_size, dim), np.float32)
        if self._numbers.shape[1]:
            self.tables["numbers"] = Table(_started(rng, self._numbers.shape[1] + 1, dim), optimizer)
        if not tied:
            self.tables["past"] = Table(_started(rng, len(known), dim) * known[:, None], optimizer)

    @property
    def has_ids(self) -> bool:
        """Whether an item is more than its metadata."""
        return self.id_dropout < 1

    def choose(self, rows: Rows, rng: np.random.Generator | None = None) -> Chosen:
        """Distinct `rows` (U,) for a step; with `rng`, some ids are left out."""
        keep = self.known[rows] * np.float32(self.has_ids)
        if rng is not None and self.id_dropout:
            keep = keep * (rng.random(len(rows), np.float32) >= self.id_dropout)
        return Chosen(rows, keep)

    def vectors(self, chosen: Chosen) -> Floats:
        """(U, D) as the tables stand."""
        ids = self.tables["ids"].values
        features = self.tables["features"].values if "features" in self.tables else ids[:0]
        out = kernels.gathered(ids, chosen.rows, chosen.keep, features, self._features, self._weights)
        if "numbers" in self.tables:
            kernel = self.tables["numbers"].values
            out += self._numbers[chosen.rows] @ kernel[:-1] + kernel[-1]
        return out

    def update(self, chosen: Chosen, slopes: Floats, rate: float) -> None:
        """One step down the gradient in the vectors, `slopes` (U, D)."""
        if "features" in self.tables:
            count = kernels.gathered_back(
                slopes, chosen.rows, self._features, self._weights, self._place, self._found, self._slopes
            )
            self.tables["features"].update(self._found[:count], self._slopes[:count], rate)
            kernels.forget(self._place, self._found[:count])
        if "numbers" in self.tables:
            into = np.concatenate([self._numbers[chosen.rows].T @ slopes, slopes.sum(0, keepdims=True)])
            self.tables["numbers"].update(np.arange(len(into), dtype=np.int32), into, rate)
        kept = chosen.keep > 0
        rows, own = (chosen.rows, slopes) if kept.all() else (chosen.rows[kept], slopes[kept])
        self.tables["ids"].update(rows, own, rate)

    def inputs(self, vectors: Floats) -> Floats:
        """(N, D) what histories are made of; `vectors` is `everything()`."""
        return vectors if self.tied else self.tables["past"].values

    def everything(self) -> Floats:
        """(N, D) vectors as they stand."""
        out = np.empty((len(self.known), self.dim), np.float32)
        for start in range(0, len(out), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(out)), dtype=np.int32)
            out[rows] = self.vectors(self.choose(rows))
        return out

    def tower(self) -> keras.Model | None:
        """The metadata's part alone, with the weights as they stand; None without features."""
        if self.encoded is None or self.encoded.is_empty:
            return None
        tower = item_tower(self.encoded, self.dim)
        if "features" in self.tables:
            tower.get_layer("item_bag").set_weights([self.tables["features"].values])
        if "numbers" in self.tables:
            kernel = self.tables["numbers"].values
            tower.get_layer("item_numbers").set_weights([kernel[:-1], kernel[-1]])
        return tower


def _started(rng: np.random.Generator, rows: int, dim: int) -> Floats:
    values = rng.standard_normal((rows, dim), np.float32)
    values *= START
    return values


def _packed(encoded: Encoded | None, items: int) -> tuple[Rows, Floats]:
    """(N, L) feature rows, −1 in the padding, and (N, L) weights: the joined bag without its gaps."""
    if encoded is None or not encoded.fields:
        return np.zeros((items, 0), np.int32), np.zeros((items, 0), np.float32)
    joined = encoded.joined
    present = joined.weights != 0
    length = int(present.sum(1).max(initial=1))
    order = np.argsort(~present, axis=1, kind="stable")[:, :length]
    weights = np.take_along_axis(joined.weights, order, axis=1)
    rows = np.take_along_axis(joined.ids, order, axis=1)
    return np.where(weights != 0, rows, np.int32(-1)), weights
