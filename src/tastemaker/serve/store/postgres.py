"""Events in PostgreSQL, for a service of many processes and hosts.

Callers share a batch (`batches`), and a batch is one statement: one round trip and one commit. Any number of
processes write at once; the database itself sees to it that an event counts once.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import polars as pl

from tastemaker.errors import StoreError
from tastemaker.serve.store.batches import Batches
from tastemaker.serve.store.contract import Answer, Event, ItemChange, Meaning, Past, Person
from tastemaker.serve.store.frames import answers_frame, events_frame, items_of, json_of

try:
    import psycopg

    from tastemaker.serve.store.connections import SLOW_S, Connections, told
    from tastemaker.serve.store.postgres_tables import brought_up_to_date
except ImportError as missing:
    raise StoreError("A PostgreSQL store needs psycopg: pip install 'tastemaker[postgres]'.") from missing

# Arrays in binary. Events a second in batches of 640: 76,000, as JSON 65,000, by COPY into a table between
# 82,000; in batches of 64, which is what 64 writers make: 49,000, 60,000 and 38,000.
WRITE = """
WITH noted AS (
    INSERT INTO tastemaker.answers
        (recommendation_id, is_shadow, user_id, at, placement, model_version, device, items, features)
    SELECT id, shadow, person, moment, place, model, screen, list::json, seen
    FROM unnest(%b::text[], %b::bool[], %b::text[], %b::float8[], %b::text[], %b::text[], %b::text[],
                %b::text[], %b::bytea[], %b::text[])
         AS x(id, shadow, person, moment, place, model, screen, list, seen, hash)
    -- Who was erased by another process meanwhile isn't written down by this one.
    WHERE NOT EXISTS (SELECT FROM tastemaker.erased WHERE erased.name = hash AND erased.at >= moment)
    ON CONFLICT DO NOTHING
)
INSERT INTO tastemaker.events (number, event_id, user_id, item_id, meaning, at, kind, weight, watch_time,
                               recommendation_id, position)
SELECT (SELECT nextval('tastemaker.event_numbers')) + nth, id, person, item, meaning, at, kind, weight,
       watch_time, answer, position
FROM unnest(%b::int8[], %b::text[], %b::text[], %b::text[], %b::int2[], %b::float8[], %b::text[],
            %b::float8[], %b::float8[], %b::text[], %b::int8[])
     AS y(nth, id, person, item, meaning, at, kind, weight, watch_time, answer, position)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
"""

PAST = """
SELECT what, item_id, at, weight FROM (
    (SELECT 0 AS what, item_id, at, weight, number FROM tastemaker.events
     WHERE user_id = %(user)s AND meaning = 0 ORDER BY at DESC, number DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT 1, item_id, at, NULL, number FROM tastemaker.events WHERE user_id = %(user)s AND meaning = 1)
    UNION ALL
    (SELECT 2, '', at, NULL, 0 FROM tastemaker.erased WHERE name = %(hash)s)
) AS past ORDER BY what, at, number
"""

EVENT = "event_id, user_id, item_id, at, kind, weight, watch_time, recommendation_id, position"
ANSWER = "recommendation_id, user_id, at, placement, model_version, device, is_shadow, items::text, features"
STEP = 5_000
"""Rows that are deleted at once, and answers of a block."""
BLOCK = 50_000
"""Events of a block."""

UNFIT = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeError)
"""What the database says of a value that it can't hold: a zero character, an id too long for an index."""


