"""The map of a model's catalogue: `tastemaker explore` makes it once, and it is sent as it lies there."""

import asyncio
import gzip
import shutil
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from tastemaker.errors import TastemakerError
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.facts import ModelName
from tastemaker.serve.web.jobs import Job, at_hand

FILE = "map.json"


def routes(service: Service) -> APIRouter:
    router, looking = APIRouter(include_in_schema=False), service.looking
    read = needs(Role.READ)

    async def begun(name: str, is_again: bool) -> Job:
        """The one that makes or made it; begun where there is none."""
        jobs = at_hand(service.jobs)
        version, folder = (await looking.model(name)).version, looking.folder(name).resolve()
        job = jobs.of(f"map-{version}")
        made = jobs.folder(f"map-{version}") / FILE
        is_lost = job is not None and job.state == "done" and not made.is_file()
        if job is None or is_lost or (is_again and job.state not in ("waiting", "running", "done")):
            job = jobs.start(f"map-{version}", ["explore", folder, "--out", FILE])
        return job

    @router.get("/page/api/map", openapi_extra=read)
    async def state(name: ModelName = "") -> Any:
        """How the map stands; it is begun with the first question for it."""
        return Json({"job": (await begun(name, False)).as_json()})

    @router.post("/page/api/map", openapi_extra=read)
    async def again(name: ModelName = "") -> Any:
        """Once more, after it failed."""
        return Json({"job": (await begun(name, True)).as_json()})

    @router.get("/page/api/map/data", openapi_extra=read)
    async def data(request: Request, name: ModelName = "") -> Response:
        """The map itself."""
        jobs = at_hand(service.jobs)
        job = f"map-{(await looking.model(name)).version}"
        made = jobs.folder(job) / FILE
        found = jobs.of(job)
        if found is None or found.state != "done" or not made.is_file():
            raise TastemakerError("The map isn't ready yet.")
        headers = {
            "cache-control": "no-store",
            "vary": "accept-encoding",
            "x-content-type-options": "nosniff",
        }
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return FileResponse(made, media_type="application/json", headers=headers)
        zipped = await asyncio.to_thread(_zipped, made)
        headers["content-encoding"] = "gzip"
        return FileResponse(zipped, media_type="application/json", headers=headers)

    return router


def _zipped(made: Path) -> Path:
    """Beside it, made once."""
    zipped = made.with_suffix(".json.gz")
    if not zipped.is_file() or zipped.stat().st_mtime_ns < made.stat().st_mtime_ns:
        partial = zipped.with_suffix(".partial")
        with made.open("rb") as plain, gzip.open(partial, "wb", compresslevel=6) as file:
            shutil.copyfileobj(plain, file)
        partial.replace(zipped)
    return zipped
