"""The answer: a sorted list of items to be shown, each with where it came from and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import polars as pl


class Recommendation(NamedTuple):
    """One place of a slate.

    item_id: as it stands in the catalogue file.
    title: to show; the id where there is none.
    score: what the list is sorted by; only comparable within one slate.
    rank: from 1, best first.
    source: which stage found it, or which fallback was used and why.
    reasons: what speaks for it, in words.
    """

    item_id: str
    title: str
    score: float
    rank: int
    source: str
    reasons: tuple[str, ...] = ()


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
        items: Iterable[tuple[str, str]],
        scores: Iterable[float],
        sources: Iterable[str],
        reasons: Iterable[tuple[str, ...]],
        query: str,
        notes: tuple[str, ...],
    ) -> "Slate":
        """Of n items, best first: id and title, score, where each came from and what speaks for it."""
        places = zip(items, scores, sources, reasons, strict=True)
        found = (
            Recommendation(id, title, float(score), rank, source, why)
            for rank, ((id, title), score, source, why) in enumerate(places, 1)
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
            [item._asdict() | {"reasons": list(item.reasons)} for item in self.items],
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
            "items": [item._asdict() | {"reasons": list(item.reasons)} for item in self.items],
            "notes": list(self.notes),
        }
