"""Is a second network's order better than retrieval's?    python -m benchmarks.two_stage ml-1m

Retrieval learns from the part before the validation, the ranker from the lists that it finds for people of
the validation; then people of the exam, of whom neither has seen an answer, are asked. All lists hold the
recipe's 500 candidates. On the same lists and by the same numbers LightGBM's LambdaMART learns too
(`pip install '.[lambdamart]'`), beginning at retrieval's scores as the ranker does, its number of trees
chosen as the ranker's epochs are; and so do rankers that don't see one group of features each.

Every difference is paired over people, with a bootstrap interval. The exam is looked at once a row.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.baselines import plain
from benchmarks.quality import DATA, teller
from benchmarks.rows import one_of, record
from tastemaker.data import read
from tastemaker.data.protocols import choose
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold
from tastemaker.evaluation.exam import asked as who
from tastemaker.evaluation.intervals import Interval, difference_interval
from tastemaker.evaluation.lists import ndcg_of_lists
from tastemaker.evaluation.report import Mark
from tastemaker.features.lessons import Lessons
from tastemaker.features.scaling import Scaling
from tastemaker.model.wide import best_slopes
from tastemaker.progress import NO_TRAIL, silent
from tastemaker.rank.asking import of_found
from tastemaker.rank.calibration import calibration_from_json
from tastemaker.rank.objective import Objective
from tastemaker.rank.ranker import View, told
from tastemaker.recipe import Recipe
from tastemaker.retrieve.tower import Tower
from tastemaker.training.histories import attempt, validation_of
from tastemaker.training.ranking import MOST, K, Ranking, learn_order, parts_of
from tastemaker.training.settings import note, settled

FOLDERS = {"ml-latest-small": "ml-latest-small", "ml-100k": "ml-100k", "ml-1m": "ml-1m"}
SPLITS = ("leave_one_out", "global_time")
TREES = 1000
"""At most; early stopping finds the number."""
Values = npt.NDArray[np.float64]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data_sets", nargs="*", type=one_of(FOLDERS), help=", ".join(FOLDERS))
    words.add_argument("--split", choices=SPLITS, default=SPLITS[0])
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--no-ablation", action="store_true")
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    for name in asked.data_sets or ["ml-latest-small"]:
        for seed in asked.seeds:
            console.print(table(measured(name, seed, asked, console)))


def measured(name: str, seed: int, asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """A row for each way to order the exam's lists."""
    frames = convert("movielens", asked.data / FOLDERS[name])
    data = read(frames["items"], frames["interactions"])
    log = data.interactions
    assert log is not None
    fixed = [f"seed={seed}", f"split.strategy={asked.split}", "ranking.use=always"]
    recipe = settled(Recipe.read(None, [*asked.settings, *fixed]), log)
    console.print(f"{name}, seed {seed}: {note(recipe)}")
    tried = attempt(data, log, recipe, teller(console), NO_TRAIL)
    console.print(tried.evaluation, tried.order)
    assert tried.recommender is not None
    assert tried.ranking is not None
    retrieval = tried.recommender.retrieval
    exam = choose(log, recipe.split, seed).fold
    validation = validation_of(exam, log, recipe)
    strict = Fold(validation.train, exam.history, exam.targets)
    view = View(retrieval.bundle, retrieval.nearest, retrieval.series)
    rng = np.random.default_rng(seed)
    lessons, due = lists_of(validation, retrieval, view, who(validation, MOST, rng))
    questions, wanted = lists_of(strict, retrieval, view, who(strict))
    base = view.moments.names.index("retrieval_score")
    orders = {
        "retrieval": questions.numbers[:, base],
        "ranker": order_of(tried.ranking, questions),
        "LambdaMART": lambdamart(lessons, questions, base, seed),
    }
    groups = {} if asked.no_ablation else view.moments.groups
    for group, names in groups.items():
        blind = [view.moments.names.index(each) for each in names]
        orders[f"without {group}"] = relearnt(lessons, questions, blind, view, due, recipe)
    if groups:
        wider = recipe.having({"ranking.vectors": 16})
        orders["with vectors"] = relearnt(lessons, questions, [], view, due, wider)
    marks = {which: ndcg(questions, scores, wanted) for which, scores in orders.items()}
    common = {
        "data": name,
        "split": asked.split,
        "seed": seed,
        "settings": asked.settings,
        "people": len(wanted),
        "lists_learnt_from": lessons.list_count,
        "found_by_retrieval": round(
            float(np.mean(np.bincount(questions.lists, clicks(questions)) / wanted)), 4
        ),
        "gain_on_validation": plain(Mark(*tried.ranking.gain)),
    }
    return [
        record(
            "two_stage",
            **common,
            order=which,
            ndcg_at_10=round(float(marks[which].mean()), 4),
            less_retrieval=difference(marks[which], marks["retrieval"], seed),
            less_ranker=difference(marks[which], marks["ranker"], seed),
        )
        for which in orders
    ]


def lists_of(fold: Fold, retrieval: Any, view: View, users: Any) -> tuple[Lessons, Values]:
    """What retrieval finds for `users` (S,), and how much there was to be found for each."""
    return of_found(retrieval, view, fold, users, silent), np.diff(fold.targets.offsets)[users]


