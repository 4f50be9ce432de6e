"""Which store an address means."""

from pathlib import Path

from tastemaker.errors import StoreError
from tastemaker.serve.store.contract import Store


async def opened(address: str, spool: Path | None = None) -> Store:
    """A store that is ready, its tables made or brought up to date.

    Args:
        address: `postgresql://user@host/database`, or the path of an SQLite file, also as `sqlite:///path`.
            A password is better left to the environment (PGPASSWORD, PGPASSFILE) than written here.
        spool: a folder that events wait in while the database is down; None refuses them then.
    Raises: StoreError when it can't be reached, or was made by a newer version.
    """
    store = await _opened(address)
    if spool is None:
        return store
    from tastemaker.serve.store.spool import Spooled

    return await Spooled.opened(store, spool)


async def _opened(address: str) -> Store:
    scheme, colon, rest = address.partition("://")
    if colon and scheme in ("postgresql", "postgres"):
        from tastemaker.serve.store.postgres import PostgresStore

        return await PostgresStore.opened(address)
    if colon and scheme != "sqlite":
        raise StoreError(f"A store is a file or postgresql://…; {scheme}:// is neither.")
    from tastemaker.serve.store.sqlite import SqliteStore

    return await SqliteStore.opened(Path(rest.removeprefix("/") if colon else address))
