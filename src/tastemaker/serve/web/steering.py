"""A placement as it would be with other settings: tried on one list at a time, or saved.

A trial shares with the model all that is costly to make, and remembers nothing of what it shows.
"""

import json
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from tastemaker.errors import RecipeError
from tastemaker.recipe import PlacementRecipe, Recipe, RerankingRecipe, Role
from tastemaker.recommend import Recommender
from tastemaker.serve.live import Model
from tastemaker.serve.wire import In

KEPT = 12
"""Trials that are kept made, those asked for last."""
TRIED = "tried"
"""What the placement of a trial is called."""
MOST_GROUPS = 12
TASTES, TOGETHER, POPULAR = 3, 3, 60
TABLES = frozenset(RerankingRecipe.model_fields) - {"placements"}


class SettingsIn(In):
    """What differs from what a placement has."""

    filter: str | None = Field(None, max_length=2000)
    """what an item must be; empty: anything"""
    objective: str | None = Field(None, max_length=500)
    """what it is sorted by; empty: the model's own"""
    reranking: dict[str, Any] = Field({}, max_length=len(TABLES))
    """parts of the tables of `[reranking]`; `rules` and `order` as a whole"""


class Steered(NamedTuple):
    """A placement, and its rules."""

    place: PlacementRecipe
    reranking: RerankingRecipe


def steered(recipe: Recipe, placement: str, settings: SettingsIn) -> Steered:
    """A placement of a recipe with other settings; empty for none in particular.

    Raises: RecipeError with one line on what can't be.
    """
    place = recipe.placement(placement)
    own = recipe.reranking.at(placement).weighed(place.weights)
    rules = [rule for rule in own.rules if not rule.placements or placement in rule.placements]
    values = own.model_dump(mode="json", exclude_none=True, exclude={"placements"})
    # A trial is a placement of another name, so a rule that holds here says no more where it holds.
    values["rules"] = [rule.model_dump(mode="json", exclude_none=True) | {"placements": []} for rule in rules]
    for name, table in settings.reranking.items():
        if name not in TABLES:
            raise RecipeError(f"[reranking] has no {name[:40]!r} that could be steered.")
        is_table = isinstance(table, dict) and isinstance(values[name], dict)
        values[name] = values[name] | table if is_table else table
    reranking = Recipe.of({"reranking": values}).reranking
    changes: dict[str, Any] = {"weights": {}}
    for name in ("filter", "objective"):
        wish = getattr(settings, name)
        if wish is not None:
            changes[name] = wish.strip() or None
    return Steered(place.model_copy(update=changes), reranking)


class Trials:
    """The trials of one process; belongs to its event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Recommender, Model]] = OrderedDict()

    def of(self, model: Model, placement: str, settings: SettingsIn) -> Model:
        """The model whose placement TRIED is `placement` with other settings.

        Raises: RecipeError, FilterError, ObjectiveError where they can't be.
        """
        key = (placement, json.dumps(settings.model_dump(), sort_keys=True))
        kept = self._kept.get(key)
        if kept is None or kept[0] is not model.recommender:
            one = steered(model.recommender.recipe, placement, settings)
            made = tried(model, one)
            for other in [each for each, (of, _) in self._kept.items() if of is not model.recommender]:
                del self._kept[other]  # and with the last of them, a model that answers no more
            self._kept[key] = (model.recommender, made)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][1]


def tried(model: Model, one: Steered) -> Model:
    """Raises: RecipeError, FilterError, ObjectiveError where the model can't serve it."""
    rules = RerankingRecipe(placements={TRIED: _table(one.reranking)})
    recipe = model.recommender.recipe.model_copy(
        update={"placements": {TRIED: one.place}, "reranking": rules}
    )
    other = Model(model.version, model.recommender.with_placements(recipe, is_apart=True))
    other.is_of_now = model.is_of_now
    return other


def _table(reranking: RerankingRecipe) -> dict[str, Any]:
    return reranking.model_dump(mode="json", exclude_none=True, exclude={"placements"})


def controls(model: Model, placement: str) -> dict[str, Any]:
    """What the knobs of a page show of a placement as it stands, and what they can be set to."""
    recommender = model.recommender
    one = steered(recommender.recipe, placement, SettingsIn())
    ranker, evaluation = recommender.ranker, recommender.bundle.evaluation or {}
    return {
        "placement": placement,
        "about": one.place.about,
        "k": one.place.k,
        "filter": one.place.filter or "",
        "objective": one.place.objective or ("" if ranker is None else ranker.note.objective),
        "heads": [] if ranker is None else list(ranker.note.heads),
        "reranking": _table(one.reranking),
        "rules": [
            {"name": rule.name, "does": rule.does, "rule": rule.model_dump(mode="json", exclude_none=True)}
            for rule in one.reranking.rules
        ],
        "groups": _groups(recommender),
        "tastes": _tastes(recommender),
        "curves": evaluation.get("curves"),
    }


def _groups(recommender: Recommender) -> list[dict[str, Any]]:
    """Columns whose values can be held to shares of a list, with the commonest values and their shares of the
    catalogue."""
    columns = recommender.catalogue.by_role(Role.CATEGORY, Role.CATEGORIES)
    told = []
    for name in (*columns, "popularity_tier"):
        groups = recommender.facts.groups(name)
        counts = np.bincount(groups.codes, minlength=len(groups.names))
        order = np.argsort(-counts, kind="stable")[:MOST_GROUPS].tolist()
        size = recommender.catalogue.size
        values = [{"name": groups.names[each], "share": float(counts[each] / size)} for each in order]
        told.append({"column": name, "values": values, "count": len(groups.names)})
    return told


def _tastes(recommender: Recommender) -> list[list[dict[str, str]]]:
    """A few popular titles that go together, TASTES times, as unlike one another as can be."""
    catalogue, vectors = recommender.catalogue, np.asarray(recommender.nearest.neighbours.vectors)
    popular = np.argsort(-recommender.facts.popularity, kind="stable")[:POPULAR]
    near = vectors[popular] @ vectors[popular].T
    left, seeds, told = np.ones(len(popular), bool), list[int](), list[list[dict[str, str]]]()
    while len(told) < TASTES and left.sum() >= TOGETHER:
        likest = near[:, seeds].max(1) if seeds else np.arange(len(popular), dtype=np.float32)
        seeds.append(int(np.where(left, likest, np.inf).argmin()))
        own = np.argsort(-np.where(left, near[seeds[-1]], -np.inf), kind="stable")[:TOGETHER]
        left[own] = False
        rows = popular[own].tolist()
        told.append([{"item_id": catalogue.ids[row], "title": catalogue.titles[row]} for row in rows])
    return told
