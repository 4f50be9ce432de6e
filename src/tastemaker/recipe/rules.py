"""Rules of the business, as data: one class for each thing that a rule can do; `[[reranking.rules]]`.

They stand in a recipe or in a file of their own, TOML or JSON. What they say is read, never run; whether they
go together is seen when they meet a catalogue, in `tastemaker.rerank.rules`.
"""

import json
import tomllib
from abc import abstractmethod
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tastemaker.errors import RecipeError
from tastemaker.recipe.mistakes import one_line
from tastemaker.recipe.tables import Table

SHOWN = 3
"""Ids that a rule without a name is told by, at most."""

Country = Annotated[str, Field(min_length=1)]


class _Rule(Table):
    """What every rule may say of itself."""

    name: str = ""
    """what people call it; empty: what it does, in words"""
    placements: tuple[str, ...] = ()
    """where on a site it holds; empty: everywhere"""
    since: date | None = None
    """the first day on which it holds, in UTC"""
    until: date | None = None
    """the last day on which it holds, in UTC"""

    @field_validator("until")
    @classmethod
    def _ends_after_it_begins(cls, until: date | None, before: ValidationInfo) -> date | None:
        since = before.data.get("since")
        if until is not None and since is not None and until < since:
            told = {"since": since.isoformat()}
            raise PydanticCustomError("dates", "Input should not be before `since`, {since}", told)
        return until

    @property
    @abstractmethod
    def does(self) -> str:
        """What it does, in words."""

    @property
    def called(self) -> str:
        return self.name or self.does

    @property
    def which(self) -> str:
        """Its items, in words; empty where it names none."""
        return ""

    @property
    def told(self) -> str:
        """What its items are to somebody who reads why one stands where it does."""
        return self.name or self.which


class _RuleOfItems(_Rule):
    where: str = ""
    """which items, as a filter says it: `language == "Korean"`"""
    items: tuple[str, ...] = ()
    """ids of items, beside those of `where`"""

    @property
    def which(self) -> str:
        more = f" and {len(self.items) - SHOWN} more" if len(self.items) > SHOWN else ""
        ids = ", ".join(self.items[:SHOWN]) + more
        return " or ".join(part for part in (self.where, ids) if part)


class _RuleOfSome(_RuleOfItems):
    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if not self.where and not self.items:
            raise PydanticCustomError("items", "Input should have `where`, or `items`, or both")
        return self


class FilterRule(_Rule):
    """Only what passes is shown."""

    do: Literal["filter"]
    where: str = Field(min_length=1)
    """what an item must be: `language == "Korean" and not kids`"""

    @property
    def does(self) -> str:
        return f"filter {self.where}"


class BlockRule(_RuleOfSome):
    """Some items are never shown."""

    do: Literal["block"]

    @property
    def does(self) -> str:
        return f"block {self.which}"


class PinRule(_Rule):
    """One item stands at one place."""

    do: Literal["pin"]
    item: str
    """its id"""
    place: int = Field(ge=1)
    """from 1"""

    @property
    def does(self) -> str:
        return f"pin {self.item} at {self.place}"


class BoostRule(_RuleOfSome):
    """Some items come forward, before the other rules run."""

    do: Literal["boost"]
    strength: float = Field(ge=0, le=1, allow_inf_nan=False)
    """1: as far as from the lowest score of the list to the highest; 0: not at all"""

    @property
    def does(self) -> str:
        return f"boost {self.which}"


class BuryRule(_RuleOfSome):
    """Some items go back, before the other rules run."""

    do: Literal["bury"]
    strength: float = Field(ge=0, le=1, allow_inf_nan=False)
    """1: as far as from the highest score of the list to the lowest; 0: not at all"""

    @property
    def does(self) -> str:
        return f"bury {self.which}"


class CapRule(_Rule):
    """No value of a column is met too often in the first places."""

    do: Literal["cap"]
    column: str
    """of categories; also series, franchise and popularity_tier"""
    most: int = Field(ge=0)
    """items of one value"""
    first: int = Field(10, ge=1)
    """in so many first places"""

    @property
    def does(self) -> str:
        return f"at most {self.most} per {self.column} in the first {self.first}"


class PromoteRule(_RuleOfSome):
    """Some items get a share of the first places."""

    do: Literal["promote"]
    share: float = Field(gt=0, le=1, allow_inf_nan=False)
    """of those places that they get at least; of a part of a place, all of it"""
    first: int = Field(10, ge=1)
    """so many first places"""

    @property
    def does(self) -> str:
        return f"{self.share:.0%} of the first {self.first} to {self.which}"


class UnavailableRule(_RuleOfSome):
    """Some items aren't shown in some countries. Where nobody says which country it is, they are."""

    do: Literal["unavailable"]
    countries: tuple[Country, ...] = Field(min_length=1)
    """as requests name them; capitals don't matter"""

    @property
    def does(self) -> str:
        return f"{self.which} not in {', '.join(self.countries)}"


class AgeRatingRule(_Rule):
    """What isn't for a viewer's age isn't shown; in doubt it isn't."""

    do: Literal["age_rating"]
    column: str
    """of categories, that holds the ratings"""
    ages: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(min_length=1)
    """years that a viewer must have, by rating"""
    unrated: float | None = Field(None, ge=0, allow_inf_nan=False)
    """years for what has no rating, or one that isn't in the table; left out: the most in the table"""
    viewer: float = Field(0.0, ge=0, allow_inf_nan=False)
    """years of a viewer whose age nobody says"""

    @property
    def does(self) -> str:
        return f"ages by {self.column}"


class RepeatRule(_RuleOfItems):
    """What somebody was shown often enough isn't shown to them again for a while."""

    do: Literal["repeat"]
    times: int = Field(ge=1)
    """shown so often"""
    days: float = Field(gt=0, allow_inf_nan=False)
    """within so many days"""

    @property
    def does(self) -> str:
        return f"not again after {self.times} times in {self.days:g} days"


class WatchedRule(_RuleOfItems):
    """What somebody has watched isn't shown to them; needed only where retrieval lets it through."""

    do: Literal["watched"]
    days: float | None = Field(None, gt=0, allow_inf_nan=False)
    """after which it may come again; left out: never"""

    @property
    def does(self) -> str:
        return "not what was watched" + ("" if self.days is None else f" in {self.days:g} days")


BusinessRule = Annotated[
    FilterRule
    | BlockRule
    | PinRule
    | BoostRule
    | BuryRule
    | CapRule
    | PromoteRule
    | UnavailableRule
    | AgeRatingRule
    | RepeatRule
    | WatchedRule,
    Field(discriminator="do"),
]


class _RulesFile(Table):
    rules: tuple[BusinessRule, ...]


def read_rules(path: Path | str) -> tuple[BusinessRule, ...]:
    """The `[[rules]]` of a TOML file, or the list `rules` of a JSON file.

    Raises: RecipeError with one line that names the file, and the rule and key where it is about one.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"Can't read the rules {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise RecipeError(f"Can't read the rules {path}: it is not UTF-8 text.") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        kind = "JSON" if isinstance(error, json.JSONDecodeError) else "TOML"
        raise RecipeError(f"{path} is not valid {kind}: {error}.") from None
    except RecursionError:
        raise RecipeError(f"Can't read the rules {path}: tables lie within one another too deep.") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds no table: rules stand in a list called `rules`.")
    try:
        return _RulesFile.model_validate(values).rules
    except ValidationError as error:
        raise RecipeError(f"{path}: {one_line(error, _RulesFile, 'A file of rules')}") from None
