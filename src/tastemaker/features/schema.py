"""The shapes of what a model sees: bags of table rows with weights, and plain numbers.

Every feature becomes one of two things, so that a tower needs two kinds of input only:

    a **bag**: up to L rows of an embedding table, each with a weight (a category is a bag of one, a
    multi-category a bag of its values, a text a bag of its words and n-grams, a number or a date a
    bag of one bucket);
    a **dense** number: standardised, 0 where missing. A vector of a text is as many of them as it is long.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

FieldKind = Literal["category", "categories", "bucket", "text"]


@dataclass(frozen=True)
class Field:
    """One embedding table. Row 0 is missing or out of vocabulary.

    Attributes:
        name: the column it comes from, with a suffix where one column feeds several (`Title/words`).
        kind: what it was made from.
        size: rows of its table, row 0 included.
    """

    name: str
    kind: FieldKind
    size: int


@dataclass(frozen=True)
class Bag:
    """Rows of one field's table for N things, padded with weight 0.

    Attributes:
        ids: (N, L) int32 rows of the field's table.
        weights: (N, L) float32, 0 in the padding.
    """

    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def take(self, rows: npt.NDArray[np.int32]) -> "Bag":
        return Bag(self.ids[rows], self.weights[rows])


@dataclass(frozen=True)
class Encoded:
    """What a model sees of N things.

    Attributes:
        fields: the tables, in order.
        bags: one a field, in the same order.
        dense: (N, M) float32 standardised numbers, 0 where missing; after them the pre-trained vectors of
            the texts, where there are any.
        vector_dim: how many of the M are of those vectors.
    """

    fields: tuple[Field, ...]
    bags: tuple[Bag, ...]
    dense: npt.NDArray[np.float32]
    vector_dim: int = 0

    @property
    def size(self) -> int:
        return len(self.dense)

    def without(self, ending: str) -> "Encoded":
        """The same, less the fields whose name ends so."""
        kept = [
            pair for pair in zip(self.fields, self.bags, strict=True) if not pair[0].name.endswith(ending)
        ]
        return replace(self, fields=tuple(field for field, _ in kept), bags=tuple(bag for _, bag in kept))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see: no table and no number."""
        return not self.fields and not self.dense.shape[1]

    @property
    def table_size(self) -> int:
        """Rows of all tables laid one under the other."""
        return sum(field.size for field in self.fields)

    @cached_property
    def joined(self) -> Bag:
        """All bags as one, (N, ΣL), over the tables laid one under the other."""
        starts = np.cumsum([0, *(field.size for field in self.fields)])[:-1]
        if not self.bags:
            return Bag(np.zeros((self.size, 0), np.int32), np.zeros((self.size, 0), np.float32))
        ids = [bag.ids + np.int32(start) for bag, start in zip(self.bags, starts, strict=True)]
        return Bag(np.concatenate(ids, 1), np.concatenate([bag.weights for bag in self.bags], 1))
