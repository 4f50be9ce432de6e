"""Lists from several sources become one: by quota, nothing twice, each item with where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.hits import Hits

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """What comes into question for one person.

    Attributes:
        rows: (n,) int32, none twice, in the order in which the quotas are filled.
        scores: (n,) float32, falling. Where one source brought all, its own; else as `merged` says.
        names: of the S sources asked.
        by: (n,) int32 the source whose quota each took.
        said: (n, S) float32 each source's own score of an item, NaN where it didn't bring it.
        ids: (n,) of the items, as they stand in the catalogue file.
    """

    rows: Rows
    scores: Floats
    names: tuple[str, ...]
    by: npt.NDArray[np.int32]
    said: Floats
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def having(self, others: Hits) -> "Candidates":
        """With one list (1, m) more, of items that aren't among them and that no source brought.

        Where one source brought all, by its scores; of several, whose scores are shares, behind all others.
        """
        rows, scores = others.rows[0], others.scores[0]
        count = len(self.names)
        if len(set(self.by.tolist())) > 1:
            scores = np.full(len(rows), self.scores.min(initial=0), np.float32)
        together = Candidates(
            np.concatenate([self.rows, rows]),
            self.scores,
            self.names,
            np.concatenate([self.by, np.zeros(len(rows), np.int32)]),
            np.concatenate([self.said, np.full((len(rows), count), np.nan, np.float32)]),
        )
        return together.sorted_by(np.concatenate([self.scores, scores]))

    def sorted_by(self, scores: Floats) -> "Candidates":
        """The same with other scores (n,), highest first; ties stay as they stand."""
        order = np.argsort(-scores, kind="stable")
        ids = tuple(self.ids[place] for place in order) if self.ids else ()
        return Candidates(self.rows[order], scores[order], self.names, self.by[order], self.said[order], ids)

    def first(self, k: int) -> "Candidates":
        """The k that stand first."""
        return Candidates(
            self.rows[:k], self.scores[:k], self.names, self.by[:k], self.said[:k], self.ids[:k]
        )

    @property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """(n,) names of all that brought an item, first the one whose quota it took."""
        if len(self.names) == 1:
            return (self.names,) * len(self)
        return tuple(
            (self.names[by], *(self.names[other] for other in np.flatnonzero(found) if other != by))
            for by, found in zip(self.by, ~np.isnan(self.said), strict=True)
        )


def stacked(lists: Sequence[Candidates], k: int) -> Hits:
    """Rows and scores of B lists, (B, k): PAD and -inf where one is shorter."""
    hits = Hits(np.full((len(lists), k), PAD, np.int32), np.full((len(lists), k), -np.inf, np.float32))
    for place, own in enumerate(lists):
        hits.rows[place, : len(own)], hits.scores[place, : len(own)] = own.rows, own.scores
    return hits


def merged(names: tuple[str, ...], shares: Sequence[float], lists: Sequence[Hits], k: int) -> Candidates:
    """The first k of several lists by their shares, an item that stands in two counting once.

    Place after place goes to the source with the highest share / (places it has + ½), which is how seats are
    given to parties by Sainte-Laguë: after any number of places each source has its share of them, to within
    one or so, and exactly where that is a whole number. That quotient is the score. A source gives its best
    item not yet taken; one that has none left is out, and the others go on. Sources with share 0 come after
    all others, one after the other, and bring only what they take a place with.

    Args:
        shares: (S,) 0 or more; earlier sources win ties.
        lists: (S,) answers to one query each.
    """
    filled = [source for source, hits in enumerate(lists) if hits.rows.size and hits.rows[0, 0] != PAD]
    if len(filled) == 1:
        return _alone(names, filled[0], lists[filled[0]], k)
    waiting = [hits.rows[0][hits.rows[0] != PAD].tolist() for hits in lists]
    own = [
        dict(zip(rows, hits.scores[0].tolist(), strict=False))
        for rows, hits in zip(waiting, lists, strict=True)
    ]
    at, places = [0] * len(lists), [0] * len(lists)
    taken: dict[int, tuple[int, float]] = {}
    while len(taken) < k:
        highest, winner = -np.inf, -1
        for source, rows in enumerate(waiting):
            while at[source] < len(rows) and rows[at[source]] in taken:
                at[source] += 1
            quotient = shares[source] / (places[source] + 0.5)
            if at[source] < len(rows) and quotient > highest:
                highest, winner = quotient, source
        if winner < 0:
            break
        places[winner] += 1
        taken[waiting[winner][at[winner]]] = winner, highest if shares[winner] else -float(len(taken))
    by = np.array([source for source, _ in taken.values()], np.int32)
    scores = np.array([score for _, score in taken.values()], np.float32)
    said = np.array(
        [
            [
                scored.get(row, np.nan) if share or source == winner else np.nan
                for source, (scored, share) in enumerate(zip(own, shares, strict=True))
            ]
            for row, (winner, _) in taken.items()
        ],
        np.float32,
    ).reshape(len(taken), len(lists))
    if len(set(by.tolist())) == 1:
        scores = said[:, by[0]]
    return Candidates(np.array(list(taken), np.int32), scores, names, by, said)


def _alone(names: tuple[str, ...], source: int, hits: Hits, k: int) -> Candidates:
    rows, scores = hits.rows[0], hits.scores[0]
    if rows[-1] == PAD:  # which stand behind all others
        there = rows != PAD
        rows, scores = rows[there], scores[there]
    rows, scores = rows[:k], scores[:k]
    said = np.full((len(rows), len(names)), np.nan, np.float32)
    said[:, source] = scores
    return Candidates(rows, scores, names, np.full(len(rows), source, np.int32), said)
