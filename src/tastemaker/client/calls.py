"""What a method of a client comes to on the wire, and what an answer comes to: shared by both clients, which
only differ in how they wait."""

import json
import random
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from tastemaker.client.errors import (
    ClientError,
    NotAllowedError,
    NotFoundError,
    OverloadedError,
    RefusedError,
    UnreachableError,
)
from tastemaker.client.messages import EventIn, EventsOut

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
"""Seconds; of the service's own work on a list 0.1 is the most."""
TRIES = 5
"""Times that a batch of events is sent before it is given up."""
LONGEST_WAIT_S = 30.0
BATCH = 1000
"""Events of one request, at most."""
BATCH_BYTES = 900_000
"""Below the 1 MiB that a body may have."""


class Call(NamedTuple):
    """A request."""

    method: str
    path: str
    body: Any = None
    params: dict[str, Any] | None = None


def items(item_id: str, rest: str = "") -> str:
    """A path with an id in it, whatever letters that has."""
    return f"/v1/items/{quote(item_id, safe='')}{rest}"


def users(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}"


def models(version: str) -> str:
    return f"/v1/models/{quote(version, safe='')}"


def headers(key: str | None) -> dict[str, str]:
    """Raises: ClientError for a key that can't be one, before a library shows it in an error of its own."""
    if key is None:
        return {}
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ClientError("key is no API key: it has a space, a line end or a letter that no key has.")
    return {"X-API-Key": key}


def given(**params: Any) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in params.items() if value is not None}


def checked(answer: httpx.Response) -> httpx.Response:
    """Raises: RefusedError or one of its kinds, where it isn't what was asked for."""
    if answer.is_success:
        return answer
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):  # a proxy between
        error = None
    if not isinstance(error, dict):
        error = {"message": answer.reason_phrase}
    status = answer.status_code
    if status in (429, 503):
        raise OverloadedError(status, error, _seconds(answer.headers.get("retry-after")))
    kind = {401: NotAllowedError, 403: NotAllowedError, 404: NotFoundError}.get(status, RefusedError)
    raise kind(status, error)


def _seconds(said: Any) -> float | None:
    """Of a Retry-After in seconds; a date is rare, and left out."""
    text = str(said)
    return int(text) if text.isascii() and text.isdigit() else None


def unreachable(url: str, error: httpx.TransportError) -> UnreachableError:
    """In one line, and without the request, whose headers hold the key."""
    return UnreachableError(f"{url} didn't answer: {type(error).__name__}.")


def wait_s(error: ClientError, tries: int) -> float | None:
    """Seconds to wait after the try number `tries` (from 1) failed with `error`; None to give up."""
    may_pass = isinstance(error, OverloadedError | UnreachableError)
    if not may_pass or tries >= TRIES:
        return None
    # Half of it by chance, so that clients refused together don't come back together.
    own = 0.1 * 2.0 ** (tries - 1) * random.uniform(0.5, 1.0)
    said = error.retry_after_s if isinstance(error, OverloadedError) else None
    return min(max(own, said or 0.0), LONGEST_WAIT_S)


def named(events: Iterable[EventIn]) -> list[EventIn]:
    """Each with an id, so that one sent twice counts once.

    One with a time and no id gets its id from the service, made of the rest: the same log sent by another
    process still counts once.
    """
    return [
        event
        if event.get("event_id") is not None or event.get("timestamp") is not None
        else {**event, "event_id": uuid.uuid4().hex}
        for event in events
    ]


def batches(events: list[EventIn]) -> Iterator[tuple[int, list[EventIn]]]:
    """Parts that fit one request, each with the index of its first event."""
    start, size = 0, 0
    for index, event in enumerate(events):
        own = len(json.dumps(event).encode()) + 1
        if index > start and (index - start == BATCH or size + own > BATCH_BYTES):
            yield start, events[start:index]
            start, size = index, 0
        size += own
    if events[start:]:
        yield start, events[start:]


def add(total: EventsOut, start: int, told: EventsOut) -> None:
    """Count a batch, whose first event is number `start` of all, into `total`."""
    total["accepted"] += told["accepted"]
    total["duplicates"] += told["duplicates"]
    total["rejected"] += [{**each, "index": each["index"] + start} for each in told["rejected"]]