def relearnt(
    lessons: Lessons, questions: Lessons, blind: list[int], view: View, due: Values, recipe: Recipe
) -> Values:
    """Scores by a ranker that doesn't see the columns `blind`."""
    ranking = learn_order(blinded(lessons, blind), view, "found", due, recipe, silent)
    assert ranking is not None
    return order_of(ranking, blinded(questions, blind))


def blinded(lessons: Lessons, columns: list[int]) -> Lessons:
    numbers = lessons.numbers.copy()
    numbers[:, columns] = np.nan
    return replace(lessons, numbers=numbers)


def order_of(ranking: Ranking, lessons: Lessons) -> Values:
    """(M,) scores as they are served, a list a call."""
    ranker = Parts(ranking)
    starts = np.searchsorted(lessons.lists, np.arange(lessons.list_count + 1))
    scores = [
        ranker(lessons, number, slice(starts[number], starts[number + 1]))
        for number in range(lessons.list_count)
    ]
    return np.concatenate(scores)


class Parts:
    """A ranking as a bundle would open it, over lists that are seen already."""

    def __init__(self, ranking: Ranking) -> None:
        note = ranking.note
        self.tower, self.scaling, self.heads = (
            Tower(ranking.tower),
            Scaling.from_json(note.scaling),
            note.heads,
        )
        self.calibrations = {head: calibration_from_json(given) for head, given in note.calibrations.items()}
        self.objective = Objective.parse(note.objective, note.heads)

    def __call__(self, lessons: Lessons, number: int, places: slice) -> Values:
        items = lessons.vectors[lessons.rows[places]]
        raw = self.tower(
            numbers=self.scaling(lessons.numbers[places]),
            query=np.broadcast_to(lessons.queries[number], items.shape),
            item=items,
        )
        return self.objective(told(self.heads, raw, self.calibrations))


def lambdamart(lessons: Lessons, questions: Lessons, base: int, seed: int) -> Values:
    """(M,) scores by LightGBM (Ke et al., NIPS 2017): as many forests as the ranker has folds, added up.

    Each tree is added to retrieval's own score, column `base`, on the scale at which it finds most.
    """
    import lightgbm

    chosen = np.flatnonzero(np.bincount(lessons.lists, clicks(lessons), minlength=lessons.list_count))
    scaling = Scaling.fit(lessons.numbers[:, base : base + 1])
    column = scaling(lessons.numbers[:, base : base + 1])
    slope = best_slopes(lessons.of_lists(chosen), column[np.isin(lessons.lists, chosen)], 0)[0]
    start = slope * column[:, 0]
    scores = slope * scaling(questions.numbers[:, base : base + 1])[:, 0].astype(np.float64)
    parts = parts_of(lessons.list_count, "found", np.random.default_rng(seed))
    for part in parts:
        learnt, stop = (
            np.isin(lessons.lists, some)
            for some in (np.setdiff1d(chosen, part), np.intersect1d(chosen, part))
        )
        sets = [
            lightgbm.Dataset(
                lessons.numbers[kept],
                clicks(lessons)[kept],
                group=np.unique(lessons.lists[kept], return_counts=True)[1],
                init_score=start[kept],
            )
            for kept in (learnt, stop)
        ]
        forest = lightgbm.train(
            {
                "objective": "lambdarank",
                "metric": "ndcg",
                "eval_at": [K],
                "lambdarank_truncation_level": 2 * K,
                "learning_rate": 0.03,
                "num_leaves": 15,
                "min_data_in_leaf": 50,
                "feature_fraction": 0.7,
                "bagging_fraction": 0.8,
                "bagging_freq": 1,
                "verbosity": -1,
                "seed": seed,
                "num_threads": 1,
            },
            sets[0],
            TREES,
            valid_sets=[sets[1]],
            callbacks=[lightgbm.early_stopping(60, verbose=False)],
        )
        scores += np.asarray(forest.predict(questions.numbers)) / len(parts)
    return scores


def clicks(lessons: Lessons) -> Values:
    return lessons.labels["click"]


def ndcg(lessons: Lessons, scores: Values, wanted: Values) -> Values:
    return ndcg_of_lists(lessons.lists, scores, clicks(lessons), K, wanted)


def difference(ours: Values, theirs: Values, seed: int) -> dict[str, float | None]:
    found: Interval = difference_interval(ours, theirs, np.random.default_rng(seed))
    return plain(Mark(*found))


def table(rows: list[dict[str, Any]]) -> Table:
    """The orders beside each other."""
    first = rows[0]
    shown = Table(
        "order", "NDCG@10", "less retrieval's", "less the ranker's",
        title=f"{first['data']}, {first['split']}, seed {first['seed']}: {first['people']:,} people",
    )  # fmt: skip
    for row in rows:
        gaps = [
            f"{gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
            for gap in (row["less_retrieval"], row["less_ranker"])
        ]
        shown.add_row(row["order"], f"{row['ndcg_at_10']:.4f}", *gaps)
    return shown


if __name__ == "__main__":
    main()
