"""How much is found without learning anything?    python -m benchmarks.baselines

All baselines on MovieLens 100K, leave-one-out: the last film of each of 943 people, ranked among all
1,682 less what they saw; weights from all but the last two events, the history all but the last.
`--tune` prints the grids that the knobs were chosen by, on the event before the last instead.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.rows import record
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import leave_one_out
from tastemaker.evaluation.baselines import Baseline, Ease, ItemKnn, Markov, all_baselines
from tastemaker.evaluation.exam import FullRanking, Result, compare, examine
from tastemaker.evaluation.report import Mark

K = 10


def read(folder: Path) -> tuple[Interactions, int]:
    """The log, in the file's order where seconds are equal, and how many films there are."""
    events = np.loadtxt(folder / "u.data", dtype=np.int64)  # user, film, stars, seconds
    users, films = events[:, 0].max(), events[:, 1].max()
    log = Interactions.from_events(
        [str(id) for id in range(1, users + 1)],
        (events[:, 0] - 1).astype(np.int32),
        (events[:, 1] - 1).astype(np.int32),
        events[:, 3].astype(np.float64),
    )
    return log, int(films)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data/ml-100k")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--tune", action="store_true")
    asked = words.parse_args()
    log, items = read(asked.data)
    console = Console(width=100)
    if asked.tune:
        tune(log, items, console)
    else:
        measure(log, items, asked.seed, console)


def measure(log: Interactions, items: int, seed: int, console: Console) -> None:
    """The table, and a row for each line of it."""
    fold = leave_one_out(log, "test")
    results: list[Result] = []
    fitting: dict[str, float] = {}
    for baseline in (*all_baselines(seed), Ease(ridge=500, decay=0.9)):
        started = time.perf_counter()
        top = FullRanking(baseline.fit(fold.train, items))
        fitting[baseline.name] = time.perf_counter() - started
        results.append(examine(top, fold, K, items, name=baseline.name))
    split = "leave_one_out: the last event of each user is to be found"
    report = compare(results, np.random.default_rng(seed), split=split)
    console.print(report)
    for line in report.lines:
        record(
            "baselines",
            data="ml-100k",
            split="leave_one_out",
            seed=seed,
            users=report.users_asked,
            items=items,
            model=line.name,
            hit_rate_at_10=plain(line.marks["hit_rate"]),
            ndcg_at_10=plain(line.marks["ndcg"]),
            fit_seconds=round(fitting[line.name], 3),
            ask_seconds=line.seconds,
        )


def plain(mark: Mark) -> dict[str, float | None]:
    """Mean and interval, to the digits that mean something."""
    return {name: None if value is None else round(value, 4) for name, value in vars(mark).items()}


def tune(log: Interactions, items: int, console: Console) -> None:
    """Every point of the grids, on the validation part."""
    fold = leave_one_out(log, "valid")
    for knobs, baseline in grid():
        result = examine(FullRanking(baseline.fit(fold.train, items)), fold, K, items, name=baseline.name)
        console.print(
            f"{result.name:12} {knobs:32} HR@{K} {result.mean('hit_rate'):.4f}",
            f"NDCG@{K} {result.mean('ndcg'):.4f}",
        )


def grid() -> Iterator[tuple[str, Baseline]]:
    for decay in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0):
        yield f"decay {decay}", Markov(decay=decay)
    for decay in (1.0, 0.95, 0.9, 0.85, 0.8):
        for ridge in (50, 100, 200, 300, 500, 800, 1200):
            yield f"decay {decay}, ridge {ridge}", Ease(ridge, decay)
    for neighbours in (10, 20, 50, 100, 200, 1682):
        for shrinkage in (0, 5, 10, 20, 50):
            yield f"neighbours {neighbours}, shrinkage {shrinkage}", ItemKnn(neighbours, shrinkage)


if __name__ == "__main__":
    main()
