"""What a store promises, whichever database lies under it.

An event is acknowledged only once it would survive the loss of power. It counts once, however often it comes:
its `event_id` is the same then. What was acknowledged stands in the very next `past` of that person, asked by
any process. Answers are only noted down: noting one never waits and never fails, and may be lost.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import polars as pl


class Meaning(IntEnum):
    """What an event says of a person and an item."""

    TOUCH = 0
    """they chose it: it belongs to their history"""
    HIDE = 1
    """they don't want to see it again, ever"""
    IMPRESSION = 2
    """they saw it in a list, and that is all"""


MEANINGS = {"hide": Meaning.HIDE, "impression": Meaning.IMPRESSION}
"""By kind; every other kind is a touch."""


class Event(NamedTuple):
    """Something that a person did.

    event_id: of the sender's making; the same event has the same one.
    at: when it happened, seconds since 1970.
    kind: in a word: click, watch, like, hide, impression …
    weight: how strong it is, in the unit of the log that the model was trained on; None where nobody says.
    watch_time: seconds; None where nobody says.
    recommendation_id: of the answer it came of; empty where it came of none.
    position: in that answer, from 1; None where nobody says.
    """

    event_id: str
    user_id: str
    item_id: str
    at: float
    kind: str = "click"
    weight: float | None = None
    watch_time: float | None = None
    recommendation_id: str = ""
    position: int | None = None

    @property
    def meaning(self) -> Meaning:
        return MEANINGS.get(self.kind, Meaning.TOUCH)


class Past(NamedTuple):
    """What a store knows of one person when they are answered.

    item_ids, times, weights: of the newest touches, oldest first; a weight is NaN where nobody said it.
    hidden: ids of items that they don't want to see again.
    erased_at: when they were last erased, seconds since 1970; None where never. What a bundle made before
        then still says of them must not be used.
    """

    item_ids: Sequence[str] = ()
    times: Sequence[float] = ()
    weights: Sequence[float] = ()
    hidden: Sequence[str] = ()
    erased_at: float | None = None


class Given(NamedTuple):
    """One place of an answer. propensity: chance that it would have stood there; None where none was."""

    item_id: str
    score: float
    source: str
    propensity: float | None = None


class Answer(NamedTuple):
    """A list that was answered with.

    recommendation_id: of its own; a shadow may share that of the answer that was shown.
    user_id: empty for somebody without a name.
    model_version: of the bundle.
    is_shadow: whether nobody was shown it.
    items: as they were shown, best first.
    features: (n, F) float32 little-endian bytes, what the ranker saw of each; empty without a ranker.
    """

    recommendation_id: str
    user_id: str
    at: float
    placement: str
    model_version: str
    device: str
    is_shadow: bool
    items: Sequence[Given]
    features: bytes = b""


class ItemChange(NamedTuple):
    """An item that came, changed or went.

    number: counts the changes up; 0 for one that isn't stored yet.
    at: seconds since 1970.
    columns: of the catalogue by name, as plain JSON values; None for an item that goes.
    """

    item_id: str
    at: float
    columns: Mapping[str, Any] | None
    number: int = 0


class Person(NamedTuple):
    """All that is kept of one person, oldest first."""

    events: Sequence[Event]
    answers: Sequence[Answer]


class Store(Protocol):
    """Keeps events, answers and changed items; all methods belong to one event loop.

    Every method but `note` raises StoreError when the database can't be reached, is full or is damaged; then
    nothing was acknowledged, and the next call tries anew.
    """

    async def add(self, events: Sequence[Event]) -> list[bool]:
        """Keep events for good; which of them (n,) were new. Many callers are committed at once.

        Raises: StoreError also where too many are waiting already; then none of these was kept.
        """
        ...

    async def past(self, user_id: str, limit: int) -> Past:
        """What is known of one person, the newest `limit` touches of it; equal times in the order in which
        they came in."""
        ...

    def note(self, answer: Answer) -> bool:
        """Write an answer down soon; False where it is dropped, since too many are waiting."""
        ...

    async def person(self, user_id: str) -> Person:
        """Everything that is kept of one person."""
        ...

    async def erase(self, user_id: str, at: float) -> int:
        """Forget everything of one person, answers that wait to be written too; how many rows went. That they
        were erased, and when, is remembered under a hash of the name."""
        ...

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        """Keep changes of items for good, all or none; the number of the last."""
        ...

    async def item_changes(self, after: int) -> list[ItemChange]:
        """Changes with a number above `after`, in order; of each item the last alone."""
        ...

    async def forget(self, before: float) -> int:
        """Delete events and answers of before then, in steps that let others in between; how many went."""
        ...

    def events(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        """All events from then on, in blocks, by time, with the columns of `Event`."""
        ...

    def answers(self, since: float = 0.0) -> AsyncIterator[pl.DataFrame]:
        """All places of all answers from then on, in blocks, by time: recommendation_id, user_id, timestamp,
        placement, model_version, device, is_shadow, item_id, position (from 1), score, source, propensity,
        features (list of float32, null without a ranker)."""
        ...

    async def check(self) -> None:
        """Raises StoreError unless it can be read and written just now."""
        ...

    @property
    def waiting(self) -> int:
        """Events and answers that aren't written yet."""
        ...

    @property
    def lag_s(self) -> float:
        """How long the oldest of them has waited, in seconds."""
        ...

    @property
    def dropped(self) -> int:
        """Answers that were dropped, since too many were waiting."""
        ...

    async def close(self) -> None:
        """Write what waits, and let go. Further calls raise StoreError."""
        ...
