"""Whose NDCG? The definitions of others, so that a number can be laid beside a paper's.

Papers say "NDCG@10" and "MAP@10" and mean different things: they divide by different ideals. Where every
user has one item to be found, all of them are the same but RecTools' NDCG, and MAP divided by k.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

from tastemaker.data.catalogue import Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError, hint
from tastemaker.evaluation.metrics import PER_USER, Found, Most, PerUser


class Metric(Protocol):
    """One number a user from what was found."""

    def __call__(self, rows: Rows, targets: Interactions, k: int) -> PerUser:
        """(U,), NaN for who has nothing to be found."""
        ...


@dataclass(frozen=True)
class Convention:
    """How one library defines the metrics, as far as definitions differ.

    Attributes:
        ndcg: how many hits the ideal list of NDCG has.
        map: what the sum of precisions is divided by.
        source: where that is written.
        also: what else must be known to get the library's own number.
    """

    name: str
    ndcg: Most
    map: Most
    source: str
    also: str = ""

    def marks(self, found: Found) -> dict[str, PerUser]:
        """Each metric of `metrics.PER_USER`, (U,)."""
        return {
            "ndcg": found.ndcg(self.ndcg),
            "hit_rate": found.hit_rate(),
            "recall": found.recall(),
            "precision": found.precision(),
            "map": found.average_precision(self.map),
            "mrr": found.reciprocal_rank(),
        }

    def sentence(self) -> str:
        """What was done, for a person."""
        hits = {"reachable": "min(k, |R|)", "relevant": "|R|", "k": "k"}
        also = f" {self.also}" if self.also else ""
        return (
            f"Metrics as {self.name} has them: the ideal list of NDCG has {hits[self.ndcg]} hits, and MAP "
            f"is divided by {hits[self.map]} ({self.source}).{also}"
        )


OURS = Convention("tastemaker", "reachable", "reachable", "docs/evaluation.md")

_RECTOOLS = "rectools/metrics/ranking.py"
CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        each.name: each
        for each in (
            OURS,
            Convention(
                "recbole",
                "reachable",
                "reachable",
                "recbole/evaluator/metrics.py",
                "RecBole rounds to four digits.",
            ),
            Convention(
                "rectools",
                "k",
                "relevant",
                _RECTOOLS,
                "These are its defaults: NDCG(divide_by_achievable=True) is recbole's, MAP(divide_by_k=True) "
                "is rectools-by-k.",
            ),
            Convention("rectools-by-k", "k", "k", f"{_RECTOOLS}, MAP(divide_by_k=True)"),
            Convention(
                "trec_eval",
                "reachable",
                "relevant",
                "trec_eval's ndcg_cut, map_cut, P, recall, success",
                "It breaks ties itself, by the greater name: hand it scores that fall with the rank. Its "
                "recip_rank has no cut, and people without a list count only with -c.",
            ),
            Convention("ranx", "reachable", "relevant", "ranx/metrics/ndcg.py, average_precision.py"),
        )
    }
)
"""By name. A paper that names no library most often means one of these."""


def of(name: str) -> Convention:
    """The convention of that name. Raises RecipeError where there is none."""
    found = CONVENTIONS.get(name)
    if found is None:
        raise RecipeError(f"No convention for metrics is called {name!r}. {hint(name, list(CONVENTIONS))}")
    return found


def metric(name: str, convention: str = OURS.name) -> Metric:
    """`metrics.PER_USER[name]` as somebody else defines it: `metric("map", "trec_eval")(rows, targets, 10)`.

    Raises: RecipeError where there is no such metric or convention.
    """
    by = of(convention)
    names = list(PER_USER)
    if name not in names:
        raise RecipeError(f"No metric of one user is called {name!r}. {hint(name, names)}")
    return partial(_marked, name, by)


def _marked(name: str, by: Convention, rows: Rows, targets: Interactions, k: int) -> PerUser:
    return by.marks(Found.of(rows, targets, k))[name]
