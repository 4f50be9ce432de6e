"""The rules of a recipe, made once: for a placement, and with the strengths that a request asks for."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from tastemaker.recipe import BusinessRule, RerankingRecipe
from tastemaker.rerank.calibration import Calibration
from tastemaker.rerank.chain import Chain
from tastemaker.rerank.diversity import Diversity
from tastemaker.rerank.draft import Rule
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.freshness import Freshness
from tastemaker.rerank.memory import Memory
from tastemaker.rerank.popularity import Popularity

if TYPE_CHECKING:
    from tastemaker.rerank.fairness import Fairness
    from tastemaker.rerank.rules import BusinessRules

KEPT = 32
"""Chains that are kept, those asked for last: a request may come with any strengths."""


class Reranker:
    """Makes chains of rules; many threads may ask at once.

    Args:
        recipe: of the bundle.
        facts: of its catalogue.
        memory: what rules learn.
    """

    def __init__(self, recipe: RerankingRecipe, facts: Facts, memory: Memory) -> None:
        self.recipe, self.facts, self.memory = recipe, facts, memory
        self._here = lru_cache(KEPT)(recipe.at)
        self._made = lru_cache(KEPT)(self._make)
        self._rules = lru_cache(4 * KEPT)(self._one)
        self._business = lru_cache(KEPT)(self._read)

    def chain(
        self,
        placement: str = "",
        weights: Mapping[str, float] | None = None,
        rules: Sequence[BusinessRule] | None = None,
    ) -> Chain | None:
        """The rules for one placement; None where there are none.

        Args:
            placement: as the recipe calls it; empty for none.
            weights: strengths instead of the recipe's, by rule.
            rules: of the business, instead of the recipe's.
        Raises: RecipeError where there is no such placement, a strength can't be, rules contradict each
            other, or one speaks of a column that there isn't; FilterError.
        """
        if rules is None:
            return self._made(placement, tuple(sorted((weights or {}).items())))
        recipe = self.recipe.model_copy(update={"rules": tuple(rules)})
        return self._chain(recipe.at(placement).weighed(weights or {}), placement)

    def _make(self, placement: str, weights: tuple[tuple[str, float], ...]) -> Chain | None:
        return self._chain(self._here(placement).weighed(dict(weights)), placement)

    def _chain(self, recipe: RerankingRecipe, placement: str) -> Chain | None:
        rules = [rule for name in recipe.order if (rule := self._rule(name, recipe)) is not None]
        if not recipe.rules:
            return Chain(rules) if rules else None
        # By what they say, as text: tables of a rule may hold dicts, which can't be keys.
        said = json.dumps([rule.model_dump(mode="json") for rule in recipe.rules])
        business = self._business(placement, said)
        first, last = business.halves
        return Chain([first, *rules, last], business)

    def _read(self, placement: str, said: str) -> "BusinessRules":
        from tastemaker.rerank.rules import BusinessRules

        rules = RerankingRecipe.model_validate({"rules": json.loads(said)}).rules
        return BusinessRules(rules, self.facts, placement)

    def _rule(self, name: str, recipe: RerankingRecipe) -> Rule | None:
        """One that another chain has with the same knobs is the same."""
        return self._rules(
            name, RerankingRecipe.model_validate({name: getattr(recipe, name)}).model_dump_json()
        )

    def _one(self, name: str, said: str) -> Rule | None:
        recipe = RerankingRecipe.model_validate_json(said)
        facts, tries = self.facts, self.memory.tries
        match name:
            case "popularity" if recipe.popularity.strength:
                return Popularity(recipe.popularity, facts)
            case "freshness" if recipe.freshness.strength or recipe.freshness.quota:
                return Freshness(recipe.freshness, facts, tries)
            case "calibration" if recipe.calibration.strength:
                return Calibration(recipe.calibration, facts)
            case "diversity" if recipe.diversity.strength:
                return Diversity(recipe.diversity, facts)
            case "fairness" if recipe.fairness.of:
                return self._fairness(recipe)
            case "exploration" if recipe.exploration.method != "none":
                from tastemaker.rerank.exploration import Exploration  # and with it SciPy

                return Exploration(recipe.exploration, tries)
        return None

    def _fairness(self, recipe: RerankingRecipe) -> "Fairness":
        from tastemaker.rerank.fairness import Fairness

        rule = Fairness(recipe.fairness, self.facts)
        if rule.ledger is None:
            return rule
        kept = self.memory.kept(recipe.fairness.model_dump_json(), rule.ledger)
        return Fairness(recipe.fairness, self.facts, kept)
