"""What a newly trained model must show before it takes the place of the live one."""

from pydantic import Field

from tastemaker.recipe.tables import Table


class PromotionRecipe(Table):
    """When `train --registry` lets a model go live; the `[promotion]` table.

    It must find more among the first 10 than the live one, of what people did after all that the live one
    has learnt; and it must not be worse by more than this in what else counts.
    """

    level: float = Field(0.05, gt=0, lt=1)
    """chance of a difference as large by luck alone, up to which it counts as better"""
    people: int = Field(50, ge=1)
    """who can be asked what they did later: with fewer nothing is promoted"""
    coverage: float = Field(0.8, ge=0)
    """least share of the live one's coverage: how much of the catalogue is shown to anyone"""
    latency: float = Field(1.5, gt=0)
    """one answer may take at most so many times as long as the live one's"""
    folding: bool = True
    """whether it must not be folded where the live one isn't, see `tastemaker evaluate --folding`"""
