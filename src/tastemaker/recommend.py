"""The stages in order, and nothing else: who asks → query → candidates → slate.

The command line, the service and the evaluator all come through `Recommender`, so what is measured
is what is served. Nothing here learns and nothing here needs TensorFlow.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TastemakerError, UnknownItemError
from tastemaker.explain import because, kinship
from tastemaker.golden import check, golden
from tastemaker.hits import Bools, Hits, joined
from tastemaker.rank.wishes import NO_OCCASION, Occasion, Wishes, held_of
from tastemaker.recipe import Recipe
from tastemaker.retrieve.asker import Asker, nobody
from tastemaker.retrieve.candidates import Candidates, stacked
from tastemaker.retrieve.limits import Held, Limit, Limits
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.series import Series
from tastemaker.retrieve.sources import NEAREST, POPULARITY, Sources
from tastemaker.slate import Slate

if TYPE_CHECKING:
    from tastemaker.data.tables import Source
    from tastemaker.rank.ranker import Ranker
    from tastemaker.retrieve.find import TitleFinder
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
        """Open a bundle. Raises BundleError when it is missing, damaged or doesn't answer as it did."""
        recommender = cls(Bundle.open(path))
        check(recommender)
        return recommender

    def save(self, path: Path | str) -> None:
        """Write the bundle. Raises BundleError when that fails; an older one is then untouched."""
        replace(self.bundle, golden=golden(self)).save(path)

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
        from tastemaker.data.reading import read_items

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
        if "series" in made:
            after.series = self.series.after(after.catalogue.titles, move)
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
        **wishes: Unpack[Wishes],
    ) -> Slate:
        """What to show to one person next, known or not.

        Args:
            user_id: somebody of the log; one who isn't in it gets what is popular.
            history: item ids, oldest first, instead of what the log knows.
            k: at most so many items, fewer only where the catalogue runs out.
            interactions: replaces the log of the bundle; `tastemaker.data.read_log` makes one of a file.
            wishes: what the list is held to, and when and for what it is wanted; see `Wishes`.
        Raises: TastemakerError when neither or both of user and history are given, or k is below 1;
            FilterError; ObjectiveError.
        """
        k = self._length(k)
        asker = Asker.of(self.bundle, user_id, history, interactions)
        limit, occasion = self._heard(wishes)
        found = self._found(asker.log, asker.users, k, limit.rows, occasion)[0]
        reasons = because(self, asker.log, int(asker.users[0]), found.rows)
        said = [why if NEAREST in names else () for why, names in zip(reasons, found.sources, strict=True)]
        return self._personal(found, asker, said, (*asker.notes, *limit.told(len(found))))

    def recommend_many(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        interactions: Interactions | None = None,
        **wishes: Unpack[Wishes],
    ) -> Iterator[Slate]:
        """`recommend` for each of `user_ids`, in blocks and without reasons; the same lists."""
        k = self._length(k)
        limit, occasion = self._heard(wishes)
        log = self.bundle.histories if interactions is None else interactions
        stranger: Candidates | None = None
        for at in range(0, len(user_ids), BLOCK):
            block = user_ids[at : at + BLOCK]
            known = [user for user in map(log.user, block) if user is not None]
            found = iter(self._found(log, np.array(known, np.int32), k, limit.rows, occasion))
            for user_id in block:
                asker = Asker.of(self.bundle, user_id, None, log)
                if log.user(user_id) is not None:
                    own = next(found)
                else:
                    if stranger is None:
                        stranger = self._found(*nobody(), k, limit.rows, occasion)[0]
                    own = stranger
                yield self._personal(own, asker, (), limit.told(len(own)))

    def candidates(
        self,
        user_id: str | None = None,
        history: Sequence[str] | None = None,
        n: int | None = None,
        *,
        interactions: Interactions | None = None,
        **held: Unpack[Held],
    ) -> Candidates:
        """What comes into question for one person, and from where, before the ranker puts it in order.

        Args:
            n: at most so many; None for the recipe's `retrieval.candidates`.
            user_id, history, interactions, held: as `recommend` takes them.
        """
        n = self._length(self.recipe.retrieval.candidates if n is None else n)
        asker = Asker.of(self.bundle, user_id, history, interactions)
        rows = self.limits.of(**held).rows
        found = self.sources.search(asker.log, asker.users, n, rows)[0]
        return replace(found, ids=tuple(self.catalogue.id_list(found.rows)))

    def ranked(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        interactions: Interactions | None = None,
        **wishes: Unpack[Wishes],
    ) -> Hits:
        """The lists of `recommend_many` as catalogue rows and scores, (B, k), for very many at once."""
        k = self._length(k)
        limit, occasion = self._heard(wishes)
        log = self.bundle.histories if interactions is None else interactions
        users = [log.user(user_id) for user_id in user_ids]
        is_known = np.array([user is not None for user in users], bool)
        hits = Hits(np.empty((len(users), k), np.int32), np.empty((len(users), k), np.float32))
        known = np.array([user for user in users if user is not None], np.int32)
        hits.rows[is_known], hits.scores[is_known] = self._ranked(log, known, k, limit.rows, occasion)
        if not is_known.all():
            hits.rows[~is_known], hits.scores[~is_known] = self._ranked(*nobody(), k, limit.rows, occasion)
        return hits

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        """(B, k) int32 ranked rows for `users` of `history`, PAD where the catalogue ran out."""
        steps = range(0, len(users), BLOCK)
        blocks = [self._ranked(history, users[at : at + BLOCK], k) for at in steps]
        return joined(blocks, k).rows

    def _heard(self, wishes: Wishes) -> tuple[Limit, Occasion]:
        """What a list is held to, and when and for what it is wanted."""
        return self.limits.of(**held_of(wishes)), Occasion.of(wishes, self.ranker)

    def _found(
        self, log: Interactions, users: Users, k: int, only: Bools | None, occasion: Occasion = NO_OCCASION
    ) -> list[Candidates]:
        """The k that each of `users` (B,) of a log is given: what the sources find, as the ranker orders it.

        Of somebody without a history it knows nothing, and the sources' order stands.
        """
        if self.ranker is None:
            return self.sources.search(log, users, k, only)
        most = min(max(k, self.recipe.retrieval.candidates), self.catalogue.size)
        ordered = []
        for user, found in zip(users.tolist(), self.sources.search(log, users, most, only), strict=True):
            known = len(log.of(user)) > 0
            ordered.append((self.ranker.ordered(log, user, found, occasion) if known else found).first(k))
        return ordered

    def _ranked(
        self,
        log: Interactions,
        users: Users,
        k: int,
        only: Bools | None = None,
        occasion: Occasion = NO_OCCASION,
    ) -> Hits:
        """The same as arrays, (B, k)."""
        if self.ranker is None:
            return self.sources.ranked(log, users, k, only)
        return stacked(self._found(log, users, k, only, occasion), k)

    def _personal(
        self,
        found: Candidates,
        asker: Asker,
        reasons: Sequence[tuple[str, ...]],
        notes: tuple[str, ...],
    ) -> Slate:
        """What a source is called in a slate: the model by its kind, the last resort with why it was one."""
        shown = {NEAREST: self.bundle.manifest.kind, POPULARITY: f"{POPULARITY}: {asker.why}"}
        sources = [" + ".join(shown.get(name, name) for name in names) for names in found.sources]
        said = reasons or [()] * len(found)
        return Slate.of(self._named(found.rows), found.scores, sources, said, asker.query, notes)

    # --- for an item ------------------------------------------------------------------------

    def similar(
        self,
        title: str | None = None,
        k: int = 10,
        *,
        item_id: str | None = None,
        all_seasons: bool = False,
        **held: Unpack[Held],
    ) -> Slate:
        """Items like one item.

        Args:
            title: what a person typed; spelling mistakes are forgiven, either language will do.
            k: at most so many.
            item_id: instead of a title, exactly as in the file.
            all_seasons: list every season of a series. Otherwise each series stands there once, and the
                asked item's own not at all.
            held: what the list is held to; see `Held`.
        Raises: UnknownItemError when nothing answers to it, AmbiguousTitleError when several do; FilterError.
        """
        k = self._length(k)
        if (title is None) == (item_id is None):
            raise TastemakerError("similar takes a title or an item_id, one of the two.")
        row = self.row(item_id) if item_id is not None else self.find(str(title))
        return self._similar(row, k, all_seasons, self.limits.of(**held))

    def similar_many(
        self,
        item_ids: Sequence[str],
        k: int = 10,
        *,
        all_seasons: bool = False,
        **held: Unpack[Held],
    ) -> Iterator[tuple[str, Slate]]:
        """`similar` for each id, with the id. Raises UnknownItemError before the first answer."""
        k = self._length(k)
        limit = self.limits.of(**held)
        for item_id, row in [(item_id, self.row(item_id)) for item_id in item_ids]:
            yield item_id, self._similar(row, k, all_seasons, limit)

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

    def _similar(self, row: int, k: int, all_seasons: bool, limit: Limit) -> Slate:
        def alike(count: int, less: Rows) -> Hits:
            asked, whole = np.array([[row]], np.int32), np.ones((1, 1), np.float32)
            return self.nearest.neighbours.search(asked, whole, count, [less], limit.rows)

        own = np.array([row], np.int32)
        hits = alike(k, own) if all_seasons else self.series.one_of_each(row, k, alike)
        there = hits.rows[0] != PAD
        rows, scores = hits.rows[0][there], hits.scores[0][there]
        sources = [str(self.bundle.manifest.kind)] * len(rows)
        reasons = kinship(self.catalogue, row, rows)
        query, notes = self.catalogue.titles[row], limit.told(len(rows))
        return Slate.of(self._named(rows), scores, sources, reasons, query, notes)

    # --- shared -----------------------------------------------------------------------------

    def _named(self, rows: Rows) -> list[tuple[str, str]]:
        """(n) ids and titles."""
        return [(self.catalogue.ids[row], self.catalogue.titles[row]) for row in rows]

    def _length(self, k: int) -> int:
        """Of a list that has room for one item at least, and not for more than there are."""
        if k < 1:
            raise TastemakerError(f"k is {k}: a list needs room for one item at least.")
        return min(k, self.catalogue.size)

    @cached_property
    def nearest(self) -> Nearest:
        """What finds items by the model."""
        return Nearest(self.bundle)

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.bundle, self.nearest, self.series)

    @cached_property
    def retrieval(self) -> "Recommender":
        """The same without its ranker: what the sources find, in their order."""
        if self.bundle.ranker is None:
            return self
        alone = Recommender(replace(self.bundle, ranker=None))
        alone.nearest, alone.series, alone.sources = self.nearest, self.series, self.sources
        return alone

    @cached_property
    def ranker(self) -> "Ranker | None":
        """What orders candidates; None where retrieval's order stands."""
        if self.bundle.ranker is None:
            return None
        from tastemaker.rank.ranker import Ranker

        return Ranker(self.bundle, self.nearest, self.series)

    @cached_property
    def limits(self) -> Limits:
        """What reads filters and lists of ids."""
        return Limits(self.catalogue)

    @cached_property
    def _finder(self) -> "TitleFinder":
        from tastemaker.retrieve.find import TitleFinder

        return TitleFinder(self.catalogue.titles)

    @cached_property
    def series(self) -> Series:
        return Series(self.catalogue.titles)
