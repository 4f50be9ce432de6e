"""Which role a route needs: said where the route is, read by the guard and by OpenAPI."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from tastemaker.serve.guard.roles import Role, Table

ROLE = "x-role"


def needs(role: Role) -> dict[str, Any]:
    """For `openapi_extra` of a route."""
    return {ROLE: str(role)}


def table(app: FastAPI) -> Table:
    """Of all routes of an app; one that says nothing is for admins, as is whatever is no route."""
    found = []
    for route in routes_of(app):
        role = Role((route.openapi_extra or {}).get(ROLE, Role.ADMIN))
        found += [(method, route.path, role) for method in route.methods]
    return Table(found)


def routes_of(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute)]
