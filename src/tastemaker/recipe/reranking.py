"""The knobs of the rules that put a ranked list into its last order; the `[reranking]` table."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tastemaker.errors import RecipeError
from tastemaker.recipe.rules import BusinessRule
from tastemaker.recipe.tables import Table
from tastemaker.recipe.toml import merged

SoftRule = Literal["popularity", "freshness", "calibration", "diversity", "fairness", "exploration"]
WEIGHED = ("popularity", "freshness", "calibration", "diversity")
"""Rules with one strength, which a request may set."""


class PopularityRule(Table):
    """What many touch comes forward or goes back; the `[reranking.popularity]` table."""

    strength: float = Field(0.0, ge=-1, le=1)
    """1: by popularity alone. Below 0: against it. 0: not at all"""


class FreshnessRule(Table):
    """What is new comes forward; the `[reranking.freshness]` table."""

    strength: float = Field(0.0, ge=0, le=1)
    """1: by age alone; 0: not at all"""
    half_life_days: float = Field(90.0, gt=0)
    """age at which an item counts as half as new"""
    quota: float = Field(0.0, ge=0, le=1)
    """share of the list kept for items that were hardly ever shown"""
    quota_shows: int = Field(100, ge=1)
    """an item shown less often than this was hardly ever shown"""


class CalibrationRule(Table):
    """The list's mix follows the person's own (Steck, RecSys 2018); the `[reranking.calibration]` table."""

    strength: float = Field(0.0, ge=0, le=1)
    """1: the mix alone decides; 0: not at all"""
    of: str = "auto"
    """the column whose mix it is. auto: the first with several values an item, else the first category"""
    half_life_items: float = Field(0.0, ge=0)
    """an item of the history counts half as much as one that came so many after it; 0: all count the same"""


class DiversityRule(Table):
    """What is alike stands apart; the `[reranking.diversity]` table."""

    strength: float = Field(0.0, ge=0, le=1)
    """1: as unlike as can be, whatever the scores; 0: not at all"""
    method: Literal["mmr", "dpp"] = "mmr"
    """mmr: each against the likest before it. dpp: each against all before it together"""
    of: str = "vectors"
    """what alike means: vectors of the model, or a column such as genres; also series and franchise"""
    window: int = Field(0, ge=0)
    """each stands apart from the so many before it; 0: from all"""


class FairnessRule(Table):
    """Groups of items get their shares of every beginning of the list; the `[reranking.fairness]` table."""

    of: str = ""
    """the column whose values are the groups; also popularity_tier. Empty: not at all"""
    shares: dict[str, float] = Field(default_factory=dict)
    """of each group that is held to one, by its value"""
    significance: float = Field(0.1, ge=0, lt=1)
    """chance of calling a fair list unfair: higher holds closer to the shares (FA*IR). 0: to within one
    item, whatever chance would do"""
    over_time: bool = False
    """what one list couldn't give is made up for by those after it"""

    @field_validator("shares")
    @classmethod
    def _are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise PydanticCustomError("shares", "Input should be shares from 0 to 1 that sum to 1 or less")
        return shares

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if bool(self.of) != bool(self.shares):
            raise PydanticCustomError("fairness", "Input should have both `of` and `shares`, or neither")
        return self


class ExplorationRule(Table):
    """Some places are given to chance, to learn from; the `[reranking.exploration]` table."""

    method: Literal["none", "epsilon", "thompson"] = "none"
    """epsilon: an item drawn evenly. thompson: new items, by a draw of how good each may be"""
    epsilon: float = Field(0.1, ge=0, le=1)
    """chance of each place of being drawn evenly"""
    places: int = Field(1, ge=1)
    """of a list, that thompson may give to new items"""
    new_shows: int = Field(100, ge=1)
    """an item shown less often than this is new"""
    prior_shows: float = Field(20.0, gt=0)
    """shows that what is expected of an item weighs as much as, before it was tried"""


class RerankingRecipe(Table):
    """How a ranked list gets its last order; the `[reranking]` table. Nothing is on unless it is said."""

    order: tuple[SoftRule, ...] = (
        "popularity",
        "freshness",
        "calibration",
        "diversity",
        "fairness",
        "exploration",
    )
    """in which they run; one left out doesn't"""
    popularity: PopularityRule = PopularityRule()
    freshness: FreshnessRule = FreshnessRule()
    calibration: CalibrationRule = CalibrationRule()
    diversity: DiversityRule = DiversityRule()
    fairness: FairnessRule = FairnessRule()
    exploration: ExplorationRule = ExplorationRule()
    rules: tuple[BusinessRule, ...] = ()
    """of the business, `[[reranking.rules]]`; they hold at the end whatever the others did"""
    placements: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """what differs in one place of a site, e.g. `[reranking.placements.home.freshness]`"""

    @field_validator("order")
    @classmethod
    def _each_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(order)) < len(order):
            raise PydanticCustomError("order", "Input should name each rule once")
        return order

    @model_validator(mode="after")
    def _placements_can_be_read(self) -> Self:
        for name in self.placements:
            try:
                self.at(name)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise PydanticCustomError(
                    "placement",
                    "In the placement {name}, {where}: {told}",
                    {"name": name, "where": where, "told": first["msg"][0].lower() + first["msg"][1:]},
                ) from None
        return self

    @property
    def named_placements(self) -> list[str]:
        """That something is said of here, by tables or rules."""
        return list(
            dict.fromkeys([*self.placements, *(name for rule in self.rules for name in rule.placements)])
        )

    def at(self, placement: str) -> "RerankingRecipe":
        """With what differs in a placement, if anything does; empty for none."""
        if not placement:
            return self
        own = self.model_dump(exclude_unset=True, exclude={"placements"})
        over = self.placements.get(placement, {})
        fair = over.get("fairness")
        if isinstance(fair, dict) and {"of", "shares"} <= fair.keys():
            own.get("fairness", {}).pop("shares", None)  # of another column they are shares of other groups
        return RerankingRecipe.model_validate(merged(own, over))

    def weighed(self, weights: Mapping[str, float]) -> "RerankingRecipe":
        """With other strengths, by rule. Raises RecipeError where a rule has none, or can't have that."""
        tables = {}
        for name, strength in weights.items():
            if name not in WEIGHED:
                raise RecipeError(f"{name!r} is no rule with a strength. There are {', '.join(WEIGHED)}.")
            table = getattr(self, name)
            try:
                tables[name] = type(table).model_validate(table.model_dump() | {"strength": strength})
            except ValidationError as error:
                told = error.errors()[0]["msg"]
                raise RecipeError(
                    f"The weight {name} is {strength!r}: {told[0].lower()}{told[1:]}."
                ) from None
        return self.model_copy(update=tables) if tables else self
