"""Connections to PostgreSQL that never keep anybody waiting for long.

In: an address. Out: a connection for a while, from a pool. Whatever goes wrong with it is a StoreError in one
line, which holds neither a password nor what was being written.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from tastemaker.errors import StoreError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError as missing:
    raise StoreError("A PostgreSQL store needs psycopg: pip install 'tastemaker[postgres]'.") from missing

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

LIMIT_S = 1.9
"""An ordinary call has failed by then: callers are promised two seconds."""
WAIT_S = 1.0
"""Of that, at most this long for a connection."""
REST_S = 0.3
"""After nobody got a connection, so long nobody tries: answers go on without the store meanwhile."""
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


async def _refuse_broken(connection: Connection) -> None:
    if not is_quiet(connection):
        raise psycopg.OperationalError("the server ended the connection")


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
    """A pool of them.

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
        self._pool = AsyncConnectionPool(
            self._address,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=most,
            open=False,
            configure=_prepare,
            check=_refuse_broken,
            reconnect_timeout=WAIT_S / 2,  # then the next who asks tries anew
            name="tastemaker",
        )
        self._resting_until = 0.0

    async def open(self) -> None:
        """Raises: StoreError when the server can't be reached, or doesn't keep what it commits."""
        try:
            async with asyncio.timeout(3 * LIMIT_S):
                connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
                try:
                    await _prepare(connection)
                finally:
                    await connection.close()
                await self._pool.open()
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise self._failed(error) from None

    @asynccontextmanager
    async def __call__(self, limit_s: float = LIMIT_S) -> AsyncIterator[Connection]:
        """A connection for as long as the block runs, at most `limit_s` seconds; each statement
        commits by itself.

        Raises: StoreError, also for whatever the database says in the block.
        """
        clock = asyncio.get_running_loop()
        start = clock.time()
        if start < self._resting_until:
            raise StoreError(f"The store {self.shown} can't be reached.")
        try:
            async with self._pool.connection(timeout=WAIT_S) as connection:
                timer = clock.call_at(start + limit_s, cut, connection)
                try:
                    yield connection
                finally:
                    timer.cancel()
        except PoolTimeout as error:
            self._resting_until = clock.time() + REST_S
            raise self._failed(error) from None
        except (psycopg.Error, OSError) as error:
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> StoreError:
        reason = told(error, self._address)
        log.warning("store_failed", store=self.shown, reason=reason)
        return StoreError(f"The store {self.shown} failed: {reason.rstrip('.')}.")

    async def close(self) -> None:
        await self._pool.close(timeout=WAIT_S)
