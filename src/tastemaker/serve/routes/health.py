"""Is it alive, is it ready, and what does it count."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from tastemaker.errors import StoreError
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service


def routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/live")
    async def live() -> Any:
        """Whether the process is alive. Open to everybody."""
        return Json({"status": "alive"})

    @router.get("/health/ready")
    async def ready() -> Any:
        """Whether it can answer. Open to everybody. A store that is down is told, and is no reason to take no
        requests: lists go on from what is known."""
        if service.is_stopping:
            return Json({"status": "stopping"}, 503)
        try:
            await service.store.check()
        except StoreError:
            return Json({"status": "ready", "store": "down"})
        return Json({"status": "ready", "store": "up"})

    @router.get("/metrics", openapi_extra=needs(Role.READ), response_class=Response)
    async def metrics() -> Any:
        """Counts and times, for Prometheus."""
        content, kind = service.metrics.render()
        return Response(content, headers={"content-type": kind})

    return router
