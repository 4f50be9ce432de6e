"""A connection to an SQLite file of ours: its tables up to date, and what fails told in one line."""

import sqlite3
import time
from pathlib import Path

from tastemaker.errors import StoreError

OURS = 0x7A57E
"""`application_id` of our files, so that a database of something else isn't written to."""

BUSY_S = 5.0
"""How long a writer waits for another process."""

CHECKED_BYTES = 64 * 2**20
"""Up to this size every page is looked at when a file is opened: 0.1 s; `store check` looks at any."""

MIGRATIONS = (
    (
        # In the order in which a past is read: the newest touches and what is hidden are one range each.
        """CREATE TABLE events (
            user_id TEXT NOT NULL, meaning INTEGER NOT NULL, at REAL NOT NULL, arrival INTEGER NOT NULL,
            item_id TEXT NOT NULL, weight REAL, event_id TEXT NOT NULL, kind TEXT NOT NULL, watch_time REAL,
            recommendation_id TEXT NOT NULL, position INTEGER,
            PRIMARY KEY (user_id, meaning, at, arrival)
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX events_once ON events (event_id)",
        "CREATE INDEX events_by_time ON events (at, arrival)",
        # How many events ever came: arrival of the newest.
        "CREATE TABLE arrivals (newest INTEGER NOT NULL)",
        "INSERT INTO arrivals VALUES (0)",
        """CREATE TABLE answers (
            number INTEGER PRIMARY KEY AUTOINCREMENT, recommendation_id TEXT NOT NULL,
            user_id TEXT NOT NULL, at REAL NOT NULL, placement TEXT NOT NULL, model_version TEXT NOT NULL,
            device TEXT NOT NULL, is_shadow INTEGER NOT NULL, items BLOB NOT NULL, features BLOB NOT NULL,
            UNIQUE (recommendation_id, is_shadow)
        )""",
        "CREATE INDEX answers_by_user ON answers (user_id, at)",
        "CREATE INDEX answers_by_time ON answers (at, number)",
        # One row an item: a newer change takes the place of the older, under a higher number.
        """CREATE TABLE item_changes (
            number INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL UNIQUE, at REAL NOT NULL,
            columns BLOB
        )""",
        "CREATE TABLE erased (name BLOB PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    ),
)
"""Statements that make each version of the tables of the one before. Never changed, only added to."""


def connected(path: Path, timeout_s: float = BUSY_S) -> sqlite3.Connection:
    """A connection on which a commit is durable, and on which what is deleted is overwritten.

    Raises: StoreError, sqlite3.Error.
    """
    if not path.parent.is_dir():
        raise StoreError(f"There is no folder {path.parent} for the store {path.name}.")
    database = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _check_whose(database, path)
        _log_ahead(database, timeout_s)
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        # Fewer, larger checkpoints: a page that several batches write goes into the file once.
        database.execute("PRAGMA wal_autocheckpoint = 4000")
        database.execute("PRAGMA journal_size_limit = 67108864")
        if _version(database) < len(MIGRATIONS):
            _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def check_pages(path: Path) -> None:
    """Look at every page.

    Raises: StoreError where one is damaged, or the file can't be read.
    """
    try:
        database = connected(path)
        try:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise StoreError(told(path, error)) from error
    if found != "ok":
        raise StoreError(f"The store {path} is damaged: {' '.join(found.split())}. Restore it from a copy.")


def told(path: Path, error: sqlite3.Error | OSError) -> str:
    """What went wrong, in one line that says what to do."""
    code = error.sqlite_errorname if isinstance(error, sqlite3.Error) and error.args else ""
    for start, line in _LINES.items():
        if code.startswith(start):
            return f"The store {path} {line} ({error})."
    return f"The store {path} can't be used: {error}."


_LINES = {
    "SQLITE_FULL": "can't be written: the disk is full. Make room",
    "SQLITE_IOERR": "can't be read or written: the disk is full or failing",
    "SQLITE_CORRUPT": "is damaged. Restore it from a copy",
    "SQLITE_NOTADB": "is not an SQLite file, or its first page is damaged",
    "SQLITE_READONLY": "can't be written: the file or its disk is read-only",
    "SQLITE_BUSY": f"is held by another process for more than {BUSY_S:.0f} s. Try again",
    "SQLITE_CANTOPEN": "can't be opened: the disk is read-only, or rights forbid it",
}


def _log_ahead(database: sqlite3.Connection, timeout_s: float) -> None:
    """Switch a new file to WAL. Where two processes do so at once, SQLite refuses one without waiting."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _check_whose(database: sqlite3.Connection, path: Path) -> None:
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    if mark not in (0, OURS) or (
        mark == 0 and database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    ):
        raise StoreError(f"{path} is a database of something else: name another file for the store.")
    if _version(database) > len(MIGRATIONS):
        raise StoreError(
            f"The store {path} was made by a newer version of Tastemaker (tables {_version(database)}, "
            f"this one knows {len(MIGRATIONS)}): upgrade Tastemaker."
        )


def _migrate(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        # Looked at again: another process may have been quicker.
        for statements in MIGRATIONS[_version(database) :]:
            for statement in statements:
                database.execute(statement)
        database.execute(f"PRAGMA application_id = {OURS}")
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
