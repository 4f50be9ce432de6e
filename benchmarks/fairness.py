"""What do fair shares cost?    python -m benchmarks.fairness

A planted world, seed 7: two groups of items, as many and as good the one as the other (relevance 0 to 3 by
the same law), and scores that lower the second by `--bias` of their deviation. 500 candidates, 50 places,
2,000 requests. Lists are held to half each by lot, by a ledger, and by the FA*IR test (which only asks that
nobody could call a list unfair, so it doesn't bring exposure to half). Exposure is the mean over requests
of the second group's share of each beginning; NDCG@50 by true relevance, gain 2^relevance - 1, and by the
biased scores, of which the order that came has 1 by definition.

Against the exact optimum: small worlds, every order there is. For items of one group at most the gap is 0;
for items of several, how large it is and how often. Then what a lot costs that is drawn whatever the scores:
the least loss of all ways to give the second group its share of every beginning over the requests together,
each list within one item, is a linear programme over paths; on few requests it is solved.
"""

import argparse
import itertools
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog
from scipy.sparse import coo_array

from benchmarks.rows import record
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.recipe.reranking import FairnessRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.fairness import Fairness, merge
from tastemaker.rerank.quotas import dues_of, that_fit

Floats = npt.NDArray[np.float64]

ITEMS, PLACES = 500, 50
GROUPS = ("one", "other")
WAYS: dict[str, dict[str, Any]] = {
    "by lot": {"significance": 0},
    "by ledger": {"significance": 0, "over_time": True},
    "by test, 0.1": {"significance": 0.1},
}


def facts_of(groups: list[str]) -> Facts:
    frame = pl.DataFrame({"id": [f"i{n}" for n in range(len(groups))], "group": groups})
    columns = (Column(name="id", role=Role.ID), Column(name="group", role=Role.CATEGORY))
    nobody = Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32))
    manifest = Manifest(
        kind="content",
        recipe=Recipe().model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=1,
        value_scale={"mean": 1.0, "deviation": 1.0, "is_log": False},
        data={"fingerprint": "planted", "items": len(groups), "users": 0, "interactions": 0},
        created="2024-01-01T00:00:00+00:00",
        versions={},
    )
    bundle = Bundle(manifest, Catalogue(frame, columns), None, nobody, {})
    return Facts(bundle, np.ones((len(groups), 1), np.float32))


def dcg(gains: Floats) -> float:
    return float(gains @ (1 / np.log2(np.arange(len(gains)) + 2)))


