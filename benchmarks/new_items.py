"""What does a new item cost at runtime, and is it as good as foretold?    python -m benchmarks.new_items time

`time`: CPU milliseconds of the first item put into a bundle, of later ones, of a hundred at once, of taking
one out, and of the next request, which finds it. Models are trained for one epoch, which moves no time, or
are bundles that are there already: `--bundle FOLDER`.

`cold`: the cold items of `benchmarks.cold`, same draws, same questions. Foretold in training; by the same
model, taken out of its catalogue and put in again; and by a model whose training never heard of them, put in
then, so that how far they are spread is settled by the first of them.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cold import (
    DATA,
    FORMATS,
    SETTINGS,
    SHARE,
    Floats,
    Scores,
    Users,
    hold_out_of_some,
    marks,
    scored,
)
from benchmarks.rows import one_of, record
from tastemaker.data import Dataset, read
from tastemaker.data.catalogue import PAD
from tastemaker.data.holdouts import cold_items
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.training import train

NETFLIX = "netflix_content_2023"
LATER = 15
"""Puts whose median is told."""
MANY = 100


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=["time", "cold"])
    words.add_argument(
        "sets", nargs="*", type=one_of([NETFLIX, *FORMATS]), help=", ".join([NETFLIX, *FORMATS])
    )
    words.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    words.add_argument("--data", type=Path, default=DATA)
    words.add_argument("--bundle", dest="bundles", type=Path, action="append", default=[])
    asked_for = words.parse_args()
    console = Console(width=130)
    if asked_for.what == "time":
        models = [(path.name, Recommender.load(path)) for path in asked_for.bundles]
        sets = asked_for.sets or ([] if models else [NETFLIX, "ml-100k", "ml-1m"])
        models += [(name, trained(name, asked_for.data)) for name in sets]
        rows = [timed(name, model) for name, model in models]
        console.print(table(rows, TIMES, "data"))
    else:
        for name in asked_for.sets or ("ml-100k",):
            rows = [row for seed in asked_for.seeds for row in measured(name, seed, asked_for.data)]
            console.print(table(rows, QUALITY, "model"))


def trained(name: str, folder: Path) -> Recommender:
    if name == NETFLIX:
        data = read(folder / name / f"{name}.csv")
        recipe = Recipe.read(None, ["content.epochs=1"])
    else:
        frames = convert(FORMATS[name], folder / name)
        data = read(frames["items"], frames["interactions"])
        recipe = Recipe.read(None, [*SETTINGS, "history.epochs=1"])
    return train(data, recipe)


def timed(name: str, served: Recommender) -> dict[str, Any]:
    items = served.catalogue.size
    unsettled = served.bundle.manifest.model_copy(update={"spread": None})
    served = Recommender(replace(served.bundle, manifest=unsettled))
    key, title = served.catalogue.id_column, served.catalogue.title_column
    patterns = served.catalogue.frame.sample(LATER + MANY + 1, seed=1).to_dicts()
    named = {name for name in (key, title) if name is not None}
    fresh = [pattern | {name: f"{pattern[name]} {n}" for name in named} for n, pattern in enumerate(patterns)]
    served.similar(item_id=patterns[0][key])
    took: dict[str, list[float]] = {what: [] for what in TIMES}
    for n, item in enumerate(fresh[: LATER + 1]):
        served = clocked(took["later" if n else "first"], partial(served.with_items, item))
        clocked(took["next request"], partial(served.similar, item_id=item[key]))
    clocked(took["many"], partial(served.with_items, fresh[LATER + 1 :]))
    clocked(took["remove"], partial(served.without, [fresh[0][key]]))
    return record(
        "new_items",
        data=name,
        items=items,
        pairs=0 if served.bundle.pairs is None else served.bundle.pairs.weights.nnz,
        later_worst=max(took["later"]),
        **{what: median(values) for what, values in took.items()},
    )


def clocked(into: list[float], work: Callable[[], Any]) -> Any:
    """What `work` gives; its CPU milliseconds go into the list."""
    started = time.process_time()
    found = work()
    into.append(1000 * (time.process_time() - started))
    return found


def measured(name: str, seed: int, folder: Path) -> list[dict[str, Any]]:
    frames = convert(FORMATS[name], folder / name)
    data = read(frames["items"], frames["interactions"])
    assert data.interactions is not None
    rng = np.random.default_rng(seed)
    cold = cold_items(data.interactions, SHARE, rng)
    rows = np.unique(cold.targets.rows)
    warm = hold_out_of_some(cold.train, rng)
    recipe = Recipe.read(None, [*SETTINGS, f"seed={seed}"])
    late = data.items.only(rows)
    foretold = train(Dataset(data.items, warm.train, None, data.report), recipe)
    again = foretold.without(late.ids).with_items(late.frame)
    others = np.setdiff1d(np.arange(data.items.size, dtype=np.int32), rows)
    numbers = np.full(data.items.size, PAD, np.int32)
    numbers[others] = np.arange(len(others))
    parted = Dataset(data.items.only(others), warm.train.renumbered(numbers), None, data.report)
    unheard = train(parted, recipe).with_items(late.frame)
    fold = Fold(warm.train, warm.history, cold.targets)
    found = []
    for model, one in (("foretold", foretold), ("put in again", again), ("unheard of", unheard)):
        each = marks(in_order(one, data.items.ids), fold, warm, rows, data.items.size)
        found.append(
            record(
                "new_items",
                data=name,
                seed=seed,
                model=model,
                cold_items=len(rows),
                spread=one.bundle.manifest.spread,
                among_recall_at_10=each["among"].mean("recall"),
                among_ndcg_at_10=each["among"].mean("ndcg"),
                all_ndcg_at_10=each["all"].mean("ndcg"),
                warm_ndcg_at_10=each["warm"].mean("ndcg"),
                cold_share_of_lists=each["all"].overall["cold"],
            )
        )
    return found


def in_order(recommender: Recommender, ids: list[str]) -> Scores:
    """Its scores, with rows as `ids` has them."""
    order = recommender.catalogue.rows(ids)
    score = scored(recommender)

    def scores(history: Interactions, users: Users) -> Floats:
        return score(history.renumbered(order), users)[:, order]

    return scores


TIMES = ("first", "later", "next request", "many", "remove")
QUALITY = (
    "spread",
    "among_recall_at_10",
    "among_ndcg_at_10",
    "all_ndcg_at_10",
    "warm_ndcg_at_10",
    "cold_share_of_lists",
)


def table(rows: list[dict[str, Any]], columns: tuple[str, ...], key: str) -> Table:
    shown = Table(key, *columns)
    for name in dict.fromkeys(row[key] for row in rows):
        same = [row for row in rows if row[key] == name]
        means = [np.mean([row[column] for row in same]) for column in columns]
        shown.add_row(name, *(f"{mean:.1f}" if columns is TIMES else f"{mean:.4f}" for mean in means))
    return shown


if __name__ == "__main__":
    main()
