"""What can go wrong between a client and the service. None of it ever holds the key."""

from typing import Any

from tastemaker.client.messages import EventIn
from tastemaker.errors import TastemakerError


class ClientError(TastemakerError):
    """No answer that can be used.

    Attributes:
        unacknowledged: of `send_events`, what may not have been kept, with its event ids: to be sent again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.unacknowledged: list[EventIn] = []


class UnreachableError(ClientError):
    """Nobody answered, or not in time."""


class RefusedError(ClientError):
    """The service said no.

    Attributes:
        status: of HTTP.
        code: a word for programs.
        message: a line for people.
        fields: of the request, that are wrong: {"field": …, "message": …}.
        request_id: by which the service's log knows it.
        candidates: titles that answer equally well, where a title was ambiguous.
    """

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        self.status = status
        self.code = str(error.get("code", "http"))
        self.message = str(error.get("message", ""))
        self.fields: list[dict[str, Any]] = error.get("fields", [])
        self.request_id = str(error.get("request_id", ""))
        self.candidates: list[str] = error.get("candidates", [])
        super().__init__(f"{status} {self.code}: {self.message}")


class NotFoundError(RefusedError):
    """404: there is no such thing."""


class NotAllowedError(RefusedError):
    """401 or 403: the key is missing or wrong, or its role is too small."""


class OverloadedError(RefusedError):
    """429 or 503: not now.

    Attributes:
        retry_after_s: seconds after which it may be tried again; None where the service didn't say.
    """

    def __init__(self, status: int, error: dict[str, Any], retry_after_s: float | None) -> None:
        super().__init__(status, error)
        self.retry_after_s = retry_after_s
