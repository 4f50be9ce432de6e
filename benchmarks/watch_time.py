"""Does the watch-time head know what somebody will play much?    python -m benchmarks.watch_time

HetRec 2011's Last.fm play counts, which stand for seconds: they are dense, span six decades, and have no
clock. Of each person's artists 60 % are their history, from which retrieval learns; 20 % are lessons, and
20 % the exam, drawn by the seed. What the ranker sees is the product's own (`rank.ranker.View`), with the
plays of the histories alone in the log. It sees retrieval's first 500, 200 artists drawn evenly from all that
aren't in the history, and what was held out, in retrieval's order.

A list to learn from has the lessons' artists and those 200: a draw that prefers nothing shifts the odds of a
click and of a play by a constant, and changes no order. click: was listened to; watch_time: plays, 0 for the
others. The heaviest plays of the lessons are cut at their 99th percentile, those of the exam aren't. One
network has all heads; a seventh of the people stop it.

The exam, of people with three artists in it or more: Spearman between each score and the plays over the
exam's artists alone, and NDCG@10 with the gain log(1 + plays) over retrieval's first 500 and the exam's
artists. Differences are paired over people, with a bootstrap interval. The last rows are of all seeds: people
are drawn, each with the mean over their seeds.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from benchmarks.baselines import plain
from benchmarks.quality import DATA
from benchmarks.rows import record
from tastemaker.data import Dataset, read
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.intervals import difference_interval, mean_interval
from tastemaker.evaluation.lists import ndcg_of_lists
from tastemaker.evaluation.report import Mark
from tastemaker.features.lessons import Lessons
from tastemaker.progress import NO_TRAIL, silent
from tastemaker.rank.ranker import View
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.retrieve.candidates import Candidates
from tastemaker.training.fitted import Fitted
from tastemaker.training.parts import bundle
from tastemaker.training.settings import settled

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

FOLDER = "hetrec2011-lastfm-2k"
PARTS = (0.6, 0.8)
"""Shares of a person's artists up to which they are history, and lessons."""
OTHERS = 200
FIRST = 500
K = 10
LEAST = 3
CUT = 0.99
STOP = 7
HEADS = ("click", "watch_time", "dwell")
BESIDE = ("retrieval_score", "popularity", "usual_strength")


@dataclass(frozen=True)
class Lists:
    """S lists of one part, and the plays of each place, 0 where there were none."""

    lessons: Lessons
    plays: Values


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    words.add_argument("--epochs", type=int, default=10, help="of retrieval")
    words.add_argument("--set", dest="settings", action="append", default=[], help="of the ranker")
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    data = plays_of(asked.data / FOLDER)
    marks = [measured(data, seed, asked) for seed in asked.seeds]
    names = marks[0].keys()
    rows = [row for seed, own in zip(asked.seeds, marks, strict=True) for row in rows_of(own, [seed], asked)]
    together = {name: np.nanmean([own[name] for own in marks], axis=0) for name in names}
    rows += rows_of(together, asked.seeds, asked)
    for seeds in dict.fromkeys(tuple(row["seeds"]) for row in rows):
        console.print(table([row for row in rows if tuple(row["seeds"]) == seeds]))


def plays_of(folder: Path) -> Dataset:
    """The artists, and who played them how often."""
    log = pl.read_csv(folder / "user_artists.dat", separator="\t").rename(
        {"//userID": "user", "artistID": "artist", "weight": "plays"}, strict=False
    )
    artists = pl.read_csv(
        folder / "artists.dat", separator="\t", quote_char=None, columns=["id", "name"]
    ).rename({"id": "artist"})
    return read(artists, log)