class World:
    """Requests, each with its candidates' relevance, and scores that lower the second group's."""

    def __init__(self, requests: int, bias: float, items: int = ITEMS, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        self.is_other = np.arange(items) % 2 == 1
        quality = rng.standard_normal((requests, items))
        # A tenth is somewhat relevant, one in 30 more, one in 100 most: by quality, the same law for both.
        self.relevance = np.searchsorted(np.array([1.28, 1.83, 2.33]), quality).astype(np.float64)
        noisy = quality + 0.5 * rng.standard_normal((requests, items))
        self.scores = noisy - bias * noisy.std() * self.is_other

    def drafts(self) -> list[Draft]:
        orders = np.argsort(-self.scores, axis=1, kind="stable")
        return [
            Draft(order.astype(np.int32), scores[order].astype(np.float32))
            for order, scores in zip(orders, self.scores, strict=True)
        ]

    def marks(self, rows: list[npt.NDArray[np.int32]]) -> dict[str, Any]:
        """Exposure of the second group in each beginning, and NDCG by the truth and by the biased scores."""
        shown = np.stack([each[:PLACES] for each in rows])
        exposure = (np.cumsum(self.is_other[shown], 1) / np.arange(1, PLACES + 1)).mean(0)
        true, biased = [], []
        for list_, relevance, scores in zip(shown, self.relevance, self.scores, strict=True):
            gains, lifted = 2**relevance - 1, scores - scores.min()
            true.append(dcg(gains[list_]) / dcg(np.sort(gains)[::-1][:PLACES]))
            biased.append(dcg(lifted[list_]) / dcg(np.sort(lifted)[::-1][:PLACES]))
        return {"exposure": exposure, "ndcg_true": np.mean(true), "ndcg_biased": np.mean(biased)}


def large(requests: int, bias: float) -> None:
    world = World(requests, bias)
    facts = facts_of([GROUPS[int(other)] for other in world.is_other])
    drafts = world.drafts()
    table = Table(title=f"{requests:,} requests, scores of the other group lower by {bias} deviations")
    for heading in (
        "",
        "exposure @5",
        "@10",
        "@20",
        "@50",
        "farthest from half, 5 to 50",
        "NDCG@50 by truth",
    ):
        table.add_column(heading)
    for heading in ("by biased scores", "µs a list"):
        table.add_column(heading)
    for name, knobs in {"as scored": None, **WAYS}.items():
        rows, taken = [draft.rows for draft in drafts], [0.0]
        if knobs is not None:
            rule = Fairness(FairnessRule(of="group", shares=dict.fromkeys(GROUPS, 0.5), **knobs), facts)
            rule(drafts[0], Request(k=PLACES, user_id="warm"))
            if rule.ledger is not None:
                rule = Fairness(FairnessRule(of="group", shares=dict.fromkeys(GROUPS, 0.5), **knobs), facts)
            rows, taken = [], []
            for number, draft in enumerate(drafts):
                request = Request(k=PLACES, user_id=f"u{number}")
                started = time.process_time_ns()
                rows.append(rule(draft, request).rows)
                taken.append((time.process_time_ns() - started) / 1000)
        found = world.marks(rows)
        exposure = found["exposure"]
        farthest = float(np.abs(exposure[4:] - 0.5).max())
        record(
            "fairness",
            what="planted",
            way=name,
            bias=bias,
            requests=requests,
            exposure={at: round(float(exposure[at - 1]), 4) for at in range(5, PLACES + 1)},
            farthest=round(farthest, 4),
            ndcg_true=round(float(found["ndcg_true"]), 4),
            ndcg_biased=round(float(found["ndcg_biased"]), 4),
            median_us=round(float(np.median(taken)), 1),
            quickest_tenth_us=round(float(np.quantile(taken, 0.1)), 1),
        )
        table.add_row(
            name,
            *(f"{exposure[at - 1]:.1%}" for at in (5, 10, 20, 50)),
            f"{100 * farthest:.2f} points",
            f"{found['ndcg_true']:.4f}",
            f"{found['ndcg_biased']:.4f}",
            f"{np.median(taken):.0f}",
        )
    Console(width=150).print(table)


def small(worlds: int) -> None:
    """Every order of 4 of 7 items, groups as they fall."""
    rng = np.random.default_rng(7)
    table = Table(title=f"{worlds} small worlds: DCG lost against the best order that holds the shares")
    for heading in ("items are in", "groups", "mean", "worst", "at the optimum"):
        table.add_column(heading)
    for overlap, groups in ((False, 1), (False, 2), (False, 3), (True, 2), (True, 3)):
        gaps = []
        for _ in range(worlds):
            of = rng.integers(0, groups + 1, 7)
            member = np.arange(groups) == of[:, None]
            if overlap:
                member = rng.random((7, groups)) < 0.4
            gains = np.sort(rng.random(7) ** 3)[::-1]
            dues = that_fit([dues_of(np.sort(rng.integers(0, 3, 4))) for _ in range(groups)])
            dues = [own[:most] for own, most in zip(dues, member.sum(0), strict=True)]
            cells: dict[tuple[int, ...], list[int]] = {}
            for at, line in enumerate(member):
                cells.setdefault(tuple(np.flatnonzero(line).tolist()), []).append(at)
            ours = dcg(gains[merge(list(cells.items()), dues, 4).order])
            orders = np.array(list(itertools.permutations(range(7), 4)))
            counts = np.cumsum(member[orders], 1)  # (orders, 4, groups)
            fair = np.ones(len(orders), bool)
            for group, own in enumerate(dues):
                for nth, due in enumerate(own, 1):
                    fair &= counts[:, due - 1, group] >= nth
            best = (gains[orders[fair]] / np.log2(np.arange(4) + 2)).sum(1).max()
            gaps.append(1 - ours / best)
        found = {"mean": np.mean(gaps), "worst": np.max(gaps), "exact": np.mean(np.array(gaps) < 1e-12)}
        record("fairness", what="small", overlap=overlap, groups=groups, worlds=worlds, **found)
        table.add_row(
            "several" if overlap else "one at most",
            str(groups),
            f"{found['mean']:.3%}",
            f"{found['worst']:.3%}",
            f"{found['exact']:.1%}",
        )
    Console(width=150).print(table)


def together(requests: int, places: int, bias: float) -> None:
    """The least loss of all requests together, as a linear programme over the paths of each."""
    world = World(requests, bias, items=100, seed=8)
    other, drafts = world.is_other, world.drafts()
    discount = 1 / np.log2(np.arange(places) + 2)
    cost: list[float] = []
    entries: list[tuple[int, int, float]] = []  # row of the constraint, variable, coefficient
    bounds: list[float] = []
    nodes: dict[tuple[int, int, int], int] = {}

    def node(request: int, place: int, count: int) -> int:
        if (request, place, count) not in nodes:
            nodes[request, place, count] = len(bounds)
            bounds.append(1.0 if place == 0 else 0.0)
        return nodes[request, place, count]

    for number, draft in enumerate(drafts):
        lifted = world.scores[number] - world.scores[number].min()
        queues = [[lifted[row] for row in draft.rows if other[row] == side] for side in (False, True)]
        # Of a place's flow, what comes in goes out; at the end it may go.
        states = {0}
        for place in range(places):
            following = set()
            for count in sorted(states):
                start = node(number, place, count)
                for side in (0, 1):
                    after = count + side
                    if abs(after - 0.5 * (place + 1)) >= 1:
                        continue
                    gain = queues[side][count if side else place - count]
                    variable = len(cost)
                    cost.append(-gain * discount[place])
                    entries.append((start, variable, 1.0))
                    if place + 1 < places:
                        entries.append((node(number, place + 1, after), variable, -1.0))
                    if side:
                        entries += [(-1 - each, variable, 1.0) for each in range(place, places)]
                    following.add(after)
            states = following
    flows = len(bounds)
    lines = [line if line >= 0 else flows - 1 - line for line, _, _ in entries]
    matrix = coo_array(
        ([value for *_, value in entries], (lines, [variable for _, variable, _ in entries])),
        shape=(flows + places, len(cost)),
    ).tocsr()
    right = np.array([*bounds, *(0.5 * requests * np.arange(1, places + 1))])
    best = -linprog(cost, A_eq=matrix, b_eq=right, bounds=(0, None), method="highs").fun

    facts = facts_of([GROUPS[int(each)] for each in other])
    ideal = total = 0.0
    ours = dict.fromkeys(("by lot", "by ledger"), 0.0)
    rules = {
        name: Fairness(FairnessRule(of="group", shares=dict.fromkeys(GROUPS, 0.5), **WAYS[name]), facts)
        for name in ours
    }
    for number, draft in enumerate(drafts):
        lifted = world.scores[number] - world.scores[number].min()
        ideal += dcg(np.sort(lifted)[::-1][:places])
        total += 1
        for name, rule in rules.items():
            rows = rule(draft, Request(k=places, user_id=f"u{number}")).rows[:places]
            ours[name] += dcg(lifted[rows])
    losses = {"least": 1 - best / ideal} | {name: 1 - each / ideal for name, each in ours.items()}
    assert math.isclose(total, requests)
    record("fairness", what="together", requests=requests, places=places, bias=bias, losses=losses)
    told = ", ".join(f"{name} {loss:.3%}" for name, loss in losses.items())
    Console(width=150).print(f"NDCG@{places} by the biased scores lost, {requests} requests together: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--bias", type=float, default=0.5)
    parser.add_argument("--worlds", type=int, default=1000)
    asked = parser.parse_args()
    large(asked.requests, asked.bias)
    small(asked.worlds)
    together(100, 20, asked.bias)


if __name__ == "__main__":
    main()
