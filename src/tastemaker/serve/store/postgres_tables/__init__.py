"""Tables of a PostgreSQL store: numbered steps of SQL, each applied once and in order.

A step that has been released is never changed; what comes later goes into the next number.
"""

from pathlib import Path

from tastemaker.errors import StoreError
from tastemaker.serve.store.connections import Connection

LOCK = 7_305_448_126
"""Held while tables are made, so that services may start together. Any number would do."""


def steps() -> list[str]:
    """The SQL of every step, in order."""
    files = sorted(Path(__file__).parent.glob("[0-9]*.sql"))
    return [file.read_text(encoding="utf-8") for file in files]


async def _version(connection: Connection) -> int:
    # Asked of the catalogue: to_regclass would remember within a transaction that there was none.
    cursor = await connection.execute(
        "SELECT FROM pg_tables WHERE schemaname = 'tastemaker' AND tablename = 'version'"
    )
    if await cursor.fetchone() is None:
        return 0
    row = await (await connection.execute("SELECT max(number) FROM tastemaker.version")).fetchone()
    return int(row[0] or 0) if row else 0


async def brought_up_to_date(connection: Connection) -> None:
    """Apply the steps that are missing, all or none.

    Raises: StoreError where the tables are of a newer version than this one knows.
    """
    known = steps()
    # Looked at first without any lock: who may only write events, not make tables, gets by.
    if await _version(connection) != len(known):
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            # Each statement sees what was committed before it: who waited finds the work done.
            version = await _version(connection)
            if version > len(known):
                raise StoreError(
                    f"The store's tables are of version {version}, and this Tastemaker knows {len(known)}: "
                    "update Tastemaker."
                )
            if version == 0:
                await connection.execute("CREATE SCHEMA IF NOT EXISTS tastemaker")
                await connection.execute("CREATE TABLE tastemaker.version (number integer PRIMARY KEY)")
            for number, step in enumerate(known[version:], start=version + 1):
                await connection.execute(step)
                await connection.execute("INSERT INTO tastemaker.version VALUES (%s)", [number])
