"""A request becomes a list: who asks, which model, what the store knows, the stages in the time there is.

Takes what `wire` has checked, gives plain values for JSON. Lists are made in the event loop itself, one at a
time: that spares the tenth of a millisecond that handing each to a thread would take.
"""

import asyncio
import os
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError, StoreError
from tastemaker.serve import paging
from tastemaker.serve.histories import NOTHING, history_of
from tastemaker.serve.live import HOME, Live, Model
from tastemaker.serve.overload import OverloadError, Turns
from tastemaker.serve.settings import Settings
from tastemaker.serve.store import Answer, Given, Past, Store
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.wire import RankIn, RecommendIn, WishesIn
from tastemaker.slate import Slate
from tastemaker.trace import Pace, Trace

REMEMBERED = 20_000
"""People whose past is kept in memory, for when the store is down."""
SAID_OF_NOW = 1e-3
"""Seconds after a person's newest event, where the clock says that it lies ahead."""


class Who(NamedTuple):
    """Who asks.

    user_id: empty for somebody without a name.
    log: of them alone; None where `history` is given instead.
    """

    user_id: str
    log: Interactions | None
    history: list[str] | None
    past: Past
    is_store_down: bool = False

    @property
    def is_cold(self) -> bool:
        return not (self.history or (self.log is not None and self.log.size))

    @property
    def newest(self) -> float:
        """When they did something last, seconds since 1970."""
        return float(self.log.times[-1]) if self.log is not None and self.log.size else 0.0


