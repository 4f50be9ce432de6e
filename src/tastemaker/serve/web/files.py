"""The files of the page: open to everybody, since no data are in them, and held to a strict policy.

Scripts and styles come from this place alone, nothing stands inline, no other site may put the page into a
frame. Where it is served below a prefix it works too: every address in it is relative.
"""

import gzip
import hashlib
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-cache",  # asked for again each time, and answered by 304
    "vary": "accept-encoding",
}
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SHARED = ("page.css", "map.css", "map.js", "map_lasso.js", "map_plane.js", "map_search.js")
"""Of pages that are files of their own: the same look, the same map."""


def _found() -> dict[str, Traversable]:
    """By path."""
    own = resources.files("tastemaker.serve.web").joinpath("static")
    found = {"/": own / "index.html"}
    folders = [("/page", own)]
    while folders:
        at, folder = folders.pop()
        for each in folder.iterdir():
            if each.is_dir():
                folders.append((f"{at}/{each.name}", each))
            elif each.name.endswith(tuple(KINDS)):
                found[f"{at}/{each.name}"] = each
    shared = resources.files("tastemaker.pages").joinpath("templates")
    return found | {f"/page/shared/{name}": shared / name for name in SHARED}


def _map() -> str:
    """The page that `tastemaker explore` writes as a file, with its parts fetched instead of inside."""
    from tastemaker.pages.page import Script, served

    scripts = [Script(f"shared/{name}") for name in ("map_plane.js", "map_search.js", "map_lasso.js")]
    return served(
        "map.html",
        title="Map of the catalogue",
        styles=("shared/page.css", "shared/map.css", "map_page.css"),
        scripts=[*scripts, Script("map_start.js", is_module=True)],
    )


FILES = _found()
MADE = {"/page/map.html": _map}
"""Of a template, when first asked for."""
PATHS = (*FILES, *MADE)


class Content(NamedTuple):
    plain: bytes
    zipped: bytes
    kind: str
    tag: str


@lru_cache
def content(path: str) -> Content:
    """Of one of PATHS."""
    plain = MADE[path]().encode() if path in MADE else FILES[path].read_bytes()
    name = path if path in MADE else FILES[path].name
    kind = next(kind for ending, kind in KINDS.items() if name.endswith(ending))
    tag = f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
    return Content(plain, gzip.compress(plain, 9, mtime=0), kind, tag)


def answered(request: Request) -> Response:
    """One file, or that it is still what it was."""
    found = content(request.scope["route"].path)
    headers = HEADERS | {"etag": found.tag}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.zipped, media_type=found.kind, headers=headers | {"content-encoding": "gzip"})
    return Response(found.plain, media_type=found.kind, headers=headers)


def routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def file(request: Request) -> Any:
        return answered(request)

    for path in PATHS:
        router.add_api_route(path, file, methods=["GET", "HEAD"])
    return router
