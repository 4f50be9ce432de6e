"""A few questions whose answers a bundle keeps: asked again when it opens, they show that it is the same.

A runtime of another version, another processor or another index would pass every checksum and still answer
something else.
"""

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.errors import BundleError

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

K = 5
APART = 1e-3
"""Of the best score's size, how far two machines may be apart: rounding is a hundredth of it."""


class Golden(TypedDict):
    """One request and its answer.

    history: item ids, oldest first.
    scores: of the K best, best first. Items that tie may change places, so they aren't named.
    """

    history: list[str]
    scores: list[float]


def golden(recommender: "Recommender") -> list[Golden]:
    """Requests by people that the bundle knows, by a newcomer with one item, and what they are given."""
    catalogue, log = recommender.catalogue, recommender.bundle.histories
    if not catalogue.size:
        return []
    with_history = np.flatnonzero(np.diff(log.offsets))
    places = sorted({0, len(with_history) // 2, len(with_history) - 1}) if len(with_history) else []
    histories = [catalogue.id_list(log.of(int(with_history[place]))) for place in places]
    popular = int(np.argmax(recommender.bundle.arrays["popularity"]))
    histories.append(catalogue.id_list([popular]))
    return [
        {"history": history, "scores": scores}
        for history, scores in zip(histories, _scores(recommender, histories), strict=True)
    ]


def check(recommender: "Recommender") -> None:
    """Ask them all again. Raises BundleError when an answer isn't the one that was kept."""
    kept = recommender.bundle.golden
    found = _scores(recommender, [each["history"] for each in kept])
    for number, (each, scores) in enumerate(zip(kept, found, strict=True), 1):
        expected = each["scores"]
        room = APART * max(1.0, *map(abs, expected), 0.0)
        if len(scores) != len(expected) or not np.allclose(scores, expected, rtol=0, atol=room):
            raise BundleError(
                f"This bundle doesn't answer here as it did where it was made: golden request {number} of "
                f"{len(kept)} scores {_short(scores)} instead of {_short(expected)}."
            )


def _scores(recommender: "Recommender", histories: list[list[str]]) -> list[list[float]]:
    rows = [recommender.catalogue.rows(history) for history in histories]
    users = np.repeat(np.arange(len(rows), dtype=np.int32), [len(each) for each in rows])
    names = [""] * len(rows)
    log = Interactions.from_events(
        names, users, np.concatenate([*rows, np.zeros(0, np.int32)]), is_ordered=True
    )
    hits = recommender.nearest.search(log, np.arange(len(rows), dtype=np.int32), K)
    return [
        [float(score) for score in scores[found != PAD]]
        for found, scores in zip(hits.rows, hits.scores, strict=True)
    ]


def _short(scores: list[float]) -> str:
    return " ".join(f"{score:.4g}" for score in scores) or "nothing"
