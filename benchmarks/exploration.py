"""Does it pay to give new items a chance?    python -m benchmarks.exploration

A planted world: 200 items, each clicked by who looks at it at its own rate, drawn from Beta(2, 18), mean 0.1.
Of each of the 190 old ones there is a log (log-normal: median `--looks` looks, deviation 1 of the logarithm);
10 are new and have none, and are clicked `--novelty` times as often as old ones are. A request brings
`--candidates` of the items, whichever the person asked for; ten are shown, and place p is looked at with
chance (1 / p)^η.

All policies share one ranker: (clicks + 20 · first guess) / (looks + 20), counted as of now, so greedy learns
from all it shows. The first guess of a new item is what such models make of one without a history: half of
the way from 0.1 to the truth, as much noise again, and then `--pessimism` times that. 1 is a ranker that is
right about old rates on average; 0.5 is one that learnt that what has no events isn't clicked.

Regret is what the ten best of the candidates, best first, would have been clicked, less what those shown were
expected to be, summed over `--requests`. `greedy, none new` has a log of the new ones too: its regret is that
of knowing the old ones no better, which no exploration can win back. Ratios are of sums over seeds. Rules are
the ones that serve (`rerank/exploration.py`), asked through drafts, and learn through `Tries` from nothing
but clicks and the chances of the places.

`--chi`: for one draft, so many requests are answered and the lists counted. Each list should come as often
as the product of its logged propensities says.
"""

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.stats import chi2

from benchmarks.rows import record
from tastemaker.features.clicks import examination
from tastemaker.recipe.reranking import ExplorationRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.exploration import Exploration
from tastemaker.rerank.tries import Tries

Rates = npt.NDArray[np.float64]

NEW, K = 0.05, 10
TRUST = 20.0
"""Looks that weigh as much as the ranker's first guess."""

NONE_NEW = "greedy, none new"
"""The same world where the new ones have a log like the others: what nothing can be better than for long."""

POLICIES: dict[str, ExplorationRule] = {
    "greedy": ExplorationRule(),
    NONE_NEW: ExplorationRule(),
    "epsilon 0.01": ExplorationRule(method="epsilon", epsilon=0.01),
    "epsilon 0.03": ExplorationRule(method="epsilon", epsilon=0.03),
    "epsilon 0.1": ExplorationRule(method="epsilon", epsilon=0.1),
    "thompson 1": ExplorationRule(method="thompson", places=1),
    "thompson 2": ExplorationRule(method="thompson", places=2),
}


class World:
    """Items whose rates are known to the world alone.

    Attributes:
        rates: (N,) clicks a look.
        guesses: (N,) what the ranker expects of each before anything is known of it.
        tries: the log of the old ones.
    """

    def __init__(
        self, seed: int, items: int, looks: float, pessimism: float, novelty: float, is_logged: bool = False
    ) -> None:
        rng = np.random.default_rng(seed)
        shows = np.floor(rng.lognormal(np.log(looks), 1, items))
        is_new = np.zeros(items, np.bool_)
        is_new[rng.choice(items, round(NEW * items), replace=False)] = True
        self.rates = rng.beta(2, 18, items) * np.where(is_new, novelty, 1.0)
        self.is_new = is_new.copy()
        if is_logged:
            is_new[:] = False
        shows[is_new] = 0
        self.tries = Tries(shows, rng.binomial(shows.astype(np.int64), self.rates))
        mean, deviation = 0.1, self.rates.std()
        guess = mean + 0.5 * (self.rates - mean) + 0.5 * deviation * rng.standard_normal(items)
        self.guesses = np.where(is_new, pessimism * np.maximum(guess, 0.01), mean)


def regret(
    world: World, knobs: ExplorationRule, requests: int, candidates: int, eta: float, seed: int
) -> tuple[Rates, float]:
    """(requests,) regret of each, and the share of the ten best that were new and shown, of those that were
    new. Every policy meets the same people.
    """
    tries = Tries(**world.tries.arrays())
    is_new = world.is_new
    rule, every = Exploration(knobs, tries), np.arange(len(world.rates), dtype=np.int32)
    people, clicks = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    looks = examination(K, eta).astype(np.float64)
    lost = np.empty(requests)
    due = found = 0
    for number in range(requests):
        rows = np.sort(people.choice(len(every), candidates, replace=False)).astype(np.int32)
        shows, clicked = tries.of(every[rows])
        scores = (clicked + TRUST * world.guesses[rows]) / (shows + TRUST)
        order = np.argsort(-scores, kind="stable")
        draft = rule(
            Draft(rows[order], scores[order].astype(np.float32)), Request(k=K, seed=seed, now=number + 1.0)
        )
        shown = draft.rows[:K]
        best = rows[np.argsort(-world.rates[rows])[:K]]
        lost[number] = looks @ (world.rates[best] - world.rates[shown])
        due += int(is_new[best].sum())
        found += int(np.isin(best[is_new[best]], shown).sum())
        tries.add(shown, clicks.random(K) < looks * world.rates[shown], looks)
    return lost, found / max(due, 1)


