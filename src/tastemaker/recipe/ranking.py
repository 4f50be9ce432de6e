"""The knobs of the second network, that puts candidates in order; the `[ranking]` table."""

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from tastemaker.errors import ObjectiveError
from tastemaker.recipe.formula import read_formula
from tastemaker.recipe.tables import Table


class RankingRecipe(Table):
    """How candidates are put in order; the `[ranking]` table."""

    use: Literal["auto", "always", "never"] = "auto"
    """auto: a ranker is learnt where there is enough to learn from, and used where it beats the order of
    retrieval on validation"""
    objective: str = "click"
    """what the list is sorted by: a formula of the heads, such as `click^0.5 * watch_time`"""
    hidden: tuple[int, ...] = (64, 32)
    """widths of the layers above the crosses"""
    crosses: int = Field(2, ge=0)
    """layers of products of features (DCN-v2)"""
    vectors: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """numbers that query vector, candidate vector and their product are read into; 0 leaves them out.
    auto: 16 for lists that were shown; 0 for lists that were found, too few to learn what to make of them"""
    experts: int = Field(0, ge=0)
    """of a mixture that each head weighs for itself (MMoE); 0: all heads share one trunk"""
    epochs: int = Field(20, ge=1)
    """at most; early stopping finds the number"""
    patience: int = Field(3, ge=1)
    """epochs without a lower validation loss before training stops"""
    batch_size: int = Field(64, ge=1)
    """slates of a step"""
    learning_rate: float = Field(2e-3, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    position: Literal["none", "tower", "inverse", "feature"] = "tower"
    """how clicks are freed of where things stood. tower: a chance of being looked at is learnt for each place
    and left out when serving. inverse: a click counts as one over that chance. feature: the place is an
    input, and everything is asked for as if it stood first. none: not at all"""
    propensities: Literal["auto", "randomised", "em"] = "auto"
    """where `inverse` has its chances from. randomised: clicks of the share of traffic shown in random order.
    em: a model of both, by turns. auto: randomised where the file says which rows were, else em"""
    calibration: Literal["isotonic", "platt", "none"] = "isotonic"
    """how chances are mended on validation, so that they can be multiplied"""
    half_lives_days: tuple[float, ...] = (7.0, 90.0)
    """of an event, where it counts for how popular something is at that moment"""

    @field_validator("objective")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        try:
            read_formula(text)
        except ObjectiveError as error:
            raise PydanticCustomError("objective", "{told}", {"told": str(error)}) from None
        return text
