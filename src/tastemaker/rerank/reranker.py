"""The rules of a recipe, made once: for a placement, and with the strengths that a request asks for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tastemaker.recipe import RerankingRecipe
from tastemaker.rerank.chain import Chain
from tastemaker.rerank.draft import Rule
from tastemaker.rerank.facts import Facts
from tastemaker.retrieve.limits import Limits

KEPT = 32
"""Chains that are kept, those asked for last: a request may come with any strengths."""


class Reranker:
    """Makes chains of rules; many threads may ask at once.

    Args:
        recipe: of the bundle.
        facts: of its catalogue.
        limits: what reads filters.
    Raises: RecipeError where rules don't go together, or speak of a column that there isn't.
    """

    def __init__(self, recipe: RerankingRecipe, facts: Facts, limits: Limits) -> None:
        self.recipe, self.facts = recipe, facts
        self._limits = limits
        self._made = lru_cache(KEPT)(self._make)

    def chain(
        self,
        placement: str = "",
        weights: Mapping[str, float] | None = None,
        rules: Sequence[Any] | None = None,
    ) -> Chain | None:
        """The rules for one placement; None where there are none.

        Args:
            placement: as the recipe calls it; empty for none.
            weights: strengths instead of the recipe's, by rule.
            rules: of the business, instead of the recipe's.
        Raises: RecipeError where there is no such placement, or a strength can't be.
        """
        recipe = self.recipe.at(placement).weighed(weights or {})
        if rules is not None:
            recipe = recipe.model_copy(update={"rules": tuple(rules)})
        # As text: tables of a recipe hold dicts, which can't be keys.
        return self._made(placement, recipe.model_dump_json())

    def _make(self, placement: str, text: str) -> Chain | None:
        recipe = RerankingRecipe.model_validate_json(text)
        rules = [rule for name in recipe.order if (rule := self._rule(name, recipe)) is not None]
        return Chain(rules) if rules else None

    def _rule(self, name: str, recipe: RerankingRecipe) -> Rule | None:
        return None
