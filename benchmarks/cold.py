"""How good are recommendations of items that nobody has touched yet?    python -m benchmarks.cold ml-100k

A tenth of the items, drawn by the seed, is taken out of the log; what people did with them is to be found
from all that they did with the others, among the cold items alone, and among all. Weights from the rest
only. One event with a warm item is held out too, of a tenth of the people: what those find among all,
with and without cold items in the way, says what being fair to the new costs the old.

The opponent, in the same run: EASE, whose columns for cold items are foretold by ridge regression from
the same metadata. `permuted` is ours with the metadata of cold items dealt out among them anew.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import sparse

from benchmarks.rows import one_of, record
from tastemaker.data import Dataset, read
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.holdouts import cold_items, hold_out_any
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold
from tastemaker.evaluation.exam import Result, asked, compare, examine
from tastemaker.features.encode import Encoder
from tastemaker.features.pairs import ease, touched
from tastemaker.features.schema import Encoded
from tastemaker.hits import best
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.training import train

DATA = Path(__file__).parents[2] / "shared/data"
K = 10
SHARE = 0.1
FORMATS = {"ml-100k": "movielens", "ml-1m": "movielens", "s3rec-beauty": "s3rec"}
RIDGES = {"ml-100k": 100.0, "ml-1m": 300.0, "s3rec-beauty": 500.0}
"""Of EASE. That of the regression is the best of 1 to 20 on other draws."""
REGRESSION = 2.0
SETTINGS = ("history.order=none", "history.length=200", "ranking.use=never")
"""The cold items' events lie anywhere among the others', so order says nothing here."""

Floats = npt.NDArray[np.float32]
Users = npt.NDArray[np.int32]
Scores = Callable[[Interactions, Users], Floats]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sets", nargs="*", type=one_of(FORMATS), help=", ".join(FORMATS))
    words.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    words.add_argument("--set", dest="settings", action="append", default=[])
    words.add_argument("--data", type=Path, default=DATA)
    words.add_argument("--validation", action="store_true", help="other draws, for choosing; nothing is kept")
    asked_for = words.parse_args()
    for name in asked_for.sets or FORMATS:
        rows = [row for seed in asked_for.seeds for row in measured(name, seed, asked_for)]
        Console(width=130).print(table(name, rows))


def measured(name: str, seed: int, asked_for: argparse.Namespace) -> list[dict[str, Any]]:
    frames = convert(FORMATS[name], asked_for.data / name)
    data = read(frames["items"], frames["interactions"])
    assert data.interactions is not None
    if asked_for.validation:
        data, seed = without_the_tests(data), seed + 100
    log = data.interactions
    assert log is not None
    rng = np.random.default_rng(seed)
    cold = cold_items(log, SHARE, rng)
    rows = np.unique(cold.targets.rows)
    warm = hold_out_of_some(cold.train, rng)
    recipe = Recipe.read(None, [*SETTINGS, *asked_for.settings, f"seed={seed}"])
    started = time.perf_counter()
    ours = train(Dataset(data.items, warm.train, None, data.report), recipe)
    seconds = time.perf_counter() - started
    encoded = Encoder.fit(data.items, recipe.features, rows=np.unique(warm.train.rows)).encode(data.items)
    ridge = regressed(warm.train, data.items.size, rows, encoded.without("/ngrams"), RIDGES[name])
    models: dict[str, Scores] = {
        "tastemaker": scored(ours),
        "ridge": lambda history, users: np.asarray(touched(history, data.items.size)[users] @ ridge),
        "permuted": scored(permuted(ours, rows, rng)),
    }
    fold = Fold(warm.train, warm.history, cold.targets)
    found = {model: marks(scores, fold, warm, rows, data.items.size) for model, scores in models.items()}
    for list_of in ("among", "all"):
        results = [replace(found[model][list_of], name=model) for model in ("tastemaker", "ridge")]
        report = compare(results, np.random.default_rng(1), models=["tastemaker"])
        print(f"{name}, seed {seed}, {list_of}: {report.contests}", flush=True)
    kept = [
        {
            "data": name,
            "seed": seed,
            "settings": [*SETTINGS, *asked_for.settings],
            "model": model,
            "users": len(each["among"].users),
            "cold_items": len(rows),
            "among_recall_at_10": each["among"].mean("recall"),
            "among_ndcg_at_10": each["among"].mean("ndcg"),
            "all_recall_at_10": each["all"].mean("recall"),
            "all_ndcg_at_10": each["all"].mean("ndcg"),
            "warm_ndcg_at_10": each["warm"].mean("ndcg"),
            "warm_alone_ndcg_at_10": each["warm alone"].mean("ndcg"),
            "cold_share_of_lists": each["all"].overall["cold"],
            "cold_share_of_events": cold.targets.size / (cold.targets.size + cold.train.size),
            "pairs": ours.bundle.manifest.training["pairs"],
            "seconds": round(seconds, 1) if model == "tastemaker" else None,
        }
        for model, each in found.items()
    ]
    return kept if asked_for.validation else [record("cold", **row) for row in kept]


def without_the_tests(data: Dataset) -> Dataset:
    """The items that the first three draws don't hold out: for choosing by."""
    log = data.interactions
    assert log is not None
    held_out = [cold_items(log, SHARE, np.random.default_rng(seed)).targets.rows for seed in (1, 2, 3)]
    kept = np.setdiff1d(np.arange(data.items.size), np.concatenate(held_out))
    numbers = np.full(data.items.size, PAD, np.int32)
    numbers[kept] = np.arange(len(kept))
    items = replace(data.items, frame=data.items.frame[kept])
    return replace(data, items=items, interactions=log.renumbered(numbers))


