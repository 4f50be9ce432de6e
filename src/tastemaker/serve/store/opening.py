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

    try:
        return await Spooled.opened(store, spool)
    except BaseException:
        await store.close()
        raise


async def _opened(address: str) -> Store:
    path = file_of(address)
    if path is None:
        from tastemaker.serve.store.postgres import PostgresStore

        return await PostgresStore.opened(address)
    from tastemaker.serve.store.sqlite import SqliteStore

    return await SqliteStore.opened(path)


def file_of(address: str) -> Path | None:
    """The file that an address means; None where it means a server.

    Raises: StoreError for an address of neither.
    """
    scheme, colon, rest = address.partition("://")
    if colon and scheme in ("postgresql", "postgres"):
        return None
    if colon and scheme != "sqlite":
        raise StoreError(f"A store is a file or postgresql://…; {scheme}:// is neither.")
    return Path(rest.removeprefix("/") if colon else address)


async def found(address: str) -> Store:
    """As `opened`, but a file that isn't there isn't made. Raises: StoreError."""
    path = file_of(address)
    if path is not None and not path.exists():
        raise StoreError(f"There is no store {path}.")
    return await opened(address)