def measured(data: Dataset, seed: int, asked: argparse.Namespace) -> dict[tuple[str, str], Values]:
    """(U,) of each measure and score, NaN for people who aren't asked."""
    from tastemaker.model.ranking import fit_ranker

    log = data.interactions
    assert log is not None
    rng = np.random.default_rng(seed)
    part = parts_of(log, rng)
    known, lessons_log, exam_log = (log.where(part == number) for number in range(3))
    recommender = retrieval(data, known, seed, asked.epochs)
    view = View(recommender.bundle, recommender.nearest, recommender.series)
    taught, questions = lists_of(recommender, view, known, lessons_log, exam_log, rng)
    cap = np.quantile(taught.plays[taught.plays > 0], CUT)
    labels = {
        "click": (taught.plays > 0).astype(np.float32),
        "watch_time": np.minimum(taught.plays, cap).astype(np.float32),
    }
    recipe = Recipe.read(None, asked.settings).ranking.model_copy(update={"position": "none"})
    stops = rng.permutation(taught.lessons.list_count) % STOP == 0
    scores = {}
    blind = [
        view.moments.names.index(name)
        for name in ("usual_strength", "own_strength", "strength_of_alike")
        if name in view.moments.names
    ]
    for which, columns in (("", []), (" without strengths", blind)):
        seen = replace(blinded(taught.lessons, columns), labels=labels)
        ranker = fit_ranker(
            seen.of_lists(np.flatnonzero(~stops)),
            seen.of_lists(np.flatnonzero(stops)),
            recipe,
            seed,
            kind="shown",
        )
        raw = ranker.raw(blinded(questions.lessons, columns))
        scores |= {f"{head}{which}": raw[:, ranker.heads.index(head)] for head in HEADS}
    scores |= {
        name: questions.lessons.numbers[:, view.moments.names.index(name)]
        for name in BESIDE
        if name in view.moments.names
    }
    found: dict[tuple[str, str], Values] = {}
    for name, score in scores.items():
        found["spearman", name] = spearman(questions, score)
        ndcg = ndcg_of_lists(questions.lessons.lists, score, np.log1p(questions.plays), K)
        found["ndcg_at_10", name] = np.where(np.isnan(found["spearman", name]), np.nan, ndcg)
    return found


