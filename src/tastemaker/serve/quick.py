"""The way of the requests that come most often, past the framework.

What is well asked is answered here. Everything else goes on to the routes, which say what is wrong with it;
they answer the same where this isn't in front of them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ValidationError

from tastemaker.errors import TastemakerError
from tastemaker.serve.asgi import App, Message, Receive, Scope, Send, headers_named, state
from tastemaker.serve.errors import of_ours

NO_HEADERS: list[tuple[bytes, bytes]] = []

Answer = Callable[[Any, float, Any], Awaitable[dict[str, Any]]]
"""What was asked, when it came by `time.perf_counter()`, its span."""


class Way(NamedTuple):
    """What a body has to be, and what answers it."""

    asked: type[BaseModel]
    answer: Answer


class Quick:
    """ASGI middleware around the routes.

    Args:
        ways: by path, of POST.
    """

    def __init__(self, app: App, ways: Mapping[str, Way]) -> None:
        self._app, self._ways = app, ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self._ways.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if way is None or headers_named(scope, b"content-type") != [b"application/json"]:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body", False):
            await self._app(scope, _again(message, receive), send)
            return
        try:
            asked = way.asked.model_validate_json(message.get("body", b""))
        except ValidationError:
            await self._app(scope, _again(message, receive), send)
            return
        try:
            content = await way.answer(asked, began, state(scope)["span"])
            status, headers = 200, NO_HEADERS
        except TastemakerError as error:
            status, content, headers = of_ours(error, state(scope).get("request_id", ""))
        body = orjson.dumps(content)
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _again(message: Message, receive: Receive) -> Receive:
    """To be read once more by somebody else."""
    first = [message]

    async def read() -> Message:
        return first.pop() if first else await receive()

    return read
