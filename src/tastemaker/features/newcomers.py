"""Gives items that nobody has touched yet the tables' rows that a model would have learnt of them.

From their metadata alone, in training and when an item comes later: one arithmetic for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.features.kin import Kin, Lesson
from tastemaker.features.pairs import EASE_ITEMS, KEPT, LEAST_KEPT, Pairs, heaviest_of

Floats = npt.NDArray[np.float32]

AT_ONCE = 256
"""Items whose pairs are foretold at once, 20 MB of the largest table."""


@dataclass(frozen=True)
class Newcomers:
    """How new items are scored.

    Attributes:
        spread: factor of what sets a new item apart from the mean of the known; 1 is the regression's word.
    """

    spread: float = 1.0

    def arrays(self, kin: Kin, arrays: Mapping[str, Floats]) -> dict[str, Floats]:
        """A model's tables (N, D), by name, with the rows of new items foretold."""
        whole = {name: np.array(table) for name, table in arrays.items()}
        near = kin.near(kin.new)
        for name, rows in self.rows(
            {name: kin.learn(whole[name][kin.known]) for name in whole}, near
        ).items():
            whole[name][kin.new] = rows
        return whole

    def rows(self, lessons: Mapping[str, Lesson], near: Floats) -> dict[str, Floats]:
        """(b, D) of each table, by name, for items of which `near` (b, L) is known."""
        found = {name: lesson.mean + self.spread * lesson.of(near) for name, lesson in lessons.items()}
        if "neighbour_vectors" in found:  # which are directions
            lengths = np.linalg.norm(found["neighbour_vectors"], axis=1, keepdims=True)
            found["neighbour_vectors"] /= np.maximum(lengths, 1e-12)
        return found

    def pairs(self, kin: Kin, pairs: Pairs) -> Pairs:
        """The same with what known items say of new ones foretold; of large catalogues, as it was."""
        return self.with_columns(kin, kin.known, pairs, kin.new, kin.near(kin.new))

    def with_columns(self, kin: Kin, known: Rows, pairs: Pairs, new: Rows, near: Floats) -> Pairs:
        """What items say of `new` ones foretold, where nothing was said.

        Args:
            known: (n,) rows of `pairs` that `kin.known` have; PAD of those that have gone.
            pairs: of N items.
            new: (b,) rows of it.
            near: (b, L) of the new.
        """
        if not are_foretold(pairs) or not len(new):
            return pairs
        items = pairs.weights.shape[0]
        count = max(LEAST_KEPT, KEPT // items)
        there = known != PAD
        blocks = []
        for at in range(0, len(new), AT_ONCE):
            shares = kin.shares(near[at : at + AT_ONCE])[:, there]
            # mean + spread × Σ share × (row − mean), as one share of each row
            shares = self.spread * shares + (1 - self.spread * shares.sum(1, keepdims=True)) / there.sum()
            asked = np.zeros((items, len(shares)), np.float32)
            asked[known[there]] = shares.T
            blocks.append(heaviest_of((pairs.weights @ asked).T, count))
        said = sparse.csr_array(sparse.vstack(blocks)).tocoo()
        columns = sparse.csr_array((said.data, (said.col, new[said.row])), shape=(items, items))
        return Pairs(sparse.csr_array(pairs.weights + columns), pairs.decay)


def are_foretold(pairs: Pairs) -> bool:
    """Of more items, what all say of each is too much to foretell: new ones stand on their vectors alone."""
    return pairs.weights.shape[0] <= EASE_ITEMS
