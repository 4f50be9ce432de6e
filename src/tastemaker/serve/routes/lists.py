"""Lists: for a person, of a person's own items, like an item; and titles that somebody types."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from tastemaker.errors import UnknownItemError
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.wire import MOST, AnswerOut, Placement, RankIn, RecommendIn, SearchOut, WishesIn

Typed = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def routes(service: Service) -> APIRouter:
    router, answering = APIRouter(tags=["lists"]), service.answering
    read = needs(Role.READ)

    @router.post("/v1/recommend", response_model=AnswerOut, openapi_extra=read)
    async def recommend(asked: RecommendIn, request: Request) -> Any:
        """What to show to somebody next: known, unknown, or anyone with a history."""
        return Json(await answering.recommend(asked, time.perf_counter(), request.scope["state"]["span"]))

    @router.post("/v1/rank", response_model=AnswerOut, openapi_extra=read)
    async def rank(asked: RankIn, request: Request) -> Any:
        """Items of your own, in the order that suits somebody; seen ones stay."""
        return Json(await answering.rank(asked, time.perf_counter(), request.scope["state"]["span"]))

    @router.get("/v1/items/{item_id:path}/similar", response_model=AnswerOut, openapi_extra=read)
    async def similar(
        item_id: str,
        request: Request,
        # In a path there is no null: what isn't said is left out.
        k: Annotated[int, Field(ge=1, le=MOST)] | SkipJsonSchema[None] = None,
        placement: Placement | SkipJsonSchema[None] = None,
        filter: Annotated[str, StringConstraints(max_length=2000)] | SkipJsonSchema[None] = None,
        all_seasons: bool = False,
    ) -> Any:
        """What is like an item."""
        asked = WishesIn(k=k, placement=placement, filter=filter)
        span = request.scope["state"]["span"]
        return Json(await answering.similar(item_id, asked, all_seasons, time.perf_counter(), span))

    @router.get("/v1/items/{item_id:path}", openapi_extra=read)
    async def item(item_id: str) -> Any:
        """What the catalogue says of an item."""
        catalogue = service.live.standing.live.recommender.catalogue
        if item_id not in catalogue:
            raise UnknownItemError(f"No item has the id {item_id!r}.")
        row = int(catalogue.rows([item_id])[0])
        return Json(
            {
                "item_id": item_id,
                "title": catalogue.titles[row],
                "columns": catalogue.frame.row(row, named=True),
            }
        )

    @router.get("/v1/search", response_model=SearchOut, openapi_extra=read)
    async def search(q: Typed, k: Annotated[int, Query(ge=1, le=50)] = 10) -> Any:
        """Titles that somebody may mean who types `q`, misspelt and half typed ones too."""
        recommender = service.live.standing.live.recommender
        catalogue = recommender.catalogue
        async with service.turns:
            found = recommender.finder.search(q, k)
        items = [
            {"item_id": catalogue.ids[row], "title": catalogue.titles[row], "score": score}
            for row, score in found
        ]
        return Json({"query": q, "items": items})

    @router.get("/v1/placements", openapi_extra=read)
    async def placements() -> Any:
        """The places of a site, and what is said of each."""
        known = service.live.standing.live.recommender.recipe.known_placements
        return Json({name: place.model_dump(mode="json") for name, place in known.items()})

    return router
