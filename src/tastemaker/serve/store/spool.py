"""A store that goes on taking events while the one behind it is away: they wait in files until then.

Idempotent events make that safe: one that did reach the store before it went away counts once all the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import polars as pl

from tastemaker.errors import StoreError
from tastemaker.serve.store.batches import Batches
from tastemaker.serve.store.contract import Answer, Event, ItemChange, Meaning, Past, Person, Store
from tastemaker.serve.store.spool_file import SpoolFile, forget_refused, packed

MOST_BYTES = 256 * 2**20
"""In the folder, of one process: some two million events. They are in memory too while they wait."""
RETRY_S = 1.0
REPLAYED = 1_000
"""Events in one call of the store behind."""


class Spooled:
    """Keeps the promises of `Store` around another; `opened` makes one.

    An event that had to wait is told to be new, which nobody knows before it is in the store. What else is
    asked while the store is away raises StoreError as ever.
    """

    def __init__(self, store: Store, folder: Path, most_bytes: int, retry_s: float) -> None:
        self._store = store
        self._folder = folder
        self._most_bytes = most_bytes
        self._retry_s = retry_s
        self._files: list[SpoolFile] = []
        self._current: SpoolFile | None = None
        self._appends = Batches(self._append)
        self._replaying = asyncio.Lock()
        self._replayer: asyncio.Task[None] | None = None
        self._away_since: float | None = None

    @classmethod
    async def opened(
        cls, store: Store, folder: Path, most_bytes: int = MOST_BYTES, retry_s: float = RETRY_S
    ) -> "Spooled":
        """Takes over what processes before left in the folder.

        Raises: StoreError when the folder can't be used.
        """
        spooled = cls(store, folder, most_bytes, retry_s)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            spooled._files = await asyncio.to_thread(SpoolFile.left, folder)
        except OSError as error:
            raise StoreError(f"The spool {folder} can't be used: {error}.") from error
        spooled._start()
        return spooled

    @property
    def spooled(self) -> int:
        """Events that wait for the store."""
        return sum(len(file.events) for file in self._files)

    @property
    def waiting(self) -> int:
        return self._store.waiting + self._appends.waiting + self.spooled

    @property
    def lag_s(self) -> float:
        away = 0.0 if self._away_since is None else time.monotonic() - self._away_since
        return max(self._store.lag_s, self._appends.lag_s, away)

    @property
    def dropped(self) -> int:
        return self._store.dropped

    async def add(self, events: Sequence[Event]) -> list[bool]:
        try:
            return await self._store.add(events)
        except StoreError as refused:
            try:
                packed(events)
            except TypeError:  # the events are at fault, not the store
                raise refused from None
            return await self._appends.add(events)

    async def past(self, user_id: str, limit: int) -> Past:
        past = await self._store.past(user_id, limit)
        own = self._own(user_id)
        if not own:
            return past
        known = set(zip(past.item_ids, past.times, strict=True))
        touches = [*zip(past.times, past.item_ids, past.weights, strict=True)]
        for event in own:
            # One that is being put in just now stands in both.
            if event.meaning is Meaning.TOUCH and (event.item_id, event.at) not in known:
                weight = float("nan") if event.weight is None else event.weight
                touches.append((event.at, event.item_id, weight))
        touches = sorted(touches, key=lambda touch: touch[0])[max(len(touches) - limit, 0) :]
        hides = [event.item_id for event in own if event.meaning is Meaning.HIDE]
        return Past(
            [touch[1] for touch in touches],
            [touch[0] for touch in touches],
            [touch[2] for touch in touches],
            list(dict.fromkeys((*past.hidden, *hides))),
            past.erased_at,
        )

    def note(self, answer: Answer) -> bool:
        return self._store.note(answer)

    async def person(self, user_id: str) -> Person:
        person = await self._store.person(user_id)
        known = {event.event_id for event in person.events}
        more = [event for event in self._own(user_id) if event.event_id not in known]
        return person._replace(events=sorted((*person.events, *more), key=lambda event: event.at))

    async def erase(self, user_id: str, at: float) -> int:
        async with self._replaying, self._appends.turn:
            gone = len(self._own(user_id))
            try:
                await asyncio.to_thread(self._rewrite_without, user_id)
            except OSError as error:
                raise StoreError(f"The spool {self._folder} can't be written: {error}.") from error
            return gone + await self._store.erase(user_id, at)

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        return await self._store.change_items(changes)

    async def item_changes(self, after: int) -> list[ItemChange]:
        return await self._store.item_changes(after)

    async def forget(self, before: float) -> int:
        return await self._store.forget(before)

    def events(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        return self._store.events(since)

    def answers(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        return self._store.answers(since)

    async def check(self) -> None:
        await self._store.check()

    async def close(self) -> None:
        """What waits in files stays there for the next process."""
        await self._appends.close()
        if self._replayer is not None:
            self._replayer.cancel()
        async with self._replaying:
            for file in self._files:
                file.close()
            self._files, self._current = [], None
        await self._store.close()

    async def replay(self) -> bool:
        """Put into the store what waits, as far as it goes; whether nothing waits any more."""
        async with self._replaying:
            try:
                await self._store.check()
            except StoreError:
                return False
            async with self._appends.turn:
                self._current = None  # what comes from now on goes into another file
                files = list(self._files)
            try:
                for file in files:
                    is_whole = await self._replay_one(file.events)
                    file.delete() if is_whole else file.set_aside()
                    self._files.remove(file)
            except (StoreError, OSError):
                return False
            if not self._files:
                self._away_since = None
            return not self._files

    async def _replay_one(self, events: Sequence[Event]) -> bool:
        """Whether the store took them all; what it refuses though it is well would be refused for ever."""
        erased = {}
        for user_id in {event.user_id for event in events}:
            erased[user_id] = (await self._store.past(user_id, 1)).erased_at
        # Another process erased them meanwhile, and couldn't know of this file.
        kept = [event for event in events if event.at > (erased[event.user_id] or float("-inf"))]
        try:
            for start in range(0, len(kept), REPLAYED):
                await self._store.add(kept[start : start + REPLAYED])
        except StoreError:
            await self._store.check()
        else:
            return True
        is_whole = True
        for event in kept:
            try:
                await self._store.add([event])
            except StoreError:
                await self._store.check()
                is_whole = False
        return is_whole

    def _own(self, user_id: str) -> list[Event]:
        # The same event may have been sent again while it waited: it counts once.
        first: dict[str, Event] = {}
        for file in self._files:
            for event in file.by_user.get(user_id, ()):
                first.setdefault(event.event_id, event)
        return list(first.values())

    async def _append(self, events: Sequence[Event], answers: Sequence[Answer]) -> list[bool]:
        taken = sum(file.size for file in self._files)
        if taken + len(packed(events)) > self._most_bytes:
            raise StoreError(f"The store is away, and the spool {self._folder} is full.")
        waiting = {
            event.event_id for event in events if any(event.event_id in file.ids for file in self._files)
        }
        try:
            await asyncio.to_thread(self._keep, events)
        except OSError as error:
            raise StoreError(f"The store is away, and the spool can't be written: {error}.") from error
        self._start()
        new = []
        for event in events:
            new.append(event.event_id not in waiting)
            waiting.add(event.event_id)
        return new

    def _keep(self, events: Sequence[Event]) -> None:
        if self._current is None:
            self._current = SpoolFile.made(self._folder, events)
            self._files.append(self._current)
        else:
            self._current.append(events)

    def _rewrite_without(self, user_id: str) -> None:
        for place, file in enumerate(self._files):
            kept = [event for event in file.events if event.user_id != user_id]
            if len(kept) < len(file.events):
                self._files[place] = SpoolFile.made(self._folder, kept)
                file.delete()
        forget_refused(self._folder, user_id)
        self._current = None

    def _start(self) -> None:
        if self._files and self._away_since is None:
            self._away_since = time.monotonic()
        if self._files and (self._replayer is None or self._replayer.done()):
            self._replayer = asyncio.get_running_loop().create_task(self._go_on_replaying())

    async def _go_on_replaying(self) -> None:
        await asyncio.sleep(self._retry_s)
        while not await self.replay():
            await asyncio.sleep(self._retry_s)
