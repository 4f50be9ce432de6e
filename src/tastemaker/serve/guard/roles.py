"""What a key may do, and which route asks for what. A route that isn't in the table is for admins."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a key was made for."""

    READ = "read"
    """Asks for recommendations, titles and searches."""

    WRITE_EVENTS = "write-events"
    """Tells what people did, and nothing else: what a web page's own back end needs."""

    ADMIN = "admin"
    """Everything."""

    def may(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        return self is Role.ADMIN or self is needed


class Access(NamedTuple):
    """What a request is asking for."""

    route: str
    """Its template, `POST /v1/recommend`: safe to log and to count by, since it holds no ids."""
    role: Role


OTHER = Access("other", Role.ADMIN)
"""Whatever no table names."""


class Table:
    """From a method and a path to the route and the role that it needs.

    Patterns are written as the app writes its routes: `{name}` stands for one part of a path, and
    `{name:path}` for one or several. Where several fit, one that needs an admin wins.
    """

    def __init__(self, routes: Iterable[tuple[str, str, Role]]) -> None:
        self._plain: dict[tuple[str, str], Access] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Access]]] = {}
        for method, path, role in routes:
            access = Access(f"{method} {path}", role)
            if "{" in path:
                self._patterns.setdefault(method, []).append((_compiled(path), access))
            else:
                self._plain[method, path] = access

    def of(self, method: str, path: str) -> Access:
        """What that request asks for. HEAD is GET without the answer's body."""
        if method == "HEAD":
            method = "GET"
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain
        fitting = [
            access
            for pattern, access in self._patterns.get(method, ())
            if pattern.fullmatch(path) is not None
        ]
        return next((a for a in fitting if a.role is Role.ADMIN), fitting[0] if fitting else OTHER)


def _compiled(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?::path)?\})", path)
    return re.compile(
        "".join(
            re.escape(part) if not part.startswith("{") else ".+" if part.endswith(":path}") else "[^/]+"
            for part in parts
        ),
        re.DOTALL,  # an id may hold a line break, and must not slip by for that
    )
