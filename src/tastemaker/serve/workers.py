"""Several processes that share one socket: one that dies is replaced, and all end together."""

import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from types import FrameType

from tastemaker.errors import TastemakerError
from tastemaker.serve.watch import logs, shared

LOOK_S = 0.1
SHORT_LIFE_S = 5.0
"""A worker that dies sooner was not able to start."""
MOST_FAILED = 3
"""Of a worker, in a row, before the service gives up."""

Work = Callable[[socket.socket], None]


class Workers:
    """Keeps `count` processes at `work` until SIGTERM or SIGINT.

    Args:
        work: a function of a module, given the socket; it ends by itself on SIGTERM.
        drain_s: time that they have for it.
    """

    def __init__(self, count: int, work: Work, listening: socket.socket, drain_s: float) -> None:
        self._count, self._work, self._listening, self._drain_s = count, work, listening, drain_s
        self._is_stopping = False

    def run(self) -> None:
        """Raises: TastemakerError where workers can't start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        workers = [self._started() for _ in range(self._count)]
        failed = 0
        try:
            while not self._is_stopping:
                time.sleep(LOOK_S)
                for place, (process, began) in enumerate(workers):
                    if process.is_alive() or self._is_stopping:
                        continue
                    shared.gone(process.pid or 0)
                    failed = failed + 1 if time.monotonic() - began < SHORT_LIFE_S else 0
                    logs.logger().error("worker_lost", pid=process.pid, status=process.exitcode)
                    if failed >= MOST_FAILED:
                        raise TastemakerError("Workers can't start: the lines above say why.")
                    workers[place] = self._started()
        finally:
            self._end([process for process, _ in workers])

    def _started(self) -> tuple[SpawnProcess, float]:
        process = get_context("spawn").Process(target=self._work, args=(self._listening,))
        process.start()
        return process, time.monotonic()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _end(self, processes: list[SpawnProcess]) -> None:
        for process in processes:
            if process.is_alive():
                process.terminate()
        until = time.monotonic() + self._drain_s + 1
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