@dataclass
class Answering:
    """Makes the lists of one process; belongs to its event loop."""

    settings: Settings
    live: Live
    store: Store
    metrics: Metrics
    turns: Turns
    pace: Pace = field(default_factory=Pace)
    _pasts: OrderedDict[str, Past] = field(default_factory=OrderedDict)
    _shadows: set[asyncio.Task[None]] = field(default_factory=set)

    async def recommend(self, asked: RecommendIn, began: float, span: Any) -> dict[str, Any]:
        """A list for somebody.

        Args:
            began: `time.perf_counter()` at which the request came.
            span: of the trace that it belongs to.
        Raises: TastemakerError for what can't be asked; OverloadError.
        """
        placement = asked.placement or HOME
        model, shadow = self.live.standing.of(asked.user_id or "", placement)
        place = model.placement(placement)
        if place.about == "item":
            raise RecipeError(
                f"The placement {placement!r} is about an item: ask GET /v1/items/{{item_id}}/similar."
            )
        past, is_down = await self.past(asked.user_id)
        trace = Trace(self.pace, began + self.settings.budget_ms / 1000)
        async with self.turns:
            who = who_asks(asked, model, past, is_down)
            shown, ids = model.shown(asked.cursor) if asked.cursor is not None else (_NONE, [])
            k = min(asked.k or place.k, max(1, paging.FURTHEST - len(shown)))
            slate = _listed(model, asked, placement, who, k, ids, trace)
            body, answer = self._told(model, asked, placement, who, slate, shown, trace, began)
            body["cursor"] = _cursor(slate, k, shown)
        self.store.note(answer)
        self._count(who, slate, trace, span)
        if shadow is not None:
            task = asyncio.create_task(self._ask(shadow, asked, placement, past, k, answer.recommendation_id))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return body

    async def rank(self, asked: RankIn, began: float, span: Any) -> dict[str, Any]:
        """Items of the asker's own in order; arguments as `recommend`."""
        placement = asked.placement or ""
        model, _ = self.live.standing.of(asked.user_id or "", placement)
        model.placement(placement)
        past, is_down = await self.past(asked.user_id)
        trace = Trace(self.pace, began + self.settings.budget_ms / 1000)
        async with self.turns:
            who = who_asks(asked, model, past, is_down)
            wishes = wishes_of(model, asked, placement, who, [])
            slate = model.recommender.rank(
                asked.items,
                asked.user_id if who.log is not None else None,
                history=who.history,
                interactions=who.log,
                trace=trace,
                **wishes,
            )
            slate = slate if asked.k is None else Slate(slate.items[: asked.k], slate.query, slate.notes)
            body, answer = self._told(model, asked, placement, who, slate, _NONE, trace, began)
        self.store.note(answer)
        self._count(who, slate, trace, span)
        return body

    async def similar(
        self, item_id: str, asked: WishesIn, all_seasons: bool, began: float, span: Any
    ) -> dict[str, Any]:
        """What is like an item; arguments as `recommend`. Raises UnknownItemError."""
        placement = asked.placement or "more-like-this"
        model, _ = self.live.standing.of("", placement)
        place = model.placement(placement)
        who = Who("", None, None, NOTHING)
        trace = Trace(self.pace, began + self.settings.budget_ms / 1000)
        async with self.turns:
            wishes = wishes_of(model, asked, placement, who, [])
            for personal in ("device", "objective"):
                wishes.pop(personal, None)
            started = time.perf_counter()
            slate = model.recommender.similar(
                item_id=item_id, k=asked.k or place.k, all_seasons=all_seasons, **wishes
            )
            trace.took("retrieve", started)
            body, answer = self._told(model, asked, placement, who, slate, _NONE, trace, began)
        self.store.note(answer)
        for stage, seconds in trace.taken.items():
            self.metrics.stage(stage, seconds)
        return body

    async def close(self) -> None:
        """Wait for what is asked of models that are only tried."""
        await asyncio.gather(*self._shadows, return_exceptions=True)

    # --- who asks ---------------------------------------------------------------------------

    async def past(self, user_id: str | None) -> tuple[Past, bool]:
        """What the store knows of somebody, and whether it is down: then what it last said."""
        if user_id is None:
            return NOTHING, False
        started = time.perf_counter()
        try:
            past = await self.store.past(user_id, self.settings.history)
        except StoreError:
            return self._pasts.get(user_id, NOTHING), True
        self.metrics.stage("store", time.perf_counter() - started)
        self._pasts[user_id] = past
        self._pasts.move_to_end(user_id)
        if len(self._pasts) > REMEMBERED:
            self._pasts.popitem(last=False)
        return past, False

    def forget(self, user_id: str) -> None:
        """Of somebody who was erased nothing stays in memory either."""
        self._pasts.pop(user_id, None)

    # --- what is told -----------------------------------------------------------------------

    def _told(
        self,
        model: Model,
        asked: WishesIn,
        placement: str,
        who: Who,
        slate: Slate,
        shown: paging.Hashes,
        trace: Trace,
        began: float,
        is_shadow: bool = False,
    ) -> tuple[dict[str, Any], Answer]:
        """What is answered, and what is written down of it."""
        now = time.time()
        recommendation_id = f"{int(now * 1000):012x}{os.urandom(10).hex()}"
        before = len(shown)
        items = [
            {
                "item_id": each.item_id,
                "title": each.title,
                "score": float(each.score),
                "rank": before + each.rank,
                "source": each.source,
                "reasons": each.reasons,
                **({"moves": [move._asdict() for move in each.moves]} if each.moves else {}),
                **({} if each.propensity is None else {"propensity": each.propensity}),
            }
            for each in slate
        ]
        degraded = [*trace.skipped, *(["store"] if who.is_store_down else [])]
        body = {
            "recommendation_id": recommendation_id,
            "model_version": model.version,
            "experiment": None,
            "placement": placement,
            "query": slate.query,
            "took_ms": round(1000 * (time.perf_counter() - began), 3),
            "items": items,
            "cursor": None,
            "degraded": degraded,
            "notes": slate.notes,
        }
        given = [Given(each.item_id, each.score, each.source, each.propensity) for each in slate]
        features = _features(model, slate, trace) if self.settings.log_features else b""
        answer = Answer(
            *(recommendation_id, who.user_id, now, placement, model.version, asked.device, is_shadow, given),
            features,
        )
        return body, answer

    def _count(self, who: Who, slate: Slate, trace: Trace, span: Any) -> None:
        metrics = self.metrics
        for stage, seconds in trace.taken.items():
            metrics.stage(stage, seconds)
        at = time.perf_counter() - sum(trace.taken.values())
        for stage, seconds in trace.taken.items():
            span.stage(stage, at, seconds)
            at += seconds
        metrics.asked(who.is_cold)
        metrics.sources(each.source.partition(":")[0] for each in slate)
        for stage in trace.skipped:
            metrics.degraded(stage)
        if who.is_store_down:
            metrics.degraded("store")
        if who.is_cold:
            metrics.fallback("nothing_known")
        elif "retrieve" in trace.skipped:
            metrics.fallback("no_time")

    async def _ask(
        self, model: Model, asked: RecommendIn, placement: str, past: Past, k: int, recommendation_id: str
    ) -> None:
        """What a model that nobody is shown would have answered, written down under the same id."""
        began, trace = time.perf_counter(), Trace()
        try:
            async with self.turns:
                who = who_asks(asked, model, past, False)
                slate = _listed(model, asked, placement, who, k, [], trace)
                _, answer = self._told(model, asked, placement, who, slate, _NONE, trace, began, True)
        except OverloadError:
            return
        self.store.note(answer._replace(recommendation_id=f"{recommendation_id}.shadow"))


