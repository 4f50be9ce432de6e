"""What one training step works on: examples, candidates and the few rows that they touch.

All of it is counted and placed in compiled loops over plain arrays, while the step before is learning.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Batch
from tastemaker.model import kernels
from tastemaker.model.items import Chosen, Items
from tastemaker.model.negatives import Mixture

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


class Work(NamedTuple):
    """One step, B examples over U distinct items, of which the first C are candidates.

    chosen: the items.
    candidates: C.
    places: (S, T) int32 histories as places among the items; or, where those have vectors of their own
        in a history, among `past`.
    past: distinct rows of the histories, or None where they are among the items.
    values: (S, T) float32 strengths.
    ages: (S, T) float32 as in `Window`, or None.
    users: (S,) rows of the user features.
    after: (B,) int32 the event, s × T + t, that each example comes after; None where each has a history of
        its own, S being B, or `own_starts` says which.
    own_starts: (S + 1,) where each history's labels begin, where it has several; else None.
    columns: (B,) int32 place of each label.
    weights: (C,) how many items of the catalogue each candidate stands for.
    known: (P,), starts: (B + 1,): candidates that a user has touched, no negatives; see `kernels`. Where
        histories have several labels, by history, and the labels too.
    """

    chosen: Chosen
    candidates: int
    places: Rows
    past: Rows | None
    values: Floats
    ages: Floats | None
    users: Rows
    after: Rows | None
    columns: Rows
    weights: Floats
    known: Rows
    starts: Rows
    own_starts: Rows | None = None


class Bench:
    """Lays out the work of each step.

    Args:
        items: the item side.
        log: the training part: what each user has touched.
        mixture: where candidates come from; None takes all that is known of the catalogue. What nobody has
            touched could only be a negative, and would be buried for being new.
    """

    def __init__(self, items: Items, log: Interactions, mixture: Mixture | None) -> None:
        self.items, self.mixture = items, mixture
        self._touched = _distinct_rows(log, len(items.known))
        self._everything = np.flatnonzero(items.known).astype(np.int32)
        # −1 between two batches; for the whole catalogue every row has its place for good.
        self._place = np.full(len(items.known), -1, np.int32)
        self._past = self._place if items.tied else self._place.copy()
        if mixture is None:
            self._place[self._everything] = np.arange(len(self._everything))
        self._found = np.empty(len(items.known), np.int32)

    def lay_out(self, batch: Batch, users: Rows, rng: np.random.Generator) -> Work:
        """The work of one batch; `users` (S,) are its rows of the user features."""
        rows, labels = batch.history.rows, batch.labels
        if self.mixture is None:
            chosen, candidates = self._everything, len(self._everything)
            weights = np.ones(candidates, np.float32)
        else:
            drawn = self.mixture.draw(labels, rng)
            count = candidates = kernels.distinct(drawn.rows, self._place, self._found, 0)
            if self.items.tied:
                count = kernels.distinct(rows.ravel(), self._place, self._found, candidates)
            chosen = self._found[:count].copy()
            counts = np.bincount(self._place[drawn.rows[drawn.counted :]], minlength=candidates)
            expected = np.maximum(drawn.expected(chosen[:candidates]), 1e-12)
            weights = (counts / expected).astype(np.float32)
        whose, left_out = batch.users, labels
        if batch.starts is not None:
            whose, left_out = batch.owners, np.full(len(batch.owners), PAD, np.int32)
        known, starts = kernels.known_places(*self._touched, whose, left_out, self._place, candidates)
        past = None
        if not self.items.tied:
            past = self._found[: kernels.distinct(rows.ravel(), self._past, self._found, 0)].copy()
        work = Work(
            chosen=self.items.choose(chosen, rng),
            candidates=candidates,
            places=kernels.placed(rows, self._past),
            past=past,
            values=batch.history.values,
            ages=batch.history.ages,
            users=users,
            after=batch.after,
            columns=self._place[labels],
            weights=weights,
            known=known,
            starts=starts,
            own_starts=batch.starts,
        )
        if self.mixture is not None:
            kernels.forget(self._place, chosen)
        if past is not None:
            kernels.forget(self._past, past)
        return work


def _distinct_rows(log: Interactions, items: int) -> tuple[npt.NDArray[np.int64], Rows]:
    """What each user touched, each row once: offsets (U + 1,) and rows."""
    keys = np.unique(log.users.astype(np.int64) * items + log.rows)
    counts = np.bincount(keys // items, minlength=log.user_count)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (keys % items).astype(np.int32)
