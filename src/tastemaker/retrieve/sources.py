"""Where candidates come from: each source is asked, and their lists are merged by the recipe's shares.

Takes people of a log, gives candidates for each. Every source leaves out what a person has seen and what
lies outside a limit; after them all come the nearest and the popular, so that a list ends only where the
catalogue does.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.encode import Encoder
from tastemaker.hits import Bools, Hits
from tastemaker.recipe import Recipe, SourcesRecipe
from tastemaker.retrieve import standing
from tastemaker.retrieve.candidates import Candidates, merged, stacked
from tastemaker.retrieve.liked import Alike, LikeTheLiked, liked
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.series import Series

if TYPE_CHECKING:
    from scipy import sparse

Users = npt.NDArray[np.int32]

NEAREST, POPULARITY = "nearest", "popularity"
"""The last two resorts: what the model says of somebody with a history, and what is popular."""

LAST = "like_the_last"
"""What is like the last thing liked, of a placement that asks for that alone."""

NAMES = (*SourcesRecipe.model_fields, POPULARITY)
"""Of all sources."""


class Source(Protocol):
    """Brings items for people."""

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The k best for each of `users` (B,) of a log: nothing seen, nothing twice, nothing outside `only`
        (N,), PAD where it has no more. What it says of one depends on no other.
        """
        ...


class Sources:
    """All that one bundle's recipe gives a share to; many threads may ask at once.

    Args:
        nearest: the model.
        series: of the catalogue's titles.
    """

    def __init__(self, bundle: Bundle, nearest: Nearest, series: Series) -> None:
        self._bundle, self._nearest, self._series = bundle, nearest, series
        recipe = Recipe.of(bundle.manifest.recipe).retrieval
        self._half_life_days = recipe.half_life_days
        self.shares = _shares(recipe.sources)
        self._made: dict[str, Source] = {}

    def sharing(self, recipe: SourcesRecipe) -> "Sources":
        """The same sources with other shares."""
        other = copy(self)  # what is made by one is used by both
        other.shares = _shares(recipe)
        return other

    def search(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> list[Candidates]:
        """The first k candidates for each of `users` (B,) of a log; fewer only where no more are left."""
        lists = {name: self._ask(name, log, users, k, only) for name in self.shares}
        if len(lists) == 1:
            ((name, hits),) = lists.items()
            if (hits.rows[:, -1] != PAD).all():  # nobody needs another source
                return [merged((name,), (1.0,), [_one(hits, place)], k) for place in range(len(users))]
        short = np.flatnonzero(_brought(list(lists.values())) < k)
        resorts: dict[str, Hits] = {}
        if len(short):
            for name in (NEAREST, POPULARITY):
                if name not in lists:
                    resorts[name] = self._ask(name, log, users[short], k, only)
        among = {int(place): n for n, place in enumerate(short)}
        answers = []
        for place in range(len(users)):
            own = {name: _one(hits, place) for name, hits in lists.items()}
            if place in among:
                own |= {name: _one(hits, among[place]) for name, hits in resorts.items()}
            shares = [self.shares.get(name, 0.0) for name in own]
            answers.append(merged(tuple(own), shares, list(own.values()), k))
        return answers

    def popular(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> list[Candidates]:
        """What is popular, for each of `users` (B,) of a log: for those whom there is no time to look for."""
        hits = self._ask(POPULARITY, log, users, k, only)
        return [merged((POPULARITY,), (0.0,), [_one(hits, place)], k) for place in range(len(users))]

    def like_the_last(self, log: Interactions, user: int, k: int, only: Bools | None = None) -> Candidates:
        """The k most like what one person liked last; where nothing is, what `search` finds."""
        last = liked(log, user)[:1]
        if not len(last):
            return self.search(log, np.array([user], np.int32), k, only)[0]
        hits = self._neighbours_of(last, k, [log.of(user)], only)
        return merged((LAST,), (1.0,), [hits], k)

    def ranked(self, log: Interactions, users: Users, k: int, only: Bools | None = None) -> Hits:
        """The same rows and scores, (B, k), but not where they came from; one source takes no merging."""
        if len(self.shares) > 1:
            return stacked(self.search(log, users, k, only), k)
        hits = self._ask(next(iter(self.shares)), log, users, k, only)
        short = np.flatnonzero((hits.rows == PAD).any(1))
        hits.rows[short], hits.scores[short] = stacked(self.search(log, users[short], k, only), k)
        return hits

    def _ask(self, name: str, log: Interactions, users: Users, k: int, only: Bools | None) -> Hits:
        if name != NEAREST:
            return self._source(name).search(log, users, k, only)
        asked = log.offsets[users + 1] > log.offsets[users]  # of nobody's history the model knows nothing
        if asked.all():
            return self._nearest.search(log, users, k, only)
        hits = Hits(np.full((len(users), k), PAD, np.int32), np.full((len(users), k), -np.inf, np.float32))
        hits.rows[asked], hits.scores[asked] = self._nearest.search(log, users[asked], k, only)
        return hits

    def _source(self, name: str) -> Source:
        # Two threads may both make one; they are alike, and one is kept.
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Source:
        bundle = self._bundle
        match name:
            case "popularity":
                return standing.Standing(standing.popularity(bundle))
            case "popular":
                return standing.Standing(standing.popular(bundle))
            case "trending":
                return standing.Standing(standing.trending(bundle, self._half_life_days))
            case "newest":
                return standing.Standing(standing.newest(bundle))
            case "next_season":
                return self._series
            case "item_to_item":
                return LikeTheLiked(self._neighbours_of, bundle.catalogue.size)
            case "kin":
                return LikeTheLiked(Alike(_known(bundle)), bundle.catalogue.size)
        raise AssertionError(name)

    def _neighbours_of(
        self, rows: npt.NDArray[np.int32], k: int, exclude: Sequence[npt.ArrayLike], only: Bools | None
    ) -> Hits:
        whole = np.ones((len(rows), 1), np.float32)
        return self._nearest.neighbours.search(rows[:, None], whole, k, exclude, only)


def _shares(recipe: SourcesRecipe) -> dict[str, float]:
    given: Mapping[str, float] = recipe.model_dump()
    return {name: share for name, share in given.items() if share > 0}


def _brought(lists: Sequence[Hits]) -> npt.NDArray[np.int64]:
    """(B,) how many items all lists together bring each of B people."""
    rows = np.sort(np.concatenate([hits.rows for hits in lists], axis=1), axis=1)
    is_new = np.diff(rows, axis=1, prepend=PAD) != 0  # what stands in two lists counts once, PAD not at all
    return np.asarray(is_new.sum(1))


def _one(hits: Hits, place: int) -> Hits:
    return Hits(hits.rows[place : place + 1], hits.scores[place : place + 1])


def _known(bundle: Bundle) -> "sparse.csr_array":
    """(N, F) what is known of each item: n-grams of its texts, else its columns as they were encoded."""
    if bundle.tfidf is not None:
        return bundle.tfidf.matrix
    from scipy import sparse  # not for those who ask the model alone

    from tastemaker.features.fields import fields_of

    encoder = bundle.encoders.get("items")
    if not encoder:
        return sparse.csr_array(np.zeros((bundle.catalogue.size, 1), np.float32))
    return fields_of(Encoder.from_json(encoder).encode(bundle.catalogue).without("/ngrams"))
