"""What one bundle answers with, a part a stage, each made when it is first asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.asked import Asked
from tastemaker.bundle import SERIES, Bundle
from tastemaker.data.catalogue import Move, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TastemakerError
from tastemaker.rank.wishes import Occasion, Showing, held_of
from tastemaker.recipe import PlacementRecipe, Recipe, RerankingRecipe, SourcesRecipe
from tastemaker.rerank.chain import Shown
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.memory import Memory
from tastemaker.retrieve.candidates import Candidates
from tastemaker.retrieve.limits import Limits
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.series import Series
from tastemaker.retrieve.sources import Sources
from tastemaker.trace import NO_TRACE, Trace

if TYPE_CHECKING:
    from tastemaker.rank.ranker import Ranker
    from tastemaker.recipe import BusinessRule
    from tastemaker.rerank.reranker import Reranker
    from tastemaker.retrieve.find import TitleFinder

Users = npt.NDArray[np.int32]
Times = npt.NDArray[np.float64]

NO_RULES = RerankingRecipe()
NOBODY, NEVER = np.zeros(0, np.int32), np.zeros(0)
OLDEST = 150
"""Years that a viewer may have."""
LENT = ("nearest", "series", "sources", "finder", "limits", "facts", "memory")
"""Parts that neither ranker nor rules have a say in."""


class Stages:
    """Retrieval, ranker and rules of one bundle; many threads may ask at once."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.catalogue = bundle.catalogue
        self.recipe = Recipe.of(bundle.manifest.recipe)

    @cached_property
    def nearest(self) -> Nearest:
        """What finds items by the model."""
        return Nearest(self.bundle)

    @cached_property
    def series(self) -> Series:
        return Series(self.catalogue.titles, self.bundle.arrays.get(SERIES))

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.bundle, self.nearest, self.series)

    @cached_property
    def ranker(self) -> "Ranker | None":
        """What orders candidates; None where retrieval's order stands."""
        if self.bundle.ranker is None:
            return None
        from tastemaker.rank.ranker import Ranker

        return Ranker(self.bundle, self.nearest, self.series)

    @cached_property
    def reranker(self) -> "Reranker":
        """What gives lists their last order."""
        from tastemaker.rerank.reranker import Reranker

        return Reranker(self.recipe.reranking, self.facts, self.memory)

    @cached_property
    def facts(self) -> Facts:
        """What rules know of the catalogue."""
        return Facts(self.bundle, np.asarray(self.nearest.neighbours.vectors), self.series)

    @cached_property
    def memory(self) -> Memory:
        """What rules learn from what is shown."""
        return Memory.of(self.bundle)

    @cached_property
    def limits(self) -> Limits:
        """What reads filters and lists of ids."""
        return Limits(self.catalogue)

    @cached_property
    def finder(self) -> "TitleFinder":
        """What finds items by a title that somebody typed."""
        from tastemaker.retrieve.find import TitleFinder

        return TitleFinder(self.catalogue.titles)

    def asked(self, wishes: Showing) -> Asked:
        """What a call asks for.

        Raises: FilterError, ObjectiveError, RecipeError; TastemakerError where a wish can't be.
        """
        return self._asked(wishes) if wishes else self.usually

    @cached_property
    def usually(self) -> Asked:
        """What a call asks for that says nothing."""
        return self._asked({})

    def _asked(self, wishes: Showing) -> Asked:
        name, rules = wishes.get("placement") or "", wishes.get("rules")
        place = self._placement(name, rules)
        limit = self.limits.of(**held_of(wishes), also=place.filter)
        occasion = Occasion.of(wishes, self.ranker, place.objective)
        age, chain = wishes.get("age"), None
        if age is not None and not 0 <= age <= OLDEST:
            raise TastemakerError(f"age is {age}: give years, or leave it out.")
        weights = {**place.weights, **(wishes.get("weights") or {})}
        if self.recipe.reranking != NO_RULES or weights or rules is not None:
            chain = self.reranker.chain(name, weights, rules)
        sources = None if place.sources is None else self._sources_of(place.sources)
        asked = Asked(
            limit,
            occasion,
            chain,
            wishes.get("country", ""),
            age,
            wishes.get("impressions"),
            about=place.about,
            sources=sources,
        )
        if chain is None:
            return asked
        allowed = chain.allowed(asked.request(0, NOBODY, self._now(asked), "", 0))
        return asked if allowed is None else asked._replace(limit=limit.within(allowed))

    def _placement(self, name: str, rules: "Sequence[BusinessRule] | None") -> PlacementRecipe:
        """As the recipe has it, or rules that come with a request speak of it. Raises RecipeError."""
        if rules is not None and any(name in rule.placements for rule in rules):
            return self.recipe.known_placements.get(name, PlacementRecipe())
        return self.recipe.placement(name)

    def _sources_of(self, recipe: SourcesRecipe) -> Sources:
        # Two threads may both make one; they are alike, and one is kept.
        if recipe not in self._shared:
            self._shared[recipe] = self.sources.sharing(recipe)
        return self._shared[recipe]

    @cached_property
    def _shared(self) -> dict[SourcesRecipe, Sources]:
        return {}

    def _now(self, asked: Asked) -> float:
        return self.facts.now if asked.occasion.now is None else asked.occasion.now

    def pool(self, k: int) -> int:
        """Candidates of which a list of k is chosen."""
        return min(max(k, self.recipe.retrieval.candidates), self.catalogue.size)

    def in_order(
        self, log: Interactions, users: Users, most: int, asked: Asked, trace: Trace = NO_TRACE
    ) -> Iterator[Candidates]:
        """What comes into question for each of `users` (B,) of a log, best first, before any rule.

        Of somebody without a history the ranker knows nothing, and the sources' order stands.
        """
        started = perf_counter()
        found = self._found(log, users, most, asked, trace)
        trace.took("retrieve", started)
        for user, own in zip(users.tolist(), found, strict=True):
            if self.ranker is None or not len(log.of(user)) or not trace.allows("rank"):
                yield own
                continue
            started = perf_counter()
            ordered = self.ranker.ordered(log, user, own, asked.occasion, trace)
            trace.took("rank", started)
            yield ordered

    def _found(
        self, log: Interactions, users: Users, most: int, asked: Asked, trace: Trace
    ) -> list[Candidates]:
        sources, only = asked.sources or self.sources, asked.limit.rows
        if not trace.allows("retrieve"):
            return sources.popular(log, users, most, only)
        if asked.about == "last":
            return [sources.like_the_last(log, int(user), most, only) for user in users]
        return sources.search(log, users, most, only)

    def lists(
        self, log: Interactions, users: Users, k: int, asked: Asked, trace: Trace = NO_TRACE
    ) -> Iterator[Shown]:
        """What each of `users` (B,) of a log is shown: what the sources find, as the ranker orders it and
        the rules leave it."""
        most = k if self.ranker is None and asked.chain is None else self.pool(k)
        for user, found in zip(users.tolist(), self.in_order(log, users, most, asked, trace), strict=True):
            times = log.times[log.offsets[user] : log.offsets[user + 1]] if log.is_clock else NEVER
            yield self.shown(found, k, asked, log.of(user), log.user_ids[user], times, trace)

    def shown(
        self,
        found: Candidates,
        k: int,
        asked: Asked,
        history: Rows,
        user_id: str = "",
        history_at: Times = NEVER,
        trace: Trace = NO_TRACE,
    ) -> Shown:
        """The k of `found` that somebody is shown who touched `history` (H,), as the rules leave them.

        Args:
            history_at: (H,) when, seconds since 1970; empty where nobody knows.
        """
        if asked.chain is None:
            return Shown(found.first(k))
        # What rules of the business keep out was seen to when it was said what may come back.
        if not trace.allows("rerank"):
            return Shown(found.first(k))
        started = perf_counter()
        request = asked.request(k, history, self._now(asked), user_id, self.recipe.seed)
        shown = asked.chain(found, replace(request, history_at=history_at, allowed=asked.limit.rows))
        trace.took("rerank", started)
        return shown

    def lend(self, other: "Stages", move: Move | None = None) -> None:
        """Give another what was costly to make and serves it too.

        Args:
            other: of the same bundle but for its ranker and rules, or of one that became of this one's.
            move: how, where it did.
        """
        made = self.__dict__
        if move is None:
            other.__dict__ |= {name: made[name] for name in LENT if name in made}
            return
        titles = other.catalogue.titles
        if "nearest" in made:
            other.nearest = self.nearest.after(other.bundle, move)
        if "finder" in made:
            other.finder = self.finder.after(titles, move)
        if "series" in made:
            other.series = self.series.after(titles, move)
        if "memory" in made:
            other.memory = self.memory.after(move, other.catalogue.size)
