"""The door: no request goes by without a key whose role is enough, but for those that ask for our health."""

import math
from collections.abc import Callable, Collection

from tastemaker.serve.asgi import App, Receive, Scope, Send, headers_named, path_of, refuse, state
from tastemaker.serve.guard.keys import Key, Keys, Later
from tastemaker.serve.guard.rates import Buckets, RateSettings, address_of
from tastemaker.serve.guard.roles import Role, Table

OPEN = frozenset({"/health/live", "/health/ready"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
OWN = frozenset({b"same-origin", b"none"})
"""What a browser says of a page's own requests, and of what somebody typed."""


class Guard:
    """ASGI middleware that denies by default.

    It leaves `route`, `key_id` and `role` in the state of the scope.

    Args:
        keys: who may come in. None is `--no-auth`: everybody who asks for a loopback name from no
            page of another site. Binding to loopback alone wouldn't do, since any page in a browser
            on this machine may send requests there.
        table: which route needs which role.
        rates: how often a key may ask.
        open_paths: paths that GET and HEAD may ask for without a key.
        refused: told "auth" or "rate" for each refusal.
    """

    def __init__(
        self,
        app: App,
        keys: Keys | None,
        table: Table,
        rates: RateSettings | None = None,
        open_paths: Collection[str] = OPEN,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        rates = rates or RateSettings()
        self._app = app
        self._keys = keys
        self._table = table
        self._open = frozenset(open_paths)
        self._refused = refused
        self._requests = Buckets(rates.requests_per_s, rates.burst)
        self._failures = Buckets(rates.failures_per_minute / 60.0, max(1, round(rates.failures_per_minute)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks over web sockets
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        path = path_of(scope)
        access = self._table.of(scope["method"], path)
        told = state(scope)
        told["route"] = access.route
        if path in self._open and scope["method"] in ("GET", "HEAD"):
            told["route"] = f"GET {path}"
        elif self._keys is None:
            if not _is_local(scope):
                self._refused("auth")
                await refuse(
                    *(scope, send, 403, "not_local"),
                    "Without keys only this machine may ask, by the name localhost or 127.0.0.1.",
                )
                return
            told["key_id"], told["role"] = "", Role.ADMIN
        else:
            key = await self._who(self._keys, scope, send)
            if key is None:
                return
            told["key_id"], told["role"] = key.id, key.role
            wait_s = self._requests.take(key.id)
            if wait_s:
                await self._later(scope, send, wait_s, "This key asks too often.")
                return
            if not key.role.may(access.role):
                self._refused("auth")
                await refuse(
                    scope,
                    send,
                    403,
                    "forbidden",
                    f"This needs a key with the role {access.role}; see `tastemaker keys`.",
                )
                return
        await self._app(scope, receive, send)

    async def _who(self, keys: Keys, scope: Scope, send: Send) -> Key | None:
        """Whose key it is; None where a refusal has been sent."""
        shown = _shown(scope)
        if shown is None:
            self._refused("auth")
            await _who_are_you(scope, send, "Send a key as X-API-Key, or as Authorization: Bearer.")
            return None
        # Behind a proxy everybody may come from one address: a key that has been seen to be right gets in.
        key = keys.remembered(shown)
        if key is not None:
            return key
        client = scope.get("client")
        address = address_of(client[0]) if client else ""
        wait_s = self._failures.take(address)  # taken before the check, so that many at once don't slip by
        if wait_s:
            await self._later(scope, send, wait_s, "Too many wrong keys came from there.")
            return None
        found = await keys.checked(shown, address)
        if isinstance(found, Key):
            self._failures.give_back(address)
            return found
        if isinstance(found, Later):
            await self._later(scope, send, found.wait_s, "Too many wrong keys came with this id.")
            return None
        self._refused("auth")
        await _who_are_you(scope, send, "This key is unknown, wrong or revoked.")
        return None

    async def _later(self, scope: Scope, send: Send, wait_s: float, message: str) -> None:
        self._refused("rate")
        after = (b"retry-after", str(max(1, math.ceil(wait_s))).encode())
        await refuse(scope, send, 429, "too_many_requests", message, [after])


async def _who_are_you(scope: Scope, send: Send, message: str) -> None:
    await refuse(
        scope, send, 401, "unauthorized", message, [(b"www-authenticate", b'Bearer realm="tastemaker"')]
    )


def _shown(scope: Scope) -> str | None:
    """The key that came with a request. Two of them are none: a proxy might have checked the other."""
    keys = headers_named(scope, b"x-api-key")
    for value in headers_named(scope, b"authorization"):
        scheme, _, token = value.partition(b" ")
        if scheme.lower() == b"bearer":
            keys.append(token.strip())
    return keys[0].decode("latin-1") if len(keys) == 1 else None


def _is_local(scope: Scope) -> bool:
    """Asked by a loopback name and by no page of another site or port."""
    # The name counts, not the address: an outsider's own name may be made to lead to 127.0.0.1.
    hosts = headers_named(scope, b"host")
    if len(hosts) != 1 or _name(hosts[0].decode("latin-1")) not in LOOPBACK:
        return False
    # The page of another port of this machine is of the same site, and not ours.
    if any(fetched not in OWN for fetched in headers_named(scope, b"sec-fetch-site")):
        return False
    return all(
        _name(origin.decode("latin-1").partition("://")[2]) in LOOPBACK
        for origin in headers_named(scope, b"origin")
    )


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
