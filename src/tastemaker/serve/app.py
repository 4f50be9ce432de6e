"""The service as an ASGI app: its routes, and around them, from outside in, what watches, counts bytes and
guards."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi

import tastemaker
from tastemaker.serve import errors
from tastemaker.serve.asgi import App
from tastemaker.serve.errors import DOCUMENTED, Json
from tastemaker.serve.guard.guard import Guard
from tastemaker.serve.guard.rates import RateSettings
from tastemaker.serve.guard.roles import Role, Table
from tastemaker.serve.guard.sizes import Sizes
from tastemaker.serve.quick import Quick, Way
from tastemaker.serve.routes import events, health, items, lists, models, users
from tastemaker.serve.routes.needs import needs, table
from tastemaker.serve.service import Service
from tastemaker.serve.watch.watched import Watched
from tastemaker.serve.web import files
from tastemaker.serve.web.routes import routes as page_routes
from tastemaker.serve.wire import RankIn, RecommendIn

ABOUT = "Recommendations that are measured, explained and served."
OPEN = ("/health/live", "/health/ready")


def asgi(service: Service) -> App:
    """What the server runs."""
    app, roles = routed(service)
    metrics, settings = service.metrics, service.settings
    rates = RateSettings(
        requests_per_s=settings.requests_per_s, burst=max(1, round(2 * settings.requests_per_s))
    )
    answering = service.answering
    ways = {
        "/v1/recommend": Way(RecommendIn, answering.recommend),
        "/v1/rank": Way(RankIn, answering.rank),
    }
    is_open = (*OPEN, *(files.PATHS if settings.has_page else ()))
    guarded = Guard(Quick(app, ways), service.keys, roles, rates, is_open, metrics.refused)
    return Watched(Sizes(guarded, refused=metrics.refused), metrics, service.tracer)


def routed(service: Service) -> tuple[FastAPI, Table]:
    """The routes alone, unguarded, and which role each needs."""
    app = FastAPI(
        title="Tastemaker",
        version=tastemaker.__version__,
        description=ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=DOCUMENTED,
    )
    errors.install(app)
    routers = [part.routes(service) for part in (lists, events, items, users, models, health)]
    if service.settings.has_page:
        routers += page_routes(service)
    own = APIRouter()

    @own.get("/openapi.json", include_in_schema=False, openapi_extra=needs(Role.READ))
    async def openapi(request: Request) -> Any:
        return Json(described(app))

    for router in (*routers, own):
        app.include_router(router)
    return app, table(route for router in (*routers, own) for route in router.routes)


def described(app: FastAPI) -> dict[str, Any]:
    """Its OpenAPI."""
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        told["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        }
        told["security"] = [{"key": []}]
        for path in OPEN:
            told["paths"][path]["get"]["security"] = []
        app.openapi_schema = told
    return app.openapi_schema
