"""From data to a recommender: choose, learn with an exam held, refit on everything, bundle.

The strict numbers come from a model that never saw what it was asked for; what is served has then
been trained once more, for as many epochs, on all there is.
"""

import importlib.util
from pathlib import Path

import numpy as np

from tastemaker.data import Dataset
from tastemaker.errors import TrainingError
from tastemaker.features.vectors import require
from tastemaker.progress import NO_TRAIL, Progress, Report, Trail, silent
from tastemaker.recipe import Recipe, RerankingRecipe
from tastemaker.recommend import Recommender
from tastemaker.retrieve.kinds import settled as settled_index
from tastemaker.training.catalogue import of_catalogue
from tastemaker.training.histories import Witness, of_histories
from tastemaker.training.impressions import check_impressions
from tastemaker.training.index import indexed
from tastemaker.training.parts import Parts, bundle
from tastemaker.training.settings import note, settled
from tastemaker.training.warm import Older

DEFAULTS = Recipe()


def train(
    data: Dataset,
    recipe: Recipe = DEFAULTS,
    report: Report = silent,
    trail: Trail = NO_TRAIL,
    warm_start: Recommender | Path | str | None = None,
    witness: Witness | None = None,
) -> Recommender:
    """Train the model that the data and the recipe call for.

    Args:
        data: from `tastemaker.read`. With interactions the model is one of histories; without, one of
            the catalogue alone.
        recipe: knobs.
        report: told how far the work is.
        trail: where checkpoints and curves go; of a catalogue alone there are none, it takes a minute.
        warm_start: an older model of histories, or its bundle, to go on from: what the recipe leaves open is
            then as it was there, and a small share of the epochs is enough.
        witness: sees the model as it sat the exam, before the refit; never called where none is held.
    Raises: BundleError when the older bundle is missing or damaged; RecipeError when the recipe asks for
        another shape than it has, for vectors whose package is missing, or for rules that can't be kept;
        TrainingError when TensorFlow is missing, when there is nothing to learn from, or nothing new to the
        older bundle, when the recipe draws from what was passed over and nothing was, when it won't fit into
        memory, when the loss stops being a number, or when the index misses the recall that the recipe asks
        of it.
    """
    check_ready(recipe)
    older = None
    if warm_start is not None:
        older = Older.of(warm_start if isinstance(warm_start, Recommender) else Recommender.load(warm_start))
        recipe = older.settled(recipe, data)
    check_rules(data, recipe)
    check_impressions(data, recipe, report)
    settled_index(recipe.retrieval.index.kind, data.items.size)
    if recipe.preset == "seed-content" or data.interactions is None:
        if recipe.preset == "seed-softmax":
            raise TrainingError("preset seed-softmax learns from histories: give a file of interactions.")
        parts = of_catalogue(data, recipe, report)
    else:
        recipe = settled(recipe, data.interactions)
        report(Progress("settings", 1, 1, note=note(recipe)))
        parts = of_histories(data, data.interactions, recipe, report, trail, older, witness)
    return Recommender(indexed(bundle(data, recipe, parts), report))


def check_rules(data: Dataset, recipe: Recipe) -> None:
    """Whether the rules of a recipe can be kept with this catalogue, before hours are spent on a model.

    Raises: RecipeError where they contradict one another, or speak of what there isn't; FilterError.
    """
    if recipe.reranking == RerankingRecipe():
        return
    nothing = Parts("content", {"item_vectors": np.zeros((data.items.size, 2), np.float32)}, {}, 1)
    reranker = Recommender(bundle(data, recipe, nothing)).reranker
    for placement in ("", *recipe.reranking.placements):
        reranker.chain(placement)


def check_ready(recipe: Recipe) -> None:
    """Whether this machine can train so, before anything is read for it.

    Raises: TrainingError without TensorFlow, RecipeError without the vectors that the recipe asks for.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise TrainingError(
            "Training needs TensorFlow, which isn't installed: pip install 'tastemaker[train]'."
        )
    if recipe.features.vectors != "none":
        require(recipe.features.vectors)
