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


def islands(
    groups: int = 8,
    items: int = 60,
    people: int = 150,
    events: int = 12,
    seed: int = 1,
    ring: bool = True,
) -> Islands:
    """Each group has its own `items` and `people`; everyone walks a ring in it, now and then leaping ahead.

    Args:
        groups: G; the catalogue has G × items rows.
        events: of each person, all different.
        ring: false for any items of the group in any order, so that all of a group may come next.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(groups * people):
        if not ring:
            rows.append(person % groups * items + rng.choice(items, events, replace=False))
            continue
        start = rng.integers(items)
        # The next item mostly, sometimes one that is a few further on.
        walk = np.cumsum(rng.choice([1, 2, 3], events, p=[0.7, 0.2, 0.1]))
        rows.append(person % groups * items + (start + walk) % items)
    users = np.repeat(np.arange(groups * people, dtype=np.int32), events)
    times = np.tile(np.arange(events, dtype=np.float64), groups * people)
    names = [f"p{person}" for person in range(groups * people)]
    log = Interactions.from_events(names, users, np.concatenate(rows).astype(np.int32), times)
    return Islands(log, np.repeat(np.arange(groups, dtype=np.int32), items))


def pauses(
    items: int = 100, people: int = 500, events: int = 9, leap: int = 37, seed: int = 1
) -> Interactions:
    """A ring on which only the time between the last two events tells what comes next.

    After a pause of minutes the next item of the ring follows, after one of days the item `leap` further on;
    a coin decides between them, so that without the times nothing better than half can be guessed right.

    Args:
        events: of each person, all different up to 12 events, 100 items and a leap of 37.
    """
    rng = np.random.default_rng(seed)
    is_long = rng.random((people, events - 1)) < 0.5
    pause = np.where(is_long, 86400, 60) * rng.integers(1, 9, is_long.shape)
    times = 1e9 + rng.integers(0, 10**7, (people, 1)) + np.pad(pause.cumsum(1), ((0, 0), (1, 0)))
    # What a pause decides is the step after the event that it ends at.
    first = rng.choice([1, leap], (people, 1))
    steps = np.concatenate([first, np.where(is_long, leap, 1)[:, :-1]], axis=1)
    rows = (rng.integers(0, items, (people, 1)) + np.pad(steps.cumsum(1), ((0, 0), (1, 0)))) % items
    users = np.repeat(np.arange(people, dtype=np.int32), events)
    names = [f"p{person}" for person in range(people)]
    return Interactions.from_events(names, users, rows.ravel().astype(np.int32), times.ravel())
