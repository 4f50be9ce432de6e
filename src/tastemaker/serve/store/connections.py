"""Connections to PostgreSQL that never keep anybody waiting for long.

In: an address. Out: a connection for a while, from a pool. Whatever goes wrong with it is a StoreError in one
line, which holds neither a password nor what was being written.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from tastemaker.errors import StoreError

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

LIMIT_S = 1.9
"""An ordinary call has failed by then: callers are promised two seconds."""
WAIT_S = 1.0
"""Of that, at most this long for a connection."""
REST_S = 0.3
"""After the server couldn't be reached, so long nobody tries: answers go on without the store meanwhile."""
SLOW_S = 60.0
"""What goes through a table in steps may take this long a step."""

log = structlog.get_logger()


def shown(address: str) -> str:
    """An address without user or password; some words instead where it can't be read."""
    try:
        parts = conninfo_to_dict(address)
    except psycopg.Error:
        return "an address that can't be read"
    place = ":".join(str(parts[key]) for key in ("host", "port") if key in parts)
    return f"postgresql://{place}/{parts.get('dbname', '')}"


def told(error: BaseException, address: str) -> str:
    """What the database said, in one line and without anybody's data.

    Args:
        error: `diag.message_detail` of it may quote the row that was written, so only its
            first message is taken.
    """
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = " ".join((said or str(error) or type(error).__name__).split())
    try:
        password = conninfo_to_dict(address).get("password") or os.environ.get("PGPASSWORD")
    except psycopg.Error:
        return type(error).__name__
    return line.replace(str(password), "***") if password else line


def is_quiet(connection: Connection) -> bool:
    """Whether an idle connection still stands. A server that ended left an end to be read."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def cut(connection: Connection) -> None:
    """End a connection from this side, so that whoever waits on it is told at once.

    Cancelling a query asks the server, which may be the one that hangs.
    """
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def _cut_at(time: float, connection: Connection) -> Iterator[None]:
    """The block ends with an error of the connection once the loop's clock says `time`."""
    timer = asyncio.get_running_loop().call_at(time, cut, connection)
    try:
        yield
    finally:
        timer.cancel()


async def _prepare(connection: Connection) -> None:
    """Settings of a connection; it is refused where what is committed may still be lost."""
    row = await (
        await connection.execute("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
    ).fetchone()
    assert row is not None
    for name, value in zip(("synchronous_commit", "fsync"), row, strict=True):
        if value in ("off", "local"):
            raise StoreError(
                f"{name} of this PostgreSQL is {value}: an event could be lost after it was acknowledged. "
                "Set it to on."
            )
    # A statement whose client is gone ends by itself.
    await connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(int(1000 * SLOW_S))])


class Connections:
    """A pool of them. One that the server ended is replaced before it is used.

    Args:
        address: `postgresql://…`; what it says of timeouts goes before what we say.
        most: connections at once, of this process.
    """

    def __init__(self, address: str, most: int = 6) -> None:
        try:
            given = conninfo_to_dict(address)
        except psycopg.Error:
            # What libpq says of it quotes it, password and all.
            raise StoreError(
                "The address of the store can't be read: postgresql://user@host/database."
            ) from None
        ours: dict[str, str | int] = {
            "connect_timeout": 2,
            "tcp_user_timeout": 2000,
            "application_name": "tastemaker",
        }
        self.shown = shown(address)
        self._address = make_conninfo(address, **{key: ours[key] for key in ours if key not in given})
        self._free = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._resting_until = 0.0
        self._is_closed = False

    @asynccontextmanager
    async def __call__(self, limit_s: float = LIMIT_S) -> AsyncIterator[Connection]:
        """A connection for as long as the block runs, at most `limit_s` seconds. Each
        statement commits by itself.

        Raises: StoreError, also for whatever the database says in the block.
        """
        clock = asyncio.get_running_loop()
        start = clock.time()
        if self._is_closed:
            raise StoreError("The store is closed.")
        if start < self._resting_until:
            raise StoreError(f"The store {self.shown} can't be reached.")
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise self._failed(TimeoutError("every connection is busy")) from None
        try:
            try:
                connection = await self._taken(start + WAIT_S)
            except (psycopg.Error, OSError) as error:
                self._resting_until = clock.time() + REST_S
                raise self._failed(error) from None
            try:
                with _cut_at(start + limit_s, connection):
                    yield connection
            except (psycopg.Error, OSError, UnicodeError) as error:
                raise self._failed(error) from None
            finally:
                # What broke, or was left in the middle of something, is not used again.
                is_fit = (
                    not self._is_closed and connection.pgconn.transaction_status == TransactionStatus.IDLE
                )
                self._idle.append(connection) if is_fit else await connection.close()
        finally:
            self._free.release()

    async def _taken(self, until: float) -> Connection:
        """An idle connection that still stands, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if is_quiet(connection):
                return connection
            await connection.close()
        async with asyncio.timeout_at(until):
            connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
        try:
            with _cut_at(until, connection):
                await _prepare(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    def _failed(self, error: BaseException) -> StoreError:
        reason = told(error, self._address)
        log.warning("store_failed", store=self.shown, reason=reason)
        return StoreError(f"The store {self.shown} failed: {reason.rstrip('.')}.")

    async def close(self) -> None:
        """Those that are in use are closed when they come back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().close()
