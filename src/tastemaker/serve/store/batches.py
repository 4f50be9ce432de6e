"""Many callers, one transaction: whoever comes while a batch is being written goes into the next one.

Making one commit durable takes as long as making a thousand events durable in one commit. Nothing of any one
database stands here: a store gives `write`, which returns once all of it is safe.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tastemaker.errors import StoreError
from tastemaker.serve.store.contract import Answer, Event

MOST_EVENTS = 20_000
"""That may wait; more are refused, so that a slow disk can't fill the memory."""
MOST_ANSWERS = 5_000
"""That may wait; more are dropped. With features one takes some 20 kB."""
BATCH_EVENTS = 2_000
BATCH_ANSWERS = 200
"""In one transaction: what a person waits for is short, and the rest goes into the next."""
LINGER_S = 0.2
"""How long answers wait for events to go with."""

Write = Callable[[Sequence[Event], Sequence[Answer]], Awaitable[list[bool]]]


class Call(NamedTuple):
    """One caller's events, where they wait to be told which were new, and since when (`time.monotonic`)."""

    events: Sequence[Event]
    told: asyncio.Future[list[bool]]
    since: float


class Batches:
    """Gathers events and answers of one event loop and has them written, one batch at a time.

    Args:
        write: keeps events and answers for good, all or none; which of the events (n,) were new. An event may
            be twice in one batch: its first place is the new one. StoreError tells that the store can't be
            written; after any other error each caller's events are tried alone, so that one caller's odd
            event harms nobody else.

    `turn` is held while a batch is written: who must not run beside a batch (erase) takes it.
    """

    def __init__(
        self,
        write: Write,
        most_events: int = MOST_EVENTS,
        most_answers: int = MOST_ANSWERS,
        linger_s: float = LINGER_S,
    ) -> None:
        self.turn = asyncio.Lock()
        self.dropped = 0
        """Answers that were lost: the buffer was full, or the store couldn't be written."""
        self._write = write
        self._most_events = most_events
        self._most_answers = most_answers
        self._linger_s = linger_s
        self._calls: deque[Call] = deque()
        self._answers: deque[tuple[float, Answer]] = deque()
        self._oldest_written: float | None = None
        self._events_waiting = 0
        self._answers_writing = 0
        self._writer: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Events and answers that aren't written yet, those in the batch of the moment too."""
        return self._events_waiting + len(self._answers) + self._answers_writing

    @property
    def lag_s(self) -> float:
        """How long the oldest of them has waited; 0 where nothing waits."""
        oldest = self._oldest() if self._oldest_written is None else self._oldest_written
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def add(self, events: Sequence[Event]) -> list[bool]:
        """Which of the events (n,) were new, once all are safe.

        Raises: StoreError when they couldn't be written, too many are waiting, or after `close`.
        """
        if self._is_closed:
            raise StoreError("The store is closed.")
        if not events:
            return []
        # One call alone is let through whatever its size: it would never fit otherwise.
        if self._events_waiting and self._events_waiting + len(events) > self._most_events:
            raise StoreError(f"{self._events_waiting} events are waiting to be written: try again later.")
        told: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        self._calls.append(Call(events, told, time.monotonic()))
        self._events_waiting += len(events)
        self._start()
        return await told

    def note(self, answer: Answer) -> bool:
        """Whether the answer waits to be written; False where it was dropped."""
        if self._is_closed or len(self._answers) + self._answers_writing >= self._most_answers:
            self.dropped += 1
            return False
        self._answers.append((time.monotonic(), answer))
        if len(self._answers) >= BATCH_ANSWERS:
            self._start()
        else:
            self._linger()
        return True

    def forget(self, user_id: str) -> int:
        """Leave out the waiting answers of one person; how many."""
        kept = [waits for waits in self._answers if waits[1].user_id != user_id]
        gone = len(self._answers) - len(kept)
        self._answers = deque(kept)
        return gone

    async def written(self) -> None:
        """Returns once nothing waits any more."""
        while self._calls or self._answers or self._writer is not None:
            self._start()
            if self._writer is not None:
                await asyncio.shield(self._writer)

    async def close(self) -> None:
        """Write what waits; further calls are refused."""
        self._is_closed = True
        await self.written()

    def _oldest(self) -> float | None:
        """Since when the first in a queue waits, in `time.monotonic`."""
        starts = [self._calls[0].since] if self._calls else []
        if self._answers:
            starts.append(self._answers[0][0])
        return min(starts, default=None)

    def _linger(self) -> None:
        if self._alarm is None and self._writer is None:
            self._alarm = asyncio.get_running_loop().call_later(self._linger_s, self._start)

    def _start(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            # Let everyone who is ready to add come first: they share one commit then.
            await asyncio.sleep(0)
            is_more = True
            while is_more:
                async with self.turn:
                    await self._write_one()
                # Answers that came meanwhile linger anew: a commit costs as much as all that is in it.
                is_more = bool(self._calls) or len(self._answers) >= BATCH_ANSWERS
        finally:
            self._writer = None
            if self._answers:
                self._linger()

    async def _write_one(self) -> None:
        calls: list[Call] = []
        size = 0
        self._oldest_written = self._oldest()
        while self._calls and (not calls or size + len(self._calls[0].events) <= BATCH_EVENTS):
            calls.append(self._calls.popleft())
            size += len(calls[-1].events)
        answers = [self._answers.popleft()[1] for _ in range(min(BATCH_ANSWERS, len(self._answers)))]
        self._answers_writing = len(answers)
        try:
            await self._tell(calls, answers)
        finally:
            self._events_waiting -= size
            self._answers_writing = 0
            self._oldest_written = None
            for call in calls:
                # Only where the writer itself was stopped: nobody may wait for ever.
                if not call.told.done():
                    call.told.set_exception(StoreError("The store stopped before these events were written."))

    async def _tell(self, calls: Sequence[Call], answers: Sequence[Answer]) -> None:
        """Write a batch, and tell each caller what became of theirs."""
        try:
            new = await self._write([event for call in calls for event in call.events], answers)
        except StoreError as error:
            self.dropped += len(answers)
            for call in calls:
                _fail(call, error)
        except Exception as error:
            if len(calls) + bool(answers) > 1:
                for call in calls:
                    await self._tell([call], [])
                if answers:
                    await self._tell([], answers)
                return
            self.dropped += len(answers)
            for call in calls:
                _fail(call, StoreError(f"These events can't be stored: {error}"))
        else:
            start = 0
            for call in calls:
                if not call.told.done():  # a caller who went away doesn't wait any more
                    call.told.set_result(new[start : start + len(call.events)])
                start += len(call.events)


def _fail(call: Call, error: StoreError) -> None:
    # A new one for each: an error that is raised in many tasks would gather all their tracebacks.
    if not call.told.done():
        call.told.set_exception(StoreError(*error.args))
