"""Whether people do today what the live model has learnt from, looked into beside the service."""

import asyncio
import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.store.opening import file_of
from tastemaker.serve.web.jobs import at_hand

SECRETS = ("PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE", "PGSSLROOTCERT")
"""What a database may need to let somebody in."""


def routes(service: Service) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def name() -> str:
        return f"drift-{service.live.standing.live.version}"

    @router.get("/page/api/drift", openapi_extra=needs(Role.READ))
    async def found() -> Any:
        """How the newest look into it stands, and what it came to."""
        if service.jobs is None:
            return Json({"job": None})
        return Json(await asyncio.to_thread(_told, service, name()))

    @router.post("/page/api/drift", openapi_extra=needs(Role.ADMIN))
    async def look() -> Any:
        """Look into it anew."""
        jobs = at_hand(service.jobs)
        address = service.settings.store
        path = file_of(address)
        store = address if path is None else str(Path(path).resolve())
        arguments = ("drift", service.looking.folder(), "--store", store, "--json")
        return Json({"job": jobs.start(name(), arguments, SECRETS).as_json()})

    return router


def _told(service: Service, name: str) -> dict[str, Any]:
    assert service.jobs is not None
    job = service.jobs.of(name)
    if job is None or job.state not in ("done", "no"):
        return {"job": None if job is None else job.as_json()}
    return {"job": job.as_json(), "report": json.loads(service.jobs.said(name))}
