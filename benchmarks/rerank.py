"""What does each rule cost on real data, and what does it bring?    python -m benchmarks.rerank ml-1m netflix

ml-1m: each person's last event is the exam, the one before it the validation; the network has learnt from
what came before both. Every rule is made ever stronger; the strength that is reported was chosen on the
validation: the strongest that costs no more than 2 % of NDCG@10 there. The exam is looked at once.

netflix: no people. From one season the others of its series are to be found; and 10 items like each title are
listed, of which the share of the title's own language and of titles in other languages than English is
counted, before and after each rule that could mend it.

`--keep FOLDER` keeps what was trained and takes it up again.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.baselines import plain
from benchmarks.quality import DATA, teller
from benchmarks.rows import one_of, record
from tastemaker.data import read
from tastemaker.data.catalogue import PAD
from tastemaker.data.protocols import choose
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold
from tastemaker.evaluation.exam import asked as who
from tastemaker.evaluation.intervals import mean_interval
from tastemaker.evaluation.report import Mark
from tastemaker.evaluation.tradeoff import BLOCK, Judge, Point, curves_of, usual
from tastemaker.progress import NO_TRAIL
from tastemaker.recipe import Recipe, RerankingRecipe
from tastemaker.recipe.reranking import FreshnessRule
from tastemaker.recommend import Recommender
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.freshness import Freshness
from tastemaker.rerank.tries import Tries
from tastemaker.training import train
from tastemaker.training.histories import attempt, validation_of
from tastemaker.training.settings import note, settled

K = 10
QUOTA_SHOWS = (1, 2, 5, 10)
MOST_LOST = 0.02
"""Of NDCG@10."""
SETS = ("ml-1m", "ml-latest-small", "netflix")
TITLES = 2000
"""Of the Netflix catalogue that lists are made for, drawn by the seed."""
LANGUAGE, ENGLISH = "Language Indicator", "English"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data_sets", nargs="*", type=one_of(dict.fromkeys(SETS)), help=", ".join(SETS))
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--keep", type=Path)
    words.add_argument(
        "--no-curves", action="store_true", help="only the places kept for what is hardly shown"
    )
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=120)
    for name in asked.data_sets or ["ml-1m"]:
        if name == "netflix":
            languages(asked, console)
        else:
            measured(name, asked, console)


def measured(name: str, asked: argparse.Namespace, console: Console) -> None:
    frames = convert("movielens", asked.data / name)
    data = read(frames["items"], frames["interactions"])
    log = data.interactions
    assert log is not None
    fixed = [f"seed={asked.seed}", "split.strategy=leave_one_out", "ranking.use=never"]
    recipe = settled(Recipe.read(None, [*asked.settings, *fixed]), log)
    kept = None if asked.keep is None else asked.keep / f"{name}-{asked.seed}"
    if kept is not None and kept.is_dir():
        recommender = Recommender.load(kept)
    else:
        console.print(f"{name}: {note(recipe)}")
        tried = attempt(data, log, recipe, teller(console), NO_TRAIL)
        console.print(tried.evaluation)
        assert tried.recommender is not None
        recommender = tried.recommender
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            recommender.save(kept)
    exam, why = choose(log, recipe.split, recipe.seed)[:2]
    validation = validation_of(exam, log, recipe)
    strict = Fold(validation.train, exam.history, exam.targets)
    common = {"data": name, "seed": asked.seed, "settings": asked.settings}
    kept_places(recommender, validation, strict, common, console)
    if asked.no_curves:
        return
    rules = usual(RerankingRecipe(), ())
    chosen = {
        rule: strongest(points)
        for rule, points in curves_of(recommender, validation, why, rules).curves.items()
    }
    curves = curves_of(recommender, strict, why, rules)
    console.print(curves)
    common["people"] = curves.people
    for rule, points in curves.curves.items():
        for point in points:
            record(
                "rerank",
                **common,
                rule=rule,
                is_chosen_on_validation=point.strength == chosen[rule],
                **told(point, points[0]),
            )
    for rule, strength in chosen.items():
        (point,) = (each for each in curves.curves[rule] if each.strength == strength)
        console.print(rule, told(point, curves.curves[rule][0]))


def kept_places(
    recommender: Recommender, validation: Fold, strict: Fold, common: dict[str, Any], console: Console
) -> None:
    """One place of ten for items that these lists have hardly shown, which is counted as they are made, one
    after the other as a service would make them. How rarely is hardly: chosen on the validation."""
    marks = {shows: told(*quota(recommender, validation, shows)) for shows in QUOTA_SHOWS}
    able = [shows for shows in QUOTA_SHOWS if marks[shows]["lost_share"] <= MOST_LOST]
    best = max(able, key=lambda shows: marks[shows]["coverage"], default=None)
    for shows in QUOTA_SHOWS:
        row = record(
            "rerank",
            **common,
            rule=f"a place in ten for what was shown less than {shows} times",
            is_chosen_on_validation=shows == best,
            **told(*quota(recommender, strict, shows)),
        )
        shown = ("rule", "is_chosen_on_validation", "lost", "lost_share", "coverage", "coverage_gain")
        console.print({name: row[name] for name in shown})


def quota(recommender: Recommender, fold: Fold, shows: int) -> tuple[Point, Point]:
    """With such a place, and without."""
    knobs = recommender.recipe.evaluation
    users = who(fold, knobs.max_users, np.random.default_rng(recommender.recipe.seed))
    plain, facts = recommender.unruled, recommender.facts
    tries = Tries.empty(recommender.catalogue.size)
    rule = Freshness(FreshnessRule(quota=1 / K, quota_shows=shows), facts, tries)
    lists = np.full((2, len(users), K), PAD, np.int32)
    for at in range(0, len(users), BLOCK):
        found = plain.in_order(fold.history, users[at : at + BLOCK], recommender.pool(K), plain.usually)
        for place, own in enumerate(found, at):
            draft = rule(Draft(own.rows, own.scores), Request(K, now=facts.now))
            lists[0, place], lists[1, place] = draft.rows[:K], own.rows[:K]
            tries.add(draft.rows[:K], False)
    judge = Judge(recommender, fold, users, K)
    before = judge.ndcg(lists[1])
    return judge.point(1 / K, lists[0], before), judge.point(0.0, lists[1], before)


def languages(asked: argparse.Namespace, console: Console) -> None:
    """How much of a list speaks the language of the title that was asked about, before and after rules."""
    data = read(asked.data / "netflix_content_2023" / "netflix_content_2023.csv")
    kept = None if asked.keep is None else asked.keep / "netflix"
    if kept is not None and kept.is_dir():
        recommender = Recommender.load(kept)
    else:
        recommender = train(data, Recipe.read(None, [f"seed={asked.seed}", *asked.settings]), teller(console))
        if kept is not None:
            recommender.save(kept)
    catalogue = recommender.catalogue
    groups = recommender.facts.groups(LANGUAGE)
    tongue = groups.first(np.arange(catalogue.size, dtype=np.int32))
    english = groups.names.index(ENGLISH)
    shares = np.bincount(tongue[tongue != PAD], minlength=len(groups.names)) / catalogue.size
    fair = {name: round(float(share), 4) for name, share in zip(groups.names, shares, strict=True)}
    rules: dict[str, dict[str, Any]] = {
        "none": {},
        "diversity of languages, 0.3": {"diversity": {"strength": 0.3, "of": LANGUAGE}},
        "shares as in the catalogue": {"fairness": {"of": LANGUAGE, "shares": fair, "significance": 0.0}},
        "against hours viewed, 0.3": {"popularity": {"strength": -0.3}},
        "by hours viewed, 0.3": {"popularity": {"strength": 0.3}},
    }
    rng = np.random.default_rng(asked.seed)
    rows = np.sort(rng.choice(catalogue.size, min(TITLES, catalogue.size), replace=False))
    ids = catalogue.id_list(rows)
    before: npt.NDArray[np.float64] | None = None
    for name, settings in rules.items():
        ruled = recommender.with_rules(RerankingRecipe.model_validate(settings))
        lists = [catalogue.rows([item.item_id for item in slate]) for _, slate in ruled.similar_many(ids, K)]
        own = np.array([np.mean(tongue[own] == tongue[row]) for own, row in zip(lists, rows, strict=True)])
        foreign = np.array([np.mean(tongue[own] != english) for own in lists])
        like = np.array([likeness(recommender, row, own) for own, row in zip(lists, rows, strict=True)])
        before = like if before is None else before
        is_english = tongue[rows] == english
        found = {
            "own_language": interval_of(own, rng),
            "own_language_of_english": interval_of(own[is_english], rng),
            "own_language_of_others": interval_of(own[~is_english], rng),
            "not_english": interval_of(foreign, rng),
            "likeness": interval_of(like, rng),
            "likeness_lost": round(float(1 - like.mean() / before.mean()), 4),
        }
        row = record(
            "rerank", data="netflix", seed=asked.seed, settings=asked.settings, titles=len(rows), rule=name,
            not_english_in_catalogue=round(float(1 - shares[english]), 4), **found,
        )  # fmt: skip
        console.print(name, {key: row[key] for key in found})


def likeness(recommender: Recommender, row: np.int32, others: npt.NDArray[np.int32]) -> float:
    """Mean of what retrieval says of `others` (n,) asked from `row`."""
    asked, whole = np.array([[row]], np.int32), np.ones((1, 1), np.float32)
    return float(recommender.nearest.neighbours.scores(asked, whole)[0, others].mean())


def interval_of(values: npt.NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    return plain(Mark(*mean_interval(values, rng)))


def strongest(points: tuple[Point, ...]) -> float:
    """The strength furthest from 0 that costs no more than MOST_LOST, nor does any below it."""
    kept = 0.0
    for point in points:
        if (point.loss.mean or 0.0) > MOST_LOST * (points[0].ndcg.mean or 0.0):
            break
        kept = point.strength
    return kept


def told(point: Point, first: Point) -> dict[str, Any]:
    return {
        "strength": point.strength,
        "ndcg_at_10": plain(point.ndcg),
        "lost": plain(point.loss),
        "lost_share": round((point.loss.mean or 0.0) / (first.ndcg.mean or 1.0), 4),
        "diversity": round(point.diversity or 0.0, 4),
        "diversity_gain": round((point.diversity or 0.0) / (first.diversity or 1.0) - 1, 4),
        "coverage": round(point.coverage, 4),
        "coverage_gain": round(point.coverage / first.coverage - 1, 4),
        "gini": round(point.gini or 0.0, 4),
        "novelty": round(point.novelty or 0.0, 4),
        "age_days": None if point.age_days is None else round(point.age_days),
        "popularity": round(point.popularity, 4),
    }


if __name__ == "__main__":
    main()
