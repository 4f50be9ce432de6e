"""How much one request may send: path, query, headers, body. Refused before it is read, where it can be."""

from collections.abc import Callable
from dataclasses import dataclass

from tastemaker.serve.asgi import App, Message, Receive, Scope, Send, headers_named, path_of, refuse

CLOSE = ((b"connection", b"close"),)
"""After a refusal the rest of the request is not read: it might be without end."""


UPLOAD = "/page/api/tries"
"""Where files are sent, which are larger than all else; they go to the disk part by part."""


@dataclass(frozen=True)
class SizeSettings:
    """What a request may come to, in bytes where nothing else is said."""

    body: int = 2**20
    upload: int = 64 * 2**20
    """Of what is sent to UPLOAD."""
    headers: int = 64
    """How many."""
    header_bytes: int = 16 * 2**10
    """Names and values in sum."""
    path: int = 2048
    query: int = 4096


class Sizes:
    """Lets through what is small enough; answers 413, 414 or 431 otherwise."""

    def __init__(
        self,
        app: App,
        settings: SizeSettings | None = None,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._app = app
        self._settings = settings or SizeSettings()
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wrong = self._head(scope)
        if wrong is not None:
            self._refused("size")
            await refuse(scope, send, *wrong, CLOSE)
            return
        body = _Body(scope, receive, send, self._body(scope))
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.is_over:
                raise  # otherwise the answer has gone out, and this is the app missing the rest of a body
        if body.is_over:
            self._refused("size")

    def _body(self, scope: Scope) -> int:
        return self._settings.upload if path_of(scope) == UPLOAD else self._settings.body

    def _head(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, code and message of what is wrong before the body, or None."""
        limit = self._settings
        if len(scope.get("raw_path") or scope["path"].encode()) > limit.path:
            return 414, "path_too_long", f"A path may have {limit.path} bytes."
        if len(scope["query_string"]) > limit.query:
            return 414, "query_too_long", f"A query may have {limit.query} bytes."
        if len(scope["headers"]) > limit.headers:
            return 431, "too_many_headers", f"A request may have {limit.headers} headers."
        if sum(len(name) + len(value) for name, value in scope["headers"]) > limit.header_bytes:
            return 431, "headers_too_large", f"Headers may have {limit.header_bytes} bytes in sum."
        for length in headers_named(scope, b"content-length"):
            if not length.isdigit():
                return 400, "bad_content_length", "Content-Length is not a number of bytes."
            if len(length) > 18 or int(length) > self._body(scope):
                return 413, "body_too_large", _too_large(self._body(scope))
        return None


class _Body:
    """Counts what comes in. Past the limit it answers itself, and to the app the client has gone."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._size = 0
        self._has_begun = False
        self.is_over = False

    async def receive(self) -> Message:
        if self.is_over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                self.is_over = True
                if not self._has_begun:
                    await refuse(
                        self._scope, self._send, 413, "body_too_large", _too_large(self._limit), CLOSE
                    )
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.is_over and not self._has_begun:
            return
        self._has_begun = True
        await self._send(message)


def _too_large(limit: int) -> str:
    return f"A body may have {limit} bytes. Send it in parts."
