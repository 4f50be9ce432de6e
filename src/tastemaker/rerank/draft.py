"""A slate in the making: what every rule takes, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows

Floats = npt.NDArray[np.float32]
Order = npt.NDArray[np.intp]

REACH = 100
"""Places from which a later rule may yet bring an item into a list, but for a few."""


@dataclass(frozen=True)
class Draft:
    """Items in the order in which they would be shown; a rule reads one and returns another.

    Attributes:
        rows: (n,) int32 catalogue rows, none twice.
        scores: (n,) float32, never rising. A score belongs to a place: an item that a rule moves takes the
            score of where it comes to stand, so that each rule begins at the order that the last one left.
        reasons: in words, by row, what a rule moved an item forward for.
        notes: what the asker should know, e.g. what could not hold, and why.
        propensities: (n,) float64 chance that the item would have been given this place; None where nothing
            was left to chance.
    """

    rows: Rows
    scores: Floats
    reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    propensities: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def relevance(self) -> Floats:
        """(n,) the scores from 0, the lowest, to 1; 1 everywhere where they are all the same."""
        if not len(self.scores):
            return self.scores
        high, low = self.scores[0], self.scores[-1]
        if not high > low:
            return np.ones(len(self.scores), np.float32)
        return np.asarray((self.scores - low) / (high - low), np.float32)

    def sorted_by(self, scores: Floats, reasons: Mapping[int, str] | None = None) -> "Draft":
        """By other scores (n,), highest first; ties stay as they stand."""
        order = np.argsort(-scores, kind="stable")
        return self._moved(order, np.asarray(scores[order], np.float32), reasons)

    def ordered(self, order: Order, reasons: Mapping[int, str] | None = None) -> "Draft":
        """The items that stand at the places `order` (m ≤ n,), no place twice; those left out follow as they
        stand. The scores stay where they are.
        """
        if len(order) < len(self):
            rest = np.ones(len(self), bool)
            rest[order] = False
            order = np.concatenate([order, np.flatnonzero(rest)])
        return self._moved(order, self.scores, reasons)

    def where(self, kept: npt.NDArray[np.bool_]) -> "Draft":
        """Only those of `kept` (n,)."""
        if kept.all():
            return self
        chances = None if self.propensities is None else self.propensities[kept]
        return replace(self, rows=self.rows[kept], scores=self.scores[kept], propensities=chances)

    def bringing(self, rows: Rows) -> "Draft":
        """With `rows` (m,) that aren't in it behind all others, at the lowest score; they are there for
        certain.
        """
        lowest = self.scores[-1] if len(self) else np.float32(0)
        chances = self.propensities
        return replace(
            self,
            rows=np.concatenate([self.rows, rows]).astype(np.int32),
            scores=np.concatenate([self.scores, np.full(len(rows), lowest, np.float32)]),
            propensities=None if chances is None else np.concatenate([chances, np.ones(len(rows))]),
        )

    def noting(self, *notes: str) -> "Draft":
        return replace(self, notes=(*self.notes, *notes))

    def _moved(self, order: Order, scores: Floats, reasons: Mapping[int, str] | None) -> "Draft":
        said = self.reasons
        if reasons:
            said = {**said, **{row: (*said.get(row, ()), text) for row, text in reasons.items()}}
        chances = None if self.propensities is None else self.propensities[order]
        return replace(self, rows=self.rows[order], scores=scores, reasons=said, propensities=chances)


def forward(order: Order, k: int) -> Order:
    """Where those stood (m,) whom an order (n,) brings forward, as far as they may yet come into a list."""
    reached = order[: max(k, REACH)]
    return reached[reached > np.arange(len(reached))]


_NOTHING = np.zeros(0, np.int32)


@dataclass(frozen=True)
class Request:
    """Who wants a list, of what length, when and where.

    Attributes:
        k: places of the list; what stands behind them isn't shown.
        history: (H,) int32 what the asker touched, oldest first; the item itself where it is asked what is
            like it.
        history_at: (H,) when, seconds since 1970, NaN where unknown; empty where nobody knows of any.
        now: seconds since 1970; NaN where nobody can tell.
        user_id: whose list it is; empty for a stranger.
        seed: of whatever is drawn by chance.
        country: where it is shown; empty where nobody says.
        age: of the viewer in years; None where nobody says.
        shown: (S,) int32 rows that this person was shown before.
        shown_at: (S,) when, seconds since 1970.
        allowed: (N,) which rows the request is held to; None for every one.
    """

    k: int
    history: Rows = field(default_factory=lambda: _NOTHING)
    now: float = np.nan
    user_id: str = ""
    seed: int = 0
    country: str = ""
    age: float | None = None
    shown: Rows = field(default_factory=lambda: _NOTHING)
    shown_at: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    history_at: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    allowed: npt.NDArray[np.bool_] | None = None

    def rng(self, rule: str) -> np.random.Generator:
        """A source of chance for one rule: the same for the same request, whatever other rules draw."""
        moment = 0 if np.isnan(self.now) else int(self.now)
        return np.random.default_rng(
            [self.seed, crc32(f"{rule}\0{self.user_id}".encode()), moment & (1 << 62) - 1]
        )


class Rule(Protocol):
    """Puts a draft into another order. With strength 0 there is no rule; ties stay as they stand; the same
    draft and request give the same order. Nothing is lost but by a rule that is there to remove.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, draft: Draft, request: Request) -> Draft: ...