def parts_of(log: Interactions, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(E,) 0 history, 1 lessons, 2 exam: each person's own artists in random order, cut by their shares."""
    order = np.lexsort((rng.random(log.size), log.users))
    counts = np.diff(log.offsets)
    place = np.empty(log.size)
    place[order] = np.arange(log.size) - log.offsets[:-1][log.users[order]]
    return np.searchsorted(PARTS, place / counts[log.users], side="right")


def retrieval(data: Dataset, log: Interactions, seed: int, epochs: int) -> Recommender:
    """The network alone, for a fixed number of epochs."""
    recipe = settled(
        Recipe.read(
            None, [f"seed={seed}", "history.pairs=none", "history.encoder=recency", "ranking.use=never"]
        ),
        log,
    )
    known = replace(data, interactions=log)
    fitted = Fitted.of(known, log, log, recipe, None)
    learned = fitted.learn(epochs, "retrieval", silent, NO_TRAIL)
    return Recommender(bundle(known, recipe, fitted.parts(learned)))


def lists_of(
    recommender: Recommender,
    view: View,
    known: Interactions,
    lessons: Interactions,
    exam: Interactions,
    rng: np.random.Generator,
) -> tuple[Lists, Lists]:
    """Of each person with a history one list to learn from, and one to be asked."""
    kept: tuple[list[Any], list[Any]] = ([], [])
    size = recommender.catalogue.size
    for user in np.flatnonzero(np.diff(known.offsets)):
        own_size = int(known.offsets[user + 1] - known.offsets[user])
        (found,) = recommender.sources.search(known, np.array([user], np.int32), size - own_size)
        plays = [np.zeros(size) for _ in kept]
        for own, part in zip(plays, (lessons, exam), strict=True):
            span = slice(part.offsets[user], part.offsets[user + 1])
            own[part.rows[span]] = part.weights[span]
        learnt, asked = (own[found.rows] for own in plays)
        drawn = np.zeros(len(found), bool)
        drawn[rng.choice(len(drawn), min(OTHERS, len(drawn)), replace=False)] = True
        first = np.arange(len(found)) < FIRST
        taught, questions = drawn | (learnt > 0), (first | (asked > 0)) & (learnt == 0)
        together = np.flatnonzero(taught | questions)
        sheet = view.sheet(known, int(user), chosen(found, together))
        for into, own, keep in ((kept[0], learnt, taught), (kept[1], asked, questions)):
            kept_here = keep[together]
            into.append((sheet.numbers[kept_here], sheet.query, found.rows[keep], own[keep]))
    return joined(kept[0], view), joined(kept[1], view)


def chosen(found: Candidates, places: npt.NDArray[np.int64]) -> Candidates:
    """Only those at `places`, rising."""
    return Candidates(
        found.rows[places], found.scores[places], found.names, found.by[places], found.said[places]
    )


def joined(sheets: list[Any], view: View) -> Lists:
    numbers, queries, rows, plays = zip(*sheets, strict=True)
    lists = np.repeat(np.arange(len(sheets), dtype=np.int32), [len(own) for own in rows])
    lessons = Lessons(
        numbers=np.concatenate(numbers),
        queries=np.stack(queries),
        vectors=view.vectors,
        rows=np.concatenate(rows),
        lists=lists,
        positions=np.zeros(len(lists), np.int32),
        labels={},
    )
    return Lists(lessons, np.concatenate(plays))


def blinded(lessons: Lessons, columns: list[int]) -> Lessons:
    numbers = lessons.numbers.copy()
    numbers[:, columns] = np.nan
    return replace(lessons, numbers=numbers)


def spearman(questions: Lists, scores: Floats) -> Values:
    """(S,) over the places that were played; NaN where they are fewer than LEAST, 0 where all scores tie."""
    lists, found = questions.lessons.lists, np.full(questions.lessons.list_count, np.nan)
    played = np.flatnonzero(questions.plays > 0)
    for own in np.split(played, np.flatnonzero(np.diff(lists[played])) + 1):
        plays = questions.plays[own]
        if len(own) < LEAST or np.ptp(plays) == 0:
            continue
        one, other = (rankdata(values) - (len(own) + 1) / 2 for values in (np.nan_to_num(scores[own]), plays))
        length = np.sqrt((one @ one) * (other @ other))
        found[lists[own[0]]] = one @ other / length if length else 0.0
    return found


def rows_of(
    marks: dict[tuple[str, str], Values], seeds: list[int], asked: argparse.Namespace
) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys(name for _, name in marks):
        against = "click without strengths" if name.endswith(" without strengths") else "click"
        values: dict[str, Any] = {}
        for measure in dict.fromkeys(measure for measure, _ in marks):
            rng = np.random.default_rng(seeds[0])
            values[measure] = plain(Mark(*mean_interval(marks[measure, name], rng)))
            values[f"{measure}_less_click"] = plain(
                Mark(*difference_interval(marks[measure, name], marks[measure, against], rng))
            )
        people = int(np.isfinite(marks["spearman", name]).sum())
        rows.append(
            record(
                "watch_time",
                data=FOLDER,
                seeds=seeds,
                settings=asked.settings,
                retrieval_epochs=asked.epochs,
                people=people,
                score=name,
                **values,
            )
        )
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    """The scores beside each other."""
    seeds = ", ".join(str(seed) for seed in rows[0]["seeds"])
    shown = Table(
        "sorted by", "Spearman with plays", "less click's", "NDCG@10, log plays", "less click's",
        title=f"{rows[0]['data']}, seed {seeds}: {rows[0]['people']:,} people",
    )  # fmt: skip
    for row in rows:
        cells = []
        for measure in ("spearman", "ndcg_at_10"):
            gap = row[f"{measure}_less_click"]
            cells += [
                f"{row[measure]['mean']:.4f}",
                f"{gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})",
            ]
        shown.add_row(row["score"], *cells)
    return shown


if __name__ == "__main__":
    main()
