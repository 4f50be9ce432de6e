"""The nearest items: what a bundle's own model thinks of every item, for a person and for an item.

Takes people of a log, gives ranked rows. Which index looks, and whether counted pairs have a say, is
settled here.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Move, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import UNKNOWN, Window, query_windows
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded
from tastemaker.features.users import encode_users
from tastemaker.hits import Bools, Hits, joined
from tastemaker.recipe import Recipe
from tastemaker.retrieve.blend import Blend
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.grown import Grown
from tastemaker.retrieve.index import Index
from tastemaker.retrieve.kinds import opened
from tastemaker.retrieve.neighbours import Neighbours
from tastemaker.retrieve.tower import Tower

Users = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

MEMORY = 0.9
"""Of a catalogue alone, a mix of liked items: each event counts this much of the one after it."""

BLOCK = 256
"""Queries answered at once."""

TOWER_BLOCK = 32
"""Histories that the tower reads at once: of a transformer, more outgrow the cache and take a third longer
(benchmarks/towers.py)."""


class Nearest:
    """Finds items by the model of one bundle; many threads may ask at once.

    Args:
        bundle: made by `tastemaker.training`, or opened from a folder.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        share = Recipe.of(bundle.manifest.recipe).content.tfidf_share
        self._tfidf_share = share if bundle.tfidf is not None else 0.0

    def after(self, bundle: Bundle, move: Move) -> "Nearest":
        """The same for `bundle`, made of this one's by `move`; what is costly to make is shared."""
        if bundle is self.bundle:
            return self
        nearest = Nearest(bundle)
        made = self.__dict__
        if "_tower" in made:
            nearest._tower = self._tower
        if "_index" in made:
            grown = Grown.of(self._index, move, nearest._vectors)
            if grown is not None:
                nearest._index = grown
        return nearest

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The k best for each of `users` (B,) of a log, less what each has seen, and of `only` (N,).

        In blocks: a window can be long, and a small catalogue is asked for very many at once.
        """
        if len(users) <= BLOCK:
            return self._block(log, users, k, only)
        steps = range(0, len(users), BLOCK)
        return joined([self._block(log, users[at : at + BLOCK], k, only) for at in steps], k)

    def _block(self, log: Interactions, users: Users, k: int, only: Bools | None) -> Hits:
        seen = [log.of(int(user)) for user in users]
        if self._tower is None:
            window = self.window(log, users)
            return self.neighbours.search(np.maximum(window.rows, 0), _memory(window), k, seen, only)
        if len(users) == 1:
            window, queries = self.asked_by(log, int(users[0]))
        else:
            window = self.window(log, users)
            queries = self.query_vectors(window, [log.user_ids[user] for user in users])
        if self._blend is None:
            return self._index.search(queries, k, seen, only)
        return self._blend.search(queries, window.rows, k, seen, only)

    def asked_by(self, log: Interactions, user: int) -> tuple[Window, Floats]:
        """What counts of one person's history, and their query vector (1, D).

        Who is ranked was looked for just before, so the last answer of each thread is kept.
        """
        last = getattr(self._last, "asked", None)
        if last is not None and last.log is log and last.user == user:
            return last.window, last.query
        window = self.window(log, np.array([user], np.int32))
        query = self.query_vectors(window, [log.user_ids[user]])
        self._last.asked = _Asked(log, user, window, query)
        return window, query

    @cached_property
    def _last(self) -> threading.local:
        return threading.local()

    def window(self, log: Interactions, users: Users, reach: int = 0) -> Window:
        """What counts of the histories of `users` (B,) of a log: at least the newest `reach` events."""
        if self.bundle.pairs is not None:
            reach = max(reach, self.bundle.pairs.reach)
        return query_windows(log, users, max(self._length, reach), self.bundle.scale)

    def query_vectors(self, window: Window, user_ids: Sequence[str]) -> Floats:
        """(B, D) what `item_vectors` are compared with. Only for a bundle with a query tower, which sees
        the newest `history_length` of each window.
        """
        steps = [slice(at, at + TOWER_BLOCK) for at in range(0, len(window.rows), TOWER_BLOCK)]
        blocks = [self._query_block(window.part(step, self._length), user_ids[step]) for step in steps]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._vectors.shape[1]), np.float32)

    def _query_block(self, window: Window, user_ids: Sequence[str]) -> Floats:
        assert self._tower is not None
        inputs = self._inputs[np.maximum(window.rows, 0)] * (window.rows >= 0)[..., None]
        arrays: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int32]] = {
            "history": np.asarray(inputs, np.float32),
            "present": (window.rows >= 0).astype(np.float32),
            "value": window.values,
            "age": np.full(window.rows.shape, UNKNOWN) if window.ages is None else window.ages,
        }
        if self.bundle.users is not None and self._user_features is not None:
            who, features = self.bundle.users.rows(user_ids), self._user_features
            arrays |= {
                "user_ids": features.joined.ids[who],
                "user_weights": features.joined.weights[who],
                "user_dense": features.dense[who],
            }
        return self._tower(**arrays)

    def scores(self, window: Window, user_ids: Sequence[str], rows: Rows | None = None) -> Floats:
        """(B, n) scores of the same `rows` (n,) for each of B histories, as they would be ranked by; None
        for all.
        """
        chosen: Rows | slice = slice(None) if rows is None else rows
        if self._tower is None:
            return self.neighbours.scores(np.maximum(window.rows, 0), _memory(window))[:, chosen]
        queries = self.query_vectors(window, user_ids)
        if self._blend is not None:
            return self._blend.scores(queries, window.rows)[:, chosen]
        return np.asarray(queries @ self._vectors[chosen].T)

    @cached_property
    def _tower(self) -> Tower | None:
        model = self.bundle.towers.get("query_tower")
        return None if model is None else Tower(model)

    @cached_property
    def _vectors(self) -> Floats:
        """(N, D)"""
        return np.asarray(self.bundle.arrays["item_vectors"])

    @cached_property
    def _index(self) -> Index:
        note = self.bundle.manifest.index
        if note is None:
            return Exact(self._vectors)
        return opened(note.kind, note.width, self._vectors, self.bundle.arrays)

    @cached_property
    def _blend(self) -> Blend | None:
        pairs, weight = self.bundle.pairs, self.bundle.manifest.pair_weight
        if pairs is None:
            return None
        index = None if isinstance(self._index, Exact) else self._index
        return Blend(self._vectors, pairs, weight, index)

    @cached_property
    def _inputs(self) -> Floats:
        """(N, Di) what the query tower sees of an item."""
        given = self.bundle.arrays.get("item_inputs")
        return np.asarray(self.bundle.arrays["item_vectors"][:, :-1] if given is None else given)

    @property
    def _length(self) -> int:
        return self.bundle.manifest.history_length

    @cached_property
    def neighbours(self) -> Neighbours:
        """Items like items."""
        arrays = self.bundle.arrays
        vectors = np.asarray(arrays.get("neighbour_vectors", arrays["item_vectors"]))
        queries = np.asarray(arrays.get("neighbour_queries", vectors))
        return Neighbours(vectors, queries, self.bundle.tfidf, self._tfidf_share)

    @cached_property
    def _user_features(self) -> Encoded | None:
        encoder = self.bundle.encoders.get("users")
        if encoder is None or self.bundle.users is None:
            return None
        return encode_users(Encoder.from_json(encoder), self.bundle.users)


class _Asked(NamedTuple):
    """Who was last asked about, and with what."""

    log: Interactions
    user: int
    window: Window
    query: Floats


def _memory(window: Window) -> Floats:
    """(B, T) how much each event of a window counts; each row sums to 1, or 0 where it is empty."""
    weights = np.where(window.rows >= 0, MEMORY ** np.arange(window.rows.shape[1]), 0).astype(np.float32)
    return np.asarray(weights / np.maximum(weights.sum(1, keepdims=True), 1e-9), np.float32)
