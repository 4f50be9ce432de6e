"""What comes in and what goes out, as JSON: checked here, and what OpenAPI says.

Every text and every list has an end. What isn't named is refused, so that a slip of the pen is told, and not
passed over.
"""

import hashlib
import math
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from tastemaker.recipe.placements import NAME
from tastemaker.serve.store import Event

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps every character but that one."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=NO_NUL)]
"""Of an item or a person, exactly as the files have it."""
Short = Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)]
Placement = Annotated[str, StringConstraints(pattern=NAME)]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
MOST = 200
"""Places of a list that one request may ask for."""
MILLISECONDS = 1e11
"""A time above this is in milliseconds: in seconds it would be after the year 5000."""
LATEST = 253_402_300_800.0
"""The end of the year 9999, in seconds."""


class In(BaseModel):
    """Something that came in."""

    model_config = ConfigDict(
        strict=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Out(BaseModel):
    """Something that goes out."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def moment(value: Any) -> float | None:
    """Seconds since 1970 of a date, seconds or milliseconds; without a zone it is UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("moment", "Input should be a time, such as 2026-05-17T20:30Z") from None
        value = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("moment", "Input should be a time: a date, or seconds since 1970")
    if isinstance(value, int):
        value = float(max(min(value, 1 << 60), -1))
    seconds = value / 1000 if value > MILLISECONDS else value
    if not math.isfinite(seconds) or not 0 <= seconds < LATEST:
        raise PydanticCustomError("moment", "Input should be a time from 1970 on")
    return float(seconds)


TIME: JsonDict = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "format": "date-time"}]}


class WishesIn(In):
    """What lists are held to, and when and where they are shown."""

    placement: Placement | None = None
    """where on a site, e.g. home; GET /v1/placements names them"""
    k: int | None = Field(None, ge=1, le=MOST)
    """length of the list; the placement's own where it isn't said"""
    filter: str | None = Field(None, max_length=2000)
    """what an item must be: `language == "Korean" and not kids`"""
    exclude: list[Id] = Field([], max_length=1000)
    """ids that may not come back"""
    weights: dict[Short, Finite] = Field({}, max_length=16)
    """strengths of rules: {"diversity": 0.3}"""
    objective: str | None = Field(None, max_length=500)
    """what to sort by: `click^0.5 * watch_time`"""
    now: float | str | None = Field(None, json_schema_extra=TIME)
    """when it is asked for; now"""
    device: Short = ""
    """on what it is shown"""
    country: Short = ""
    """where"""
    age: Annotated[float, Field(ge=0, le=150, allow_inf_nan=False)] | None = None
    """of the viewer, in years"""
    explain: bool = False
    """whether it is found out what each item is there because of, which takes ten times as long"""

    @field_validator("now", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        return moment(value)


class RecommendIn(WishesIn):
    """A list for somebody: by name, by a history, by what they like, or for anybody."""

    user_id: Id | None = None
    """whose list it is; what the service heard of them counts"""
    history: list[Id] | None = Field(None, max_length=1000)
    """ids instead of a name, oldest first"""
    liked: list[Id] | None = Field(None, max_length=100)
    """ids or titles instead of a name, in no order"""
    cursor: str | None = Field(None, max_length=8000)
    """of the answer whose list goes on here; everything else is said again as it was"""

    @model_validator(mode="after")
    def _is_one_person(self) -> Self:
        if sum(each is not None for each in (self.user_id, self.history, self.liked)) > 1:
            raise PydanticCustomError(
                "person", "Input should have one of user_id, history and liked, or none"
            )
        return self


class RankIn(WishesIn):
    """Items of your own, to be put in order for somebody."""

    items: list[Id] = Field(min_length=1, max_length=1000)
    """ids"""
    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=1000)
    """ids instead of a name, oldest first"""

    @model_validator(mode="after")
    def _is_one_person(self) -> Self:
        if self.user_id is not None and self.history is not None:
            raise PydanticCustomError("person", "Input should have user_id or history, or neither")
        return self


