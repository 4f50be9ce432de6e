"""Who is like whom: each item's list as `similar` gives it, and the graph that a layout is made of."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.progress import Progress, Report, silent
from tastemaker.recommend import Recommender

Floats = npt.NDArray[np.float32]

BLOCK = 256
KIN = 4
WIDE = 64
"""More than are listed, so that enough are left once each series stands there once; as `similar` has it."""


class Likeness(NamedTuple):
    """
    rows: (n, k) int32 what `similar` lists for each item: one of each series and none of its own; PAD where
        there are no more.
    scores: (n, k) float32, -inf beside a PAD.
    graph, graph_scores: (n, g) the nearest of all among the n, as places 0..n-1; KIN of its own series at
        most, or every long series would be an island.
    """

    rows: Rows
    scores: Floats
    graph: Rows
    graph_scores: Floats


def likeness(recommender: Recommender, rows: Rows, k: int, graph: int, report: Report = silent) -> Likeness:
    """Of the items in `rows` (n,), k neighbours in the whole catalogue and `graph` among themselves."""
    neighbours, series = recommender.nearest.neighbours, recommender.series
    size, count = recommender.catalogue.size, len(rows)
    k, graph = max(min(k, size - 1), 0), max(min(graph, count - 1), 0)
    place = np.full(size, PAD, np.int32)
    place[rows] = np.arange(count)
    is_drawn = None if count == size else place != PAD
    found = Likeness(
        np.full((count, k), PAD, np.int32),
        np.full((count, k), -np.inf, np.float32),
        np.full((count, graph), PAD, np.int32),
        np.full((count, graph), -np.inf, np.float32),
    )
    for at in range(0, count, BLOCK):
        block = rows[at : at + BLOCK]
        history, whole, own = block[:, None], np.ones((len(block), 1), np.float32), list(block[:, None])
        wide = neighbours.search(history, whole, min(size, max(8 * k + WIDE, graph)), own)
        near = wide if is_drawn is None else neighbours.search(history, whole, 4 * graph, own, is_drawn)
        is_kin = series.numbers[near.rows] == series.numbers[block][:, None]
        is_late = (is_kin & (is_kin.cumsum(1) > KIN)) | (near.rows == PAD)
        first = np.argsort(is_late, axis=1, kind="stable")[:, :graph]  # late kin only where nobody else is
        first.sort(axis=1)
        found.graph[at : at + BLOCK] = place[np.take_along_axis(near.rows, first, 1)]
        found.graph_scores[at : at + BLOCK] = np.take_along_axis(near.scores, first, 1)
        for number, row in enumerate(block.tolist()):
            ranked, scores = _one_a_series(wide.rows[number], wide.scores[number], series.numbers, row, k)
            if len(ranked) < k:
                hits = series.one_of_each(
                    row,
                    k,
                    lambda n, less, row=row: neighbours.search(  # type: ignore[misc]
                        np.array([[row]], np.int32), np.ones((1, 1), np.float32), n, [less]
                    ),
                )
                ranked, scores = hits.rows[0], hits.scores[0]
            found.rows[at + number, : len(ranked)], found.scores[at + number, : len(ranked)] = ranked, scores
        report(Progress("neighbours", min(at + BLOCK, count), count))
    return found


def _one_a_series(
    rows: Rows, scores: Floats, numbers: npt.NDArray[np.int64], own: int, k: int
) -> tuple[Rows, Floats]:
    """Of hits (w,), the best of each series, k at most, and none of the series of `own`."""
    of = numbers[rows]
    fits = (rows != PAD) & (of != numbers[own])
    rows, scores, of = rows[fits], scores[fits], of[fits]
    _, first = np.unique(of, return_index=True)
    first.sort()
    return rows[first[:k]], scores[first[:k]]
