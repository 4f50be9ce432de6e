"""Processes: one, or several that share a socket, and how they end."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from tastemaker.errors import TastemakerError
from tastemaker.serve.settings import Settings
from tastemaker.serve.watch import logs, shared
from tastemaker.serve.workers import Workers

if TYPE_CHECKING:
    from tastemaker.serve.service import Service

BACKLOG = 2048
"""Connections that wait to be taken up."""
IDLE_S = 75
"""A connection without requests is kept so long: longer than proxies do, so that none is cut off by us."""


def run(settings: Settings, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; what was begun is answered before.

    Args:
        ready: told the address once requests are answered; of several workers, once they share the socket.
    Raises: TastemakerError for whatever can't be opened; then nothing was served.
    """
    listening = bound(settings)
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        if settings.workers == 1:
            _loop(_serve(settings, listening, lambda: ready(address)))
            return
        settings.hand_over()
        folder = shared.prepare(settings.workers)
        try:
            logs.configure(settings.log_level)
            ready(address)
            Workers(settings.workers, _worker, listening, settings.drain_s).run()
        finally:
            shared.clean(folder)
    finally:
        listening.close()


def bound(settings: Settings) -> socket.socket:
    """Raises: TastemakerError where the port can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise TastemakerError(f"Can't listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    listening.set_inheritable(True)
    return listening


def _worker(listening: socket.socket) -> None:
    try:
        _loop(_serve(Settings.handed_over(), listening, lambda: None))
    except TastemakerError as error:
        sys.exit(f"tastemaker: {error}")


def _loop(work: Any) -> None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        asyncio.run(work)
        return
    uvloop.run(work)


class _Server(uvicorn.Server):
    """uvicorn's own, which leaves it to us to end once it has stopped.

    It would send itself the signal anew, and die of it before what waits is written.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                # A second one while what waits is written doesn't cut that short.
                signal.signal(number, handler if number == signal.SIGINT else signal.SIG_IGN)


async def _serve(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    # Here and not above: whoever only starts workers needs none of it, and metrics decide at their import
    # whether workers share them.
    from tastemaker.serve.app import asgi
    from tastemaker.serve.overload import Protocol
    from tastemaker.serve.service import Service

    service = await Service.started(settings)
    protocol = type("Refusing", (Protocol,), {"turns": service.turns})
    config = uvicorn.Config(
        asgi(service),
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=int(settings.drain_s) or 1,
        backlog=BACKLOG,
    )
    server = _Server(config)
    waiting = asyncio.create_task(_told_when(server, service, ready))
    try:
        await server.serve(sockets=[listening])
    finally:
        waiting.cancel()
        await service.stop()


async def _told_when(server: uvicorn.Server, service: "Service", ready: Callable[[], None]) -> None:
    """Say that it is ready once it is, and let it be known when it stops."""
    while not server.started:
        await asyncio.sleep(0.005)
    ready()
    logs.logger().info("ready", version=service.live.standing.live.version, workers=service.settings.workers)
    while not server.should_exit:
        await asyncio.sleep(0.1)
    service.is_stopping = True
