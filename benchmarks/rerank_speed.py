"""What does a rule cost?    python -m benchmarks.rerank_speed

500 candidates out of 60,000 planted items with vectors of 64 numbers, 50 places, one core. Timed is the
whole call of a rule, `rule(draft, request)`, with the look-up of its candidates' vectors and the reasons,
each call on another draft. Beside diversity's two methods stand their textbook forms, which begin with
the product of all candidates with all; `same` is the share of a hundred lists that are theirs to the last
item (where one isn't, two items are worth the same to within 5e-6, and ours takes the one that stands
first). Microseconds of CPU time: the median of `--repeats` calls after 20 that warm up, the quickest and
the slowest tenth of them.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.rows import record
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue, Column
from tastemaker.data.interactions import Interactions
from tastemaker.manifest import Manifest
from tastemaker.recipe import Recipe, Role
from tastemaker.recipe.reranking import (
    CalibrationRule,
    DiversityRule,
    ExplorationRule,
    FairnessRule,
    FreshnessRule,
    PopularityRule,
    RerankingRecipe,
)
from tastemaker.rerank.calibration import Calibration
from tastemaker.rerank.diversity import Diversity
from tastemaker.rerank.dpp import OWN
from tastemaker.rerank.draft import Draft, Floats, Order, Request
from tastemaker.rerank.exploration import Exploration
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.fairness import Fairness
from tastemaker.rerank.freshness import Freshness
from tastemaker.rerank.memory import Memory
from tastemaker.rerank.popularity import Popularity
from tastemaker.rerank.reranker import Reranker
from tastemaker.rerank.tries import Tries
from tastemaker.retrieve.candidates import Candidates

Call = Callable[[Draft, Request], Draft]

STRENGTH = 0.3
LANGUAGES = {"English": 0.6, "Korean": 0.2, "Spanish": 0.1, "Hindi": 0.1}
NOW_DAYS = 19_000
HOME = {
    "freshness": {"strength": 0.1},
    "diversity": {"strength": STRENGTH},
    "fairness": {
        "of": "language",
        "shares": {"Korean": 0.2, "Spanish": 0.1, "Hindi": 0.1},
        "significance": 0.0,
    },
    "rules": [{"do": "cap", "column": "franchise", "most": 2, "first": 10}],
}
"""A home page as docs/reranking.md has it."""
EVERY = HOME | {"popularity": {"strength": -0.1}, "calibration": {"strength": 0.1}}
BUDGETS_US = {
    "mmr": 300,
    "dpp": 500,
    "dpp, window of 10": 1500,
    "chain: a home page": 1000,
    "chain: every rule": 1000,
}
"""What each may take."""


def facts(items: int, dim: int) -> Facts:
    """Items around a common direction, as trained ones are; genres, one to three an item."""
    rng = np.random.default_rng(7)
    vectors = (rng.standard_normal((items, dim)) + 0.5 * rng.standard_normal(dim)).astype(np.float32)
    genres = [[f"genre {g}" for g in rng.integers(0, 20, count)] for count in rng.integers(1, 4, items)]
    names = [f"item {row}" for row in range(items)]
    languages = rng.choice(list(LANGUAGES), items, p=list(LANGUAGES.values()))
    released = pl.Series(rng.integers(10_000, NOW_DAYS, items)).cast(pl.Int32).cast(pl.Date)
    frame = pl.DataFrame(
        {"id": names, "title": names, "genres": genres, "language": languages, "released": released}
    )
    roles = (Role.ID, Role.TITLE, Role.CATEGORIES, Role.CATEGORY, Role.DATE)
    columns = tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    manifest = Manifest(
        kind="content",
        recipe=Recipe().model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=5,
        value_scale={"mean": 1.0, "deviation": 1.0, "is_log": False},
        data={"fingerprint": "planted", "items": items, "users": 0, "interactions": 0},
        created="2024-01-01T00:00:00+00:00",
        versions={},
    )
    none = np.zeros(0, np.int32)
    bundle = Bundle(
        manifest=manifest,
        catalogue=Catalogue(frame, columns),
        users=None,
        histories=Interactions.from_events([], none, none, np.zeros(0)),
        arrays={"item_vectors": vectors, "popularity": rng.zipf(1.5, items).astype(np.float32)},
        encoders={"items": {}},
        card="# Planted\n",
    )
    return Facts(bundle, vectors)


def drafts(items: int, candidates: int) -> list[Draft]:
    """A hundred, with scores that have a long tail."""
    rng = np.random.default_rng(8)
    return [
        Draft(
            rng.permutation(items)[:candidates].astype(np.int32),
            np.sort(rng.gumbel(size=candidates).astype(np.float32))[::-1].copy(),
        )
        for _ in range(100)
    ]


def textbook_mmr(relevance: Floats, vectors: Floats, k: int) -> Order:
    similar = vectors @ vectors.T
    likest, picks = np.zeros(len(relevance), np.float32), list[int]()
    left = np.ones(len(relevance), bool)
    for _ in range(k):
        worth = np.where(left, (1 - STRENGTH) * relevance - STRENGTH * likest, -np.inf)
        picks.append(int(worth.argmax()))
        left[picks[-1]] = False
        likest = np.maximum(likest, similar[picks[-1]]) if len(picks) > 1 else similar[picks[-1]]
    return np.array(picks)


def textbook_dpp(relevance: Floats, vectors: Floats, k: int) -> Order:
    """The paper's first algorithm, with a row of the Cholesky factor for every item."""
    quality = np.exp((1 - STRENGTH) / (2 * STRENGTH) * relevance)
    similar = (1 - OWN) * vectors @ vectors.T
    np.fill_diagonal(similar, 1)
    kernel = quality[:, None] * similar * quality
    left, rows, picks = kernel.diagonal().copy(), np.zeros((k, len(relevance)), np.float32), list[int]()
    for step in range(k):
        pick = int(left.argmax())
        told = (kernel[pick] - rows[:step, pick] @ rows[:step]) / np.sqrt(left[pick])
        rows[step] = told
        left -= told**2
        picks.append(pick)
        left[picks] = -np.inf
    return np.array(picks)


