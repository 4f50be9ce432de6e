"""How long does a full evaluation take, and does its memory grow with the people asked?

    OMP_NUM_THREADS=2 taskset -c 0,1 python -m benchmarks.evaluation

MovieLens 1M, leave-one-out: the last film of each of 6,040 people, ranked among the whole catalogue less
what they saw. All baselines are fitted and asked, a trained model is asked, all metrics of one user and of
all lists are taken, and so are 1,000 bootstrap draws, the paired test and the segments. The model is small,
and trained on a tenth of the people for one epoch: here it is the exam that is timed, not the model.

Each row comes from a process of its own. `--times 1 4 16` asks everybody so many times, under new names, what
is learnt from staying the same; memory is the peak of the exam, over what the log and the bundle take.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import tastemaker as tm
from benchmarks.quality import DATA
from benchmarks.rows import record
from tastemaker.data import Dataset, read
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold, leave_one_out
from tastemaker.evaluation.judge import marked
from tastemaker.evaluation.segments import segments

SETTINGS = ["history.dim=16", "history.epochs=1", "ranking.use=never", "evaluation.max_users=1000000"]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=DATA / "ml-1m")
    words.add_argument("--bundle", type=Path, help="where the model is kept, or lies already")
    words.add_argument("--times", type=int, nargs="*", default=[1, 4, 16])
    words.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.data, asked.bundle, asked.times[0])))
        return
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        bundle = asked.bundle or Path(folder) / "ml-1m"
        if not bundle.exists():
            trained(asked.data, bundle)
        for times in asked.times:
            row = [sys.executable, "-m", "benchmarks.evaluation", "--one", "--times", str(times)]
            row += ["--data", str(asked.data), "--bundle", str(bundle)]
            told = json.loads(subprocess.run(row, check=True, stdout=subprocess.PIPE, text=True).stdout)
            console.print(record("evaluation", **told))


def parts(folder: Path) -> tuple[Dataset, Fold]:
    """The data, and the exam."""
    frames = convert("movielens", folder)
    data = read(frames["items"], frames["interactions"])
    assert data.interactions is not None
    return data, leave_one_out(data.interactions, "test")


def trained(folder: Path, bundle: Path) -> None:
    """A model that has learnt of every tenth person what the baselines learn of all."""
    data, fold = parts(folder)
    some = fold.train.of_users(np.arange(0, fold.train.user_count, 10, dtype=np.int32))
    tm.train(replace(data, interactions=some), tm.Recipe.read(None, SETTINGS)).save(bundle)


def measured(folder: Path, bundle: Path, times: int) -> dict[str, Any]:
    """The exam of `times` as many people, in this process."""
    data, fold = parts(folder)
    fold = Fold(*(repeated(part, times, learnt=at > 0) for at, part in enumerate(fold)))
    recommender = tm.load(bundle)
    recommender.recipe = recommender.recipe.having({"evaluation.max_users": 1_000_000})
    for part in fold:
        _ = part.users  # made once, and belongs to the log
    before = forget_peak()
    wall, processor = time.perf_counter(), time.process_time()
    exam = marked(recommender, fold, "leave_one_out")
    marking = time.perf_counter() - wall
    told = segments(recommender, exam)
    return {
        "data": folder.name,
        "times": times,
        "users": exam.report.users_asked,
        "items": data.items.size,
        "known_events": fold.history.size,
        "models": len(exam.report.lines),
        "metrics": len(exam.report.lines[0].marks) + len(exam.report.lines[0].overall),
        "segments": len(told.lines),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "of_it_segments": round(time.perf_counter() - wall - marking, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "mb_before": round(before / 1e6),
        "mb_more": round((peak_bytes() - before) / 1e6),
    }


def repeated(log: Interactions, times: int, learnt: bool) -> Interactions:
    """The same people again under new names, with their events, or with none."""
    names = [f"{name}-{copy}" if copy else name for copy in range(times) for name in log.user_ids]
    lengths = np.diff(log.offsets)
    again = times if learnt else 1
    counts = np.concatenate([np.tile(lengths, again), np.zeros(len(lengths) * (times - again), np.int64)])
    return replace(
        log,
        user_ids=names,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rows=np.tile(log.rows, again),
        times=np.tile(log.times, again),
        weights=np.tile(log.weights, again),
    )


def forget_peak() -> int:
    """Begin to look for a peak anew, where the system can; what this process has now, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return status("VmRSS")
    except OSError:
        return peak_bytes()


def peak_bytes() -> int:
    """The most memory this process has had since `forget_peak`."""
    try:
        return status("VmHWM")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024


if __name__ == "__main__":
    main()
