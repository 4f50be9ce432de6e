"""How well does the default model foretell what people do next?    python -m benchmarks.histories

MovieLens 100K, leave-one-out: the model is trained, with everything at its default, on all but the last
two events of each of 943 people; asked with all but the last; and ranks all 1,682 films less those
seen. Three seeds, the baselines in the same run, taught by the same part of the log.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.baselines import plain
from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.data.split import leave_one_out
from tastemaker.evaluation.judge import NAME, mark
from tastemaker.recipe import Recipe
from tastemaker.training import train


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data/ml-100k")
    words.add_argument("--format", default="movielens")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--set", dest="settings", action="append", default=[])
    asked = words.parse_args()
    frames = convert(asked.format, asked.data)
    data = read(frames.get("items"), frames["interactions"])
    assert data.interactions is not None
    fold = leave_one_out(data.interactions, "test")
    console = Console(width=100)
    for seed in range(1, asked.seeds + 1):
        recipe = Recipe.read(None, [*asked.settings, f"seed={seed}"])
        started = time.perf_counter()
        recommender = train(replace(data, interactions=fold.train), recipe)
        seconds = time.perf_counter() - started
        report = mark(recommender, fold, f"leave_one_out of {asked.data.name}, seed {seed}.", k=10)
        console.print(report)
        for line in report.lines:
            record(
                "histories",
                data=asked.data.name,
                split="leave_one_out",
                seed=seed,
                settings=asked.settings,
                users=report.users_asked,
                items=data.items.size,
                model=line.name,
                hit_rate_at_10=plain(line.marks["hit_rate"]),
                ndcg_at_10=plain(line.marks["ndcg"]),
                train_seconds=round(seconds, 1) if line.name == NAME else None,
            )


if __name__ == "__main__":
    main()
