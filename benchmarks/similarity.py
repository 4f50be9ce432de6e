"""Dot, cosine or between: what does an item vector's length do?    python -m benchmarks.similarity ml-100k

One network a data set, whose vectors are then served with each `retrieval.norm_power`, alone and with the
counted pairs that validation chooses for it. Leave-one-out, weights from all but the last two events of
each person, asked with all but the last, every item ranked less those of the history.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ablation import DATA_SETS, EXAMPLES, SMALL
from benchmarks.quality import DATA, PROTOCOLS, Protocol, teller
from benchmarks.rows import one_of, record
from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold, against, leave_one_out
from tastemaker.evaluation.exam import Result, compare, examine
from tastemaker.progress import NO_TRAIL
from tastemaker.recipe import Recipe
from tastemaker.training.fitted import Fitted
from tastemaker.training.histories import attempt_on
from tastemaker.training.settings import note, settled

POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data_sets", nargs="*", type=one_of(DATA_SETS), help=", ".join(DATA_SETS))
    words.add_argument(
        "--powers", nargs="+", type=float, default=list(POWERS), help="the first is compared with"
    )
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.data_sets or [SMALL]:
        console.print(table(name, measured(name, asked, console)))


def measured(name: str, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """A row for each power, alone and with pairs."""
    protocol = PROTOCOLS.get(name, Protocol(SMALL, "movielens", True, {}))
    folder = EXAMPLES if name == SMALL else asked.data / protocol.folder
    frames = convert(protocol.format, folder)
    data = read(frames.get("items") if protocol.with_items else None, frames["interactions"])
    log = data.interactions
    assert log is not None
    exam = leave_one_out(log, "test")
    validation, strict = against(exam.train, exam.history), Fold(exam.train, exam.history, exam.targets)
    given = Recipe.read(
        None, [*asked.settings, f"seed={asked.seed}", "split.strategy=leave_one_out", "ranking.use=never"]
    )
    recipe = settled(given, log)
    console.print(f"{name}: {note(recipe)}")
    rows: list[dict[str, Any]] = []
    with learnt_once():
        for pairs in ("none", recipe.history.pairs):
            about: dict[str, Any] = {}
            results: list[Result] = []
            for power in asked.powers:
                served = recipe.having({"retrieval.norm_power": power, "history.pairs": pairs})
                tried = attempt_on(
                    data, log, validation, strict, "", served, teller(console), NO_TRAIL, baselines=()
                )
                assert tried.recommender is not None
                results.append(examine(tried.recommender, strict, 10, data.items.size, name=f"{power:g}"))
                about[f"{power:g}"] = None if tried.pairing is None else tried.pairing.note
            names = [result.name for result in results]
            report = compare(results, np.random.default_rng(asked.seed), models=names)
            contests = {
                contest.theirs: [getattr(contest.difference, part) for part in ("mean", "low", "high")]
                for contest in report.contests
                if contest.ours == names[0] and contest.metric == "ndcg"
            }
            rows += [
                record(
                    "similarity",
                    data_set=name,
                    seed=asked.seed,
                    settings=asked.settings,
                    norm_power=float(result.name),
                    pairs=about[result.name],
                    is_alone=pairs == "none",
                    users=len(result.users),
                    hit_rate_at_10=result.mean("hit_rate"),
                    ndcg_at_10=result.mean("ndcg"),
                    overall=dict(result.overall),
                    first_ahead_by=contests.get(result.name),
                )
                for result in results
            ]
    return rows


@contextmanager
def learnt_once() -> Iterator[None]:
    """No power changes what is learnt, so the network of the first serves all."""
    learn, kept = Fitted.learn, []

    def remembered(self: Fitted, *given: Any, **named: Any) -> Any:
        if not kept:
            kept.append(learn(self, *given, **named))
        return kept[0]

    Fitted.learn = remembered  # type: ignore[method-assign]
    try:
        yield
    finally:
        Fitted.learn = learn  # type: ignore[method-assign]


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    titles = (
        "norm_power",
        "HR@10",
        "NDCG@10",
        "first is ahead by",
        "popularity lift",
        "coverage",
        "gini",
        "pairs",
    )
    shown = Table(*titles, title=name)
    for row in rows:
        ahead = row["first_ahead_by"]
        shown.add_row(
            f"{row['norm_power']:g}",
            f"{row['hit_rate_at_10']:.4f}",
            f"{row['ndcg_at_10']:.4f}",
            "" if ahead is None else f"{ahead[0]:+.4f} ({ahead[1]:+.4f} to {ahead[2]:+.4f})",
            f"{row['overall']['popularity_lift']:+.2f}",
            f"{row['overall']['coverage']:.3f}",
            f"{row['overall']['gini']:.3f}",
            row["pairs"] or "",
        )
    return shown


if __name__ == "__main__":
    main()
