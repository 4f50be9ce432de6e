"""Items like one of those that a person liked last: each of them asks for itself, no mean of them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.hits import Bools, Hits, best

if TYPE_CHECKING:
    from scipy import sparse

Users = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

LIKED = 10
"""Items asked from, at most."""
FADING = 0.9
"""A liked item's neighbours count this much of those of the one liked after it."""
BLOCK_SCORES = 1 << 22
"""Likenesses held at once, 16 MB."""

Find = Callable[[Rows, int, Sequence[npt.ArrayLike], Bools | None], Hits]
"""Rows (B,) asked from, how many to find, what to leave out for each, what alone may come back → Hits."""


@dataclass(frozen=True)
class LikeTheLiked:
    """Finds what is like the newest liked items.

    Liked is what was touched at least as strongly as the person's mean.

    Attributes:
        find: the neighbours of items, with the promises of `Index`.
        items: N.
    """

    find: Find
    items: int

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The k best for each of `users` (B,) of a log, less what each has seen, and of `only` (N,).

        The score is the highest of FADING^n × likeness to the n-th newest liked item.
        """
        rows = np.full((len(users), k), PAD, np.int32)
        scores = np.full((len(users), k), -np.inf, np.float32)
        for place, user in enumerate(users):
            own = liked(log, int(user))
            if len(own):
                found, said = self._of(own, k, log.of(int(user)), only)
                rows[place, : len(found)], scores[place, : len(found)] = found, said
        return Hits(rows, scores)

    def _of(self, liked: Rows, k: int, seen: Rows, only: Bools | None) -> tuple[Rows, Floats]:
        step = max(1, BLOCK_SCORES // max(1, self.items))
        parts = [
            self.find(liked[at : at + step], k, [seen] * len(liked[at : at + step]), only)
            for at in range(0, len(liked), step)
        ]
        rows = np.concatenate([part.rows for part in parts])  # (n, k)
        fading = np.float32(FADING) ** np.arange(len(liked), dtype=np.float32)
        said = np.concatenate([part.scores for part in parts]) * fading[:, None]
        # What is among the k best of all is among the k best of the item that says the most of it.
        there = rows != PAD
        found, place = np.unique(rows[there], return_inverse=True)
        highest = np.full(len(found), -np.inf, np.float32)
        np.maximum.at(highest, place, said[there])
        order = np.argsort(-highest, kind="stable")[:k]
        return found[order], highest[order]


def liked(log: Interactions, user: int) -> Rows:
    """(n,) what one person liked, each once, newest first."""
    own = slice(log.offsets[user], log.offsets[user + 1])
    rows, weights = log.rows[own], log.weights[own]
    found = rows[weights >= weights.mean() - 1e-6][::-1] if len(rows) else rows
    _, first = np.unique(found, return_index=True)
    return np.asarray(found[np.sort(first)][:LIKED], np.int32)


@dataclass(frozen=True)
class Alike:
    """Likeness by what is known of items.

    Attributes:
        known: (N, F) sparse rows; likeness is their product. Above 0, or there is none.
    """

    known: "sparse.csr_array"

    def __call__(self, rows: Rows, k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None) -> Hits:
        likeness = (self.known[rows] @ self._columns).toarray().astype(np.float32)
        likeness[likeness <= 0] = -np.inf
        return best(likeness, k, exclude, None, only)

    @cached_property
    def _columns(self) -> "sparse.csr_array":
        return self.known.T.tocsr()
