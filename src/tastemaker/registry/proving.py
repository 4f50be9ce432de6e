"""Whether a bundle is what it says: its bytes, its parts, its kept answers, and each of its networks.

What opening alone doesn't look at for its cost is looked at here, since it happens once for a model and not
once for a process.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tastemaker.bundle import BY_ITEM, Bundle
from tastemaker.door.files import one_line, told
from tastemaker.errors import BundleError
from tastemaker.recommend import Recommender
from tastemaker.retrieve.tower import Tower

K = 5
BLOCK = 1 << 16
"""Rows looked at together."""


def proven(path: Path) -> Recommender:
    """Opened and asked. Raises: BundleError, of one line."""
    recommender = Recommender.load(path)
    bundle = recommender.bundle
    with one_line(path):
        _check_numbers(path, bundle)
        for name in bundle.towers:
            _ = Tower(bundle.towers[name]).inputs
        _ask(path, recommender)
    return recommender


def _check_numbers(path: Path, bundle: Bundle) -> None:
    items, rows = bundle.catalogue.size, bundle.histories.rows
    for at in range(0, len(rows), BLOCK):
        block = rows[at : at + BLOCK]
        if block.min() < 0 or block.max() >= items:
            raise BundleError(f"{told(path)} is damaged: histories speak of items that there aren't.")
    for name in (*BY_ITEM, "popularity"):
        array = bundle.arrays.get(name, np.zeros(0))
        if not all(np.isfinite(array[at : at + BLOCK]).all() for at in range(0, len(array), BLOCK)):
            raise BundleError(f"{told(path)} is damaged: {name} holds what is no number.")


def _ask(path: Path, recommender: Recommender) -> None:
    """The whole path once: what finds, what orders, what rules, what is like another."""
    catalogue = recommender.catalogue
    if not catalogue.size:
        raise BundleError(f"{told(path)} has no items: there is nothing to recommend.")
    kept: Sequence[list[str]] = [each["history"] for each in recommender.bundle.golden]
    histories = [*kept, catalogue.ids[:1]]
    for history in histories[:K]:
        recommender.recommend(history=history, k=K)
    recommender.similar(item_id=catalogue.ids[0], k=K)
