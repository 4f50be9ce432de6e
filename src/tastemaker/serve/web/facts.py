"""What the page asks first: who looks, which model, what it knows, and titles that are typed."""

import importlib.util
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import StringConstraints

from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.telling import about

ModelName = Annotated[str, Query(pattern=r"^([0-9a-f]{12}|try-[0-9a-f]{16})?$", alias="model")]
"""Empty for the live one."""
Typed = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ItemId = Annotated[str, Query(min_length=1, max_length=512)]


def routes(service: Service) -> APIRouter:
    router, looking = APIRouter(include_in_schema=False), service.looking
    read = needs(Role.READ)

    @router.get("/page/api/facts", openapi_extra=read)
    async def facts(request: Request, name: ModelName = "") -> Any:
        """Who looks, and at which model."""
        model = await looking.model(name)
        recommender = model.recommender
        bundle, catalogue = recommender.bundle, recommender.catalogue
        return Json(
            {
                "role": request.scope["state"]["role"],
                "has_keys": service.keys is not None,
                "has_registry": service.live.registry is not None,
                "can_make": service.jobs is not None,
                "can_train": importlib.util.find_spec("tensorflow") is not None,
                "model": {
                    "name": name or model.version,
                    "is_live": model is service.live.standing.live,
                    "kind": bundle.manifest.kind,
                    "created": bundle.manifest.created,
                    "items": catalogue.size,
                    "people": int(bundle.histories.user_count),
                },
                "columns": [
                    {"name": column.name, "role": str(column.role)}
                    for column in catalogue.columns
                    if column.name in catalogue.frame.columns
                ],
            }
        )

    @router.get("/page/api/search", openapi_extra=read)
    async def search(q: Typed, k: Annotated[int, Query(ge=1, le=50)] = 10, name: ModelName = "") -> Any:
        """Titles that somebody may mean who types `q`, best first."""
        recommender = (await looking.model(name)).recommender
        catalogue = recommender.catalogue
        async with service.turns:
            found = recommender.finder.search(q, k)
        items = [
            {"item_id": catalogue.ids[row], "title": catalogue.titles[row], "about": about(catalogue, row)}
            for row, _ in found
        ]
        return Json({"items": items})

    return router
