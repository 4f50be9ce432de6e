"""Is an event that was acknowledged still there, once, after kill -9?

    python -m tests.faults.killed --store events.db --kills 20 --clients 64 --events 10000 --json

Clients send events to a process that owns the store, and send again, by the same ids, what wasn't told safe.
Meanwhile that process is killed again and again, each time in the middle of the stream. `--store postgresql`
starts a PostgreSQL of its own, and every fourth time all of that is killed too. Bounded, on 127.0.0.1 alone.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from tastemaker.serve.store import opened
from tests.postgres import Cluster, cluster, free_port

A_CALL = 5
"""Events in one request."""
LIMIT_S = 180.0


@dataclass
class Report:
    """What became of the events. `lost` and `doubled` must be 0."""

    kills: int = 0
    server_kills: int = 0
    acknowledged: int = 0
    resent: int = 0
    already_there: int = 0
    """acknowledged as duplicates: they had been written, but the process died before it could say so"""
    refused: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0


class Writer:
    """A process that can be killed, and a way to send it events. Another transport is another such class."""

    def __init__(self, store: str) -> None:
        self.store, self.port = store, free_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.writer", self.store, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def send(self, line: asyncio.Queue, events: list[list[object]]) -> list[bool] | None:
        """Which were new; None where the events were not acknowledged. `line` keeps a connection open."""
        reader, writer = (
            line.get_nowait() if not line.empty() else await asyncio.open_connection("127.0.0.1", self.port)
        )
        try:
            writer.write(json.dumps(events).encode() + b"\n")
            told = json.loads(await reader.readline() or "null")
        except BaseException:
            writer.close()
            raise
        if told is None:
            writer.close()
            raise ConnectionResetError
        line.put_nowait((reader, writer))
        return told.get("new")


class Service(Writer):
    """`tastemaker serve`, with events sent over HTTP."""

    def __init__(self, store: str, bundle: str) -> None:
        self.bundle = bundle
        super().__init__(store)

    def start(self) -> None:
        command = [sys.executable, "-m", "tastemaker", "serve", self.bundle, "--store", self.store]
        command += ["--no-auth", "--port", str(self.port), "--log-level", "error"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def send(self, line: asyncio.Queue, events: list[list[object]]) -> list[bool] | None:
        names = ("event_id", "user_id", "item_id", "timestamp")
        body = json.dumps({"events": [dict(zip(names, event, strict=True)) for event in events]}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            status, _, rest = (await reader.read()).partition(b"\r\n")
        finally:
            writer.close()
        if b" 202 " not in status:
            if not status:
                raise ConnectionResetError
            return None
        told = json.loads(rest.partition(b"\r\n\r\n")[2])
        if told["rejected"]:
            raise RuntimeError(f"refused for good: {told['rejected'][0]}")
        return [True] * told["accepted"] + [False] * told["duplicates"]


def share(client: int, clients: int, events: int) -> list[list[object]]:
    """One client's events, each of an item of its own."""
    return [
        [f"{client}-{n}", f"client {client}", f"item {client}-{n}", float(n)]
        for n in range(len(range(client, events, clients)))
    ]


async def client(service: Writer, own: list[list[object]], report: Report) -> None:
    line: asyncio.Queue = asyncio.Queue()
    for start in range(0, len(own), A_CALL):
        events = own[start : start + A_CALL]
        new = None
        while new is None:
            try:
                new = await service.send(line, events)
                report.refused += new is None
            except (OSError, ValueError):  # it was killed, perhaps in the middle of an answer
                pass
            if new is None:
                report.resent += len(events)
                await asyncio.sleep(0.02)
        report.acknowledged += len(new)
        report.already_there += new.count(False)
    while not line.empty():
        line.get_nowait()[1].close()


async def killer(service: Writer, server: Cluster | None, kills: int, events: int, report: Report) -> None:
    for nth in range(1, kills + 1):
        # Spread over the stream: each falls while events are being written.
        while report.acknowledged < nth * events // (kills + 1):
            await asyncio.sleep(0.001)
        service.kill()
        report.kills += 1
        if server is not None and nth % 4 == 0:
            server.kill()
            report.server_kills += 1
            await asyncio.to_thread(server.start)
        service.start()


async def kept(store: str, client: int) -> list[str]:
    opened_store = await opened(store)
    try:
        return list((await opened_store.past(f"client {client}", 1_000_000)).item_ids)
    finally:
        await opened_store.close()


async def tortured(
    store: str, server: Cluster | None, kills: int, clients: int, events: int, bundle: str | None
) -> Report:
    """Raises: TimeoutError when it doesn't come to an end."""
    report, start = Report(), time.monotonic()
    shares = [share(nth, clients, events) for nth in range(clients)]
    service = Service(store, bundle) if bundle else Writer(store)
    try:
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            for own in shares:
                group.create_task(client(service, own, report))
            group.create_task(killer(service, server, kills, events, report))
    finally:
        service.kill()
    for nth, own in enumerate(shares):
        there = await kept(store, nth)
        report.lost += len({str(event[2]) for event in own} - set(there))
        report.doubled += len(there) - len(set(there))
    report.seconds = round(time.monotonic() - start, 1)
    return report


def run(
    store: str, kills: int = 20, clients: int = 64, events: int = 10_000, bundle: str | None = None
) -> Report:
    """What became of the events.

    Args:
        store: an address of an empty store; `postgresql` alone for a server of our own.
        bundle: served by the service itself; without one the smallest that takes events is killed instead.
    """
    if store != "postgresql":
        return asyncio.run(tortured(store, None, kills, clients, events, bundle))
    with cluster() as server:
        return asyncio.run(tortured(server.address, server, kills, clients, events, bundle))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="an address, or `postgresql` for a server of our own")
    for name, default in (("kills", 20), ("clients", 64), ("events", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--bundle", help="serve this one, instead of the smallest service that takes events")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    bounded = (min(asked.kills, 100), min(asked.clients, 256), min(asked.events, 1_000_000))
    found = run(asked.store, *bounded, asked.bundle)
    with suppress(BrokenPipeError):
        print(json.dumps(asdict(found)) if asked.json else found)
    sys.exit(1 if found.lost or found.doubled else 0)
