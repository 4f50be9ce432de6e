"""How good are the recommendations, beside published tables?    python -m benchmarks.quality beauty ml-1m

Leave-one-out, strictly: weights from all but the last two events of each user; epochs and the weight of
the counted pairs chosen on the last but one; asked with all but the last; every item ranked less those of
the history. Everything at its default, so the settings are those chosen for the log. The baselines
learn from the same part in the same run; what papers report is cited beside.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.baselines import plain
from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.evaluation.judge import NAME
from tastemaker.evaluation.report import Report
from tastemaker.progress import NO_TRAIL, Progress
from tastemaker.recipe import Recipe
from tastemaker.training.histories import attempt
from tastemaker.training.settings import note, settled

DATA = Path(__file__).parents[2] / "shared/data"


class Protocol(NamedTuple):
    """A data set as papers use it.

    folder, format: where it lies and how it is read.
    with_items: whether what is known of the items is used.
    published: HR@10 and NDCG@10 of others, from their papers.
    """

    folder: str
    format: str
    with_items: bool
    published: dict[str, tuple[float, float]]


BEAUTY = {"SASRec+SS": (0.0921, 0.0531), "eSASRec": (0.0928, 0.0523), "BSARec": (0.1008, 0.0611)}
SPORTS = {"SASRec+SS": (0.0569, 0.0314), "BSARec": (0.0612, 0.0360)}
ML_1M = {"SASRec": (0.2853, 0.1603), "FuXi-alpha": (0.3164, 0.1813)}
PROTOCOLS = {
    "beauty": Protocol("s3rec-beauty", "s3rec", True, BEAUTY),
    "beauty-ids": Protocol("s3rec-beauty", "s3rec", False, BEAUTY),
    "sports": Protocol("s3rec-sports", "s3rec", True, SPORTS),
    "sports-ids": Protocol("s3rec-sports", "s3rec", False, SPORTS),
    "ml-1m": Protocol("ml-1m", "movielens", True, ML_1M),
    "ml-1m-ids": Protocol("ml-1m", "movielens", False, ML_1M),
    "ml-100k": Protocol("ml-100k", "movielens", True, {}),
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("protocols", nargs="*", choices=PROTOCOLS, default=list(PROTOCOLS))
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.protocols:
        rows = [row for seed in asked.seeds for row in measured(name, seed, asked, console)]
        console.print(table(name, rows))


def measured(name: str, seed: int, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """One training and its exam: a row for it and for each baseline."""
    protocol = PROTOCOLS[name]
    frames = convert(protocol.format, asked.data / protocol.folder)
    data = read(frames.get("items") if protocol.with_items else None, frames["interactions"])
    assert data.interactions is not None
    fixed = [f"seed={seed}", "split.strategy=leave_one_out", "evaluation.max_users=1000000"]
    recipe = settled(Recipe.read(None, [*asked.settings, *fixed]), data.interactions)
    console.print(f"{name}, seed {seed}: {note(recipe)}")
    tried = attempt(data, data.interactions, recipe, teller(console), NO_TRAIL)
    assert isinstance(tried.evaluation, Report)
    console.print(tried.evaluation)
    common = {
        "protocol": name,
        "seed": seed,
        "settings": asked.settings,
        "users": tried.evaluation.users_asked,
    }
    ours = {
        "train_seconds": round(tried.seconds, 1),
        "epochs": tried.epochs,
        "pairs": None if tried.pairing is None else tried.pairing.note,
        "chosen": note(recipe),
    }
    return [
        record(
            "quality",
            **common,
            model=line.name,
            hit_rate_at_10=plain(line.marks["hit_rate"]),
            ndcg_at_10=plain(line.marks["ndcg"]),
            overall=dict(line.overall),
            **(ours if line.name == NAME else {}),
        )
        for line in tried.evaluation.lines
    ]


def teller(console: Console) -> Callable[[Progress], None]:
    """Prints each epoch's validation score, once."""
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        if progress.note and progress.note not in told:
            told.add(progress.note)
            console.print(f"{progress.stage}, step {progress.step:,} of {progress.steps:,}: {progress.note}")

    return tell


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """Means over the seeds, ours first, and what papers report."""
    shown = Table("model", "HR@10", "NDCG@10", "seconds", title=name)
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        seconds = [row["train_seconds"] for row in mine if "train_seconds" in row]
        shown.add_row(
            model,
            spread([row["hit_rate_at_10"]["mean"] for row in mine]),
            spread([row["ndcg_at_10"]["mean"] for row in mine]),
            f"{mean(seconds):.0f}" if seconds else "",
        )
    for other, (hit_rate, ndcg) in PROTOCOLS[name].published.items():
        shown.add_row(f"{other} (its paper)", f"{hit_rate:.4f}", f"{ndcg:.4f}", "")
    return shown


def spread(values: list[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
