"""How fast is training, beside what others reach on the same examples?    python -m benchmarks.train

Ours is the whole trainer; each peer runs in an environment of its own, made on first use. The order is
ours, a peer, ours, the next peer …, so that what else the machine does hits both; a round where it is slower
than a bare product and copy should be is refused. One core. Shown are medians, the ratio to the best peer,
and the distance to the floor: the products on distinct candidates at the speed of sgemm, the exponentials,
and the embedding rows read, read again and written at the speed of a copy.
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


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    words.add_argument("--peers", nargs="*", choices=environments.PEERS, default=list(environments.PEERS))
    words.add_argument("--seconds", type=float, default=20)
    asked = words.parse_args()
    table = Table("workload", "ours /s", "best peer /s", "ratio", "× floor", "ours MB", "peer MB", "GFLOP/s")
    for name in asked.workloads:
        machine = measured_alone()
        if machine.sgemm < LEAST_SGEMM or machine.copy < LEAST_COPY:
            speeds = f"sgemm {machine.sgemm / 1e9:.0f} GF/s, copy {machine.copy / 1e9:.0f} GB/s"
            sys.exit(f"This machine is too slow or too busy to measure on: {speeds}.")
        ours, peers = raced(name, asked.peers, asked.seconds)
        table.add_row(name, *judged(WORKLOADS[name], machine, ours, peers))
    Console(width=120).print(table)


def raced(name: str, peers: list[str], seconds: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of ours, run before, between and after the peers, and theirs."""
    ours, theirs = [], []
    for peer in [*peers, None]:
        ours.append(record("train", **run_ours(name, seconds)))
        if peer is not None:
            theirs.append(record("train", **environments.run(peer, name, seconds)))
    return ours, theirs


def run_ours(name: str, seconds: float) -> dict[str, Any]:
    return environments.run_with(Path(sys.executable), "ours", name, seconds)


def judged(
    workload: Workload, machine: Machine, ours: list[dict[str, Any]], peers: list[dict[str, Any]]
) -> list[str]:
    done = [row for row in ours if "error" not in row]
    if not done:
        return [ours[0]["error"]]
    speed = median(row["examples_per_s"] for row in done)
    best = max(
        (row for row in peers if "error" not in row), key=lambda row: row["examples_per_s"], default=None
    )
    products, floor = cost(workload, machine)
    record(
        "train_summary",
        workload=workload.name,
        ours=speed,
        peer=best and best["peer"],
        theirs=best and best["examples_per_s"],
        times_floor=1 / (floor * speed),
        sgemm_gflops=machine.sgemm / 1e9,
        copy_gb_s=machine.copy / 1e9,
    )
    return [
        f"{speed:,.0f}",
        f"{best['examples_per_s']:,.0f} ({best['peer']})" if best else "",
        f"{speed / best['examples_per_s']:.2f}" if best else "",
        f"{1 / (floor * speed):.2f}",
        f"{max(row['peak_rss_mb'] for row in done):,}",
        f"{best['peak_rss_mb']:,}" if best else "",
        f"{products * speed / 1e9:.0f}",
    ]


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
