"""A store in one SQLite file, for one machine: several processes may open it.

What is written goes through one thread, many callers in one transaction; a past is read on the event loop
itself, which takes less time than handing it to a thread would.
"""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson
import polars as pl

from tastemaker.errors import StoreError
from tastemaker.serve.store.batches import Batches
from tastemaker.serve.store.contract import Answer, Event, ItemChange, Meaning, Past, Person
from tastemaker.serve.store.frames import answers_frame, events_frame, items_of, json_of
from tastemaker.serve.store.sqlite_file import CHECKED_BYTES, check_pages, connected, told

BLOCK_EVENTS = 50_000
BLOCK_ANSWERS = 1_000
"""Rows of one block when all are read: a block of answers with features is some 20 MB."""
FORGET_ROWS = 2_000
"""Deleted in one transaction: others wait some 20 ms for it."""

# One statement, so that all of it is of one moment.
_PAST = f"""
    SELECT 0, item_id, at, weight FROM (
        SELECT item_id, at, weight FROM events WHERE user_id = ?1 AND meaning = {Meaning.TOUCH:d}
        ORDER BY at DESC, arrival DESC LIMIT ?2)
    UNION ALL SELECT 1, item_id, 0, 0 FROM events WHERE user_id = ?1 AND meaning = {Meaning.HIDE:d}
    UNION ALL SELECT 2, '', at, 0 FROM erased WHERE name = ?3"""
_ADD = """
    INSERT INTO events (user_id, meaning, at, arrival, item_id, weight, event_id, kind, watch_time,
        recommendation_id, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (event_id) DO NOTHING"""
_ANSWERS = """
    INSERT INTO answers (recommendation_id, user_id, at, placement, model_version, device, is_shadow, items,
        features) SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9
    FROM (VALUES {rows}) AS given
    -- Of before they were erased, and only now written: it goes too.
    WHERE NOT EXISTS (SELECT 1 FROM erased WHERE name = given.column10 AND at >= given.column3)
    ON CONFLICT DO NOTHING"""