def textbook(picks: Callable[[Floats, Floats, int], Order], known: Facts) -> Call:
    def ask(draft: Draft, request: Request) -> Draft:
        return draft.ordered(picks(draft.relevance, known.alike("vectors", draft.rows), request.k))

    return ask


def ways(known: Facts) -> dict[str, Call]:
    """Everything that is timed, by name: a rule, or the chain that a recipe's default comes to."""

    def diversity(**knobs: object) -> Diversity:
        return Diversity(DiversityRule.model_validate({"strength": STRENGTH, **knobs}), known)

    nothing = Tries.empty(known.catalogue.size)
    return {
        "mmr": diversity(),
        "mmr, window of 10": diversity(window=10),
        "mmr by genres": diversity(of="genres"),
        "mmr, textbook": textbook(textbook_mmr, known),
        "dpp": diversity(method="dpp"),
        "dpp by genres": diversity(method="dpp", of="genres"),
        "dpp, textbook": textbook(textbook_dpp, known),
        "dpp, window of 10": diversity(method="dpp", window=10),
        "popularity": Popularity(PopularityRule(strength=0.1), known),
        "freshness": Freshness(FreshnessRule(strength=0.1), known, nothing),
        "calibration": Calibration(CalibrationRule(strength=0.1), known),
        "fairness": Fairness(FairnessRule.model_validate(HOME["fairness"]), known),
        "epsilon": Exploration(ExplorationRule(method="epsilon"), nothing),
        "chain: a home page": whole(HOME, known),
        "chain: every rule": whole(EVERY, known),
    }


def whole(settings: dict[str, Any], known: Facts) -> Call:
    """All rules of a recipe, from candidates to what is shown."""
    chain = Reranker(
        RerankingRecipe.model_validate(settings), known, Memory(Tries.empty(known.catalogue.size))
    ).chain()
    assert chain is not None

    def ask(draft: Draft, request: Request) -> Draft:
        said = draft.scores[:, None]
        found = Candidates(draft.rows, draft.scores, ("nearest",), np.zeros(len(draft), np.int32), said)
        shown = chain(found, request).found
        return Draft(shown.rows, shown.scores)

    return ask


def microseconds(call: Call, asked: list[Draft], k: int, repeats: int) -> tuple[float, float, float]:
    """Median, quickest and slowest tenth."""
    request, taken = Request(k, np.arange(30, dtype=np.int32), NOW_DAYS * 86_400.0), []
    for number in range(repeats + 20):
        draft = asked[number % len(asked)]
        started = time.process_time_ns()
        call(draft, request)
        taken.append((time.process_time_ns() - started) / 1000)
    return tuple(float(np.quantile(taken[20:], part)) for part in (0.5, 0.1, 0.9))  # type: ignore[return-value]


def agreement(call: Call, plain: Call, asked: list[Draft], k: int) -> float:
    request = Request(k=k)
    return float(np.mean([np.array_equal(call(d, request).rows, plain(d, request).rows) for d in asked]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("-k", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=1000)
    asked = parser.parse_args()
    known, pages = facts(asked.items, asked.dim), drafts(asked.items, asked.candidates)
    calls = ways(known)
    table = Table(title=f"{asked.candidates} → {asked.k}, {asked.dim} numbers an item, µs of one core")
    for heading in ("rule", "median", "10 %", "90 %", "may take", "same"):
        table.add_column(heading, no_wrap=True)
    for name, call in calls.items():
        median, quick, slow = microseconds(call, pages, asked.k, asked.repeats)
        budget, plain = BUDGETS_US.get(name), calls.get(f"{name}, textbook")
        same = None if plain is None else agreement(call, plain, pages, asked.k)
        record(
            "rerank_speed",
            rule=name,
            items=asked.items,
            candidates=asked.candidates,
            dim=asked.dim,
            k=asked.k,
            median_us=round(median, 1),
            quickest_tenth_us=round(quick, 1),
            slowest_tenth_us=round(slow, 1),
            budget_us=budget,
            same_as_textbook=same,
        )
        told = "" if same is None else f"{same:.0%}"
        table.add_row(name, f"{median:.0f}", f"{quick:.0f}", f"{slow:.0f}", str(budget or ""), told)
    Console().print(table)


if __name__ == "__main__":
    main()
