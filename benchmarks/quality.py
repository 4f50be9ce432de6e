"""How good are the recommendations, beside published tables?    python -m benchmarks.quality beauty ml-1m

Leave-one-out, strictly: weights from all but the last two events of each user; epochs and the weight of
the counted pairs chosen on the last but one; asked with all but the last; every item ranked less those of
the history, in the order of retrieval. Everything else at its default, so the settings are those chosen for
the log. The baselines learn from the same part in the same run; what papers report is cited beside.

`-graph`: the fixed random splits of LightGCN++, whose events have no order, and its protocol: weights from
train; epochs, ridges and weights chosen on valid; every item ranked less those of train, so that those of
valid stand in the lists as wrong answers.

`--refit`: one row more, of what `train` would serve: weights from all but the last event, for as many epochs
and with the pairs that the strict training chose. Not what papers report.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.baselines import plain
from benchmarks.rows import one_of, record
from tastemaker.data import Dataset, read
from tastemaker.data.protocols import choose
from tastemaker.data.reading import read_log
from tastemaker.data.sources import Frames, convert
from tastemaker.data.split import Fold, against
from tastemaker.evaluation.baselines import Ease, ItemKnn, Popularity, Random
from tastemaker.evaluation.exam import FullRanking, examine
from tastemaker.evaluation.judge import NAME, mark
from tastemaker.evaluation.report import Report
from tastemaker.features.pairs import EXACT_ITEMS
from tastemaker.progress import NO_TRAIL, Progress
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.training.fitted import Fitted
from tastemaker.training.histories import Attempt, attempt, attempt_on
from tastemaker.training.parts import bundle
from tastemaker.training.settings import note, settled

DATA = Path(__file__).parents[2] / "shared/data"


class Protocol(NamedTuple):
    """A data set as papers use it.

    folder, format: where it lies and how it is read.
    with_items: whether what is known of the items is used.
    published: HR@10 (of a split that comes parted, Recall@10) and NDCG@10 of others, from their papers.
    """

    folder: str
    format: str
    with_items: bool
    published: dict[str, tuple[float, float]]

    @property
    def is_parted(self) -> bool:
        """Whether train, valid and test come as files."""
        return self.format == "lightgcn"

    @property
    def found(self) -> str:
        """The metric beside NDCG: of many targets, how many are found."""
        return "recall" if self.is_parted else "hit_rate"


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
    # Nothing was ever chosen on this one: it says what the defaults are worth elsewhere.
    "lastfm": Protocol(
        "s3rec-lastfm", "s3rec", True, {"SASRec": (0.0688, 0.0390), "S3-Rec": (0.0743, 0.0427)}
    ),
    "ml-1m-graph": Protocol(
        "ml-1m-lightgcnpp", "lightgcn", True, {"LightGCN": (0.1495, 0.2977), "LightGCN++": (0.1667, 0.3243)}
    ),
    "lastfm-graph": Protocol(
        "lastfm-lightgcnpp", "lightgcn", True, {"LightGCN": (0.1741, 0.1996), "LightGCN++": (0.1889, 0.2171)}
    ),
}
REFIT = f"{NAME}, refit"
RIDGES = (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)
"""Of EASE as an opponent, where there is a validation part to choose by."""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("protocols", nargs="*", type=one_of(PROTOCOLS), help=", ".join(PROTOCOLS))
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--refit", action="store_true", help="a training more, on all before the exam")
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.protocols or PROTOCOLS:
        rows = [row for seed in asked.seeds for row in measured(name, seed, asked, console)]
        console.print(table(name, rows))


def measured(name: str, seed: int, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """One training and its exam: a row for it and for each baseline."""
    protocol = PROTOCOLS[name]
    frames = convert(protocol.format, asked.data / protocol.folder)
    data = read(frames.get("items") if protocol.with_items else None, frames["interactions"])
    assert data.interactions is not None
    fixed = [
        f"seed={seed}",
        "split.strategy=leave_one_out",
        "evaluation.max_users=1000000",
        "ranking.use=never",  # what retrieval finds; a second network's order is measured by two_stage
    ]
    recipe = settled(Recipe.read(None, [*asked.settings, *fixed]), data.interactions)
    console.print(f"{name}, seed {seed}: {note(recipe)}")
    if protocol.is_parted:
        tried = on_parts(data, frames, recipe, teller(console))
    else:
        tried = attempt(data, data.interactions, recipe, teller(console), NO_TRAIL)
    assert isinstance(tried.evaluation, Report)
    console.print(tried.evaluation)
    lines = list(tried.evaluation.lines)
    if asked.refit and not protocol.is_parted:
        again = refitted(data, recipe, tried, teller(console))
        console.print(again)
        lines.append(replace(again.line(NAME), name=REFIT))
    common = {
        "protocol": name,
        "seed": seed,
        "settings": asked.settings,
        "users": tried.evaluation.users_asked,
    }
    contests = [
        {"theirs": contest.theirs, "ndcg_at_10": plain(contest.difference)}
        for contest in tried.evaluation.contests
        if contest.ours == NAME and contest.metric == "ndcg"
    ]
    ours = {
        "train_seconds": round(tried.seconds, 1),
        "epochs": tried.epochs,
        "pairs": None if tried.pairing is None else tried.pairing.note,
        "chosen": note(recipe),
        "ahead_by": contests,
    }
    return [
        record(
            "quality",
            **common,
            model=line.name,
            **{f"{protocol.found}_at_10": plain(line.marks[protocol.found])},
            ndcg_at_10=plain(line.marks["ndcg"]),
            overall=dict(line.overall),
            **(ours if line.name == NAME else {}),
        )
        for line in lines
    ]


def refitted(data: Dataset, recipe: Recipe, tried: Attempt, report: Callable[[Progress], None]) -> Report:
    """The same exam after learning from all before it."""
    log = data.interactions
    assert log is not None
    assert tried.epochs is not None
    exam, why = choose(log, recipe.split, recipe.seed)[:2]
    fitted = Fitted.of(data, log, exam.history, recipe)
    learned = fitted.learn(tried.epochs, "refit", report, NO_TRAIL)
    parts = fitted.parts(learned, tried.pairing, tried.newcomers)
    recommender = Recommender(bundle(data, recipe, parts, histories=exam.history))
    return mark(recommender, Fold(exam.history, exam.history, exam.targets), why, baselines=())


def on_parts(data: Dataset, frames: Frames, recipe: Recipe, report: Callable[[Progress], None]) -> Attempt:
    """The same where train, valid and test come as files."""
    assert data.interactions is not None
    valid, test = (read_log(frames[part], data.items)[0] for part in ("valid", "test"))
    log = against(against(data.interactions, valid).train, test).train  # with the users of all three
    inner, strict = against(log, valid), against(log, test)
    rivals = Random(recipe.seed), Popularity(), ItemKnn(), Ease(best_ridge(inner, data.items.size))
    return attempt_on(data, log, inner, strict, "as it comes", recipe, report, NO_TRAIL, rivals)


def best_ridge(fold: Fold, items: int) -> float:
    """Of EASE, by NDCG@10; the usual one for a catalogue that takes long to invert."""
    if items > EXACT_ITEMS:
        return Ease().ridge

    def quality(ridge: float) -> float:
        top = FullRanking(Ease(ridge).fit(fold.train, items))
        return examine(top, fold, 10, items, name="ease").mean("ndcg")

    return max(RIDGES, key=quality)


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
    found = PROTOCOLS[name].found
    first = "Recall@10" if PROTOCOLS[name].is_parted else "HR@10"
    shown = Table("model", first, "NDCG@10", "seconds", title=name)
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        seconds = [row["train_seconds"] for row in mine if "train_seconds" in row]
        shown.add_row(
            model,
            spread([row[f"{found}_at_10"]["mean"] for row in mine]),
            spread([row["ndcg_at_10"]["mean"] for row in mine]),
            f"{mean(seconds):.0f}" if seconds else "",
        )
    for other, (share, ndcg) in PROTOCOLS[name].published.items():
        shown.add_row(f"{other} (its paper)", f"{share:.4f}", f"{ndcg:.4f}", "")
    return shown


def spread(values: list[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