class EventIn(In):
    """Something that a person did."""

    user_id: Id
    item_id: Id
    event_id: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NO_NUL)] | None = None
    """the same event has the same one, however often it is sent; made of the rest where it is missing and
    there is a timestamp"""
    timestamp: float | str | None = Field(None, json_schema_extra=TIME)
    """when; now"""
    event: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = "click"
    """click, watch, like … are touches; hide: never show it again; impression: it was seen, no more"""
    weight: Finite | None = None
    """how strong it is, in the unit that the model has learnt from"""
    rating: Finite | None = None
    """the same, under its other name"""
    watch_time: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """seconds"""
    recommendation_id: Short = ""
    """of the answer that it came of"""
    position: int | None = Field(None, ge=1, le=100_000)
    """in that answer, from 1"""

    @field_validator("timestamp", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        return moment(value)

    @model_validator(mode="after")
    def _says_one_strength(self) -> Self:
        if self.weight is not None and self.rating is not None:
            raise PydanticCustomError("weight", "Input should have weight or rating, not both")
        return self

    def event_at(self, now: float) -> Event:
        """As it is kept; without a time of its own it happened `now`."""
        at = now if self.timestamp is None else float(self.timestamp)
        strength = self.weight if self.rating is None else self.rating
        event = Event(
            self.event_id or secrets.token_hex(16),
            self.user_id,
            self.item_id,
            at,
            self.event,
            strength,
            self.watch_time,
            self.recommendation_id,
            self.position,
        )
        if self.event_id is not None or self.timestamp is None:
            return event
        said = repr(event[1:]).encode()
        return event._replace(event_id=hashlib.blake2b(said, digest_size=16).hexdigest())


class EventsIn(In):
    """Several events at once."""

    events: list[EventIn] = Field(min_length=1, max_length=1000)


Value = (
    Annotated[str, StringConstraints(max_length=20_000)]
    | bool
    | Annotated[int, Field(ge=-(1 << 53), le=1 << 53)]
    | Finite
    | list[Annotated[str, StringConstraints(max_length=512)]]
    | None
)


class ItemIn(RootModel[dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], Value]]):
    """An item that is new or has changed: columns of the catalogue by name. One that is left out is missing
    from then on."""

    model_config = ConfigDict(strict=True)

    root: dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], Value] = Field(max_length=200)


class PromoteIn(In):
    """Which model should answer from now on, and why."""

    version: Version
    because: str = Field("", max_length=500)


class RollbackIn(In):
    """Why the model before should answer again."""

    because: str = Field("", max_length=500)


class TrialIn(In):
    """A model beside the live one."""

    version: Version
    kind: Literal["canary", "shadow"]
    """canary: a share of people is shown its lists. shadow: its lists are only written down"""
    placement: Placement | Literal[""] = ""
    """empty for all"""
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.05
    """of people"""
    because: str = Field("", max_length=500)


class MoveOut(Out):
    """What a rule did to an item."""

    rule: str
    before: int | None
    after: int


class ItemOut(Out):
    """One place of a list."""

    item_id: str
    title: str
    score: float
    rank: int
    source: str
    """which stage found it, or which fallback was used and why"""
    reasons: list[str]
    moves: list[MoveOut] = []
    """of rules, where there were any"""
    propensity: float | None = None
    """chance that it would have stood there, where chance was at work"""


class AnswerOut(Out):
    """A list."""

    recommendation_id: str
    """to be sent with events that came of it"""
    model_version: str
    experiment: str | None
    placement: str
    query: str
    """what was asked, in words"""
    took_ms: float
    items: list[ItemOut]
    cursor: str | None
    """sent with the same request, it brings what follows; null where nothing does"""
    degraded: list[str]
    """stages that were left out, short of time or of a store"""
    notes: list[str]


class EventRejected(Out):
    """An event that wasn't kept."""

    index: int
    """in the request, from 0"""
    reason: str


class EventsOut(Out):
    """What became of events: those accepted would survive the loss of power."""

    accepted: int
    duplicates: int
    """were known already"""
    rejected: list[EventRejected]


class FoundOut(Out):
    """An item that a search found."""

    item_id: str
    title: str
    score: float


class SearchOut(Out):
    """What a search found, best first."""

    query: str
    items: list[FoundOut]


class ErrorOut(Out):
    """What went wrong."""

    code: str
    message: str
    request_id: str
    fields: list[dict[str, Any]] = []
    """of the request, that are wrong, and how"""


class ProblemOut(Out):
    """An answer that is none."""

    error: ErrorOut
