"""How fast is training, beside what others reach on the same examples?    python -m benchmarks.train

Ours is the whole trainer; each peer runs in an environment of its own, made on first use. The order is
ours, a peer, ours, the next peer …, so that what else the machine does hits both; a round where it is slower
than a bare product and copy should be is refused. One core. Shown are medians with the slowest and the
fastest chunk, how many times as fast ours is, and the distance to the floor: the products on distinct
candidates at the speed of sgemm, the exponentials, and the embedding rows read, read again and written at
the speed of a copy. GFLOP/s are of those products alone, whatever else a trainer multiplies.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import workloads
from benchmarks.peers import environments
from benchmarks.rows import record
from benchmarks.workloads import WORKLOADS, Workload

LEAST_SGEMM, LEAST_COPY = 95e9, 25e9


class Machine(NamedTuple):
    """What one core does at best: products a second, bytes a second, seconds an exponential."""

    sgemm: float
    copy: float
    exponential: float


class Speed(NamedTuple):
    """What one trainer reached.

    per_s: examples, the median of its runs, each the median of its chunks; 0 where it failed.
    least, most: of all chunks.
    megabytes: at the peak.
    """

    name: str
    per_s: float = 0.0
    least: float = 0.0
    most: float = 0.0
    megabytes: int = 0
    error: str = ""

    @classmethod
    def of(cls, name: str, runs: list[dict[str, Any]]) -> "Speed":
        done = [row for row in runs if "error" not in row]
        if not done:
            return cls(name, error=runs[0]["error"])
        chunks = [speed for row in done for speed in row["chunks"]]
        per_s = median(row["examples_per_s"] for row in done)
        return cls(name, per_s, min(chunks), max(chunks), max(row["peak_rss_mb"] for row in done))


class Race(NamedTuple):
    """All that ran on one workload.

    products, floor: its `cost` on this machine.
    peers: the fastest first.
    """

    workload: Workload
    machine: Machine
    products: float
    floor: float
    ours: Speed
    peers: list[Speed]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    words.add_argument("--peers", nargs="*", choices=environments.PEERS, default=list(environments.PEERS))
    words.add_argument("--seconds", type=float, default=20)
    asked = words.parse_args()
    table = Table("", "", "examples/s", "least–most", "ours is ×", "× floor", "GFLOP/s of sgemm", "MB")
    races = {}
    for name in asked.workloads:
        races[name] = race = raced(WORKLOADS[name], asked.peers, asked.seconds)
        summed_up(race)
        for speed in (race.ours, *race.peers):
            table.add_row(name if speed is race.ours else "", *line(race, speed))
        table.add_section()
    console = Console(width=120)
    console.print(table)
    if {"W3-1M", "W3-5M"} <= set(races):
        console.print(grown(races["W3-1M"], races["W3-5M"]))


def raced(workload: Workload, peers: list[str], seconds: float) -> Race:
    """Ours before, between and after the peers."""
    machine = measured_alone()
    if machine.sgemm < LEAST_SGEMM or machine.copy < LEAST_COPY:
        speeds = f"sgemm {machine.sgemm / 1e9:.0f} GF/s, copy {machine.copy / 1e9:.0f} GB/s"
        sys.exit(f"This machine is too slow or too busy to measure on: {speeds}.")
    ours, theirs = [], []
    for peer in [*peers, None]:
        ours.append(record("train", threads="1", **run_ours(workload.name, seconds)))
        if peer is not None:
            row = record("train", threads="1", **environments.run(peer, workload.name, seconds))
            theirs.append(Speed.of(peer, [row]))
    theirs.sort(key=lambda speed: -speed.per_s)
    return Race(workload, machine, *cost(workload, machine), Speed.of("ours", ours), theirs)


def run_ours(name: str, seconds: float) -> dict[str, Any]:
    return environments.run_with(Path(sys.executable), "ours", name, seconds)


def summed_up(race: Race) -> None:
    """Keep what a race came to."""
    ours, machine = race.ours, race.machine
    if not ours.per_s:
        return
    best = race.peers[0] if race.peers and race.peers[0].per_s else None
    record(
        "train_summary",
        threads="1",
        workload=race.workload.name,
        ours=ours.per_s,
        ours_least_most=[ours.least, ours.most],
        peer=best and best.name,
        theirs=best and best.per_s,
        theirs_least_most=best and [best.least, best.most],
        peers={peer.name: peer.error or peer.per_s for peer in race.peers},
        times_floor=1 / (race.floor * ours.per_s),
        gflops=race.products * ours.per_s / 1e9,
        share_of_sgemm=race.products * ours.per_s / machine.sgemm,
        sgemm_gflops=machine.sgemm / 1e9,
        copy_gb_s=machine.copy / 1e9,
    )


def line(race: Race, speed: Speed) -> list[str]:
    """Of the table."""
    if speed.error:
        return [speed.name, speed.error]
    reached, sgemm = race.products * speed.per_s, race.machine.sgemm
    return [
        speed.name,
        f"{speed.per_s:,.0f}",
        f"{speed.least:,.0f}–{speed.most:,.0f}",
        "" if speed is race.ours else f"{race.ours.per_s / speed.per_s:.2f}",
        f"{1 / (race.floor * speed.per_s):.2f}",
        f"{reached / 1e9:.0f} of {sgemm / 1e9:.0f}, {reached / sgemm:.0%}",
        f"{speed.megabytes:,}",
    ]


def grown(small: Race, large: Race) -> str:
    """How much longer a step of ours takes with more items, kept and told."""
    if small.ours.error or large.ours.error:
        return ""
    before, after = (1e3 * race.workload.batch / race.ours.per_s for race in (small, large))
    names = [small.workload.name, large.workload.name]
    record("train_summary", threads="1", workloads=names, step_ms=[before, after], step_ratio=after / before)
    steps = f"{before:.1f} ms in {names[0]}, {after:.1f} ms in {names[1]}"
    return f"A step of ours: {steps}, {after / before:.2f} times as long."


def cost(workload: Workload, machine: Machine) -> tuple[float, float]:
    """Floating-point operations of one example, and the seconds that it takes at least."""
    size, dim = workload.batch, workload.dim
    events = workloads.log(workload)
    batch = workloads.examples(workload, events, size)
    columns = workload.items
    if workload.negatives != "all":
        drawn = np.random.default_rng(3).choice(
            workload.items, workload.shared, p=workloads.shares(workload.items)
        )
        columns = len(np.unique(np.concatenate([batch.label, drawn])))
    rows = len(np.unique(np.concatenate([batch.history[batch.history >= 0], batch.label])))
    rows = workload.items if workload.negatives == "all" else rows + columns
    widths = [dim + workload.numbers, *workload.hidden]
    products = 6 * (columns * dim + sum(a * b for a, b in pairwise(widths)))
    embedding = 3 * 4 * rows * dim / size
    return products, products / machine.sgemm + columns * machine.exponential + embedding / machine.copy


def measured_alone() -> Machine:
    """In a process of its own: threads are chosen when NumPy is loaded."""
    limits = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL")}
    kept = {name: value for name, value in os.environ.items() if name not in environments.ONLY_OURS}
    command = [sys.executable, "-m", "benchmarks.train_machine"]
    done = subprocess.run(command, env=kept | limits, capture_output=True, text=True, check=True)
    return Machine(*map(float, done.stdout.split()))


def timed(work: Callable[[], object]) -> float:
    """Seconds, the median of eleven."""
    times = []
    for _ in range(12):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times[1:])


if __name__ == "__main__":
    main()
