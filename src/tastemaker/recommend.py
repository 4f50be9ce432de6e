"""The stages in order, and nothing else: who asks → query → candidates → slate.

The command line, the service and the evaluator all come through `Recommender`, so what is measured
is what is served. Nothing here learns and nothing here needs TensorFlow.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TastemakerError, UnknownItemError
from tastemaker.explain import because, kinship
from tastemaker.hits import Hits, best
from tastemaker.recipe import Recipe
from tastemaker.retrieve.nearest import Nearest
from tastemaker.slate import Recommendation, Slate

if TYPE_CHECKING:
    from tastemaker.data.tables import Source
    from tastemaker.retrieve.find import TitleFinder
    from tastemaker.retrieve.series import Series
    from tastemaker.upkeep import Change, Changed, Upkeep

Users = npt.NDArray[np.int32]
BLOCK = 4096
"""People whose slates are held at once."""


class Recommender:
    """Answers from one bundle; many threads may ask at once.

    Args:
        bundle: made by `tastemaker.training`, or opened from a folder.

    Attributes:
        change: what set it apart from the recommender that it was made of; None for one made of a bundle.
    """

    change: "Change | None" = None

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.catalogue = bundle.catalogue
        self.recipe = Recipe.of(bundle.manifest.recipe)

    @classmethod
    def load(cls, path: Path | str) -> "Recommender":
        """Open a bundle. Raises BundleError when it is missing or damaged."""
        return cls(Bundle.open(path))

    def save(self, path: Path | str) -> None:
        """Write the bundle. Raises BundleError when that fails; an older one is then untouched."""
        self.bundle.save(path)

    # --- items that come, change and go -----------------------------------------------------

    def with_items(self, items: "Source | dict[str, Any]") -> "Recommender":
        """Another recommender that knows `items` too, nothing being trained; this one stays as it is.

        Both share what is costly to make. An item with a known id takes that one's place, whole: a column
        that it lacks is missing from then on.

        Args:
            items: a dict, a list of dicts, a pandas or polars frame, or the path of a file, with columns of
                the catalogue.
        Raises: DataError when they can't be read or hold a column that the catalogue lacks, BundleError when
            the bundle can say nothing of new items.
        """
        from tastemaker.data.read import read_items

        source = [items] if isinstance(items, dict) else items
        read = read_items(source, self.catalogue, self.recipe.data.max_rejected)
        return self._after(self._upkeep.put(self.bundle, *read))

    def without(self, item_ids: Iterable[str]) -> "Recommender":
        """Another recommender that never knew these items; this one stays as it is.

        Raises: UnknownItemError when an id is nobody's, TastemakerError when no item would be left.
        """
        from tastemaker.upkeep import without

        if isinstance(item_ids, str):
            raise TastemakerError("without takes a list of ids, not one id.")
        return self._after(without(self.bundle, [str(id) for id in item_ids]))

    def _after(self, changed: "Changed") -> "Recommender":
        after = Recommender(changed.bundle)
        after.change = changed.change
        made, move = self.__dict__, changed.move
        if "nearest" in made:
            after.nearest = self.nearest.after(after.bundle, move)
        if "_finder" in made:
            after._finder = self._finder.after(after.catalogue.titles, move)
        if "_all_series" in made:
            after._all_series = self._all_series.after(after.catalogue.titles, move)
        if "_upkeep" in made:
            after._upkeep = self._upkeep.after(move)
        return after

    @cached_property
    def _upkeep(self) -> "Upkeep":
        from tastemaker.upkeep import Upkeep

        return Upkeep.of(self.nearest)

    # --- for a person -----------------------------------------------------------------------

    def recommend(
        self,
        user_id: str | None = None,
        history: Sequence[str] | None = None,
        k: int = 10,
        *,
        interactions: Interactions | None = None,
    ) -> Slate:
        """What to show to one person next, known or not.

        Args:
            user_id: somebody of the log; one who isn't in it gets what is popular.
            history: item ids, oldest first, instead of what the log knows.
            k: at most so many items, fewer only where the catalogue runs out.
            interactions: replaces the log of the bundle; `tastemaker.data.read_log` makes one of a file.
        Raises: TastemakerError when neither or both of user and history are given, or k is below 1.
        """
        _check_k(k)
        k = min(k, self.catalogue.size)
        if (user_id is None) == (history is None):
            raise TastemakerError("recommend takes a user_id or a history, one of the two.")
        if history is not None:
            log, notes = self._log_of(history)
            user: int | None = 0
            query = f"a history of {len(history)}"
        else:
            log, notes = self.bundle.histories if interactions is None else interactions, ()
            user = log.user(str(user_id))
            query = f"user {user_id}"
        if user is None or not len(log.of(user)):
            why = f"{query} has no known history" if user_id is not None else "none of its items is known"
            return self._popular(k, query, why if history is None or history else "it is empty", notes)
        users = np.array([user], np.int32)
        hits = self.nearest.search(log, users, k)
        rows = hits.rows[0][hits.rows[0] != PAD]
        reasons = because(self, log, user, rows)
        return self._slate(hits, 0, self.bundle.manifest.kind, query, reasons, notes)

    def recommend_many(
        self, user_ids: Sequence[str], k: int = 10, *, interactions: Interactions | None = None
    ) -> Iterator[Slate]:
        """`recommend` for each of `user_ids`, in blocks and without reasons; the same lists."""
        _check_k(k)
        k = min(k, self.catalogue.size)
        log = self.bundle.histories if interactions is None else interactions
        known = [log.user(user_id) for user_id in user_ids]
        for at in range(0, len(user_ids), BLOCK):
            block = known[at : at + BLOCK]
            ready = [user for user in block if user is not None and len(log.of(user))]
            hits = self.nearest.search(log, np.array(ready, np.int32), k)
            place = 0
            for user_id, user in zip(user_ids[at : at + BLOCK], block, strict=True):
                query = f"user {user_id}"
                if user is None or not len(log.of(user)):
                    yield self._popular(k, query, f"{query} has no known history")
                else:
                    yield self._slate(hits, place, self.bundle.manifest.kind, query)
                    place += 1

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        """(B, k) int32 ranked rows for `users` of `history`, PAD where the catalogue ran out."""
        rows = np.empty((len(users), k), np.int32)
        has_history = np.diff(history.offsets)[users] > 0
        if not has_history.all():
            popular = np.repeat(self.bundle.arrays["popularity"][None], int((~has_history).sum()), axis=0)
            rows[~has_history] = best(popular, k, [()] * len(popular)).rows
        rows[has_history] = self.nearest.search(history, users[has_history], k).rows
        return rows

    def _popular(self, k: int, query: str, why: str, notes: tuple[str, ...] = ()) -> Slate:
        hits = best(np.array(self.bundle.arrays["popularity"][None]), k, [()])
        return self._slate(hits, 0, f"popularity: {why}", query, notes=notes)

    def _log_of(self, history: Sequence[str]) -> tuple[Interactions, tuple[str, ...]]:
        rows = self.catalogue.rows(map(str, history))
        unknown = [str(id) for id, row in zip(history, rows, strict=True) if row == PAD]
        notes = (f"not in the catalogue, left out: {', '.join(map(repr, unknown))}",) if unknown else ()
        rows = rows[rows != PAD]
        return Interactions.from_events([""], np.zeros(len(rows), np.int32), rows, is_ordered=True), notes

    # --- for an item ------------------------------------------------------------------------

    def similar(
        self, title: str | None = None, k: int = 10, *, item_id: str | None = None, all_seasons: bool = False
    ) -> Slate:
        """Items like one item.

        Args:
            title: what a person typed; spelling mistakes are forgiven, either language will do.
            k: at most so many.
            item_id: instead of a title, exactly as in the file.
            all_seasons: list every season of a series. Otherwise each series stands there once, and the
                asked item's own not at all.
        Raises: UnknownItemError when nothing answers to it, AmbiguousTitleError when several do.
        """
        _check_k(k)
        if (title is None) == (item_id is None):
            raise TastemakerError("similar takes a title or an item_id, one of the two.")
        row = self.row(item_id) if item_id is not None else self.find(str(title))
        return self._similar(row, k, all_seasons)

    def similar_many(
        self, item_ids: Sequence[str], k: int = 10, *, all_seasons: bool = False
    ) -> Iterator[tuple[str, Slate]]:
        """`similar` for each id, with the id. Raises UnknownItemError before the first answer."""
        _check_k(k)
        for item_id, row in [(item_id, self.row(item_id)) for item_id in item_ids]:
            yield item_id, self._similar(row, k, all_seasons)

    def row(self, item_id: str) -> int:
        """The catalogue row of an id. Raises UnknownItemError."""
        row = int(self.catalogue.rows([item_id])[0])
        if row == PAD:
            raise UnknownItemError(
                f"No item has the id {item_id!r}. `similar` with a title searches by name."
            )
        return row

    def find(self, title: str) -> int:
        """The catalogue row that a title means; an id is taken for itself.

        Raises: UnknownItemError, AmbiguousTitleError.
        """
        row = int(self.catalogue.rows([title])[0])
        return self._finder.find(title) if row == PAD else row

    def _similar(self, row: int, k: int, all_seasons: bool) -> Slate:
        size = self.catalogue.size
        k = min(k, size)
        asked, whole = np.array([[row]], np.int32), np.ones((1, 1), np.float32)
        query = self.catalogue.titles[row]
        if all_seasons:
            hits = self.nearest.neighbours.search(asked, whole, k, [[row]])
        else:
            own = np.flatnonzero(self._series == self._series[row])
            hits = self._one_per_series(
                self.nearest.neighbours.search(asked, whole, min(size, 8 * k + 64), [own]), k
            )
            if len(hits.rows[0]) < k:
                hits = self._one_per_series(self.nearest.neighbours.search(asked, whole, size, [own]), k)
        rows = hits.rows[0][hits.rows[0] != PAD]
        return self._slate(hits, 0, self.bundle.manifest.kind, query, kinship(self.catalogue, row, rows))

    def _one_per_series(self, hits: Hits, k: int) -> Hits:
        rows = hits.rows[0][hits.rows[0] != PAD]
        _, first = np.unique(self._series[rows], return_index=True)
        kept = np.sort(first)[:k]
        return Hits(hits.rows[:, kept], hits.scores[:, kept])

    # --- shared -----------------------------------------------------------------------------

    def _slate(
        self,
        hits: Hits,
        query: int,
        source: str,
        asked: str,
        reasons: Sequence[tuple[str, ...]] = (),
        notes: tuple[str, ...] = (),
    ) -> Slate:
        found = hits.rows[query] != PAD
        rows, scores = hits.rows[query][found], hits.scores[query][found]
        ids, titles = self.catalogue.ids, self.catalogue.titles
        return Slate(
            tuple(
                Recommendation(ids[row], titles[row], float(score), rank, source, why)
                for rank, (row, score, why) in enumerate(
                    zip(rows, scores, reasons or [()] * len(rows), strict=True), 1
                )
            ),
            asked,
            notes,
        )

    @cached_property
    def nearest(self) -> Nearest:
        """What finds items by the model."""
        return Nearest(self.bundle)

    @cached_property
    def _finder(self) -> "TitleFinder":
        from tastemaker.retrieve.find import TitleFinder

        return TitleFinder(self.catalogue.titles)

    @property
    def _series(self) -> npt.NDArray[np.int64]:
        """(N,) a number a series, shared by its seasons."""
        return self._all_series.of

    @cached_property
    def _all_series(self) -> "Series":
        from tastemaker.retrieve.series import Series

        return Series.named(self.catalogue.titles)


def _check_k(k: int) -> None:
    if k < 1:
        raise TastemakerError(f"k is {k}: a list needs room for one item at least.")
