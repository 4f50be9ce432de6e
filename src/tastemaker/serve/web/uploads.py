"""What the page asks of files that are tried; all of it is for admins."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import ConfigDict, Field, RootModel, StringConstraints, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect

from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.jobs import at_hand
from tastemaker.serve.web.looking import TRY
from tastemaker.serve.web.tries import ROLES, Tries

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, Query(min_length=1, max_length=200)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class ColumnsIn(RootModel[dict[ColumnName, str]]):
    """Roles of columns, by name."""

    model_config = ConfigDict(strict=True)

    root: dict[ColumnName, str] = Field(max_length=200)

    @field_validator("root")
    @classmethod
    def _have_roles(cls, root: dict[str, str]) -> dict[str, str]:
        if not set(root.values()) <= set(ROLES):
            raise PydanticCustomError("role", "Input should be one of {roles}", {"roles": ", ".join(ROLES)})
        return root


def routes(service: Service) -> APIRouter:
    router, admin = APIRouter(include_in_schema=False), needs(Role.ADMIN)

    def tries() -> Tries:
        return Tries(at_hand(service.jobs))

    @router.get("/page/api/tries", openapi_extra=admin)
    async def every() -> Any:
        """All that there are, newest first."""
        found = [] if service.jobs is None else await asyncio.to_thread(tries().every)
        return Json({"tries": found})

    @router.post("/page/api/tries", openapi_extra=admin)
    async def upload(name: Name, request: Request) -> Any:
        """Take a file, and begin to read it."""
        try:
            return Json(await tries().taken(name, _parts(request)))
        except ClientDisconnect:  # or it was too large, and has been told so
            raise HTTPException(400, "The file didn't come whole.") from None

    @router.get("/page/api/tries/{id}", openapi_extra=admin)
    async def one(id: Id) -> Any:
        """How one stands: what was found in it, how training goes, what came of it."""
        return Json(await asyncio.to_thread(tries().told, id))

    @router.post("/page/api/tries/{id}/read", openapi_extra=admin)
    async def read(id: Id, columns: ColumnsIn) -> Any:
        """Read it again, its columns being what somebody says they are."""
        found = tries().read(id, columns.root)
        service.looking.forget(f"{TRY}{id}")
        return Json(found)

    @router.post("/page/api/tries/{id}/train", openapi_extra=admin)
    async def train(id: Id) -> Any:
        """Train a model of it."""
        return Json(tries().trained(id))

    @router.post("/page/api/tries/{id}/stop", openapi_extra=admin)
    async def stop(id: Id) -> Any:
        """Stop the training."""
        return Json(await tries().stopped(id))

    @router.delete("/page/api/tries/{id}", openapi_extra=admin)
    async def forget(id: Id) -> Any:
        """Delete the file and all that was made of it."""
        await tries().forgotten(id)
        service.looking.forget(f"{TRY}{id}")
        return Json({"id": id})

    return router


async def _parts(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        yield part
