"""Regions of a map: items that stand together in the model's own space, named by what is typical of them."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tastemaker.data.titles import english_half, normalised, without_season, without_year
from tastemaker.recipe import Role
from tastemaker.recommend import Recommender
from tastemaker.retrieve import native

MOST = 24
ROUNDS = 25
LONGEST = 28
TYPICAL = 0.25
"""The least share of a region's items that must have what the region is named by."""
_DULL = (
    "|a|an|and|are|at|by|de|der|die|do|el|for|from|her|his|i|in|into|is|it|la|le|les|limited|me|my|of|on|or|"
    "our|part|season|seasons|series|st|the|to|vol|volume|we|with|you|your|"
)


@dataclass(frozen=True)
class Region:
    """Attributes:
    size: how many items it has.
    centre: the item of the map, 0..n-1, nearest to its middle.
    """

    name: str
    size: int
    centre: int


def parted(vectors: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.int64]:
    """(n,) the region of each of n vectors, numbered by size; k-means, about √n / 5 of them, 2 to MOST."""
    count = min(len(vectors), int(np.clip(round(math.sqrt(len(vectors)) / 5), 2, MOST)))
    faiss = native.library()
    given = np.ascontiguousarray(vectors, np.float32)
    means = faiss.Kmeans(given.shape[1], count, niter=ROUNDS, seed=seed + 1, min_points_per_centroid=1)
    means.train(given)
    _, found = means.index.search(given, 1)
    numbers = found[:, 0]
    sizes = np.bincount(numbers, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    of = np.empty(count, np.int64)
    of[order] = np.arange(count)
    return np.asarray(of[numbers])


def regions_of(
    recommender: Recommender,
    rows: npt.NDArray[np.int32],
    places: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.int64],
) -> list[Region]:
    """Named, in the order of `numbers` (n,).

    Args:
        rows: (n,) of the catalogue, most popular first.
        places: (n, 2) where they stand.
    """
    told = _told(recommender, rows)
    everywhere = Counter(each for traits in told for each in traits)
    found: list[Region] = []
    for number in range(int(numbers.max(initial=-1)) + 1):
        members = np.flatnonzero(numbers == number)
        if not len(members):
            continue
        middle = np.median(places[members], axis=0)
        centre = members[np.square(places[members] - middle).sum(1).argmin()]
        traits = _typical([told[member] for member in members], everywhere, len(rows))
        best = next((member for member in members if told[member].issuperset(traits)), members[0])
        name, title = " · ".join(text for _, text in traits), recommender.catalogue.titles[rows[best]]
        name = _unlike(name, title, {region.name for region in found})
        found.append(Region(name, len(members), int(centre)))
    return found


WORD = -1
Trait = tuple[int, str]
"""The number of the column that it is a value of, or WORD, and what it says."""


def _told(recommender: Recommender, rows: npt.NDArray[np.int32]) -> list[set[Trait]]:
    """(n,) what is said of each item: its categories, and the words of its title."""
    catalogue = recommender.catalogue
    titles = [catalogue.titles[row] for row in rows]
    told: list[set[Trait]] = [
        {(WORD, word) for word in normalised(english_half(title)).split() if _says_something(word)}
        for title in titles
    ]
    for number, column in enumerate(catalogue.columns):
        if column.role in (Role.CATEGORY, Role.CATEGORIES):
            for traits, value in zip(told, catalogue.frame[column.name][rows].to_list(), strict=True):
                values = [value] if isinstance(value, str) else value or []
                traits.update((number, each) for each in values if each and not _is_flag(each))
    return told


def _says_something(word: str) -> bool:
    return len(word) > 2 and f"|{word}|" not in _DULL and not re.fullmatch(r"\d+", word)


def _is_flag(value: str) -> bool:
    return value.casefold() in {"yes", "no", "true", "false", "0", "1"}


def _typical(members: Sequence[set[Trait]], everywhere: Counter[Trait], count: int) -> list[Trait]:
    """What most of them share and few others do: up to two values and a word."""
    inside = Counter(each for traits in members for each in traits)

    def weight(trait: Trait) -> float:  # how many nats of surprise its presence adds, over all members
        share, rest = inside[trait] / len(members), everywhere[trait] / count
        return share * math.log(share / rest)

    common = [trait for trait in inside if inside[trait] >= TYPICAL * len(members)]
    ranked = sorted(common, key=lambda trait: (-weight(trait), trait))
    values = sorted(
        [trait for trait in ranked if trait[0] != WORD][:2]
    )  # in the catalogue's order of columns
    words = [trait for trait in ranked if trait[0] == WORD][:1]
    return [*values, *words]


def _unlike(name: str, title: str, taken: set[str]) -> str:
    """A name that is nobody else's yet: the best known of its items tells it from those called alike."""
    if name and name not in taken:
        return name
    called = without_year(without_season(english_half(title)))
    short = called if len(called) <= LONGEST else f"{called[: LONGEST - 1].rstrip()}…"
    found, number = f"{name}, {short}" if name else short, 2
    while found in taken:
        found, number = f"{name}, {short} {number}", number + 1
    return found
