"""A typed client of the service: `Client(url, key=…)`, and `AsyncClient` with the same methods to be awaited.

It stands alone: httpx, and none of what trains or answers.
"""

from tastemaker.client.errors import (
    ClientError,
    NotAllowedError,
    NotFoundError,
    OverloadedError,
    RefusedError,
    UnreachableError,
)

try:
    import httpx  # noqa: F401
except ImportError:
    raise ImportError("The client needs httpx: pip install 'tastemaker[client]'.") from None

from tastemaker.client.later import AsyncClient
from tastemaker.client.now import Client

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "NotAllowedError",
    "NotFoundError",
    "OverloadedError",
    "RefusedError",
    "UnreachableError",
]
