"""What is left of the true order when clicks depend on the place?    python -m benchmarks.positions

A planted world (`features/clicks.py`, where its law stands): lists of ten items in the order of an older
ranker, which is half right, a tenth of the lists in random order, and clicks by one of three click models.
Each method learns from the same lists; then it orders fresh lists of 50 candidates, and NDCG@10 is against
the planted relevance, which no method ever sees. The older ranker's own order and chance stand beside it.

    unbiased            learns from clicks of people who look at every place (η = 0): the ceiling, the
                        same for all click models
    naive               takes a place not clicked for a no
    tower               a chance for each place, learnt beside the network and dropped
    feature             the place as an input, asked for as if first
    inverse, randomised clicks over the chance of the place, from the lists in random order
    inverse, em         the same, from regression-EM

A row is one seed of one method: its world, its network and its fresh lists. `by_place` is what the method
takes for the chance of each place. Settings are the recipe's own but for the batch; none was chosen here.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.rows import RESULTS, one_of, record
from tastemaker.features.clicks import Shown, clicked_lists, examination, ndcg, production_score
from tastemaker.recipe import RankingRecipe
from tastemaker.training.propensity import by_em, randomised

Floats = npt.NDArray[np.float32]

METHODS = ("unbiased", "naive", "tower", "feature", "inverse, randomised", "inverse, em")
MODELS = ("position", "cascade", "trust")
CANDIDATES = 50
FRESH = 1000


def looks_of(shown: Shown, method: str) -> Floats | None:
    """(P,) what `inverse` divides by, estimated on the lists to learn from."""
    if method == "inverse, randomised":
        chosen = shown.is_random
        return randomised(shown.lessons.labels["click"][chosen], shown.lessons.positions[chosen])
    return by_em(shown.lessons) if method == "inverse, em" else None


def run(method: str, model: Any, eta: float, lists: int, seed: int) -> dict[str, Any]:
    """One row."""
    from tastemaker.model.ranking import fit_ranker

    shown, held_out = (
        clicked_lists(count, 10 * seed + part, model=model, eta=eta)
        for part, count in enumerate((lists, lists // 4))
    )
    started = time.process_time()
    looks = looks_of(shown, method)
    lessons, validation = shown.lessons, held_out.lessons
    if looks is not None:
        lessons, validation = (
            replace(part, propensities=looks[part.positions - 1]) for part in (lessons, validation)
        )
    position: Any = "none" if method in ("unbiased", "naive") else method.partition(",")[0]
    recipe = RankingRecipe(position=position, batch_size=256)
    ranker = fit_ranker(lessons, validation, recipe, seed, kind="shown")
    seconds = time.process_time() - started
    fresh = clicked_lists(FRESH, 10 * seed + 9, places=CANDIDATES, random_share=1)
    relevance = fresh.relevance.reshape(-1, CANDIDATES)
    click = ranker.raw(fresh.lessons)[:, 0].reshape(-1, CANDIDATES)
    found = ranker.examination if looks is None else looks
    rng = np.random.default_rng(seed)
    return record(
        "positions",
        method=method,
        clicks=model,
        eta=eta,
        lists=lists,
        seed=seed,
        **{"ndcg@10": ndcg(click, relevance)},
        production=ndcg(production_score(fresh.lessons.numbers).reshape(-1, CANDIDATES), relevance),
        random=ndcg(rng.random(click.shape).astype(np.float32), relevance),
        click_rate=float(shown.lessons.labels["click"].mean()),
        by_place=None if found is None else [round(float(chance), 4) for chance in found],
        epochs=ranker.epochs,
        cpu_s=round(seconds, 1),
    )


def show(rows: list[dict[str, Any]]) -> None:
    """Means over seeds and their deviation, beside the ceiling and the naive one."""
    table = Table(title="NDCG@10 against planted relevance, 50 candidates")
    for heading in ("clicks", "η", "method", "NDCG@10", "± seeds", "of unbiased", "above naive", "off by"):
        table.add_column(heading)
    by = defaultdict(list)
    for row in rows:
        by[row["clicks"], row["eta"], row["method"]].append(row)
    mean = {key: float(np.mean([row["ndcg@10"] for row in own])) for key, own in by.items()}
    ceiling = mean.get(("position", 0.0, "unbiased"), np.nan)
    for (model, eta, method), own in sorted(by.items(), key=lambda case: _order(*case[0])):
        score = np.array([row["ndcg@10"] for row in own])
        above = (
            "" if method == "unbiased" else f"{score.mean() - mean.get((model, eta, 'naive'), np.nan):+.4f}"
        )
        off = "" if model != "position" or own[0]["by_place"] is None else f"{_off(own, eta):.3f}"
        table.add_row(
            *(model, f"{eta:g}", method, f"{score.mean():.4f}", f"{score.std():.4f}"),
            *(f"{score.mean() / ceiling:.1%}", above, off),
        )
    for name in ("production", "random"):
        table.add_row("", "", name, f"{np.mean([row[name] for row in rows]):.4f}", "", "", "", "")
    Console().print(table)
    print("off by: mean error of the chances of the places against (1 / position)^η")


def _order(model: str, eta: float, method: str) -> tuple[int, float, int]:
    return MODELS.index(model), eta, METHODS.index(method)


def on_file() -> list[dict[str, Any]]:
    """The newest row of each case and seed."""
    lines = (RESULTS / "positions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    keys = ("clicks", "eta", "method", "lists", "seed")
    return list({tuple(row[key] for key in keys): row for row in rows}.values())


def _off(rows: list[dict[str, Any]], eta: float) -> float:
    found = np.array([row["by_place"] for row in rows])
    return float(np.abs(found - examination(found.shape[1], eta)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", type=one_of(METHODS), default=METHODS)
    parser.add_argument("--clicks", nargs="*", type=one_of(MODELS), default=MODELS)
    parser.add_argument("--etas", nargs="*", type=float, default=[1.0])
    parser.add_argument("--lists", type=int, default=16_000)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--show", action="store_true", help="run nothing: the newest rows on file")
    asked = parser.parse_args()
    if asked.show:
        show(on_file())
        return
    rows = []
    if "unbiased" in asked.methods:
        rows += [run("unbiased", "position", 0.0, asked.lists, seed) for seed in asked.seeds]
    rows += [
        run(method, model, eta, asked.lists, seed)
        for model in asked.clicks
        for eta in asked.etas
        for method in asked.methods
        for seed in asked.seeds
        if method != "unbiased"
    ]
    show(rows)


if __name__ == "__main__":
    main()
