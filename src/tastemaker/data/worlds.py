"""Planted worlds: logs made by a law that is known, so that what a model finds can be held against it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.interactions import Interactions


class Islands(NamedTuple):
    """Groups of people and items that have nothing to do with each other.

    log: nobody in it ever leaves their own group.
    group: (N,) int32 the group of each item.
    """

    log: Interactions
    group: npt.NDArray[np.int32]


def islands(groups: int = 8, items: int = 60, people: int = 150, events: int = 12, seed: int = 1) -> Islands:
    """Each group has its own `items` and `people`; everyone walks a ring in it, now and then leaping ahead.

    Args:
        groups: G; the catalogue has G × items rows.
        events: of each person, all different.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(groups * people):
        start = rng.integers(items)
        # The next item mostly, sometimes one that is a few further on.
        walk = np.cumsum(rng.choice([1, 2, 3], events, p=[0.7, 0.2, 0.1]))
        rows.append(person % groups * items + (start + walk) % items)
    users = np.repeat(np.arange(groups * people, dtype=np.int32), events)
    times = np.tile(np.arange(events, dtype=np.float64), groups * people)
    names = [f"p{person}" for person in range(groups * people)]
    log = Interactions.from_events(names, users, np.concatenate(rows).astype(np.int32), times)
    return Islands(log, np.repeat(np.arange(groups, dtype=np.int32), items))