_NONE = np.zeros(0, np.uint32)


def who_asks(asked: RecommendIn | RankIn, model: Model, past: Past, is_store_down: bool = False) -> Who:
    """Whose list a question wants, by name, by a history or by what they like. Raises UnknownItemError,
    AmbiguousTitleError."""
    if asked.user_id is not None:
        log = history_of(model.recommender.bundle, asked.user_id, past)
        return Who(asked.user_id, log, None, past, is_store_down)
    liked = asked.liked if isinstance(asked, RecommendIn) else None
    if liked is None:
        return Who("", None, asked.history or [], past)
    recommender = model.recommender
    rows = [recommender.find(each) for each in liked]
    return Who("", None, recommender.catalogue.id_list(list(dict.fromkeys(rows))), past)


def _listed(
    model: Model, asked: RecommendIn, placement: str, who: Who, k: int, but: list[str], trace: Trace
) -> Slate:
    wishes = wishes_of(model, asked, placement, who, but)
    return model.recommender.recommend(
        who.user_id if who.log is not None else None,
        who.history,
        k,
        interactions=who.log,
        explain=asked.explain,
        trace=trace,
        **wishes,
    )


def wishes_of(model: Model, asked: WishesIn, placement: str, who: Who, but: list[str]) -> dict[str, Any]:
    """As keywords of `Recommender`; those that nobody asked for are left out, since none is the quickest."""
    wishes: dict[str, Any] = {}
    if placement != HOME or not model.is_home_plain:
        wishes["placement"] = placement
    exclude = [*asked.exclude, *who.past.hidden, *but]
    if exclude:
        wishes["exclude"] = exclude
    if asked.now is not None:
        wishes["now"] = asked.now
    elif model.is_of_now:
        wishes["now"] = max(time.time(), who.newest + SAID_OF_NOW)
    for name in ("filter", "weights", "objective", "device", "country", "age"):
        wish = getattr(asked, name)
        if wish is not None and wish != "" and wish != {}:
            wishes[name] = wish
    return wishes


def _cursor(slate: Slate, k: int, shown: paging.Hashes) -> str | None:
    if len(slate) < k:
        return None
    return paging.cursor(np.concatenate([shown, paging.hashes([each.item_id for each in slate])]))


def _features(model: Model, slate: Slate, trace: Trace) -> bytes:
    """(n, F) float32, what the ranker saw of each item shown; NaN of one that it never saw."""
    if trace.seen is None:
        return b""
    found, sheet = trace.seen
    rows = model.recommender.catalogue.rows(each.item_id for each in slate)
    at = (found.rows == rows[:, None]).argmax(1)
    numbers = np.asarray(sheet.numbers[at], "<f4")
    numbers[(found.rows[at] != rows) | (rows == PAD)] = np.nan
    return numbers.tobytes()