def chi_square(knobs: ExplorationRule, draws: int) -> tuple[float, int, float]:
    """Statistic, degrees of freedom and chance of one at least as large, of lists of 3 against the products
    of their propensities."""
    world = World(7, 200, 1000, 0.5, 1)
    known = world.tries.arrays()
    rows = np.concatenate(
        [np.flatnonzero(known["shows"] > 0)[:5], np.flatnonzero(known["shows"] == 0)[:5]]
    ).astype(np.int32)
    rule, draft = Exploration(knobs, world.tries), Draft(rows, np.linspace(1, 0.5, 10, dtype=np.float32))
    counts: Counter[tuple[int, ...]] = Counter()
    chances: dict[tuple[int, ...], float] = {}
    for seed in range(draws):
        got = rule(draft, Request(k=3, seed=seed))
        shown = tuple(got.rows[:3].tolist())
        counts[shown] += 1
        assert got.propensities is not None
        chances[shown] = float(np.prod(got.propensities[:3]))
    # Lists too rare to be counted on are one, and so are those that never came.
    often = [shown for shown in chances if chances[shown] * draws >= 10]
    expected = np.array([chances[shown] * draws for shown in often])
    seen = np.array([counts[shown] for shown in often], np.float64)
    if draws - expected.sum() >= 1:
        expected, seen = np.append(expected, draws - expected.sum()), np.append(seen, draws - seen.sum())
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return statistic, len(seen) - 1, float(chi2.sf(statistic, len(seen) - 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--policies", nargs="*", default=list(POLICIES))
    parser.add_argument("--pessimism", type=float, default=0.5)
    parser.add_argument("--novelty", type=float, default=1.0)
    parser.add_argument("--eta", type=float, default=1.0)
    parser.add_argument("--looks", type=float, default=3000)
    parser.add_argument("--chi", type=int, default=0, help="requests of the chi-square test; 0: none")
    parser.add_argument("--dry", action="store_true", help="nothing is written down")
    asked = parser.parse_args()
    keep: Any = (lambda _, **values: values) if asked.dry else record
    table = Table(title=f"regret over {asked.requests} requests, clicks (seeds: mean ± deviation)")
    for heading in ("policy", "regret", "of greedy's", "last tenth", "of greedy's", "new ones found", "ms"):
        table.add_column(heading)
    all_lost: dict[str, Rates] = {}
    for policy in asked.policies if asked.seeds else []:
        lost, found = [], []
        started = time.process_time()
        for seed in asked.seeds:
            world = World(seed, asked.items, asked.looks, asked.pessimism, asked.novelty, policy == NONE_NEW)
            one, share = regret(world, POLICIES[policy], asked.requests, asked.candidates, asked.eta, seed)
            lost.append(one)
            found.append(share)
            keep(
                "exploration",
                policy=policy,
                seed=seed,
                requests=asked.requests,
                items=asked.items,
                candidates=asked.candidates,
                eta=asked.eta,
                pessimism=asked.pessimism,
                looks=asked.looks,
                novelty=asked.novelty,
                regret=round(float(one.sum()), 2),
                regret_last_tenth=round(float(one[-len(one) // 10 :].sum()), 2),
                new_found=round(share, 4),
            )
        took = (time.process_time() - started) / asked.requests / len(asked.seeds) * 1000
        all_lost[policy] = np.array(lost)
        total, late = np.array(lost).sum(1), np.array(lost)[:, -asked.requests // 10 :].sum(1)
        first = all_lost[asked.policies[0]]
        ratio, late_ratio = total.sum() / first.sum(), late.sum() / first[:, -asked.requests // 10 :].sum()
        table.add_row(
            *(policy, f"{total.mean():.0f} ± {total.std():.0f}", f"{ratio:.2f}"),
            *(f"{late.mean():.1f}", f"{late_ratio:.2f}", f"{np.mean(found):.0%}", f"{took:.2f}"),
        )
    if all_lost:
        Console().print(table)
    for policy in ("epsilon 0.1", "thompson 1", "thompson 2") if asked.chi else ():
        statistic, freedom, chance = chi_square(POLICIES[policy], asked.chi)
        keep("exploration", policy=policy, chi_square=statistic, freedom=freedom, p=chance, draws=asked.chi)
        print(f"{policy}: χ² {statistic:.1f} of {freedom}, p {chance:.3f}, {asked.chi} lists")


if __name__ == "__main__":
    main()
