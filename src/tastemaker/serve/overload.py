"""More requests than can be answered: a queue with an end, and a quick no for those that would wait too long.

Lists are made one at a time in the event loop itself. Whoever wants one takes a turn; between two turns the
loop reads what has come in, so that a no is said at once. When very many come, even reading them takes time
that answers need: then whole requests are refused unread.
"""

import asyncio
import re
import time
from collections import deque
from functools import lru_cache
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tastemaker.errors import TastemakerError

HEAVY = (b"POST /v1/recommend", b"POST /v1/rank", b"GET /v1/items/")
"""Beginnings of requests that may be refused unread."""
ENDS = b"\r\n\r\n"
LONGEST, LONGEST_HEAD = 65_536, 2_048
"""Bytes of a request, and of its head, that may be refused unread."""
UNUSUAL = re.compile(
    rb"\r\n(?:transfer-encoding|expect|upgrade|content-length[^:]+):"
    rb"|\r\nconnection:(?![ \t]*keep-alive[ \t]*(?:\r\n|$))"
    rb"|\r\ncontent-length:.*\r\ncontent-length:",
    re.DOTALL,
)
"""Headers, in lower case, for which a request isn't refused unread: uvicorn knows what they ask for."""
LEARNS = 0.05
"""How much of what a turn usually takes is renewed by the time it took just now."""


TOO_MUCH = "More is asked for than can be answered just now: try again in a second."
SAID = orjson.dumps({"error": {"code": "overload", "message": TOO_MUCH, "request_id": ""}})


class OverloadError(TastemakerError):
    """More is asked for than can be answered in time."""


class Turns:
    """A queue for the processor.

    Args:
        wait_s: who would wait longer than this is refused.

    Attributes:
        usual_s: seconds that a turn usually takes.
        begun: requests that were let in and have no answer yet; who lets them in counts them.
        refused: how many were.
    """

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.usual_s = 0.002
        self.begun = 0
        self.refused = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    @property
    def room(self) -> int:
        """How many may wait."""
        return max(2, int(self.wait_s / self.usual_s))

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another; who was let in and isn't in the queue yet counts too."""
        return max(len(self._waiting), self.begun - 1) >= self.room

    async def __aenter__(self) -> None:
        if self._is_taken:
            if len(self._waiting) >= self.room:
                self.refused += 1
                raise OverloadError(TOO_MUCH)
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()  # it was given the turn as it left
                else:
                    self._waiting.remove(turn)
                raise
        else:
            self._is_taken = True
            try:
                await asyncio.sleep(0)  # who came at the same moment stands in the queue, and is seen there
            except asyncio.CancelledError:
                self._next()
                raise
        self._began = time.perf_counter()

    async def __aexit__(self, *_: object) -> None:
        taken = time.perf_counter() - self._began
        self.usual_s += LEARNS * (taken - self.usual_s)
        self._next()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._is_taken = False


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which refuses whole requests unread where there is no room for them.

    `turns` is set by whoever starts the server; without one, nothing is refused here.
    """

    turns: Turns | None = None
    answer = (
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(SAID), SAID)
    )

    _is_within = False
    """Whether the parser holds the beginning of a request, and its end hasn't come."""
    _is_counted = False
    """Whether a request of this line is among those begun."""
    _earlier: tuple[Any, ...] = ()
    """Cycles of requests on this line that are still answered while a later one has come in."""

    def on_message_begin(self) -> None:
        self._is_within = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._is_within = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        last: Any = self.cycle
        if last is not None and not last.response_complete:
            self._earlier = (*(each for each in self._earlier if not each.response_complete), last)
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the last request alone that nobody listens: an earlier one would write all the same.
        for each in self._earlier:
            each.disconnected = True
        self._uncount()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._uncount()
        super().on_response_complete()

    def _uncount(self) -> None:
        if self._is_counted and self.turns is not None:
            self._is_counted = False
            self.turns.begun -= 1

    def data_received(self, data: bytes) -> None:
        turns = self.turns
        # Of a request that isn't whole nobody knows when it will be: it takes nobody's place.
        if turns is not None and data.startswith(HEAVY) and self._is_whole(data):
            if turns.is_full:
                turns.refused += 1
                self.transport.write(self.answer)
                if self.timeout_keep_alive_task is None:
                    self.timeout_keep_alive_task = self.loop.call_later(
                        self.timeout_keep_alive, self.timeout_keep_alive_handler
                    )
                return
            self._is_counted = True
            turns.begun += 1
        super().data_received(data)

    def _is_whole(self, data: bytes) -> bool:
        """Whether nothing of an earlier request is open here, and `data` is one request to its end."""
        cycle: Any = self.cycle
        if self._is_within or self.pipeline or len(data) > LONGEST:
            return False
        if cycle is not None and not cycle.response_complete:
            return False
        head, ends, body = data.partition(ENDS)
        return bool(ends) and len(head) <= LONGEST_HEAD and _announced(head) == len(body)


@lru_cache(256)
def _announced(head: bytes) -> int | None:
    """Bytes of the body behind the head of a request; None where only uvicorn can tell.

    Who asks too much sends the same head over and over.
    """
    lower = head.lower()
    line = lower.partition(b"\r\n")[0]
    if not line.endswith(b" http/1.1") or UNUSUAL.search(lower):
        return None
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    if not found:
        return 0
    length = rest.partition(b"\r\n")[0].strip()
    return int(length) if length.isdigit() and len(length) < 8 else None
