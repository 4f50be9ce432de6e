"""The stages in order, and nothing else: who asks → query → candidates → slate.

The command line, the service and the evaluator all come through `Recommender`, so what is measured
is what is served. Nothing here learns and nothing here needs TensorFlow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from tastemaker.asked import Asked
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.door.files import one_line
from tastemaker.errors import TastemakerError, UnknownItemError
from tastemaker.explain import Reasons, because, kinship, resembling
from tastemaker.golden import check, golden
from tastemaker.hits import Hits, joined
from tastemaker.rank.wishes import Showing, Wishes
from tastemaker.recipe import Recipe, RerankingRecipe
from tastemaker.rerank.chain import Shown
from tastemaker.rerank.memory import Memory
from tastemaker.retrieve.asker import Asker, nobody
from tastemaker.retrieve.candidates import Candidates, merged, stacked
from tastemaker.retrieve.liked import liked
from tastemaker.retrieve.limits import Held
from tastemaker.retrieve.sources import LAST, NEAREST, POPULARITY
from tastemaker.slate import Slate
from tastemaker.stages import Stages
from tastemaker.trace import NO_TRACE, Trace

if TYPE_CHECKING:
    from tastemaker.data.tables import Source
    from tastemaker.upkeep import Change, Changed, Upkeep

Users = npt.NDArray[np.int32]
BLOCK = 4096
"""People whose slates are held at once."""


class Recommender(Stages):
    """Answers from one bundle; many threads may ask at once.

    Args:
        bundle: made by `tastemaker.training`, or opened from a folder.

    Attributes:
        change: what set it apart from the recommender that it was made of; None for one made of a bundle.
    """

    change: "Change | None" = None

    @classmethod
    def load(cls, path: Path | str) -> "Recommender":
        """Open a bundle. Raises BundleError when it is missing, damaged or doesn't answer as it did."""
        bundle = Bundle.open(path)
        with one_line(Path(path)):
            recommender = cls(bundle)
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
        after.recipe = self.recipe  # whose placements may be another's than the bundle's
        self.lend(after, changed.move)
        if "_upkeep" in self.__dict__:
            after._upkeep = self._upkeep.after(changed.move)
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
        explain: bool = True,
        trace: Trace = NO_TRACE,
        **wishes: Unpack[Wishes],
    ) -> Slate:
        """What to show to one person next, known or not.

        Args:
            user_id: somebody of the log; one who isn't in it gets what is popular.
            history: item ids, oldest first, instead of what the log knows.
            k: at most so many items, fewer only where the catalogue runs out.
            interactions: replaces the log of the bundle; `tastemaker.data.read_log` makes one of a file.
            explain: whether an item may only be there "because of" another that was taken out of the history
                to see what happens, which takes ten times as long as the list; else it is said what in the
                history it is most "like".
            trace: how long stages may take, and where it is told how long they took.
            wishes: what the list is held to, and when and for what it is wanted; see `Wishes`.
        Raises: TastemakerError when neither or both of user and history are given, or k is below 1;
            FilterError; ObjectiveError.
        """
        k = self._length(k)
        asker = Asker.of(self.bundle, user_id, history, interactions)
        asked = self.asked(wishes)
        (shown,) = self.lists(asker.log, asker.users, k, asked, trace)
        user = int(asker.users[0])
        if explain and trace.allows("explain"):
            started = perf_counter()
            reasons = because(self, asker.log, user, shown.found, asked)
            trace.took("explain", started)
        else:
            reasons = resembling(self, asker.log.of(user), shown.found.rows)
        if "retrieve" in trace.skipped:
            asker = asker._replace(why="there was no time to look for more")
        return self._personal(shown, asker, asked, reasons)

    def rank(
        self,
        item_ids: Sequence[str],
        user_id: str | None = None,
        history: Sequence[str] | None = None,
        *,
        interactions: Interactions | None = None,
        trace: Trace = NO_TRACE,
        **wishes: Unpack[Wishes],
    ) -> Slate:
        """Items that somebody else chose, in the order that suits one person: seen ones too, none left out
        but what a filter or a rule of the business keeps out, and those that the catalogue lacks.

        Args:
            item_ids: each once.
            user_id, history, interactions, trace, wishes: as `recommend` takes them.
        Raises: as `recommend`.
        """
        asked, asker = self.asked(wishes), Asker.of(self.bundle, user_id, history, interactions)
        rows = self.catalogue.rows(item_ids)
        unknown = [repr(id) for id, row in zip(item_ids, rows, strict=True) if row == PAD]
        rows = np.array(list(dict.fromkeys(rows[rows != PAD].tolist())), np.int32)
        if asked.limit.rows is not None:
            rows = rows[asked.limit.rows[rows]]
        log = asker.log.of_users(asker.users)
        asker, own = asker._replace(log=log, users=np.zeros(1, np.int32)), log.of(0)
        started = perf_counter()
        found = self._scored(log, rows)
        trace.took("retrieve", started)
        if self.ranker is not None and len(own) and len(rows):
            started = perf_counter()
            found = self.ranker.ordered(log, 0, found, asked.occasion, trace)
            trace.took("rank", started)
        shown = self.shown(found, max(1, len(rows)), asked, own, log.user_ids[0], trace=trace)
        if unknown:
            asker = asker._replace(
                notes=(*asker.notes, f"not in the catalogue, left out: {', '.join(unknown)}")
            )
        return self._personal(shown, asker, asked, resembling(self, own, shown.found.rows))

    def _scored(self, log: Interactions, rows: Rows) -> Candidates:
        """`rows` (n,) as the one person of a log is thought to like them; of a stranger, by popularity."""
        if not len(log.of(0)):
            scores = np.asarray(self.bundle.arrays["popularity"][rows], np.float32)
            name = POPULARITY
        else:
            scores = self.nearest.scores(
                self.nearest.window(log, np.zeros(1, np.int32)), [log.user_ids[0]], rows
            )[0]
            name = NEAREST
        order = np.argsort(-scores, kind="stable")
        hits = Hits(rows[order][None], np.asarray(scores[order], np.float32)[None])
        return merged((name,), (1.0,), [hits], max(1, len(rows)))

    def recommend_many(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        interactions: Interactions | None = None,
        **wishes: Unpack[Wishes],
    ) -> Iterator[Slate]:
        """`recommend` for each of `user_ids`, in blocks and without reasons; the same lists."""
        k, asked = self._length(k), self.asked(wishes)
        log = self.bundle.histories if interactions is None else interactions
        stranger: Shown | None = None
        for at in range(0, len(user_ids), BLOCK):
            block = user_ids[at : at + BLOCK]
            known = [user for user in map(log.user, block) if user is not None]
            lists = self.lists(log, np.array(known, np.int32), k, asked)
            for user_id in block:
                asker = Asker.of(self.bundle, user_id, None, log)
                if log.user(user_id) is not None:
                    shown = next(lists)
                elif stranger is None or asked.chain is not None:  # rules may know the name
                    shown = stranger = next(self.lists(asker.log, asker.users, k, asked))
                else:
                    shown = stranger
                yield self._personal(shown, asker, asked)

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
        k, asked = self._length(k), self.asked(wishes)
        log = self.bundle.histories if interactions is None else interactions
        users = [log.user(user_id) for user_id in user_ids]
        is_known = np.array([user is not None for user in users], bool)
        hits = Hits(np.empty((len(users), k), np.int32), np.empty((len(users), k), np.float32))
        known = np.array([user for user in users if user is not None], np.int32)
        hits.rows[is_known], hits.scores[is_known] = self._ranked(log, known, k, asked)
        strangers = np.flatnonzero(~is_known)
        if len(strangers) and asked.chain is None:
            hits.rows[strangers], hits.scores[strangers] = self._ranked(*nobody(), k, asked)
        else:  # rules may know the name
            for place in strangers:
                own = self._ranked(*nobody(user_id=str(user_ids[int(place)])), k, asked)
                hits.rows[place], hits.scores[place] = own.rows[0], own.scores[0]
        return hits

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        """(B, k) int32 ranked rows for `users` of `history`, PAD where the catalogue ran out."""
        asked = self.asked({})
        steps = range(0, len(users), BLOCK)
        blocks = [self._ranked(history, users[at : at + BLOCK], k, asked) for at in steps]
        return joined(blocks, k).rows

    def _ranked(self, log: Interactions, users: Users, k: int, asked: Asked) -> Hits:
        """The same as arrays, (B, k)."""
        if self.ranker is None and asked.chain is None:
            return self.sources.ranked(log, users, k, asked.limit.rows)
        return stacked([shown.found for shown in self.lists(log, users, k, asked)], k)

    def _personal(self, shown: Shown, asker: Asker, asked: Asked, reasons: Reasons | None = None) -> Slate:
        """What a source is called in a slate: the model by its kind, the last resort with why it was one."""
        called = {NEAREST: str(self.bundle.manifest.kind), POPULARITY: f"{POPULARITY}: {asker.why}"}
        query = asker.query
        if LAST in shown.found.names:
            last = liked(asker.log, int(asker.users[0]))[0]
            query = f"{query}, because of {self.catalogue.titles[last]}"
        return self._slate(shown, called, reasons, query, (*asker.notes, *asked.limit.told(len(shown.found))))

    def _slate(
        self,
        shown: Shown,
        called: Mapping[str, str],
        reasons: Reasons | None,
        query: str,
        notes: tuple[str, ...],
    ) -> Slate:
        """
        Args:
            called: what a source is called in words, where that isn't its name.
            reasons: (n,) beside those of the rules.
        """
        found, rows = shown.found, shown.found.rows.tolist()
        sources = [" + ".join(called.get(name, name) for name in names) for names in found.sources]
        others = [()] * len(found) if reasons is None else reasons
        said = [(*why, *shown.reasons.get(row, ())) for row, why in zip(rows, others, strict=True)]
        named = [(self.catalogue.ids[row], self.catalogue.titles[row]) for row in rows]
        chances = None if shown.propensities is None else shown.propensities.tolist()
        return Slate.of(
            named, found.scores.tolist(), sources, said, query, (*notes, *shown.notes), shown.moves(), chances
        )

    # --- for an item ------------------------------------------------------------------------

    def similar(
        self,
        title: str | None = None,
        k: int = 10,
        *,
        item_id: str | None = None,
        all_seasons: bool = False,
        **wishes: Unpack[Showing],
    ) -> Slate:
        """Items like one item.

        Args:
            title: what a person typed; spelling mistakes are forgiven, either language will do.
            k: at most so many.
            item_id: instead of a title, exactly as in the file.
            all_seasons: list every season of a series. Otherwise each series stands there once, and the
                asked item's own not at all.
            wishes: what the list is held to, and how it is shown; see `Showing`.
        Raises: UnknownItemError when nothing answers to it, AmbiguousTitleError when several do; FilterError.
        """
        k = self._length(k)
        if (title is None) == (item_id is None):
            raise TastemakerError("similar takes a title or an item_id, one of the two.")
        row = self.row(item_id) if item_id is not None else self.find(str(title))
        return self._similar(row, k, all_seasons, self.asked(wishes))

    def similar_many(
        self,
        item_ids: Sequence[str],
        k: int = 10,
        *,
        all_seasons: bool = False,
        **wishes: Unpack[Showing],
    ) -> Iterator[tuple[str, Slate]]:
        """`similar` for each id, with the id. Raises UnknownItemError before the first answer."""
        k, asked = self._length(k), self.asked(wishes)
        for item_id, row in [(item_id, self.row(item_id)) for item_id in item_ids]:
            yield item_id, self._similar(row, k, all_seasons, asked)

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
        return self.finder.find(title) if row == PAD else row

    def _similar(self, row: int, k: int, all_seasons: bool, asked: Asked) -> Slate:
        def alike(count: int, less: Rows) -> Hits:
            history, whole = np.array([[row]], np.int32), np.ones((1, 1), np.float32)
            return self.nearest.neighbours.search(history, whole, count, [less], asked.limit.rows)

        own, most = np.array([row], np.int32), k if asked.chain is None else self.pool(k)
        hits = alike(most, own) if all_seasons else self.series.one_of_each(row, most, alike)
        found = merged((NEAREST,), (1.0,), [hits], most)
        shown = self.shown(found, k, asked, own)
        reasons = kinship(self.catalogue, row, shown.found.rows)
        called = {NEAREST: str(self.bundle.manifest.kind)}
        query, notes = self.catalogue.titles[row], asked.limit.told(len(shown.found))
        return self._slate(shown, called, reasons, query, notes)

    # --- shared -----------------------------------------------------------------------------

    def _length(self, k: int) -> int:
        """Of a list that has room for one item at least, and not for more than there are."""
        if k < 1:
            raise TastemakerError(f"k is {k}: a list needs room for one item at least.")
        return min(k, self.catalogue.size)

    @cached_property
    def retrieval(self) -> "Recommender":
        """The same without its ranker and without rules: what the sources find, in their order."""
        if self.bundle.ranker is None:
            return self.unruled
        alone = Recommender(replace(self.bundle, ranker=None))
        self.lend(alone)
        return alone.unruled

    @cached_property
    def unruled(self) -> "Recommender":
        """The same without rules: the ranker's order, or that of the sources."""
        return self if self.usually.chain is None else self.with_rules(RerankingRecipe())

    def with_rules(self, reranking: RerankingRecipe) -> "Recommender":
        """The same with other rules at the end. Raises RecipeError where they don't go together."""
        other = Recommender(self.bundle)
        self.lend(other)
        if "ranker" in self.__dict__:
            other.ranker = self.ranker
        other.recipe = self.recipe.model_copy(update={"reranking": reranking})
        _ = other.usually  # what is wrong with them is said now
        return other

    def with_placements(self, recipe: Recipe, *, is_apart: bool = False) -> "Recommender":
        """The same with the placements and the rules of another recipe.

        Args:
            is_apart: whether its rules remember nothing of what this one shows, nor this one's of what it
                shows.
        Raises: RecipeError, FilterError where they speak of what there isn't.
        """
        other = Recommender(self.bundle)
        self.lend(other)
        if "ranker" in self.__dict__:
            other.ranker = self.ranker
        if is_apart:
            other.memory = Memory(self.memory.tries)
        changes = {"reranking": recipe.reranking, "placements": recipe.placements}
        other.recipe = self.recipe.model_copy(update=changes)
        for name in other.recipe.known_placements:
            other.asked({"placement": name})
        return other
