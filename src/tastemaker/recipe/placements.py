"""The places of a site that lists are shown in; the `[placements]` table, one table more for each."""

from typing import Literal

from pydantic import Field

from tastemaker.recipe.tables import SourcesRecipe, Table

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""What a placement may be called: it stands in requests, logs and metrics."""


class PlacementRecipe(Table):
    """One place of a site; `[placements.home]`.

    Its rules are those of `[reranking]`, with what differs there under `[reranking.placements.home]`.
    """

    about: Literal["person", "last", "item"] = "person"
    """what its lists answer. person: what is next for somebody. last: what is like the last thing that they
    touched and liked. item: what is like an item that is asked for"""
    sources: SourcesRecipe | None = None
    """where candidates come from, instead of `[retrieval.sources]`"""
    filter: str | None = None
    """what an item must be, beside what a request asks for"""
    objective: str | None = None
    """what it is sorted by, instead of `ranking.objective`"""
    weights: dict[str, float] = Field(default_factory=dict)
    """strengths of rules, where a request says none"""
    k: int = Field(10, ge=1, le=1000)
    """length of its lists, where a request says none"""


USUAL: dict[str, PlacementRecipe] = {
    "home": PlacementRecipe(),
    "because-you-watched": PlacementRecipe(about="last"),
    "more-like-this": PlacementRecipe(about="item"),
}
"""Those that every recipe has, unless it says otherwise of them."""
