"""Which way of training folds groups into each other, and what helps?    python -m benchmarks.folding

A planted world of 8 groups that share no users: everything from another group in somebody's top 10 is an
error that no honest model of this world makes. All else alike; 3 seeds.
"""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.rows import record
from tastemaker.data.split import hold_out_last
from tastemaker.data.worlds import islands
from tastemaker.evaluation import metrics
from tastemaker.evaluation.folding import folding, islands_of
from tastemaker.model.learn import learn
from tastemaker.model.problem import Problem
from tastemaker.progress import silent
from tastemaker.recipe import Recipe

ALONE = {"loss.kind": "gbce", "negatives.count": 0, "negatives.in_batch": False}
SAMPLED = {"negatives.count": 64, "negatives.in_batch": False}
WAYS: dict[str, Mapping[str, Any]] = {
    "positives only": ALONE,
    "positives only + gravity 0.1": ALONE | {"loss.gravity": 0.1},
    "positives only + gravity 1": ALONE | {"loss.gravity": 1.0},
    "positives only + spread-out 1": ALONE | {"loss.spread_out": 1.0},
    "in-batch negatives": {"negatives.count": 0},
    "64 uniform negatives": SAMPLED | {"negatives.popularity": 0.0},
    "64 popular negatives": SAMPLED | {"negatives.uniform": 0.0},
    "64 uniform and hard negatives": SAMPLED | {"negatives.popularity": 0.0, "negatives.hard": 0.5},
    "BPR, 64 uniform negatives": SAMPLED | {"negatives.popularity": 0.0, "loss.kind": "bpr"},
    "full softmax": {"negatives.count": "all"},
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=3)
    asked = words.parse_args()
    table = Table("training", "folding@10", "hit rate@10", title="8 groups that share no users")
    for name, knobs in WAYS.items():
        found = [measured(knobs, seed) for seed in range(1, asked.seeds + 1)]
        for seed, (folded, hits) in enumerate(found, 1):
            record("folding", way=name, seed=seed, folding_at_10=folded, hit_rate_at_10=hits)
        cells = [f"{np.mean(values):.3f} ± {np.std(values):.3f}" for values in zip(*found, strict=True)]
        table.add_row(name, *cells)
    Console(width=100).print(table)


def measured(knobs: Mapping[str, Any], seed: int) -> tuple[float, float]:
    """Folding and hit rate in the first ten, of people asked for the event after what was learnt."""
    world = islands(seed=seed)
    fold, items = hold_out_last(world.log), len(world.group)
    base: dict[str, Any] = {"seed": seed, "history.dropout": 0.2, "history.hidden": [32], "history.dim": 32}
    recipe = Recipe.read(None, [f"{key}={json.dumps(value)}" for key, value in (base | dict(knobs)).items()])
    nobody = np.full(world.log.user_count, -1, np.int32)
    problem = Problem(items, None, None, nobody, True, recipe)
    lists: list[np.ndarray] = []

    def look(top: Any) -> float:
        lists[:] = [top(fold.history, np.arange(world.log.user_count, dtype=np.int32), 10)]
        return 0.0

    learn(problem, fold.train, 15, stage="folding", report=silent, validate=look)
    users, rows = islands_of(world.log, items)
    return float(np.mean(folding(lists[0], users, rows))), float(
        np.nanmean(metrics.hit_rate(lists[0], fold.targets, 10))
    )


if __name__ == "__main__":
    main()
