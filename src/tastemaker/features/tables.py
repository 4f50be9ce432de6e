"""Raw values become rows of one table: each kind is fitted once and written as JSON.

`Values` takes lists of strings, `Numbers` floats, `Texts` strings. Row 0 is always "missing, or not
met in fitting", and stands alone with weight 1 where a bag would be empty. Every bag has the width
that fitting needed: one row encoded alone is equal to the same row among others.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tastemaker.features.schema import Bag, Field
from tastemaker.features.text import Tokens, count, cut, idf

Floats = npt.NDArray[np.float64]
Cells = Sequence[Sequence[str]]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Values(Table):
    """A category, or several at once: each value met often enough has a row.

    Several values of one row weigh 1/√(how many) each, so that every bag of embeddings is equally long.
    """

    kind: Literal["category", "categories"]
    values: tuple[str, ...]
    width: int

    @classmethod
    def fit(cls, kind: Literal["category", "categories"], cells: Cells, min_count: int) -> Self | None:
        """None when no value is met `min_count` times."""
        counts = Counter(value for cell in cells for value in dict.fromkeys(cell))
        kept = sorted(value for value, times in counts.items() if times >= min_count)
        return (
            cls(kind=kind, values=tuple(kept), width=max(len(set(cell)) for cell in cells)) if kept else None
        )

    def field(self, name: str) -> Field:
        return Field(name, self.kind, 1 + len(self.values))

    def encode(self, cells: Cells) -> Bag:
        """(N, width); of a cell with more known values than that, the first ones."""
        row_of = {value: row for row, value in enumerate(self.values, 1)}
        bag = _empty_bag(len(cells), self.width)
        for place, cell in enumerate(cells):
            known = [row_of[value] for value in dict.fromkeys(cell) if value in row_of][: self.width]
            if known:
                bag.ids[place, : len(known)] = known
                bag.weights[place, : len(known)] = len(known) ** -0.5
        return bag


class Numbers(Table):
    """A number in two forms: its quantile bucket, and itself, standardised.

    Outside the fitted range it is taken for the end of that range.
    """

    is_log: bool
    low: float
    high: float
    mean: float
    deviation: float
    edges: tuple[float, ...]

    @classmethod
    def fit(cls, values: Floats, buckets: int, *, may_log: bool = True) -> Self | None:
        """None when no value is known.

        Args:
            values: (N,) nan where missing.
            buckets: at most; as many as there are distinct values, if fewer.
            may_log: whether a skewed column is read as log(1 + x).
        """
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        is_log = may_log and bool(known.min() >= 0 and _skewness(known) > 1)
        scaled = np.log1p(known) if is_log else known
        cuts = np.unique(known)
        if len(cuts) > buckets:
            cuts = np.unique(np.quantile(known, np.linspace(0, 1, buckets + 1)[:-1]))
        return cls(
            is_log=is_log,
            low=float(known.min()),
            high=float(known.max()),
            mean=float(scaled.mean()),
            deviation=float(scaled.std()),
            edges=tuple(cuts[1:].tolist()),
        )

    def field(self, name: str) -> Field:
        return Field(name, "bucket", 2 + len(self.edges))

    def encode(self, values: Floats) -> tuple[Bag, npt.NDArray[np.float32]]:
        """(N, 1) bag of one bucket, edges belonging to the upper; (N,) dense, 0 where missing."""
        is_known = np.isfinite(values)
        inside = np.clip(np.where(is_known, values, self.low), self.low, self.high)
        bag = _empty_bag(len(values), 1)
        bag.ids[:, 0] = np.where(is_known, 1 + np.searchsorted(self.edges, inside, side="right"), 0)
        scaled = (np.log1p(inside) if self.is_log else inside) - self.mean
        return bag, np.where(is_known, scaled / (self.deviation or 1), 0).astype(np.float32)


class Texts(Table):
    """A text as its words, or as its character n-grams: the rarest first, tf·idf weights, length 1.

    Tokens are hashed into `hash_rows` slots; a slot met in enough texts has a row of the table.
    """

    piece: Literal["words", "ngrams"]
    ngrams: tuple[int, int]
    hash_rows: int
    documents: int
    slots: tuple[int, ...]
    """met in fitting, ascending"""
    counts: tuple[int, ...]
    """texts that have each slot"""
    width: int

    @classmethod
    def fit(
        cls,
        piece: Literal["words", "ngrams"],
        texts: Sequence[str | None],
        *,
        ngrams: tuple[int, int],
        hash_rows: int,
        min_count: int,
        max_text: int,
    ) -> Self | None:
        """None when no token is met in `min_count` texts."""
        tokens = _cut(piece, texts, ngrams)
        pairs = count(tokens.text, (tokens.hashes % np.uint64(hash_rows)).astype(np.int64), hash_rows)
        met = np.bincount(pairs.token, minlength=hash_rows)
        slots = np.flatnonzero(met >= min_count)
        if not len(slots):
            return None
        lengths = np.bincount(pairs.text[met[pairs.token] >= min_count])
        return cls(
            piece=piece,
            ngrams=ngrams,
            hash_rows=hash_rows,
            documents=len(texts),
            slots=tuple(slots.tolist()),
            counts=tuple(met[slots].tolist()),
            width=min(max_text, int(lengths.max())),
        )

    def field(self, name: str) -> Field:
        return Field(name, "text", 1 + len(self.slots))

    @cached_property
    def _row_of(self) -> npt.NDArray[np.int64]:
        """(hash_rows,) row of the table, 0 where the slot has none."""
        rows = np.zeros(self.hash_rows, np.int64)
        rows[list(self.slots)] = np.arange(1, 1 + len(self.slots))
        return rows

    @cached_property
    def _idf(self) -> npt.NDArray[np.float32]:
        return np.append(np.float32(0), idf(self.counts, self.documents))

    def encode(self, texts: Sequence[str | None]) -> Bag:
        """(N, width)."""
        tokens = _cut(self.piece, texts, self.ngrams)
        rows = self._row_of[(tokens.hashes % np.uint64(self.hash_rows)).astype(np.int64)]
        pairs = count(tokens.text[rows > 0], rows[rows > 0], 1 + len(self.slots))
        rarest_first = np.lexsort((pairs.token, -self._idf[pairs.token], pairs.text))
        text, row, times = (column[rarest_first] for column in pairs)
        lengths = np.bincount(text, minlength=len(texts))
        place = np.arange(len(text)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = place < self.width
        text, row, times, place = text[kept], row[kept], times[kept], place[kept]
        weights = times * self._idf[row]
        norms = np.sqrt(np.bincount(text, weights**2, minlength=len(texts)))
        bag = _empty_bag(len(texts), self.width)
        bag.ids[text, place] = row
        bag.weights[text, place] = weights / norms[text]
        return bag


def _cut(piece: Literal["words", "ngrams"], texts: Sequence[str | None], ngrams: tuple[int, int]) -> Tokens:
    tokens: Tokens = getattr(cut(texts, ngrams), piece)
    return tokens


def _empty_bag(size: int, width: int) -> Bag:
    """Every row says "missing": row 0 with weight 1."""
    bag = Bag(np.zeros((size, width), np.int32), np.zeros((size, width), np.float32))
    bag.weights[:, 0] = 1
    return bag


def _skewness(values: Floats) -> float:
    """Third standardised moment; 0 for equal values."""
    centred = values - values.mean()
    deviation = float(centred.std())
    return float(np.mean(centred**3)) / deviation**3 if deviation else 0.0
