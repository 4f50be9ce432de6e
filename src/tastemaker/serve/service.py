"""All that one process of the service holds: models, store, queue, counts; opened and closed together."""

import asyncio
import time
from dataclasses import dataclass, field

from tastemaker.errors import StoreError
from tastemaker.serve.answering import Answering
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.live import Live
from tastemaker.serve.overload import Turns
from tastemaker.serve.settings import Settings
from tastemaker.serve.store import Store, opened
from tastemaker.serve.watch import logs, traces
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.web.jobs import Jobs
from tastemaker.serve.web.looking import Looking

TELL_S = 1.0
"""How often metrics hear of the store."""
FORGET_S = 3600.0
"""How often what is older than it may be is deleted."""
DAY_S = 86_400.0


@dataclass
class Service:
    """One process of the service; `started` makes one, `stop` ends it.

    Attributes:
        keys: who may come in; None for everybody on this machine.
        jobs: what the page has made; None where nothing is.
        looking: the models that the page shows.
        is_stopping: whether it takes no more requests.
    """

    settings: Settings
    store: Store
    live: Live
    answering: Answering
    turns: Turns
    metrics: Metrics
    tracer: traces.Tracer
    keys: Keys | None
    jobs: Jobs | None
    looking: Looking
    is_stopping: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def started(cls, settings: Settings) -> "Service":
        """Ready to answer. Raises: TastemakerError for whatever can't be opened."""
        logs.configure(settings.log_level)
        keys = None if settings.keys is None else Keys.opened(settings.keys)
        store = await opened(settings.store, settings.spool)
        try:
            live = await Live.started(settings, store)
        except BaseException:
            await store.close()
            raise
        metrics, turns = Metrics(), Turns(settings.queue_ms / 1000)
        answering = Answering(settings, live, store, metrics, turns)
        jobs = None if settings.workshop is None else Jobs(settings.workshop)
        service = cls(
            *(settings, store, live, answering, turns, metrics, traces.of_environment(), keys),
            jobs,
            Looking(settings, live, jobs),
        )
        metrics.version(live.standing.live.version, live.standing.number)
        service._tasks = [
            asyncio.create_task(live.watch()),
            asyncio.create_task(service._tell()),
            asyncio.create_task(service._forget()),
        ]
        return service

    async def stop(self) -> None:
        """Write what waits, and let go of everything."""
        self.is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.jobs is not None:
            await self.jobs.close()
        await self.answering.close()
        try:
            await self.store.close()
        except StoreError as error:
            logs.logger().error("store_lost", reason=logs.told(error))
        self.tracer.close()

    async def _tell(self) -> None:
        """Let metrics know of what no request tells."""
        swapped = refused = told_refused = 0
        while True:
            await asyncio.sleep(TELL_S)
            live, metrics = self.live, self.metrics
            metrics.version(live.standing.live.version, live.standing.number)
            metrics.store(self.store.waiting, self.store.lag_s, self.store.dropped)
            for _ in range(live.swapped - swapped):
                metrics.swapped(True)
            for _ in range(len(live.refused) - refused):
                metrics.swapped(False)
            for _ in range(self.turns.refused - told_refused):
                metrics.refused("overload")
            swapped, refused, told_refused = live.swapped, len(live.refused), self.turns.refused

    async def _forget(self) -> None:
        keep = self.settings.keep_days
        while keep is not None:
            try:
                count = await self.store.forget(time.time() - keep * DAY_S)
                logs.logger().info("forgotten", count=count)
            except StoreError as error:
                logs.logger().error("forgetting_failed", reason=logs.told(error))
            await asyncio.sleep(FORGET_S)
