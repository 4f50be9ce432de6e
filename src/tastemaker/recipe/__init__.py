"""Every knob of Tastemaker: one TOML file, checked at the door, saved resolved in the bundle.

Each table of the file is one class of `tables`; `Recipe.model_json_schema()` gives editors their schema.
A recipe may name a `base` beside it and write only what differs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tastemaker.errors import RecipeError, hint
from tastemaker.recipe.mistakes import one_line
from tastemaker.recipe.placements import NAME, USUAL, PlacementRecipe
from tastemaker.recipe.ranking import RankingRecipe
from tastemaker.recipe.reranking import RerankingRecipe
from tastemaker.recipe.rules import BusinessRule, read_rules
from tastemaker.recipe.tables import (
    Column,
    ColumnChoice,
    ContentRecipe,
    DataRecipe,
    DateOrder,
    EvaluationRecipe,
    FeatureRecipe,
    HistoryRecipe,
    IndexRecipe,
    LossRecipe,
    NegativesRecipe,
    RetrievalRecipe,
    Role,
    SourcesRecipe,
    SplitRecipe,
    Table,
    WarmStartRecipe,
)
from tastemaker.recipe.toml import merged, read_toml, setting, toml_lines

__all__ = [
    "BusinessRule",
    "Column",
    "ColumnChoice",
    "ContentRecipe",
    "DataRecipe",
    "DateOrder",
    "EvaluationRecipe",
    "FeatureRecipe",
    "HistoryRecipe",
    "IndexRecipe",
    "LossRecipe",
    "NegativesRecipe",
    "PlacementRecipe",
    "RankingRecipe",
    "Recipe",
    "RerankingRecipe",
    "RetrievalRecipe",
    "Role",
    "SourcesRecipe",
    "SplitRecipe",
    "Table",
    "WarmStartRecipe",
    "read_rules",
]


class Recipe(Table):
    """The whole recipe. Defaults are meant to be good: an empty file is a fine start."""

    preset: Literal["default", "seed-content", "seed-softmax"] = "default"
    """default: chosen by the data. The seeds reproduce two well-known tutorials as they stand"""
    seed: int = Field(1, ge=0)
    data: DataRecipe = DataRecipe()
    split: SplitRecipe = SplitRecipe()
    features: FeatureRecipe = FeatureRecipe()
    content: ContentRecipe = ContentRecipe()
    history: HistoryRecipe = HistoryRecipe()
    loss: LossRecipe = LossRecipe()
    negatives: NegativesRecipe = NegativesRecipe()
    warm_start: WarmStartRecipe = WarmStartRecipe()
    retrieval: RetrievalRecipe = RetrievalRecipe()
    ranking: RankingRecipe = RankingRecipe()
    reranking: RerankingRecipe = RerankingRecipe()
    placements: dict[Annotated[str, Field(pattern=NAME)], PlacementRecipe] = Field(default_factory=dict)
    evaluation: EvaluationRecipe = EvaluationRecipe()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Recipe":
        """Check plain values. Raises RecipeError with one line that names the key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RecipeError(one_line(error, cls, "A recipe")) from None

    @classmethod
    def read(cls, path: Path | None, settings: Iterable[str] = ()) -> "Recipe":
        """A TOML file (with its `base`, if it names one) and `a.b=c` settings on top.

        Paths inside `[data]` are taken from the recipe's own folder.
        """
        values: dict[str, Any] = {} if path is None else read_toml(path, ())
        for text in settings:
            values = merged(values, setting(text))
        return cls.of(values)

    def having(self, settings: Mapping[str, Any]) -> "Recipe":
        """With other values for some knobs, named as in `history.dim`. Raises RecipeError."""
        values = self.model_dump(exclude_unset=True)
        for name, value in settings.items():
            for key in reversed(name.split(".")):
                value = {key: value}
            values = merged(values, value)
        return Recipe.of(values)

    def placement(self, name: str) -> PlacementRecipe:
        """What is said of one placement; empty for none in particular. One that rules alone speak of is a
        list for a person. Raises RecipeError where there is no such one."""
        if not name:
            return PlacementRecipe()
        known = self.known_placements
        if name not in known:
            raise RecipeError(f"There is no placement {name!r}. {hint(name, known)}")
        return known[name]

    @property
    def known_placements(self) -> dict[str, PlacementRecipe]:
        """All placements by name: the usual ones, those of the recipe, and those that rules speak of."""
        ruled = dict.fromkeys(self.reranking.named_placements, PlacementRecipe())
        return {**USUAL, **ruled, **self.placements}

    def as_toml(self) -> str:
        """What it names, as a file that `read` takes; what it leaves open stays open."""
        lines = toml_lines(self.model_dump(mode="json", exclude_unset=True, exclude_none=True))
        return "\n".join(lines).lstrip()
