"""The outermost layer: gives each request its id, and tells of it once it is answered.

One log line, one count, one span. A defect of the app ends here as a 500 without a word of what it
was; its traceback goes into the log.
"""

import re
import secrets
import time

from tastemaker.serve.asgi import App, Message, Receive, Scope, Send, headers_named, refuse, state
from tastemaker.serve.watch import logs
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.watch.traces import SILENT, Tracer

REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}", re.ASCII)
"""What a caller's own X-Request-Id may look like; another one is replaced."""

GONE = 499
"""The status, as nginx has it, of a caller who left before the answer."""

QUIET = frozenset({"GET /health/live", "GET /health/ready", "GET /metrics"})
"""Asked for every few seconds by machines: logged where they fail."""


class Watched:
    """ASGI middleware around everything else.

    It leaves `request_id` and `span` in the state of the scope, and reads `route` and `key_id`, which
    `Guard` leaves there. The answer carries `x-request-id`.
    """

    def __init__(self, app: App, metrics: Metrics, tracer: Tracer = SILENT) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer
        self._log = logs.logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        told = state(scope)
        request_id = told["request_id"] = _request_id(scope)
        span = told["span"] = self._tracer.request(scope["headers"])
        answer = _Answer(send, request_id.encode())
        defect: Exception | None = None
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            defect = error
        if defect is not None and not answer.status:
            await refuse(scope, answer.send, 500, "internal", "A defect of ours; it has been logged.")
        status = answer.status or GONE
        route = told.get("route", "other")
        seconds = time.perf_counter() - start
        self._metrics.answered(route, status, seconds)
        span.end(route, status)
        if defect is None and status < 500 and route in QUIET:
            return
        (self._log.info if defect is None else self._log.error)(
            "answered",
            method=scope["method"] if scope["method"] in METHODS else "other",
            route=route,
            status=status,
            took_ms=round(seconds * 1000, 3),
            request_id=request_id,
            key_id=told.get("key_id", ""),
            bytes=answer.bytes,
            **({} if defect is None else {"exc_info": defect}),
        )
        if defect is not None and not answer.is_whole:
            raise defect  # half an answer is out: only the server can end it, by closing the connection


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Answer:
    """Sends on, and keeps the status and the size."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.bytes = 0
        self.is_whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
            await self._send(message)
            self.status = message["status"]
            return
        self.bytes += len(message.get("body", b""))
        await self._send(message)
        self.is_whole = not message.get("more_body", False)


def _request_id(scope: Scope) -> str:
    sent = headers_named(scope, b"x-request-id")
    if len(sent) == 1 and REQUEST_ID.fullmatch(sent[0]):
        return sent[0].decode()
    return secrets.token_hex(8)
