"""What does a command cost: for help, to train, to open a bundle?    python -m benchmarks.commands

Whole processes, as a person starts them: seconds and peak memory from the operating system. The
Netflix catalogue (19,158 titles) is trained once; help and first answers are medians of several
runs, each in a new process, the first of which isn't counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.rows import record

CATALOGUE = Path(__file__).parents[2] / "shared/data/netflix_content_2023/netflix_content_2023.csv"


class Run(NamedTuple):
    """One finished process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(*words: str) -> Run:
    """`tastemaker` with `words`, its answer thrown away. Raises when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tastemaker", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"tastemaker {' '.join(words)}: {complaint.decode()}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(name: str, repeats: int, *words: str) -> None:
    runs = [run(*words) for _ in range(repeats + (repeats > 1))][repeats > 1 :]
    walls = sorted(each.wall_s for each in runs)
    row = {
        "command": name,
        "repeats": repeats,
        "wall_s": round(statistics.median(walls), 3),
        "wall_s_range": [round(walls[0], 3), round(walls[-1], 3)],
        "cpu_s": round(statistics.median(each.cpu_s for each in runs), 3),
        "peak_mb": round(max(each.peak_mb for each in runs)),
    }
    record("commands", **row)
    print(
        f"{name:36} {row['wall_s']:8.2f} s ({walls[0]:.2f} to {walls[-1]:.2f})  "
        f"CPU {row['cpu_s']:.2f} s  {row['peak_mb']} MB"
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=CATALOGUE)
    words.add_argument("--repeats", type=int, default=9)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = str(Path(folder) / "wednesday")
        measure("--help", asked.repeats, "--help")
        measure("data check", asked.repeats, "data", "check", "--items", str(asked.data))
        measure("train a catalogue alone", 1, "train", "--items", str(asked.data), "--out", bundle)
        measure("open, first answer, whole title", asked.repeats, "similar", bundle, "Wednesday: Season 1")
        measure("open, first answer, misspelt", asked.repeats, "similar", bundle, "wednsday")
        measure(
            "open, first answer, a history",
            asked.repeats,
            "recommend",
            bundle,
            "--history",
            "Wednesday: Season 1",
        )


if __name__ == "__main__":
    main()
