"""What does the service cost, and does it hold?    python -m benchmarks.serve cost|keras|start|event|…

60,000 titles, 500 candidates, ranker, MMR, answers and what the ranker saw written down: everything is on.
The service has one core, the load (wrk) the other; all on 127.0.0.1, bounded in time. CPU time is compared,
and so are rates of one run; latencies are told with how much later than asked an idle loop woke meanwhile.

    cost      CPU of a request ÷ that of its parts bare, in turn; requests a second on one core
    keras     the same service with Keras asked for every request ÷ ours, in turn
    start     from the command to the first answer; memory then, and after 2,000 requests
    event     from sending an event to the answer that it changed
    overload  ten times what it can take, for a minute: what is still answered, and how soon all is well again
    soak      ten minutes at 80 % of what it can take: memory and errors
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rows import record
from benchmarks.serving import world
from benchmarks.serving.load import load
from benchmarks.serving.server import CORE, Server, environment, serving

PEOPLE, ITEMS, EVENTS = 12_000, 60_000, 40
OURS = ("tastemaker", "serve")
CONNECTIONS = 8
PATIENT = ("--budget-ms", "60000", "--queue-ms", "60000")
"""Nothing is left out or refused for want of time: asked by `predict`, Keras takes longer than there is."""
SPIN_S = 0.002
"""Of the idle loop."""


class Canary:
    """A loop on the load's core that does nothing: how much later than asked it wakes is what others took."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._spin)

    def __enter__(self) -> "Canary":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _spin(self) -> None:
        while not self._ends.is_set():
            started = time.perf_counter()
            time.sleep(SPIN_S)
            self._late.append(time.perf_counter() - started - SPIN_S)

    @property
    def late_p99_ms(self) -> float:
        return round(1000 * statistics.quantiles(self._late, n=100)[-1], 3)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=MEASURED, nargs="*", default=list(MEASURED))
    words.add_argument("--folder", type=Path, default=Path("build/serve"), help="where the world is kept")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=float, help="of load, instead of what is asked for")
    asked = words.parse_args()
    bundle = world.bundle(asked.folder, ITEMS, PEOPLE, EVENTS)
    for what in asked.what:
        with tempfile.TemporaryDirectory() as folder:
            store = str(Path(folder) / "events.sqlite")
            row = MEASURED[what](bundle, store, asked)
            print(record("serve", what=what, items=ITEMS, people=PEOPLE, candidates=500, **row), flush=True)


