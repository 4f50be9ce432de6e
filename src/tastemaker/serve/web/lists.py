"""The page's lists for a person, under settings that nobody saved yet; and settings that are saved.

A list that is only looked at leaves no trace: nothing is written to the store, no trial answers, and rules
remember nothing of it.
"""

import asyncio
import time
from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.errors import RecipeError
from tastemaker.recipe.placements import NAME, USUAL
from tastemaker.serve.answering import who_asks, wishes_of
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.live import HOME
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.facts import ModelName
from tastemaker.serve.web.steering import TRIED, SettingsIn, Trials, controls, steered, tried
from tastemaker.serve.web.telling import listed
from tastemaker.serve.wire import MOST, Id, In, Placement, RecommendIn
from tastemaker.trace import Trace

Looked = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{12}|try-[0-9a-f]{16})?$")]
Name = Annotated[str, Path(pattern=NAME)]
MOST_SAVED = 100


class ListIn(In):
    """A list that is looked at."""

    model: Looked = ""
    """empty for the live one"""
    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=1000)
    """ids instead of a name, oldest first"""
    k: int | None = Field(None, ge=1, le=MOST)
    placement: Placement = HOME
    settings: SettingsIn = SettingsIn()
    explain: bool = False

    @model_validator(mode="after")
    def _is_one_person(self) -> Self:
        if self.user_id is not None and self.history is not None:
            raise PydanticCustomError("person", "Input should have one of user_id and history, or neither")
        return self


class SaveIn(In):
    """Settings that shall stand as a placement."""

    placement: Placement = HOME
    """that they differ from"""
    settings: SettingsIn = SettingsIn()
    k: int | None = Field(None, ge=1, le=MOST)
    """length of its lists; that of the other where it isn't said"""
    is_known: bool = False
    """whether it is known that a placement of that name is replaced"""


def routes(service: Service) -> APIRouter:
    router, trials, saved = APIRouter(include_in_schema=False), Trials(), service.live.saved
    answering = service.answering

    @router.post("/page/api/recommend", openapi_extra=needs(Role.READ))
    async def recommend(asked: ListIn) -> Any:
        """A list, under settings that may differ from the placement's."""
        began = time.perf_counter()
        model = await service.looking.model(asked.model)
        question = RecommendIn(
            user_id=asked.user_id, history=asked.history, k=asked.k, explain=asked.explain, placement=TRIED
        )
        past, is_down = await answering.past(asked.user_id)
        trace = Trace()
        async with service.turns:
            trial = trials.of(model, asked.placement, asked.settings)
            place = trial.placement(TRIED)
            if place.about == "item":
                raise RecipeError(f"The placement {asked.placement!r} is about an item, not about a person.")
            who = who_asks(question, trial, past, is_down)
            slate = trial.recommender.recommend(
                who.user_id if who.log is not None else None,
                who.history,
                asked.k or place.k,
                interactions=who.log,
                explain=asked.explain,
                trace=trace,
                **wishes_of(trial, question, TRIED, who, []),
            )
            items = listed(trial.recommender.catalogue, slate)
        return Json(
            {
                "model": model.version,
                "placement": asked.placement,
                "query": slate.query,
                "items": items,
                "history": _titled(trial.recommender.catalogue, asked.history or []),
                "notes": list(slate.notes),
                "stages_ms": {stage: round(1000 * seconds, 3) for stage, seconds in trace.taken.items()},
                "took_ms": round(1000 * (time.perf_counter() - began), 3),
            }
        )

    @router.get("/page/api/controls", openapi_extra=needs(Role.READ))
    async def of_placement(
        placement: Annotated[str, Query(pattern=NAME)] = HOME, name: ModelName = ""
    ) -> Any:
        """How a placement stands, what it can be set to, and which there are."""
        model = await service.looking.model(name)
        told = await asyncio.to_thread(controls, model, placement)
        own = set(saved.names)
        told["placements"] = [
            {"name": each, "about": place.about, "is_saved": each in own, "is_own": is_own(each)}
            for each, place in model.placements.items()
        ]
        told["can_save"] = saved.path is not None
        return Json(told)

    def is_own(name: str) -> bool:
        """Whether the recipe has it, or every recipe does."""
        return name in service.live.standing.live.base.known_placements

    @router.put("/page/api/placements/{name}", openapi_extra=needs(Role.ADMIN))
    async def save(name: Name, asked: SaveIn) -> Any:
        """From now on, and after a restart, a placement of that name is served with these settings."""
        model = service.live.standing.live
        if not asked.is_known and (is_own(name) or name in saved.names):
            told = "the recipe has" if is_own(name) else "was saved before"
            raise HTTPException(
                409, f"There is a placement {name!r} that {told}: say that it may be replaced."
            )
        if name not in saved.names and len(saved.names) >= MOST_SAVED:
            raise RecipeError(f"{MOST_SAVED} placements are saved already: delete one first.")
        place, reranking = steered(model.recommender.recipe, asked.placement, asked.settings)
        if asked.k is not None:
            place = place.model_copy(update={"k": asked.k})
        async with service.turns:
            tried(model, steered(model.recommender.recipe, asked.placement, asked.settings))
        await asyncio.to_thread(saved.put, name, place, reranking)
        await service.live.hear_of_saved()
        return Json({"name": name, "is_over": is_own(name)})

    @router.delete("/page/api/placements/{name}", openapi_extra=needs(Role.ADMIN))
    async def delete(name: Name) -> Any:
        """A saved one goes; where the recipe has one of that name, it is that one again."""
        if not await asyncio.to_thread(saved.drop, name):
            why = " It is the recipe's own." if name in USUAL or is_own(name) else ""
            raise HTTPException(404, f"No placement {name!r} was saved here.{why}")
        await service.live.hear_of_saved()
        return Json({"name": name, "is_left": is_own(name)})

    return router


def _titled(catalogue: Catalogue, item_ids: list[str]) -> list[dict[str, str]]:
    """Those that there are, by id and title."""
    rows = catalogue.rows(item_ids).tolist()
    return [{"item_id": catalogue.ids[row], "title": catalogue.titles[row]} for row in rows if row != PAD]
