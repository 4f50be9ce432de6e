"""People whom the model or the store knows, for somebody who may see them."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import StringConstraints

from tastemaker.data.interactions import Interactions
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.histories import history_of
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.facts import ModelName
from tastemaker.serve.wire import Id

Typed = Annotated[str, StringConstraints(max_length=200)]
MOST = 200
"""Events of one person that are shown."""


def routes(service: Service) -> APIRouter:
    router, admin = APIRouter(include_in_schema=False), needs(Role.ADMIN)

    @router.get("/page/api/people", openapi_extra=admin)
    async def people(q: Typed = "", k: Annotated[int, Query(ge=1, le=50)] = 10, name: ModelName = "") -> Any:
        """Ids that begin with what was typed, then those that contain it, with how many events each has."""
        log = (await service.looking.model(name)).recommender.bundle.histories
        return Json({"people": await asyncio.to_thread(_named, log, q.strip(), k)})

    @router.get("/page/api/person", openapi_extra=admin)
    async def person(user_id: Annotated[Id, Query(alias="id")], name: ModelName = "") -> Any:
        """What somebody did, newest first: as the model learnt it, and what the store heard since."""
        recommender = (await service.looking.model(name)).recommender
        past, is_down = await service.answering.past(user_id)
        log, catalogue = history_of(recommender.bundle, user_id, past), recommender.catalogue
        newest = range(len(log.rows) - 1, max(-1, len(log.rows) - 1 - MOST), -1)
        events = [
            {
                "item_id": catalogue.ids[int(log.rows[at])],
                "title": catalogue.titles[int(log.rows[at])],
                "at": float(log.times[at]) if log.is_clock else None,
                "weight": float(log.weights[at]),
            }
            for at in newest
        ]
        told = {"id": user_id, "count": len(log.rows), "events": events, "is_store_down": is_down}
        return Json(told | {"hidden": len(past.hidden)})

    return router


def _named(log: Interactions, typed: str, k: int) -> list[dict[str, Any]]:
    wanted, first, then = typed.casefold(), [], []
    counts = np.diff(log.offsets)
    for number, user_id in enumerate(log.user_ids):
        own = user_id.casefold()
        if own.startswith(wanted):
            first.append((len(own), number))
        elif wanted in own:
            then.append((len(own), number))
    found = [number for _, number in (*sorted(first), *sorted(then))][:k]
    return [{"id": log.user_ids[number], "count": int(counts[number])} for number in found]
