"""Does training find as much as its peers, and how soon?    python -m benchmarks.train_quality gate|time|tune

MovieLens 1M, leave-one-out: the last event of each of 6,040 people is the test, the one before it the
validation, the rest is learnt from; every item less what a person has touched is ranked, by ids alone.

gate  Tastemaker against TensorFlow Recommenders: a mean of the last 50 events, 128 → 64 with ReLU, softmax
      over the batch's labels with logQ, Adagrad, 1,024 examples a batch, as many epochs, three seeds.
      `tfrs` has a table for histories and one for candidates, as its tutorials have; `tfrs_twin` is given
      Tastemaker's network: one table, biases, a way past the hidden layer. Paired by person, 95 % intervals.
time  Seconds of training until the validation's NDCG@10 is 95 % of where it ends: Tastemaker in its default
      recipe and in the gate's, TFRS, and `implicit`'s ALS and BPR. Making lists isn't timed. One core, and
      seconds are the processor's: the clock's where nothing else runs there (`busy` 1).
tune  The grids that the learning rates and the rest were chosen by, on the validation.

Each contender trains in a process of its own, peers in an environment of their own, made on first use. What
peers answered is kept in `build/quality`, with their seconds, until --fresh: it doesn't depend on our code.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers import environments
from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold, leave_one_out
from tastemaker.evaluation import metrics
from tastemaker.evaluation.intervals import difference_interval

K = 10
METRICS = ("recall", "ndcg")
KEPT = environments.ROOT / "build" / "quality"
"""Where the answers of peers stay: nothing of ours changes them."""
GATE_EPOCHS = 8
TUNE_EPOCHS = 3
RATES = (0.05, 0.1, 0.2, 0.5)
"""Of Adagrad, alike for all, though ours takes the mean of the batch's losses and TFRS their sum: where the
sum of squares starts near 0, as ours does, or from little beside the gradients, as TFRS's, steps don't depend
on the scale of the loss."""
NEAR = 0.95
"""Of the final validation NDCG: what "quality is reached" means."""

NETWORK = {"dim": 64, "hidden": (128,), "length": 50}
OURS_GATE = {
    "history": NETWORK
    | {
        "encoder": "mean",
        "activation": "relu",
        "dropout": 0.0,
        "id_dropout": 0.0,
        "batch_size": 1024,
        "optimizer": "adagrad",
    },
    "negatives": {"count": 0},
}
TFRS_GATE = NETWORK | {"batch": 1024}
ALS = {"model": "als", "factors": 64, "regularization": 10, "alpha": 1}
BPR = {"model": "bpr", "factors": 64, "regularization": 0.01, "learning_rate": 0.02}


@dataclass(frozen=True)
class Contender:
    """Who trains, how, and for how long.

    Attributes:
        script: of `benchmarks/peers`.
        peer: whose environment it runs in; None for this one.
        settings: what the script understands.
        passes: over the data.
        every: passes between two validations.
    """

    script: str
    peer: str | None
    settings: dict[str, Any]
    passes: int
    every: int = 1


def ours(rate: float, tied: bool = True, passes: int = GATE_EPOCHS) -> Contender:
    history = OURS_GATE["history"] | {"learning_rate": rate, "tied": tied}
    return Contender("ours_quality", None, OURS_GATE | {"history": history}, passes)


def tfrs(rate: float, twin: bool, passes: int = GATE_EPOCHS) -> Contender:
    return Contender("tfrs_quality", "tfrs", TFRS_GATE | {"rate": rate, "twin": twin}, passes)


def implicit(settings: dict[str, Any], passes: int, every: int = 1) -> Contender:
    return Contender("implicit_quality", "implicit", settings, passes, every)


GATE = {"ours": ours(0.1), "tfrs": tfrs(0.1, False), "tfrs_twin": tfrs(0.2, True)}
TIME = {
    "ours, default": Contender("ours_quality", None, {}, 8),
    "ours, as in the gate": GATE["ours"],
    "tfrs": GATE["tfrs"],
    "tfrs_twin": GATE["tfrs_twin"],
    "implicit ALS": implicit(ALS, 20),
    "implicit BPR": implicit(BPR, 100, 5),
}


@dataclass(frozen=True)
class Exam:
    """The log, cut, and a folder for what passes between processes.

    Attributes:
        name: of the data.
        is_whole: whether all users are there; of a part no rows are kept.
    """

    name: str
    is_whole: bool
    valid: Fold
    test: Fold
    items: int
    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs.npz"


@dataclass(frozen=True)
class Run:
    """How one training went.

    Attributes:
        passes: (V,) at which it was validated.
        seconds: (V,) of the processor, training until then.
        busy: they in all, as a share of the clock's; well below 1 where others took the core.
        valid: (V,) NDCG@10 on the validation.
        test: (U,) by metric, of each person, at the end.
    """

    passes: list[int]
    seconds: list[float]
    busy: float
    valid: list[float]
    test: dict[str, np.ndarray]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=("gate", "time", "tune"))
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data/ml-1m")
    words.add_argument("--users", type=int, help="only the first so many, to try it out; keeps no rows")
    words.add_argument("--seeds", type=int, default=3, help="of the gate")
    words.add_argument("--passes", type=int, help="instead of each contender's own number")
    words.add_argument("--only", nargs="+", help="contenders whose names begin so")
    words.add_argument("--fresh", action="store_true", help="forget all that peers answered")
    asked = words.parse_args()
    if asked.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    with tempfile.TemporaryDirectory() as folder:
        exam = laid_out(asked.data, asked.users, Path(folder))
        {"gate": gate, "time": until_good, "tune": tune}[asked.what](exam, asked)


def laid_out(data: Path, users: int | None, folder: Path) -> Exam:
    read_in = read(interactions=convert("movielens", data)["interactions"])
    log = read_in.interactions
    assert log is not None
    if users is not None:
        log = first_of(log, users)
    folds = leave_one_out(log, "valid"), leave_one_out(log, "test")
    exam = Exam(data.name, users is None, *folds, read_in.items.size, folder)
    arrays = {"items": np.array(exam.items)}
    for name, part in (("train", exam.valid.train), ("known", exam.test.history)):
        arrays |= {f"{name}_offsets": part.offsets, f"{name}_rows": part.rows}
    np.savez(exam.logs, **arrays)
    return exam


def first_of(log: Interactions, users: int) -> Interactions:
    """The log of the first so many users."""
    end = log.offsets[users]
    parts = {name: getattr(log, name)[:end] for name in ("rows", "times", "weights")}
    return replace(log, user_ids=log.user_ids[:users], offsets=log.offsets[: users + 1], **parts)


def trained(exam: Exam, rows: str, name: str, who: Contender, seed: int = 1) -> Run:
    """Train, or take what a peer answered before; mark the lists that come of it; keep a row in `rows`."""
    answers = exam.folder / "answers.npz" if who.peer is None else KEPT / f"{digest(exam, who, seed)}.npz"
    is_new = who.peer is None or not answers.exists()
    if is_new:
        paths = {"logs": str(exam.logs), "answers": str(exam.folder / "answers.npz")}
        environments.run_task(who.script, who.peer, asked_of(who) | paths, seed)
        if who.peer is not None:
            KEPT.mkdir(parents=True, exist_ok=True)
            shutil.move(exam.folder / "answers.npz", answers)
    with np.load(answers) as done:
        valid = [float(np.nanmean(marked("ndcg", lists, exam.valid.targets))) for lists in done["valid"]]
        test = {metric: marked(metric, done["test"], exam.test.targets) for metric in METRICS}
        clock, seconds = done["seconds"].T
        run = Run(done["passes"].tolist(), seconds.tolist(), seconds[-1] / clock[-1], valid, test)
    if exam.is_whole:
        record(
            rows,
            data=exam.name,
            items=exam.items,
            contender=name,
            seed=seed,
            is_new=is_new,
            settings=who.settings,
            passes=run.passes,
            cpu_seconds=[round(spent, 2) for spent in run.seconds],
            busy=round(run.busy, 2),
            valid_ndcg_at_10=[round(value, 4) for value in valid],
            test={f"{metric}_at_{K}": round(float(np.nanmean(of)), 4) for metric, of in test.items()},
        )
    told(f"{name}, seed {seed}: validation NDCG@{K} {valid[-1]:.4f}, the most {max(valid):.4f}")
    return run


def asked_of(who: Contender) -> dict[str, Any]:
    return {"passes": who.passes, "every": who.every, "k": K, "settings": who.settings}


def digest(exam: Exam, who: Contender, seed: int) -> str:
    """Of all that a peer's answers depend on."""
    scripts = [environments.HERE / name for name in (f"{who.script}.py", "quality.py")]
    pins = environments.HERE / f"requirements-{who.peer}.txt"
    whole = hashlib.sha256(json.dumps([asked_of(who), seed]).encode())
    for part in (*(path.read_bytes() for path in [*scripts, pins]), exam.test.history.fingerprint.encode()):
        whole.update(part)
    return whole.hexdigest()[:16]


