"""Items that come, change and go, while the service runs."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter

from tastemaker.errors import DataError, UnknownItemError
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.store import ItemChange
from tastemaker.serve.wire import ItemIn

LONGEST = 512
"""Characters of an id."""


def routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["items"])
    admin = needs(Role.ADMIN)

    @router.put("/v1/items/{item_id:path}", openapi_extra=admin)
    async def put(item_id: str, item: ItemIn) -> Any:
        """Let an item be as it is described here, new or known; it stands in the next answers."""
        _check(item_id)
        recommender = service.live.standing.live.recommender
        column = recommender.catalogue.id_column
        told = item.root.get(column, item_id)
        if told != item_id:
            raise DataError(
                f"{column} is {str(told)[:80]!r}, and the path says {item_id[:80]!r}: they are one thing."
            )
        columns = {name: value for name, value in item.root.items() if name != column}
        after = await asyncio.to_thread(recommender.with_items, {**columns, column: item_id})  # or it says no
        await service.store.change_items([ItemChange(item_id, time.time(), columns)])
        await service.live.hear_of_items()
        return Json({"item_id": item_id, "items": after.catalogue.size})

    @router.delete("/v1/items/{item_id:path}", openapi_extra=admin)
    async def delete(item_id: str) -> Any:
        """Let an item go."""
        _check(item_id)
        recommender = service.live.standing.live.recommender
        if item_id not in recommender.catalogue:
            raise UnknownItemError(f"No item has the id {item_id[:80]!r}.")
        await asyncio.to_thread(recommender.without, [item_id])
        await service.store.change_items([ItemChange(item_id, time.time(), None)])
        await service.live.hear_of_items()
        return Json({"item_id": item_id, "items": service.live.standing.live.recommender.catalogue.size})

    return router


def _check(item_id: str) -> None:
    if not 0 < len(item_id) <= LONGEST or "\0" in item_id:
        raise DataError(f"An id has 1 to {LONGEST} characters, none of them NUL.")