_ROW = f"({', '.join('?' * 10)})"
_EVENT = "event_id, user_id, item_id, at, kind, weight, watch_time, recommendation_id, position"
_ANSWERED = "recommendation_id, user_id, at, placement, model_version, device, is_shadow, items, features"

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class _Door:
    """One connection, made when it is needed, and made anew after whatever went wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_closed = False
        self._database: sqlite3.Connection | None = None
        self._file = (0, 0)

    def read(self, work: Work[T]) -> T:
        """Raises: StoreError where the database is at fault."""
        try:
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
                raise  # what was given is at fault, not the database
            self.drop()
            raise StoreError(told(self.path, error)) from error

    def write(self, work: Work[T]) -> T:
        """The same in one transaction: all of it is safe when this returns, nothing of it after an error."""

        def transaction(database: sqlite3.Connection) -> T:
            database.execute("BEGIN IMMEDIATE")
            try:
                found = work(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            return found

        found = self.read(transaction)
        if self._identity() != self._file:  # it went into a file that nobody will find again
            self.drop()
            raise StoreError(f"The store {self.path} was moved or deleted while it was open.")
        return found

    def drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self.is_closed:
            raise StoreError("The store is closed.")
        if self._database is None:
            self._database = connected(self.path)
            self._file = self._identity()
        return self._database

    def _identity(self) -> tuple[int, int]:
        try:
            return os.stat(self.path).st_ino, os.stat(f"{self.path}-wal").st_ino
        except FileNotFoundError:
            return 0, 0


class SqliteStore:
    """Keeps the promises of `Store` in one file; `opened` makes one."""

    def __init__(self, path: Path) -> None:
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._writing, self._reading, self._at_hand = _Door(path), _Door(path), _Door(path)
        self._batches = Batches(self._write_batch)

    @classmethod
    async def opened(cls, path: Path) -> "SqliteStore":
        """The store in a file, which is made where there is none.

        Raises: StoreError when it can't be opened, is damaged, or was made by a newer version.
        """
        if path.exists() and path.stat().st_size <= CHECKED_BYTES:
            await asyncio.to_thread(check_pages, path)
        store = cls(path)
        try:
            await store._write(_nothing)
            store._at_hand.read(_nothing)
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def waiting(self) -> int:
        return self._batches.waiting

    @property
    def lag_s(self) -> float:
        return self._batches.lag_s

    @property
    def dropped(self) -> int:
        """Answers that were lost so far."""
        return self._batches.dropped

    async def add(self, events: Sequence[Event]) -> list[bool]:
        return await self._batches.add(events)

    async def past(self, user_id: str, limit: int) -> Past:
        name = _hashed(user_id)
        rows = self._at_hand.read(_asking(_PAST, user_id, limit, name))
        touches = [row for row in reversed(rows) if row[0] == 0]
        return Past(
            [row[1] for row in touches],
            [row[2] for row in touches],
            [float("nan") if row[3] is None else row[3] for row in touches],
            list(dict.fromkeys(row[1] for row in rows if row[0] == 1)),
            next((row[2] for row in rows if row[0] == 2), None),
        )

    def note(self, answer: Answer) -> bool:
        return self._batches.note(answer)

    async def person(self, user_id: str) -> Person:
        def read(database: sqlite3.Connection) -> Person:
            events = f"SELECT {_EVENT} FROM events WHERE user_id = ? ORDER BY at, arrival"
            answers = f"SELECT {_ANSWERED} FROM answers WHERE user_id = ? ORDER BY at, number"
            return Person(
                [Event(*row) for row in database.execute(events, (user_id,))],
                [_answer(row) for row in database.execute(answers, (user_id,))],
            )

        return await self._read(read)

    async def erase(self, user_id: str, at: float) -> int:
        def delete(database: sqlite3.Connection) -> int:
            gone = database.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount
            gone += database.execute("DELETE FROM answers WHERE user_id = ?", (user_id,)).rowcount
            database.execute(
                "INSERT INTO erased VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)",
                (_hashed(user_id), at),
            )
            return gone

        async with self._batches.turn:  # what is being written comes before, and goes too
            waited = self._batches.forget(user_id)
            gone = await self._write(delete)
            await self._in(self._writer, self._writing.read, _empty_log)
        return waited + gone

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        rows = [
            (
                change.item_id,
                change.at,
                None if change.columns is None else orjson.dumps(dict(change.columns)),
            )
            for change in changes
        ]

        def write(database: sqlite3.Connection) -> int:
            database.executemany(
                "INSERT OR REPLACE INTO item_changes (item_id, at, columns) VALUES (?, ?, ?)", rows
            )
            newest = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'item_changes'"
            return int(database.execute(newest).fetchone()[0])

        return await self._write(write)

    async def item_changes(self, after: int) -> list[ItemChange]:
        query = "SELECT item_id, at, columns, number FROM item_changes WHERE number > ? ORDER BY number"
        rows = await self._read(_asking(query, after))
        return [
            ItemChange(item_id, at, None if columns is None else orjson.loads(columns), number)
            for item_id, at, columns, number in rows
        ]

    async def forget(self, before: float) -> int:
        key = "user_id, meaning, at, arrival"
        events = f"DELETE FROM events WHERE ({key}) IN (SELECT {key} FROM events WHERE at < ? LIMIT ?)"
        answers = "DELETE FROM answers WHERE number IN (SELECT number FROM answers WHERE at < ? LIMIT ?)"
        gone = 0
        for statement in (events, answers):
            while step := await self._write(_changing(statement, before, FORGET_ROWS)):
                gone += step
        return gone

    async def events(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        query = f"""SELECT {_EVENT}, arrival FROM events WHERE (at, arrival) > (?, ?)
            ORDER BY at, arrival LIMIT {BLOCK_EVENTS}"""
        async for rows in self._blocks(query, since, at=3):
            yield events_frame([Event(*row[:-1]) for row in rows])

    async def answers(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        query = f"""SELECT {_ANSWERED}, number FROM answers WHERE (at, number) > (?, ?)
            ORDER BY at, number LIMIT {BLOCK_ANSWERS}"""
        async for rows in self._blocks(query, since, at=2):
            yield answers_frame([_answer(row[:-1]) for row in rows])

    async def check(self) -> None:
        await self._write(_changing("UPDATE arrivals SET newest = newest"))
        self._at_hand.read(_nothing)

    async def close(self) -> None:
        if not self._writing.is_closed:
            await self._batches.close()
            for thread, door in ((self._writer, self._writing), (self._reader, self._reading)):
                await self._in(thread, door.drop)
                thread.shutdown(wait=False)
            self._at_hand.drop()
            for door in (self._writing, self._reading, self._at_hand):
                door.is_closed = True

    async def _blocks(self, query: str, since: float, at: int) -> AsyncIterator[list[tuple[Any, ...]]]:
        """Rows by their time in column `at` and the number in the last. Nothing stays locked in between."""
        mark = (since, -1)
        while rows := await self._read(_asking(query, *mark)):
            yield rows
            mark = (rows[-1][at], rows[-1][-1])

    async def _write_batch(self, events: Sequence[Event], answers: Sequence[Answer]) -> list[bool]:
        def write(database: sqlite3.Connection) -> list[bool]:
            if answers:
                _insert(database, answers)
            if not events:
                return []
            (arrival,) = database.execute("SELECT newest FROM arrivals").fetchone()
            new = []
            for number, event in enumerate(events, start=arrival + 1):
                row: tuple[Any, ...] = (
                    *(event.user_id, int(event.meaning), event.at, number, event.item_id, event.weight),
                    *(event.event_id, event.kind, event.watch_time, event.recommendation_id, event.position),
                )
                new.append(database.execute(_ADD, row).rowcount == 1)
            database.execute("UPDATE arrivals SET newest = newest + ?", (len(events),))
            return new

        return await self._write(write)

    async def _write(self, work: Work[T]) -> T:
        return await self._in(self._writer, self._writing.write, work)

    async def _read(self, work: Work[T]) -> T:
        return await self._in(self._reader, self._reading.read, work)

    async def _in(self, thread: ThreadPoolExecutor, call: Callable[..., T], *given: Any) -> T:
        if self._writing.is_closed:
            raise StoreError("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(thread, call, *given)


def _insert(database: sqlite3.Connection, answers: Sequence[Answer]) -> None:
    """Write answers down by few statements: after each, the thread waits until Python lets it go on.

    Their lengths are powers of two, so that all stay prepared.
    """
    at = 0
    while at < len(answers):
        count = 1 << (len(answers) - at).bit_length() - 1
        given = [
            value
            for answer in answers[at : at + count]
            for value in (*answer[:7], json_of(answer.items), answer.features, _hashed(answer.user_id))
        ]
        database.execute(_ANSWERS.format(rows=", ".join([_ROW] * count)), given)
        at += count


def _hashed(user_id: str) -> bytes:
    """What is left of the name of somebody who was erased."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).digest()


def _answer(row: tuple[Any, ...]) -> Answer:
    name, user, at, placement, version, device, is_shadow, items, features = row
    return Answer(name, user, at, placement, version, device, bool(is_shadow), items_of(items), features)


def _asking(query: str, *values: Any) -> Work[list[tuple[Any, ...]]]:
    return lambda database: database.execute(query, values).fetchall()


def _changing(statement: str, *values: Any) -> Work[int]:
    """Gives how many rows it changed."""
    return lambda database: database.execute(statement, values).rowcount


def _nothing(database: sqlite3.Connection) -> None:
    database.execute("SELECT newest FROM arrivals").fetchone()


def _empty_log(database: sqlite3.Connection) -> None:
    """What was deleted still stands in the log of writes, until that is written into the file and cut off."""
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
