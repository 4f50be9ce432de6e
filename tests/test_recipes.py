"""The recipes in `examples/recipes`: whole, and what `train` would choose by itself."""

from pathlib import Path

import pytest

from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.recipe import Recipe
from tastemaker.training.settings import settled

RECIPES = sorted((Path(__file__).parents[1] / "examples" / "recipes").glob("*.toml"))
SOURCES = {
    "beauty": ("s3rec", "s3rec-beauty"),
    "sports": ("s3rec", "s3rec-sports"),
    "ml-1m": ("movielens", "ml-1m"),
    "ml-100k": ("movielens", "ml-100k"),
    "ml-1m-graph": ("lightgcn", "ml-1m-lightgcnpp"),
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_tells_how_it_is_run_and_what_came_of_it(path):
    head = path.read_text(encoding="utf-8").split("\n\n[")[0]
    assert f"benchmarks.quality {path.stem}" in head
    assert "NDCG@10: ." in head.replace("\n# ", " ")
    assert Recipe.read(path).history.model_fields_set


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_what_is_chosen_for_its_log_without_one(path, shared_data):
    format, folder = SOURCES[path.stem.removesuffix("-ids")]
    log = read(None, convert(format, shared_data(folder))["interactions"]).interactions
    chosen, written = settled(Recipe(), log).history, settled(Recipe.read(path), log).history
    unsaid = {"order", "pairs"}  # auto, which the log decides later
    assert written.model_dump(exclude=unsaid) == chosen.model_dump(exclude=unsaid)
