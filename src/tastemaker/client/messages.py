"""What is sent and what comes back: plain dictionaries, with types. tests/test_client.py holds them against
/openapi.json, field by field; what the fields mean is told there."""

from typing import Any, Literal, NotRequired, Required, TypedDict

Json = dict[str, Any]
Time = float | str
"""Seconds since 1970, or a date such as 2026-05-17T20:30Z."""


class WishesIn(TypedDict, total=False):
    placement: str | None
    k: int | None
    filter: str | None
    exclude: list[str]
    weights: dict[str, float]
    objective: str | None
    now: Time | None
    device: str
    country: str
    age: float | None
    explain: bool
    user_id: str | None
    history: list[str] | None


class RecommendIn(WishesIn, total=False):
    liked: list[str] | None
    cursor: str | None


class RankIn(WishesIn, total=False):
    items: Required[list[str]]


class EventIn(TypedDict):
    user_id: str
    item_id: str
    event_id: NotRequired[str | None]
    timestamp: NotRequired[Time | None]
    event: NotRequired[str]
    weight: NotRequired[float | None]
    rating: NotRequired[float | None]
    watch_time: NotRequired[float | None]
    recommendation_id: NotRequired[str]
    position: NotRequired[int | None]


class EventsIn(TypedDict):
    events: list[EventIn]


class PromoteIn(TypedDict):
    version: str
    because: NotRequired[str]


class RollbackIn(TypedDict, total=False):
    because: str


class TrialIn(TypedDict):
    version: str
    kind: Literal["canary", "shadow"]
    placement: NotRequired[str]
    share: NotRequired[float]
    because: NotRequired[str]


class MoveOut(TypedDict):
    rule: str
    before: int | None
    after: int


class ItemOut(TypedDict):
    item_id: str
    title: str
    score: float
    rank: int
    source: str
    reasons: list[str]
    moves: NotRequired[list[MoveOut]]
    propensity: NotRequired[float | None]


class AnswerOut(TypedDict):
    recommendation_id: str
    model_version: str
    experiment: str | None
    placement: str
    query: str
    took_ms: float
    items: list[ItemOut]
    cursor: str | None
    degraded: list[str]
    notes: list[str]


class EventRejected(TypedDict):
    index: int
    reason: str


class EventsOut(TypedDict):
    accepted: int
    duplicates: int
    rejected: list[EventRejected]


class FoundOut(TypedDict):
    item_id: str
    title: str
    score: float


class SearchOut(TypedDict):
    query: str
    items: list[FoundOut]


class CatalogueItem(TypedDict):
    item_id: str
    title: str
    columns: Json


class ItemChanged(TypedDict):
    item_id: str
    items: int
    """in the catalogue now"""


class Person(TypedDict):
    user_id: str
    events: list[Json]
    answers: list[Json]
    learnt_from: list[str]
    erased_at: float | None


class Erased(TypedDict):
    user_id: str
    erased: int


class Health(TypedDict):
    status: str
    store: NotRequired[str]