def marked(metric: str, rows: np.ndarray, targets: Interactions) -> np.ndarray:
    """(U,)"""
    return metrics.PER_USER[metric](rows, targets, K)


def chosen(contenders: dict[str, Contender], asked: argparse.Namespace) -> dict[str, Contender]:
    """Those that were asked for, with as many passes."""
    names = [name for name in contenders if not asked.only or name.startswith(tuple(asked.only))]
    passes = {} if asked.passes is None else {"passes": asked.passes}
    return {name: replace(contenders[name], **passes) for name in names}


def gate(exam: Exam, asked: argparse.Namespace) -> None:
    runs: dict[str, list[Run]] = {}
    for seed in range(1, asked.seeds + 1):
        for name, who in chosen(GATE, asked).items():
            runs.setdefault(name, []).append(trained(exam, "train_quality", name, who, seed))
    table = Table("", "recall@10", "NDCG@10", "ours − it, recall@10", "ours − it, NDCG@10", "s an epoch")
    for name, of in runs.items():
        means = [f"{by_person(of, metric).mean():.4f} ± {spread(of, metric):.4f}" for metric in METRICS]
        more = ["" if name == "ours" else against(exam, name, runs, metric) for metric in METRICS]
        pace = np.median([run.seconds[-1] / run.passes[-1] for run in of])
        table.add_row(name, *means, *more, f"{pace:.1f}")
    Console(width=130).print(table)


