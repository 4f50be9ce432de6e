"""A new model's map turned onto an older one's, so that a new version doesn't spin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Turn:
    """A rotation, mirrored where that fits better, with a scale and a shift: `scale * places @ turn + shift`.

    Attributes:
        turn: (2, 2) orthogonal.
        shift: (2,)
    """

    scale: float
    turn: Floats
    shift: Floats

    def of(self, places: Floats) -> Floats:
        return np.asarray(self.scale * places @ self.turn + self.shift)

    @property
    def is_mirrored(self) -> bool:
        return bool(np.linalg.det(self.turn) < 0)


def onto(moving: Floats, fixed: Floats) -> Turn:
    """What brings places (n, 2) nearest to others (n, 2), by the sum of squares (Schönemann, 1966; with
    scale, Gower, 1975).

    Fewer than three places, or all in one point, say nothing of a turn: then it is none.
    """
    if len(moving) < 3 or not np.ptp(moving, 0).any() or not np.ptp(fixed, 0).any():
        return Turn(1.0, np.eye(2), np.zeros(2))
    own, other = moving.mean(0), fixed.mean(0)
    left, stretch, right = np.linalg.svd((moving - own).T @ (fixed - other))
    turn = left @ right
    scale = float(stretch.sum() / np.square(moving - own).sum())
    return Turn(scale, turn, other - scale * own @ turn)


@dataclass(frozen=True)
class Older:
    """Where an older map has its items.

    Attributes:
        name: of the model, or of the file.
        ids: (M,)
        places: (M, 2)
    """

    name: str
    ids: Sequence[str]
    places: Floats

    def shared(self, ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which of `ids` it has too, and where: two arrays of places in the lists, (S,)."""
        at = {id: place for place, id in enumerate(self.ids)}
        pairs = [(own, at[id]) for own, id in enumerate(ids) if id in at]
        both = np.array(pairs, np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]


@dataclass(frozen=True)
class Alignment:
    """How far shared items stand from where they stood, in shares of the older map's diagonal.

    Attributes:
        shared: how many items both maps have.
        before, after: the median distance, as the projection came and once it was turned.
    """

    name: str
    shared: int
    before: float
    after: float
    is_mirrored: bool


def aligned(places: Floats, ids: Sequence[str], older: Older) -> tuple[Floats, Alignment]:
    """`places` (N, 2) turned onto an older map by the items that both have, and how well that fits."""
    own, other = older.shared(ids)
    turn = onto(places[own], older.places[other])
    turned = turn.of(places)
    size = float(np.linalg.norm(np.ptp(older.places, 0))) if len(older.places) else 1.0
    moved = [_median(each[own] - older.places[other]) / (size or 1.0) for each in (places, turned)]
    return turned, Alignment(older.name, len(own), moved[0], moved[1], turn.is_mirrored)


def begun(start: Floats, ids: Sequence[str], older: Older, neighbours: npt.NDArray[np.int32]) -> Floats:
    """(N, 2) where a layout should begin to end up like an older one.

    Items that it has stand where they stood; a newcomer among its neighbours (N, K) there, or else where
    `start`, turned onto the older map, has it.
    """
    own, other = older.shared(ids)
    if len(own) < 3:
        return start
    begin = onto(start[own], older.places[other]).of(start)
    is_old = np.zeros(len(start), bool)
    is_old[own], begin[own] = True, older.places[other]
    for row in np.flatnonzero(~is_old):
        near = neighbours[row][neighbours[row] >= 0]
        near = near[is_old[near]]
        if len(near):
            begin[row] = begin[near].mean(0)
    return begin


def _median(steps: Floats) -> float:
    return float(np.median(np.linalg.norm(steps, axis=1))) if len(steps) else 0.0
