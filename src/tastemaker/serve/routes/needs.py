"""Which role a route needs: said where the route is, read by the guard and by OpenAPI."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from tastemaker.serve.guard.roles import Role, Table

ROLE = "x-role"


def needs(role: Role) -> dict[str, Any]:
    """For `openapi_extra` of a route."""
    return {ROLE: str(role)}


def table(routes: Iterable[BaseRoute]) -> Table:
    """Of routes; one that says nothing is for admins, as is whatever is no route."""
    found = []
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        role = Role((route.openapi_extra or {}).get(ROLE, Role.ADMIN))
        found += [(method, route.path, role) for method in route.methods or ()]
    return Table(found)