def against(exam: Exam, name: str, runs: dict[str, list[Run]], metric: str) -> str:
    """How much more ours found than a rival, of the same people, in a mean of all seeds."""
    if "ours" not in runs:
        return ""
    ours, theirs = by_person(runs["ours"], metric), by_person(runs[name], metric)
    more = difference_interval(ours, theirs, np.random.default_rng(1))
    if exam.is_whole:
        record(
            "train_quality_summary",
            data=exam.name,
            rival=name,
            metric=f"{metric}_at_{K}",
            seeds=len(runs["ours"]),
            epochs=runs["ours"][0].passes[-1],
            ours=round(float(ours.mean()), 4),
            theirs=round(float(theirs.mean()), 4),
            difference={part: round(value, 4) for part, value in more._asdict().items()},
        )
    return f"{more.mean:+.4f} ({more.low:+.4f} to {more.high:+.4f})"


def by_person(runs: list[Run], metric: str) -> np.ndarray:
    """(U,) means of the seeds."""
    return np.asarray(np.mean([run.test[metric] for run in runs], axis=0))


def spread(runs: list[Run], metric: str) -> float:
    """Standard deviation between seeds."""
    return float(np.std([run.test[metric].mean() for run in runs], ddof=1)) if len(runs) > 1 else 0.0


def until_good(exam: Exam, asked: argparse.Namespace) -> None:
    runs = {name: trained(exam, "train_time", name, who) for name, who in chosen(TIME, asked).items()}
    best = max((run.valid[-1] for name, run in runs.items() if not name.startswith("ours")), default=0.0)
    goal = f"s to {NEAR * best:.4f}"
    table = Table("", "NDCG@10 at the end", f"s to {NEAR:.0%} of that", goal, "s in all", "busy")
    for name, run in runs.items():
        times = [soon(run, NEAR * goal) for goal in (run.valid[-1], best)]
        shown = ["never" if time is None else f"{time:,.1f}" for time in [*times, run.seconds[-1]]]
        table.add_row(name, f"{run.valid[-1]:.4f}", *shown, f"{run.busy:.2f}")
    Console(width=110).print(table)


def soon(run: Run, goal: float) -> float | None:
    """Seconds of training until the validation first reached `goal`; None where it never did."""
    return next((time for time, value in zip(run.seconds, run.valid, strict=True) if value >= goal), None)


def tune(exam: Exam, asked: argparse.Namespace) -> None:
    for name, who in chosen(grid(), asked).items():
        trained(exam, "train_tune", name, who)


def grid() -> dict[str, Contender]:
    """Every point tried, by name."""
    points = {}
    for rate in RATES:
        points[f"tfrs, rate {rate}"] = tfrs(rate, False, TUNE_EPOCHS)
        points[f"tfrs_twin, rate {rate}"] = tfrs(rate, True, TUNE_EPOCHS)
        points[f"ours, rate {rate}"] = ours(rate, passes=TUNE_EPOCHS)
    for factors, regularization, alpha in product((32, 64, 128), (0.01, 1, 10), (1, 10)):
        more = {"factors": factors, "regularization": regularization, "alpha": alpha}
        points[f"als, {more}"] = implicit({"model": "als"} | more, 15)
    for rate, regularization in product((0.02, 0.05, 0.1), (0.001, 0.01)):
        more = {"factors": 64, "learning_rate": rate, "regularization": regularization}
        points[f"bpr, {more}"] = implicit({"model": "bpr"} | more, 60, 20)
    return points


def told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
