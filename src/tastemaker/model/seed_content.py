"""`preset = "seed-content"`: a well-known tutorial's recommender, exactly as it describes itself.

Content id (32-d), language (8-d) and type (4-d) embeddings → Dense 64 relu → Dense 32 relu → softmax over
all content ids, trained to name the content id that it was given. The id stands at the input and at the
output, so what it learns is the identity: the similarities it serves are near to chance (measured in
`benchmarks/content.py`). Kept for comparison; the default for a catalogue alone is `content`.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from tastemaker.data.catalogue import Catalogue
from tastemaker.model.fit import Batches, fit
from tastemaker.progress import Report, silent
from tastemaker.recipe import Role

Floats = npt.NDArray[np.float32]

EPOCHS, BATCH_SIZE = 10, 128  # it says 5 to 20, and 32 to 128


@dataclass(frozen=True)
class SeedContent:
    """What training leaves: the logit of item m, given item n, is `queries[n] @ vectors[m]`.

    Attributes:
        queries: (N, 33) the second hidden layer for each item, and a 1.
        vectors: (N, 33) the softmax's weights for each item, and its bias.
        epochs: how many it was trained for.
        columns: which columns were taken for language and type; "" where the catalogue has none.
    """

    queries: Floats
    vectors: Floats
    epochs: int
    columns: tuple[str, str]


def language_and_type(catalogue: Catalogue) -> tuple[str, str]:
    """The category columns that are called so; else the first ones that are left; "" where none is."""
    left = catalogue.by_role(Role.CATEGORY)
    chosen = []
    for word in ("language", "type"):
        named = [name for name in left if word in name.casefold()]
        chosen.append(named[0] if named else "")
        left = [name for name in left if name not in chosen]
    language, kind = (name or (left.pop(0) if left else "") for name in chosen)
    return language, kind


def seed_network(items: int, languages: int, types: int) -> keras.Model:
    """content_id (B, 1), language (B, 1), type (B, 1) int32 → (B, N) logits."""
    inputs = {
        name: keras.Input((1,), dtype="int32", name=name) for name in ("content_id", "language", "type")
    }
    sizes = {"content_id": (items, 32), "language": (languages, 8), "type": (types, 4)}
    embeddings = [layers.Flatten()(layers.Embedding(*sizes[name])(tensor)) for name, tensor in inputs.items()]
    x = layers.Dense(64, activation="relu")(layers.Concatenate()(embeddings))
    x = layers.Dense(32, activation="relu", name="query")(x)
    # Logits here and the softmax in the loss: the same numbers, safe from log(0).
    return keras.Model(inputs, layers.Dense(items, name="softmax")(x))


def train(
    catalogue: Catalogue,
    seed: int,
    report: Report = silent,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
) -> SeedContent:
    """Train on every item once an epoch. The same seed gives the same vectors."""
    keras.utils.set_random_seed(seed)
    columns = language_and_type(catalogue)
    language, kind = (_codes(catalogue, name) for name in columns)
    rows = np.arange(catalogue.size, dtype=np.int32)
    inputs = {"content_id": rows[:, None], "language": language[:, None], "type": kind[:, None]}
    model = seed_network(catalogue.size, int(language.max()) + 1, int(kind.max()) + 1)
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )

    def make(chosen: npt.NDArray[np.int64], _: np.random.Generator) -> Any:
        return {name: codes[chosen] for name, codes in inputs.items()}, rows[chosen]

    batches = Batches(catalogue.size, batch_size, seed, make)
    fit(model, batches, epochs, stage="training seed-content", report=report)
    hidden = keras.Model(model.inputs, model.get_layer("query").output)
    queries = hidden.predict(list(inputs.values()), batch_size=4096, verbose=0)
    weights, bias = (np.asarray(weight) for weight in model.get_layer("softmax").weights)
    ones = np.ones((catalogue.size, 1), np.float32)
    return SeedContent(
        np.concatenate([queries, ones], axis=1),
        np.concatenate([weights.T, bias[:, None]], axis=1),
        epochs,
        columns,
    )


def _codes(catalogue: Catalogue, column: str) -> npt.NDArray[np.int32]:
    """(N,) a number for each value, 0 where missing; all 0 without a column."""
    if not column:
        return np.zeros(catalogue.size, np.int32)
    values = catalogue.frame[column].to_list()
    code_of = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}), 1)}
    return np.array([code_of.get(value, 0) for value in values], np.int32)
