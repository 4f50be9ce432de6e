"""How fast are batches made from 20 million interactions, and what share of a step is that?

    python -m benchmarks.pipeline

The input pipeline is what comes from the log: examples in random order → windows of history, their
strengths, labels and users. Wanted are a million examples a second, and at most 5 % of a step. Beside it, the
same batches from a Python generator that makes one example at a time. Sampling and masking is the rest of
laying a step out: negatives drawn, candidates folded, what each user knows struck out; then comes learning.
One thread, one core; in training a second core lays out ahead. Medians of five rounds, with least and most.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.peers import environments
from benchmarks.rows import record
from benchmarks.workloads import WORKLOADS, Workload
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Batch, Examples, Window

if TYPE_CHECKING:  # brings TensorFlow, which takes its threads from what `peers.ours` sets
    from tastemaker.model.student import Student
    from tastemaker.model.work import Work

Events = npt.NDArray[np.int64]

MEASURED = ("W2b", "W3-5M")
USERS = 133_334  # of 100 to 200 events: 20 million
ROUNDS = 5
FEWEST_STEPS = 3  # in a round
ONE_BY_ONE = 2_048  # examples of the generator in a round


class Step(NamedTuple):
    """Seconds of one step; `batch` is a part of `lay_out`, timed on examples of its own."""

    batch: float
    lay_out: float
    learn: float

    @property
    def whole(self) -> float:
        return self.lay_out + self.learn


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--workload", choices=MEASURED, help="this one alone, in this process")
    words.add_argument("--seconds", type=float, default=20, help="to make batches, and again to take steps")
    asked = words.parse_args()
    if asked.workload:
        print(json.dumps(measured(WORKLOADS[asked.workload], asked.seconds)))
    else:
        Console(width=120).print(shown([measured_alone(name, asked.seconds) for name in MEASURED]))


def measured_alone(name: str, seconds: float) -> dict[str, Any]:
    """The row of `measured`, from a process of its own: threads are chosen when libraries are loaded."""
    limits = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, "-m", "benchmarks.pipeline", "--workload", name, "--seconds", str(seconds)]
    env = environments.environment() | limits
    done = subprocess.run(command, env=env, cwd=environments.ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def measured(workload: Workload, seconds: float) -> dict[str, Any]:
    from benchmarks.peers.ours import student_of  # it limits the threads of all that is imported after it

    student = student_of(replace(workload, users=USERS), seed=1)
    examples = student.examples
    taken = steps(student, workload.batch, seconds)
    return record(
        "pipeline",
        workload=workload.name,
        events=examples.log.size,
        examples=len(examples.events),
        items=workload.items,
        length=workload.length,
        batch=workload.batch,
        examples_per_s=spread(speeds(examples, workload.batch, seconds)),
        generator_per_s=spread(speeds_one_by_one(examples)),
        batch_ms=spread([1e3 * step.batch for step in taken]),
        sampling_and_masking_ms=spread([1e3 * (step.lay_out - step.batch) for step in taken]),
        lay_out_ms=spread([1e3 * step.lay_out for step in taken]),
        learn_ms=spread([1e3 * step.learn for step in taken]),
        batch_share=spread([step.batch / step.whole for step in taken]),
        lay_out_share=spread([step.lay_out / step.whole for step in taken]),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    )


# --- the input pipeline ---------------------------------------------------------------------


def speeds(examples: Examples, size: int, seconds: float) -> list[float]:
    """Examples a second of each round: its share of shuffling them all, and batches of them."""
    rng, out = np.random.default_rng(1), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        order = rng.permutation(examples.events)
        shuffled = time.perf_counter()
        made = 0
        while made + size <= len(order) and time.perf_counter() - shuffled < seconds / ROUNDS:
            examples.batch(order[made : made + size], rng)
            made += size
        cutting = time.perf_counter() - shuffled
        out.append(1 / ((shuffled - start) / len(order) + cutting / made))
    return out


def speeds_one_by_one(examples: Examples) -> list[float]:
    """Examples a second of each round of the generator."""
    rng, out = np.random.default_rng(1), []
    strengths = examples.scale.apply(examples.log.weights)
    for _ in range(ROUNDS):
        order = rng.choice(examples.events, ONE_BY_ONE)
        start = time.perf_counter()
        batch = stacked(one_by_one(examples.log, strengths, order, examples.length), ONE_BY_ONE)
        out.append(ONE_BY_ONE / (time.perf_counter() - start))
        same = examples.batch(order, rng)
        assert all(map(np.array_equal, (*batch.history, *batch[1:]), (*same.history, *same[1:])))
    return out


def one_by_one(
    log: Interactions, strengths: npt.NDArray[np.float32], order: Events, length: int
) -> Iterator[tuple[Any, ...]]:
    """What is written first, and often stays: each example cut, padded and handed on by itself."""
    rows, offsets, users = log.rows, log.offsets, log.users
    for at in order.tolist():
        user = users[at]
        first = max(int(offsets[user]), at - length)
        history, values = np.full(length, -1, np.int32), np.zeros(length, np.float32)
        history[: at - first] = rows[first:at][::-1]
        values[: at - first] = strengths[first:at][::-1]
        yield history, values, rows[at], user


def stacked(examples: Iterator[tuple[Any, ...]], count: int) -> Batch:
    history, values, labels, users = map(np.array, zip(*islice(examples, count), strict=True))
    return Batch(Window(history, values), labels, users, users)


# --- the whole step -------------------------------------------------------------------------


def steps(student: "Student", size: int, seconds: float) -> list[Step]:
    """A step of each round, the mean of those in it."""
    rng = np.random.default_rng(2)
    step(student, size, rng)  # compiles
    pace = mean([step(student, size, rng) for _ in range(FEWEST_STEPS)])
    count = max(FEWEST_STEPS, round(seconds / ROUNDS / (pace.batch + pace.whole)))
    return [mean([step(student, size, rng) for _ in range(count)]) for _ in range(ROUNDS)]


def mean(taken: list[Step]) -> Step:
    return Step(*map(float, np.mean(taken, axis=0)))


def step(student: "Student", size: int, rng: np.random.Generator) -> Step:
    # Other examples for the batch alone: those of the step aren't to be found in the cache.
    alone, labels = rng.choice(student.examples.events, (2, size))
    times = [time.perf_counter()]
    student.examples.batch(alone, rng)
    times.append(time.perf_counter())
    work = laid_out(student, labels, rng)
    times.append(time.perf_counter())
    student.learn(work, 0.0)
    times.append(time.perf_counter())
    return Step(*np.diff(times).tolist())


def laid_out(student: "Student", labels: Events, rng: np.random.Generator) -> "Work":
    return student.lay_out(labels, rng)[1]


# --- what is shown --------------------------------------------------------------------------


def spread(rounds: list[float]) -> dict[str, float]:
    values = {"median": median(rounds), "least": min(rounds), "most": max(rounds)}
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def shown(rows: list[dict[str, Any]]) -> Table:
    table = Table("", *(row["workload"] for row in rows), "wanted")
    lines = (
        ("input pipeline: examples/s", "examples_per_s", "{:,.0f}", "≥ 1,000,000"),
        ("Python generator: examples/s", "generator_per_s", "{:,.0f}", ""),
        ("a step: input pipeline, ms", "batch_ms", "{:.2f}", ""),
        ("… sampling and masking, ms", "sampling_and_masking_ms", "{:.2f}", ""),
        ("… learning, ms", "learn_ms", "{:.2f}", ""),
        ("input pipeline, of a step", "batch_share", "{:.1%}", "≤ 5 %"),
        ("… sampling, masking as well", "lay_out_share", "{:.1%}", ""),
    )
    for title, key, form, wanted in lines:
        table.add_row(title, *(told(row[key], form) for row in rows), wanted)
    table.add_row("memory, MB", *(f"{row['peak_rss_mb']:,}" for row in rows), "")
    table.caption = f"{rows[0]['events']:,} interactions, {rows[0]['cpu']}, one core"
    return table


def told(values: dict[str, float], form: str) -> str:
    middle, least, most = (form.format(values[key]) for key in ("median", "least", "most"))
    return f"{middle} ({least}–{most})"


if __name__ == "__main__":
    main()