def cost(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    seconds = asked.seconds or 6
    bare, full, rates, parts = [], [], [], {}
    with serving(OURS, bundle, store) as server:
        load(server.port, PEOPLE, 3, CONNECTIONS)
        for _ in range(asked.rounds):
            parts = bare_parts(bundle)
            bare.append(parts["all"])
            per_request, rate = of_load(server, seconds)
            full.append(per_request)
            rates.append(rate)
    ratios = [served / alone for served, alone in zip(full, bare, strict=True)]
    return {
        "bare_us": middle(bare),
        "request_us": middle(full),
        "ratio": middle(ratios),
        "requests_per_s": middle(rates),
        "parts_us": parts,
    }


def bare_parts(bundle: Path) -> dict[str, float]:
    command = ["taskset", "-c", str(CORE), sys.executable, "-m", "benchmarks.serving.bare", str(bundle)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def of_load(server: Server, seconds: float) -> tuple[float, float]:
    """Microseconds of processor a request, and requests a second."""
    before = server.cpu_s
    done = load(server.port, PEOPLE, seconds, CONNECTIONS)
    if done.full != done.asked or done.broken:
        raise SystemExit(f"Not every request was answered in full: {done}")
    return 1e6 * (server.cpu_s - before) / done.full, done.full / done.seconds


def keras(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    seconds, told = asked.seconds or 6, {}
    for call in ("predict", "call"):
        theirs_way = ("benchmarks.serving.keras_service", "--call", call)
        ours, theirs = [], []
        with (
            serving(OURS, bundle, store, *PATIENT) as server,
            serving(theirs_way, bundle, f"{store}.keras", *PATIENT) as other,
        ):
            for each in (server, other):
                load(each.port, PEOPLE, 3, CONNECTIONS)
            for _ in range(asked.rounds):
                ours.append(of_load(server, seconds)[0])
                theirs.append(of_load(other, seconds)[0])
        ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
        told[call] = {"ours_us": middle(ours), "keras_us": middle(theirs), "ratio": middle(ratios)}
    return told


def start(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    seconds, first, later = [], [], []
    for number in range(asked.rounds):
        with serving(OURS, bundle, f"{store}.{number}") as server:
            seconds.append(server.started_s)
            first.append(server.rss_mb)
            load(server.port, PEOPLE, 6, CONNECTIONS)
            later.append(server.rss_mb)
    return {"start_s": middle(seconds), "rss_mb": middle(first), "rss_after_load_mb": middle(later)}


def event(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    taken = []
    with serving(OURS, bundle, store) as server, Canary() as canary:
        for number in range(200):
            who = {"user_id": f"user {17 * number}"}
            first = server.ask("/v1/recommend", who)[1]["items"][0]["item_id"]
            started = time.perf_counter()
            status, _ = server.ask(
                "/v1/events", {"events": [{**who, "item_id": first, "event_id": f"{number}"}]}
            )
            items = server.ask("/v1/recommend", who)[1]["items"]
            taken.append(1000 * (time.perf_counter() - started))
            if status != 202 or first in [each["item_id"] for each in items]:
                raise SystemExit(f"The event of user {17 * number} changed nothing.")
    return {"changed_ms": middle(taken), "idle_late_p99_ms": canary.late_p99_ms}


def overload(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    seconds = asked.seconds or 60
    with serving(OURS, bundle, store) as server:
        load(server.port, PEOPLE, 5, CONNECTIONS)
        capacity = statistics.median(of_load(server, 8)[1] for _ in range(3))
        done = load(server.port, PEOPLE, seconds, 400, 10 * capacity)
        ended = time.perf_counter()
        well = recovered(server)
        again = of_load(server, 8)[1]
    goodput = done.full / done.seconds
    return {
        "capacity_per_s": round(capacity, 1),
        "offered_per_s": round(done.asked / done.seconds, 1),
        "goodput_per_s": round(goodput, 1),
        "goodput_share": round(goodput / capacity, 3),
        "goodput_share_of_both": round(goodput / statistics.mean((capacity, again)), 3),
        "capacity_after_per_s": round(again, 1),
        "degraded": done.degraded,
        "refused": done.refused,
        "others": done.others,
        "broken": done.broken,
        "recovered_s": round(well - ended, 3),
    }


def recovered(server: Server) -> float:
    """When ten in a row were answered in full."""
    good = 0
    while good < 10:
        status, body = server.ask("/v1/recommend", {"user_id": f"user {good}"})
        good = good + 1 if status == 200 and not body["degraded"] else 0
    return time.perf_counter()


def soak(bundle: Path, store: str, asked: argparse.Namespace) -> dict[str, Any]:
    seconds = asked.seconds or 600
    with serving(OURS, bundle, store) as server:
        load(server.port, PEOPLE, 30, CONNECTIONS)
        capacity = of_load(server, 8)[1]
        before = server.rss_mb
        done = load(server.port, PEOPLE, seconds, 64, 0.8 * capacity)
        after = server.rss_mb
    return {
        "capacity_per_s": round(capacity, 1),
        "requests": done.asked,
        "per_s": round(done.asked / done.seconds, 1),
        "refused": done.refused,
        "degraded": done.degraded,
        "errors": done.others + done.broken,
        "rss_before_mb": round(before, 1),
        "rss_after_mb": round(after, 1),
        "growth": round(after / before - 1, 4),
    }


def middle(values: list[float]) -> dict[str, float]:
    told = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: float(f"{value:.4g}") for name, value in told.items()}


Measure = Callable[[Path, str, argparse.Namespace], dict[str, Any]]
MEASURED: dict[str, Measure] = {
    "cost": cost,
    "keras": keras,
    "start": start,
    "event": event,
    "overload": overload,
    "soak": soak,
}

if __name__ == "__main__":
    main()
