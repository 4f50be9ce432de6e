"""What does a warm start save?    python -m benchmarks.warm_start ml-100k

The log less each user's last event is today's; the same without its newest tenth, by the clock or, where
there is none, without the newest tenth of each user, is what an older bundle was trained on. Today's log is
then learnt from scratch and from the older bundle, both by `train` as it stands: exam and validation of its
own, then a refit on everything. The last event of each user, which none of them has seen, is asked of all
three; the older bundle, too, is told the history of today.

Seconds are of the processor, all threads, of `train` less the exam, the same for both: features, epochs,
their validation, the counted pairs and the export. `still` is the older bundle, not trained again.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import tastemaker as tm
from benchmarks.baselines import plain
from benchmarks.quality import DATA, PROTOCOLS, teller
from benchmarks.rows import one_of, record
from tastemaker.data import Dataset, read
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold, hold_out_last
from tastemaker.evaluation.beyond import Known
from tastemaker.evaluation.exam import Result, compare, examine
from tastemaker.progress import Progress

NEWEST = 0.1
"""Share of today's events that the older bundle hasn't seen."""
CHOICES = [name for name, protocol in PROTOCOLS.items() if not protocol.is_parted]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("protocols", nargs="+", type=one_of(CHOICES), help=", ".join(CHOICES))
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.protocols:
        for seed in asked.seeds:
            console.print(table(name, measured(name, seed, asked, console)))


def measured(name: str, seed: int, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """A row for each of the three models."""
    protocol = PROTOCOLS[name]
    frames = convert(protocol.format, asked.data / protocol.folder)
    whole = read(frames.get("items") if protocol.with_items else None, frames["interactions"])
    assert whole.interactions is not None
    exam = hold_out_last(whole.interactions)
    newer = replace(whole, interactions=exam.history)
    older = replace(whole, interactions=less_the_newest(exam.history))
    recipe = tm.Recipe.read(None, ["ranking.use=never", *asked.settings, f"seed={seed}"])
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "older"
        before = Trained(older, recipe, console)
        before.recommender.save(bundle)
        sizes = sizes_of(bundle)
        trained = {
            "warm": Trained(newer, recipe, console, bundle),
            "scratch": Trained(newer, recipe, console),
            "still": before,
        }
    marks = {which: sat(which, one.recommender, exam, whole.items.size) for which, one in trained.items()}
    split = "the last event of each user is to be found, which none of the three has seen."
    report = compare(list(marks.values()), np.random.default_rng(seed), models=list(marks), split=split)
    console.print(report)
    scratch, contests = trained["scratch"], {contest.theirs: contest for contest in report.contests}
    common = {
        "protocol": name,
        "seed": seed,
        "settings": asked.settings,
        "users": report.users_asked,
        "events": exam.history.size,
        "new_events": exam.history.size - older.interactions.size if older.interactions else 0,
        "bundle_bytes": sizes,
    }
    return [
        record(
            "warm_start",
            **common,
            model=which,
            hit_rate_at_10=plain(report.line(which).marks["hit_rate"]),
            ndcg_at_10=plain(report.line(which).marks["ndcg"]),
            seconds=round(one.seconds, 1),
            share_of_time=round(one.seconds / scratch.seconds, 3),
            share_of_quality=round(marks[which].mean("ndcg") / marks["scratch"].mean("ndcg"), 4),
            warm_less_it=plain(contests[which].difference) if which in contests else None,
            training=one.recommender.bundle.manifest.training,
        )
        for which, one in trained.items()
    ]


def less_the_newest(log: Interactions) -> Interactions:
    """What an older bundle was trained on."""
    if log.is_clock:
        return log.where(log.times < np.quantile(log.times, 1 - NEWEST))
    from_end = log.offsets[1:][log.users] - 1 - np.arange(log.size)
    return log.where(from_end >= np.maximum(1, np.round(NEWEST * np.diff(log.offsets)))[log.users])


@dataclass
class Trained:
    """What came of a training, and the seconds of the processor that it took, less the exam."""

    data: Dataset
    recipe: tm.Recipe
    console: Console
    older: Path | None = None
    seconds: float = field(default=0.0, init=False)
    recommender: tm.Recommender = field(init=False)

    def __post_init__(self) -> None:
        show = teller(self.console)

        def report(progress: Progress) -> None:
            show(progress)
            if progress.stage == "exam":  # told when it begins, and when it ends
                self.seconds += time.process_time() * (1 if progress.step == 0 else -1)

        started = time.process_time()
        self.recommender = tm.train(self.data, self.recipe, report, warm_start=self.older)
        self.seconds += time.process_time() - started
        training = self.recommender.bundle.manifest.training
        self.console.print(f"{self.seconds:.0f} s: {training}")


def sat(name: str, recommender: tm.Recommender, exam: Fold, items: int) -> Result:
    """Each user's last event, asked of a model that was told the events before it."""
    vectors = np.asarray(recommender.nearest.neighbours.vectors)
    return examine(recommender, exam, 10, items, name=name, known=Known(vectors))


def sizes_of(bundle: Path) -> dict[str, int]:
    """Bytes of a bundle, in all and what only a warm start opens."""
    files = {path.relative_to(bundle): path.stat().st_size for path in bundle.rglob("*") if path.is_file()}
    learning = sum(size for path, size in files.items() if path.parts[0] == "learning")
    return {"all": sum(files.values()), "learning": learning}


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """The three beside each other."""
    shown = Table(
        "model", "NDCG@10", "of scratch", "seconds", "of scratch", title=f"{name}, seed {rows[0]['seed']}"
    )
    for row in rows:
        ndcg, quality = f"{row['ndcg_at_10']['mean']:.4f}", f"{row['share_of_quality']:.1%}"
        shown.add_row(row["model"], ndcg, quality, f"{row['seconds']:.0f}", f"{row['share_of_time']:.1%}")
    return shown


if __name__ == "__main__":
    main()