def hold_out_of_some(log: Interactions, rng: np.random.Generator) -> Fold:
    """One event of each of a tenth of the people."""
    fold = hold_out_any(log, rng, share=1e-9)
    people = asked(fold)
    chosen = np.zeros(log.user_count, bool)
    chosen[rng.choice(people, len(people) // 10, replace=False)] = True
    targets = fold.targets.where(chosen[fold.targets.users])
    keys = (part.users.astype(np.int64) << 32 | part.rows for part in (log, targets))
    train = log.where(~np.isin(*keys))
    return Fold(train, train, targets)


def scored(recommender: Recommender) -> Scores:
    def scores(history: Interactions, users: Users) -> Floats:
        window = recommender.nearest.window(history, users)
        everything = np.arange(recommender.catalogue.size, dtype=np.int32)
        return recommender.nearest.scores(window, [history.user_ids[user] for user in users], everything)

    return scores


def permuted(recommender: Recommender, cold: Rows, rng: np.random.Generator) -> Recommender:
    """What is said of each cold item is said of another: all it stands on is metadata, which change hands."""
    other = rng.permutation(cold)
    bundle = recommender.bundle
    arrays: dict[str, Any] = {name: np.array(array) for name, array in bundle.arrays.items()}
    arrays["item_vectors"][cold] = arrays["item_vectors"][other]
    pairs = bundle.pairs
    if pairs is not None:
        order = np.arange(recommender.catalogue.size)
        order[cold] = other
        pairs = replace(pairs, weights=sparse.csr_array(pairs.weights.tocsc()[:, order]))
    return Recommender(replace(bundle, arrays=arrays, pairs=pairs))


def regressed(log: Interactions, items: int, cold: Rows, encoded: Encoded, ridge: float) -> Floats:
    """(N, N) EASE's weights, with the columns of `cold` foretold from metadata."""
    weights = ease(log, items, ridge)
    bag = encoded.joined
    things, places = np.nonzero(bag.weights)
    features = np.zeros((items, encoded.table_size + 1))
    features[things, bag.ids[things, places]] = bag.weights[things, places]
    features[:, -1] = 1
    features = np.concatenate([features, encoded.dense], axis=1)
    warm = np.flatnonzero(log.counts(items))
    gram = features[warm].T @ features[warm]
    gram[np.diag_indices(len(gram))] += REGRESSION
    kernel = np.linalg.solve(gram, features[warm].T @ weights[:, warm].T)
    weights[:, cold] = (features[cold] @ kernel).T
    return weights


@dataclass(frozen=True)
class Ranked:
    """Scores as lists of `allowed` items (N,), less the history."""

    scores: Scores
    allowed: npt.NDArray[np.bool_]

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        scores = np.array(self.scores(history, users))
        scores[:, ~self.allowed] = -np.inf
        return best(scores, k, [history.of(int(user)) for user in users]).rows


def marks(scores: Scores, cold: Fold, warm: Fold, rows: Rows, items: int) -> Mapping[str, Result]:
    is_cold = np.zeros(items, bool)
    is_cold[rows] = True
    everything = np.ones(items, bool)
    found = {
        "among": examine(Ranked(scores, is_cold), cold, K, items, name="among"),
        "all": examine(Ranked(scores, everything), cold, K, items, name="all"),
        "warm": examine(Ranked(scores, everything), warm, K, items, name="warm"),
        "warm alone": examine(Ranked(scores, ~is_cold), warm, K, items, name="warm alone"),
    }
    users = asked(cold)
    lists = [
        Ranked(scores, everything).top(cold.history, users[at : at + 512], K)
        for at in range(0, len(users), 512)
    ]
    share = float(is_cold[np.concatenate(lists)].mean())
    return found | {"all": replace(found["all"], overall={"cold": share})}


COLUMNS = {
    "among R@10": "among_recall_at_10",
    "among NDCG": "among_ndcg_at_10",
    "all NDCG": "all_ndcg_at_10",
    "warm NDCG": "warm_ndcg_at_10",
    "… without cold": "warm_alone_ndcg_at_10",
    "cold in lists": "cold_share_of_lists",
    "of events": "cold_share_of_events",
    "seconds": "seconds",
}


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    shown = Table("model", *COLUMNS, title=f"{name}: means of the draws ± standard deviation")
    for model in dict.fromkeys(row["model"] for row in rows):
        cells = []
        for key in COLUMNS.values():
            values = [row[key] for row in rows if row["model"] == model and row[key] is not None]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 and key != "seconds" else ""
            cells.append(f"{np.mean(values):.4f}{spread}" if values else "")
        shown.add_row(model, *cells)
    return shown


if __name__ == "__main__":
    main()
