"""The second network itself: numbers and vectors of a query and a candidate in, a head for each thing out.

Numbers of a query and a candidate, beside what is read out of their vectors and the product of those, go
through layers of crosses (DCN-v2; Wang et al., WWW 2021) and a small trunk, or several that each head
weighs for itself (MMoE; Ma et al., KDD 2018), to a head for each thing that can come of it.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from tastemaker.errors import TrainingError
from tastemaker.features.lessons import Lessons
from tastemaker.recipe import RankingRecipe

Floats = npt.NDArray[np.float32]

FULL_RANK = 96
"""Width up to which a cross has a whole matrix; above, a product of two of rank width / 4."""
VECTORS = 16
"""Numbers that a query, a candidate and their product are read into, where the recipe leaves that open."""


def ranking_network(
    lessons: Lessons,
    start: Floats,
    recipe: RankingRecipe,
    *,
    by_place: bool = False,
    slopes: Floats | None = None,
) -> keras.Model:
    """The network for such lessons, untrained: its outputs are `start` (H,) but for a little noise.

    Args:
        by_place: it has an input `place` (n, 1) more, log of the position: 0 is the first.
        slopes: (F, H) of sums of the numbers that stand beside all else and stay as they are (the wide part
            of Cheng et al., DLRS 2016), a column of zeros for a head without; None for no such sum.
    Raises: TrainingError where there is nothing to read.
    """
    is_beside_all = slopes is not None and bool(slopes.any(axis=0).all())
    inputs, parts = {}, []
    if lessons.numbers.shape[1]:
        inputs["numbers"] = keras.Input((lessons.numbers.shape[1],), name="numbers")
        parts.append(inputs["numbers"])
    dim = lessons.vectors.shape[1]
    width = recipe.vectors
    if width == "auto":  # beside sums alone, the lists are too few to learn what to make of vectors
        width = 0 if is_beside_all else VECTORS
    if dim and width:
        query, item = (keras.Input((dim,), name=name) for name in ("query", "item"))
        inputs |= {"query": query, "item": item}
        # Entries of unit vectors are small, and their products smaller: all three are brought to about 1.
        sizes = [
            float(np.sqrt(np.mean(np.square(side)) + 1e-12)) for side in (lessons.queries, lessons.vectors)
        ]
        sides = [layers.Rescaling(1 / size)(side) for side, size in zip((query, item), sizes, strict=True)]
        beside = layers.Concatenate()([*sides, layers.Multiply()(sides)])
        parts.append(layers.Dense(width, activation="relu", name="read")(beside))
    if not parts:
        raise TrainingError(
            "A ranker with no numbers and no vectors has nothing to go by: ranking.vectors is 0."
        )
    if by_place:
        inputs["place"] = keras.Input((1,), name="place")
        parts.append(inputs["place"])
    x = first = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for _ in range(recipe.crosses):
        x = _cross(first, x)
    outputs = _heads(
        x, len(start), recipe, keras.initializers.RandomNormal(stddev=0 if is_beside_all else 0.01)
    )
    if slopes is not None:
        wide = layers.Dense(len(start), use_bias=False, trainable=False, name="wide")
        outputs = layers.Add()([outputs, wide(inputs["numbers"])])
        wide.kernel.assign(slopes)
    return keras.Model(inputs, layers.Rescaling(1.0, start.tolist(), name="outputs")(outputs), name="ranker")


def _cross(first: Any, x: Any) -> Any:
    """x₀ ⊙ (W x + b) + x: a degree more of products of what came in."""
    width = x.shape[-1]
    if width > FULL_RANK:
        mixed = layers.Dense(width)(layers.Dense(width // 4, use_bias=False)(x))
    else:
        mixed = layers.Dense(width)(x)
    return layers.Add()([layers.Multiply()([first, mixed]), x])


def _heads(x: Any, count: int, recipe: RankingRecipe, small: Any) -> Any:
    """(n, W) → (n, H): of one trunk for all heads, or of experts that each mixes by a gate of its own."""
    if not recipe.experts:
        return layers.Dense(count, kernel_initializer=small, name="heads")(_trunk(x, recipe))
    experts = ops.stack([_trunk(x, recipe) for _ in range(recipe.experts)], axis=1)  # (n, E, W)
    columns = []
    for _ in range(count):
        gate = layers.Dense(recipe.experts, activation="softmax")(x)
        mixed = ops.sum(ops.expand_dims(gate, 2) * experts, axis=1)
        columns.append(layers.Dense(1, kernel_initializer=small)(mixed))
    return layers.Concatenate()(columns) if count > 1 else columns[0]


def _trunk(x: Any, recipe: RankingRecipe) -> Any:
    for width in recipe.hidden:
        x = layers.Dense(width, activation="relu")(x)
        if recipe.dropout:
            x = layers.Dropout(recipe.dropout)(x)
    return x


def at_the_top(network: keras.Model) -> keras.Model:
    """The network as it answers of the first place, without an input for it."""
    inputs = {tensor.name: tensor for tensor in network.inputs if tensor.name != "place"}
    given = next(iter(inputs.values()))
    first = layers.Rescaling(0.0)(given[:, :1])  # log 1
    return keras.Model(inputs, network({**inputs, "place": first}), name="ranker")
