"""Are ids and metadata together better than either?    python -m benchmarks.hybrid ml-100k beauty

Three models of one recipe, each at its default settings, on the strict leave-one-out of `benchmarks.quality`:
with both, with ids only (no items file), with metadata only (no id ever speaks, and nothing is counted).
Paired intervals over the people asked.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.quality import DATA, PROTOCOLS, teller
from benchmarks.rows import one_of, record
from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold, leave_one_out
from tastemaker.evaluation.exam import Result, compare, examine
from tastemaker.progress import NO_TRAIL
from tastemaker.recipe import Recipe
from tastemaker.training.histories import attempt
from tastemaker.training.settings import note, settled

WITH_ITEMS = ("ml-100k", "beauty", "sports", "ml-1m")
KINDS = {
    "hybrid": (True, ()),
    "ids": (False, ()),
    "metadata": (True, ("history.id_dropout=1", "history.pairs=none")),
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("protocols", nargs="*", type=one_of(WITH_ITEMS), help=", ".join(WITH_ITEMS))
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.protocols or WITH_ITEMS[:2]:
        console.print(table(name, measured(name, asked, console)))


def measured(name: str, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    protocol = PROTOCOLS[name]
    frames = convert(protocol.format, asked.data / protocol.folder)
    results: list[Result] = []
    about: dict[str, Any] = {}
    for kind, (with_items, settings) in KINDS.items():
        # The catalogue stays, so that all three rank the same items.
        plain = ["ranking.use=never", *([] if with_items else ["history.item_features=false"])]
        fixed = [f"seed={asked.seed}", "split.strategy=leave_one_out", "evaluation.max_users=1000000"]
        data = read(frames["items"], frames["interactions"])
        assert data.interactions is not None
        given = Recipe.read(None, [*asked.settings, *settings, *plain, *fixed])
        recipe = settled(given, data.interactions)
        console.print(f"{name}, {kind}: {note(recipe)}")
        tried = attempt(data, data.interactions, recipe, teller(console), NO_TRAIL)
        assert tried.recommender is not None
        exam = leave_one_out(data.interactions, "test")
        strict = Fold(exam.train, exam.history, exam.targets)
        results.append(examine(tried.recommender, strict, 10, data.items.size, name=kind))
        about[kind] = {"train_seconds": round(tried.seconds, 1), "epochs": tried.epochs}
    report = compare(results, np.random.default_rng(1), models=[result.name for result in results])
    contests = {contest.theirs: contest.difference for contest in report.contests}
    return [
        record(
            "hybrid",
            protocol=name,
            seed=asked.seed,
            model=result.name,
            users=len(result.users),
            hit_rate_at_10=result.mean("hit_rate"),
            ndcg_at_10=result.mean("ndcg"),
            hybrid_ahead_by=None
            if result.name not in contests
            else [getattr(contests[result.name], part) for part in ("mean", "low", "high")],
            **about[result.name],
        )
        for result in results
    ]


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    shown = Table("model", "HR@10", "NDCG@10", "both are ahead by (95 %)", "seconds", title=name)
    for row in rows:
        ahead = row["hybrid_ahead_by"]
        shown.add_row(
            row["model"],
            f"{row['hit_rate_at_10']:.4f}",
            f"{row['ndcg_at_10']:.4f}",
            "" if ahead is None else f"{ahead[0]:+.4f} ({ahead[1]:+.4f} to {ahead[2]:+.4f})",
            f"{row['train_seconds']:.0f}",
        )
    return shown


if __name__ == "__main__":
    main()
