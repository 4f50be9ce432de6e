"""Holds the index to what the recipe asks of it: measured on queries as they come, widened until it is so.

Takes a bundle, gives it with its index chosen, tuned and noted; or refuses.
"""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Rows
from tastemaker.errors import TrainingError
from tastemaker.manifest import IndexNote
from tastemaker.progress import Progress, Report
from tastemaker.recipe import Recipe
from tastemaker.retrieve import kinds
from tastemaker.retrieve.index import Index
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.scan import Scan
from tastemaker.retrieve.shortlist import Approximate

Floats = npt.NDArray[np.float32]

QUERIES = 1000
"""Asked at most: recall of .99 at 100 is then known to within .001."""

TIMED = 200
"""Of them, one at a time."""


def indexed(bundle: Bundle, report: Report) -> Bundle:
    """`bundle` with the index that its recipe asks for, as wide as its recall needs.

    Raises: TrainingError when even its widest search misses the recall.
    """
    recipe = Recipe.of(bundle.manifest.recipe)
    wanted, vectors = recipe.retrieval.index, np.asarray(bundle.arrays["item_vectors"])
    if not len(vectors):
        return bundle
    report(Progress("index", 0, 1))
    queries = _queries(bundle, np.random.default_rng(recipe.seed))
    kind = kinds.settled(wanted.kind, len(vectors))
    k, started = min(wanted.k, len(vectors)), time.perf_counter()
    index = kinds.built(kind, vectors, recipe.seed)
    index.search(queries[:1], k, [()])  # what is put off until the first is part of the building
    seconds = time.perf_counter() - started
    truth = Scan(vectors).search(queries, k, [()] * len(queries)).rows
    if isinstance(index, Approximate):
        recall = tuned(index, queries, truth, wanted.recall)
    else:
        recall = recall_of(index, queries, truth)
    if recall < wanted.recall:
        raise TrainingError(
            f"The index {kind!r} finds {recall:.4f} of the {k} nearest at its widest, and "
            f"retrieval.index.recall is {wanted.recall:g}: set retrieval.index.kind to 'exact', or lower it."
        )
    taken = _microseconds(index, queries[:TIMED], k)
    width, kept = (index.width, index.arrays()) if isinstance(index, Approximate) else (0, {})
    note = IndexNote(
        kind=kind,
        width=width,
        lists=len(kept.get("index/centroids", ())),
        k=k,
        recall=round(recall, 5),
        queries=len(queries),
        latency_us={"median": round(float(np.median(taken)), 1), "p95": round(_p95(taken), 1)},
        built_seconds=round(seconds, 3),
    )
    report(Progress("index", 1, 1))
    manifest = bundle.manifest.model_copy(update={"index": note})
    return replace(bundle, manifest=manifest, arrays={**bundle.arrays, **kept})


def tuned(index: Approximate, queries: Floats, truth: Rows, target: float) -> float:
    """Give `index` the least width at which it finds `target` of `truth` (B, k), and say what it finds.

    Less than the target: the index is then at its widest. Widths are told apart to about a tenth.
    """

    def found(width: int) -> float:
        index.width = width
        return recall_of(index, queries, truth)

    low, high = 0, min(index.fewest, index.widest)
    while (recall := found(high)) < target and high < index.widest:
        low, high = high, min(2 * high, index.widest)
    while recall >= target and low and high - low > max(1, high // 10):
        middle = (low + high) // 2
        if (between := found(middle)) >= target:
            high, recall = middle, between
        else:
            low = middle
    index.width = high
    return recall


def recall_of(index: Index, queries: Floats, truth: Rows) -> float:
    """Mean share of each row of `truth` (B, k) that `index` finds."""
    rows = index.search(queries, truth.shape[1], [()] * len(queries)).rows
    return float(np.mean([np.isin(due, got).mean() for due, got in zip(truth, rows, strict=True)]))


def _queries(bundle: Bundle, rng: np.random.Generator) -> Floats:
    """(B, D) of people's histories; where nobody has one, or there is no query tower, items'."""
    log, vectors = bundle.histories, np.asarray(bundle.arrays["item_vectors"])
    users = np.flatnonzero(np.diff(log.offsets) > 0).astype(np.int32)
    if not len(users) or "query_tower" not in bundle.towers:
        return np.asarray(vectors[_some(np.arange(len(vectors)), rng)], np.float32)
    users, nearest = _some(users, rng), Nearest(bundle)
    return nearest.query_vectors(nearest.window(log, users), [log.user_ids[int(user)] for user in users])


def _some(all_of_them: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    return np.sort(rng.choice(all_of_them, min(QUERIES, len(all_of_them)), replace=False))


def _microseconds(index: Index, queries: Floats, k: int) -> list[float]:
    taken = []
    for at in range(len(queries)):
        started = time.perf_counter()
        index.search(queries[at : at + 1], k, [()])
        taken.append(1e6 * (time.perf_counter() - started))
    return taken


def _p95(taken: list[float]) -> float:
    return float(np.percentile(taken, 95))