def hashed(user_id: str) -> str:
    """What is remembered of somebody who was erased."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _number(value: float | None) -> float | None:
    """Columns are of one type, and whole numbers come in as int."""
    return None if value is None else float(value)


def _answer_row(answer: Answer) -> tuple[Any, ...]:
    items = json_of(answer.items).decode()
    return (
        *(answer.recommendation_id, answer.is_shadow, answer.user_id, float(answer.at), answer.placement),
        *(answer.model_version, answer.device, items, answer.features, hashed(answer.user_id)),
    )


def _event_row(nth: int, event: Event) -> tuple[Any, ...]:
    return (
        *(nth, event.event_id, event.user_id, event.item_id, int(event.meaning), float(event.at), event.kind),
        *(_number(event.weight), _number(event.watch_time), event.recommendation_id, event.position),
    )


def _answer(row: tuple[Any, ...]) -> Answer:
    name, user, at, placement, model, device, is_shadow, items, features = row
    return Answer(name, user, at, placement, model, device, is_shadow, items_of(items), bytes(features))


class PostgresStore:
    """A `Store` in the schema `tastemaker` of a PostgreSQL database."""

    def __init__(self, connections: Connections) -> None:
        self._connection = connections
        self._batches = Batches(self._write)
        self._is_closed = False

    @classmethod
    async def opened(cls, address: str) -> "PostgresStore":
        """Raises: StoreError when it can't be reached, may lose what it commits, or is of a newer version."""
        connections = Connections(address)
        try:
            async with connections(SLOW_S) as connection:
                await brought_up_to_date(connection)
        except BaseException:
            await connections.close()
            raise
        return cls(connections)

    async def add(self, events: Sequence[Event]) -> list[bool]:
        return await self._batches.add(events)

    def note(self, answer: Answer) -> bool:
        return self._batches.note(answer)

    async def _write(self, events: Sequence[Event], answers: Sequence[Answer]) -> list[bool]:
        first: dict[str, int] = {}
        for nth, event in enumerate(events):
            first.setdefault(event.event_id, nth)
        # Every process writes in the order of ids: two with the same events never wait for each other.
        rows = [_event_row(nth, events[nth]) for _, nth in sorted(first.items())]
        noted = [_answer_row(answer) for answer in answers]
        async with self._connection() as connection:
            try:
                cursor = await connection.execute(WRITE, [*_columns(noted, 10), *_columns(rows, 11)])
                new = {row[0] for row in await cursor.fetchall()}
            except UNFIT as error:
                raise ValueError(told(error, "")) from None
        return [first[event.event_id] == nth and event.event_id in new for nth, event in enumerate(events)]

    async def past(self, user_id: str, limit: int) -> Past:
        self._refuse_closed()
        asked = {"user": user_id, "limit": limit, "hash": hashed(user_id)}
        async with self._connection() as connection:
            rows = await (await connection.execute(PAST, asked)).fetchall()
        touches = [row for row in rows if row[0] == Meaning.TOUCH]
        return Past(
            item_ids=[row[1] for row in touches],
            times=[row[2] for row in touches],
            weights=[math.nan if row[3] is None else row[3] for row in touches],
            hidden=list(dict.fromkeys(row[1] for row in rows if row[0] == Meaning.HIDE)),
            erased_at=next((row[2] for row in rows if row[0] == 2), None),
        )

    async def person(self, user_id: str) -> Person:
        await self._written()
        async with self._connection(SLOW_S) as connection:
            events = await connection.execute(
                f"SELECT {EVENT} FROM tastemaker.events WHERE user_id = %s ORDER BY at, number", [user_id]
            )
            answers = await connection.execute(
                f"SELECT {ANSWER} FROM tastemaker.answers WHERE user_id = %s ORDER BY at, number", [user_id]
            )
            return Person(
                [Event(*row) for row in await events.fetchall()],
                [_answer(row) for row in await answers.fetchall()],
            )

    async def erase(self, user_id: str, at: float) -> int:
        self._refuse_closed()
        # No batch is under way meanwhile, so no answer of this person slips through behind.
        async with self._batches.turn:
            gone = self._batches.forget(user_id)
            async with self._connection(SLOW_S) as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO tastemaker.erased VALUES (%s, %s) "
                    "ON CONFLICT (name) DO UPDATE SET at = greatest(erased.at, excluded.at)",
                    [hashed(user_id), at],
                )
                for table in ("events", "answers"):
                    cursor = await connection.execute(
                        f"DELETE FROM tastemaker.{table} WHERE user_id = %s", [user_id]
                    )
                    gone += cursor.rowcount
        return gone

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        self._refuse_closed()
        last = {change.item_id: nth for nth, change in enumerate(changes)}
        async with self._connection() as connection, connection.transaction():
            # One at a time, so that nobody sees number 8 before 7 and asks for what comes after 8.
            await connection.execute("LOCK TABLE tastemaker.item_changes IN SHARE ROW EXCLUSIVE MODE")
            found = await connection.execute("SELECT coalesce(max(number), 0) FROM tastemaker.item_changes")
            (number,) = await found.fetchone() or (0,)
            rows = [
                (
                    *(changes[nth].item_id, number + 1 + nth, changes[nth].at),
                    None
                    if (columns := changes[nth].columns) is None
                    else orjson.dumps(dict(columns)).decode(),
                )
                for nth in sorted(last.values())
            ]
            await connection.cursor().executemany(
                "INSERT INTO tastemaker.item_changes VALUES (%s, %s, %s, %s) ON CONFLICT (item_id) "
                "DO UPDATE SET number = excluded.number, at = excluded.at, columns = excluded.columns",
                rows,
            )
        return int(number) + len(changes)

    async def item_changes(self, after: int) -> list[ItemChange]:
        self._refuse_closed()
        async with self._connection(SLOW_S) as connection:
            cursor = await connection.execute(
                "SELECT item_id, at, columns, number FROM tastemaker.item_changes "
                "WHERE number > %s ORDER BY number",
                [after],
            )
            rows = await cursor.fetchall()
        return [
            ItemChange(name, at, columns and orjson.loads(columns), number)
            for name, at, columns, number in rows
        ]

    async def forget(self, before: float) -> int:
        self._refuse_closed()
        gone = 0
        for table in ("events", "answers"):
            more = STEP
            while more == STEP:
                async with self._connection(SLOW_S) as connection:
                    cursor = await connection.execute(
                        f"DELETE FROM tastemaker.{table} WHERE ctid IN "
                        f"(SELECT ctid FROM tastemaker.{table} WHERE at < %s ORDER BY at LIMIT %s)",
                        [before, STEP],
                    )
                more = cursor.rowcount
                gone += more
                await asyncio.sleep(0)
        return gone

    async def events(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        async for rows in self._blocks(f"{EVENT}, at, number", "events", since, BLOCK):
            yield events_frame([Event(*row[:-2]) for row in rows])

    async def answers(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        async for rows in self._blocks(f"{ANSWER}, at, number", "answers", since, STEP):
            yield answers_frame([_answer(row[:-2]) for row in rows])

    async def _blocks(
        self, columns: str, table: str, since: float, size: int
    ) -> AsyncIterator[list[tuple[Any, ...]]]:
        """Rows by time, `at` and `number` last in each. No transaction stays open between blocks."""
        await self._written()
        after: tuple[float, int] = (since, -1)
        while True:
            async with self._connection(SLOW_S) as connection:
                cursor = await connection.execute(
                    f"SELECT {columns} FROM tastemaker.{table} WHERE (at, number) > (%s, %s) "
                    "ORDER BY at, number LIMIT %s",
                    [*after, size],
                )
                rows = await cursor.fetchall()
            if not rows:
                return
            yield rows
            after = rows[-1][-2:]

    async def check(self) -> None:
        self._refuse_closed()
        async with self._connection() as connection:
            await connection.execute(
                "INSERT INTO tastemaker.pulse VALUES (true, now()) "
                "ON CONFLICT (one) DO UPDATE SET at = excluded.at"
            )

    @property
    def waiting(self) -> int:
        return self._batches.waiting

    @property
    def dropped(self) -> int:
        return self._batches.dropped

    @property
    def lag_s(self) -> float:
        return self._batches.lag_s

    async def close(self) -> None:
        self._is_closed = True
        await self._batches.close()
        await self._connection.close()

    async def _written(self) -> None:
        """Answers that wait are written first, so that an export holds them."""
        self._refuse_closed()
        await self._batches.written()

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise StoreError("The store is closed.")
