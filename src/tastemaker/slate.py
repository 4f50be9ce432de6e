"""The answer: a sorted list of items to be shown, each with where it came from and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import polars as pl


class Move(NamedTuple):
    """What a rule did to one item.

    rule: its name.
    before: rank that the item had, from 1; None where it wasn't there.
    after: rank that it was given.
    """

    rule: str
    before: int | None
    after: int


class Recommendation(NamedTuple):
    """One place of a slate.

    item_id: as it stands in the catalogue file.
    title: to show; the id where there is none.
    score: what the list is sorted by, of its place where rules moved items; only comparable within one
        slate.
    rank: from 1, best first.
    source: which stage found it, or which fallback was used and why.
    reasons: what speaks for it, in words.
    moves: of the rules that moved it, in the order in which they ran.
    propensity: chance that it would have been given this place; None where nothing was left to chance.
    """

    item_id: str
    title: str
    score: float
    rank: int
    source: str
    reasons: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    propensity: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Of moves and a chance only where there are any."""
        told: dict[str, Any] = self._asdict() | {"reasons": list(self.reasons)}
        told["moves"] = [move._asdict() for move in self.moves]
        return {name: value for name, value in told.items() if name not in _SELDOM or value}


_SELDOM = ("moves", "propensity")


@dataclass(frozen=True)
class Slate(Sequence[Recommendation]):
    """Recommendations, best first.

    Attributes:
        items: the list.
        query: what was asked, in words ("user 42", "Wednesday: Season 1").
        notes: what the asker should know, e.g. history items that the catalogue lacks.
    """

    items: tuple[Recommendation, ...]
    query: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        items: Sequence[tuple[str, str]],
        scores: Iterable[float],
        sources: Iterable[str],
        reasons: Iterable[tuple[str, ...]],
        query: str,
        notes: tuple[str, ...],
        moves: Sequence[tuple[Move, ...]] = (),
        propensities: Sequence[float] | None = None,
    ) -> "Slate":
        """Of n items, best first: id and title, score, where each came from and what speaks for it; which
        rules moved it, and its chance, where there are any."""
        moved = moves or [()] * len(items)
        chances = [None] * len(items) if propensities is None else propensities
        places = zip(items, scores, sources, reasons, moved, chances, strict=True)
        found = (
            Recommendation(id, title, float(score), rank, source, why, own, chance)
            for rank, ((id, title), score, source, why, own, chance) in enumerate(places, 1)
        )
        return cls(tuple(found), query, notes)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    @overload
    def __getitem__(self, place: int) -> Recommendation: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Recommendation, ...]: ...
    def __getitem__(self, place: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        return self.items[place]

    def __str__(self) -> str:
        """A line an item: rank, title, score, and what speaks for it."""
        lines = [
            f"{item.rank:>3}  {item.title}  {item.score:.3f}  {', '.join(item.reasons) or item.source}"
            for item in self.items
        ]
        return "\n".join([*lines, *self.notes])

    def to_polars(self) -> pl.DataFrame:
        """Columns item_id, title, score, rank, source, reasons."""
        return pl.DataFrame(
            [item.as_json() for item in self.items],
            schema={
                "item_id": pl.String,
                "title": pl.String,
                "score": pl.Float64,
                "rank": pl.Int32,
                "source": pl.String,
                "reasons": pl.List(pl.String),
            },
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "items": [item.as_json() for item in self.items],
            "notes": list(self.notes),
        }
