"""The default model of a catalogue alone: an item is recognised from what is left of its metadata.

A tower sums the embeddings of words, n-grams and fields into a unit vector; it never sees an id. It
learns to bring two corrupted views of one thing together, and apart from the other things of the
batch (InfoNCE; van den Oord et al., 2018): so what things share decides, and a title that is new
gets a sensible place. The second view is often taken from another part of the same series, or another
title of the same franchise, and where a title has an English and a native half, one view is the
one and the other the other. Beside that, a view predicts the fields that were dropped from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers, ops
from scipy import sparse

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import TrainingError
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded
from tastemaker.model.fit import Batches, fit
from tastemaker.model.history import BagOfRows, feature_inputs, register
from tastemaker.model.problem import Curve
from tastemaker.model.views import Families, Views, is_guessed
from tastemaker.progress import Report, silent
from tastemaker.recipe import ContentRecipe

Floats = npt.NDArray[np.float32]

GUESS_FIELDS = 0.5
"""Weight of predicting dropped fields, beside InfoNCE."""
FIELD_START = 0.3
"""Length of a field's embedding before training, beside a word's: names decide until shown otherwise."""

TEXT_SHARE = 0.7
"""`vectors_share` where there are texts. Of titles alone 0: names say less by what they mean than by how
they are spelled (docs/decisions/0012-text-vectors.md)."""


@dataclass(frozen=True)
class ContentModel:
    """What training leaves.

    Attributes:
        tower: ids (B, L) int32, weights (B, L), dense (B, M) → (B, D) unit vectors. Without dense
            numbers it has no input for them. Pre-trained vectors that are served stand after what was
            learnt: D is then the sum of both.
        vectors: (N, D) of the catalogue.
        epochs: how many it was trained for.
        curve: of the training.
    """

    tower: keras.Model
    vectors: Floats
    epochs: int
    curve: Curve = field(default_factory=Curve)


@register
class UnitLength(layers.Layer):
    """(B, D) → (B, D), each of length 1."""

    def call(self, vectors: Any) -> Any:
        return vectors * ops.rsqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)


@register
class Beside(layers.Layer):
    """(B, D) unit vectors and (B, M) whose last `dim` are unit vectors → (B, D + dim).

    A product of two is (1 − share) × that of the first and share × that of the others.
    """

    def __init__(self, dim: int, share: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.share = dim, share

    def call(self, vectors: Any, dense: Any) -> Any:
        given = dense[:, -self.dim :] * self.share**0.5
        return ops.concatenate([vectors * (1 - self.share) ** 0.5, given], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dim": self.dim, "share": self.share}


def content_tower(encoded: Encoded, dim: int, vectors_share: float = 0.0) -> keras.Model:
    """The item tower, untrained: nearly a random projection of the bags, so near to TF-IDF already.

    Args:
        dim: of what is learnt.
        vectors_share: how much of a likeness is that of pre-trained vectors; 0 leaves them an input only.
    """
    inputs = feature_inputs(encoded)
    bag = BagOfRows(encoded.table_size, dim, name="bag")
    head = _head(dim, encoded.dense.shape[1])
    dense = [inputs[name] for name in ("dense",) if name in inputs]
    vectors = head([bag(inputs["ids"], inputs["weights"]), *dense])
    if vectors_share and encoded.vector_dim:
        vectors = Beside(encoded.vector_dim, vectors_share, name="beside")(vectors, *dense)
    tower = keras.Model(inputs, vectors, name="item_tower")
    start = [1.0 if field.kind == "text" else FIELD_START for field in encoded.fields]
    scale = np.repeat(start, [field.size for field in encoded.fields])
    # "Missing" says nothing until it has been met: in serving, whole columns may be missing that never were.
    scale[np.cumsum([0, *(field.size for field in encoded.fields)])[:-1]] = 0
    bag.table.assign(bag.table * ops.cast(scale[:, None], "float32"))
    return tower


def _head(dim: int, numbers: int) -> keras.Model:
    """(B, D) sums of embeddings [, (B, M) dense] → (B, D) unit vectors."""
    inputs = [keras.Input((dim,))]
    x = UnitLength()(inputs[0])
    if numbers:
        inputs.append(keras.Input((numbers,)))
        x = layers.Add()([x, layers.Dense(dim, use_bias=False, kernel_initializer=_small())(inputs[1])])
    hidden = layers.Dense(2 * dim, activation="gelu")(x)
    x = layers.Add()([x, layers.Dense(dim, kernel_initializer=_small())(hidden)])
    return keras.Model(inputs, UnitLength()(x), name="head")


def _small() -> Any:
    return keras.initializers.RandomNormal(stddev=0.01)


def _vectors_share(encoder: Encoder, recipe: ContentRecipe) -> float:
    if recipe.vectors_share != "auto":
        return recipe.vectors_share
    return TEXT_SHARE if encoder.vectors is not None and encoder.vectors.texts else 0.0


def embed(tower: keras.Model, encoded: Encoded) -> Floats:
    """(N, D) the tower's unit vectors; one sparse product in place of N gathers."""
    bag = encoded.joined
    place, column = np.nonzero(bag.weights)
    matrix = sparse.csr_array(
        (bag.weights[place, column], (place, bag.ids[place, column])),
        shape=(encoded.size, encoded.table_size),
    )
    sums = np.asarray(matrix @ np.asarray(tower.get_layer("bag").table), np.float32)
    inputs = [sums, encoded.dense] if encoded.dense.shape[1] else [sums]
    vectors: Floats = tower.get_layer("head").predict(inputs, batch_size=4096, verbose=0)
    if "beside" in [layer.name for layer in tower.layers]:
        vectors = ops.convert_to_numpy(tower.get_layer("beside")(vectors, encoded.dense))
    return vectors


class Contrast(keras.Model):
    """InfoNCE between the first and the second views, plus the guesses."""

    def __init__(self, tower: keras.Model, encoded: Encoded, recipe: ContentRecipe) -> None:
        super().__init__()
        self.bag, self.head = tower.get_layer("bag"), tower.get_layer("head")
        self.recipe = recipe
        self.has_dense = bool(encoded.dense.shape[1])
        sizes = [field.size for field in encoded.fields if is_guessed(field)]
        self.guesses = [layers.Dense(size) for size in sizes]

    def call(self, x: Mapping[str, Any], training: bool = False) -> Any:
        """(2B, D) unit vectors, and the logits of each guessed field."""
        terms = tf.gather(self.bag.table, x["ids"]) * x["weights"][:, None]
        sums = tf.math.unsorted_segment_sum(terms, x["place"], tf.shape(x["dense"])[0])
        vectors = self.head([sums, x["dense"]] if self.has_dense else [sums], training=training)
        return vectors, [guess(vectors) for guess in self.guesses]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        vectors, guesses = y_pred
        first, second = ops.split(vectors, 2)
        if self.recipe.loss == "triplet":
            loss = triplet(first, second, x["group"], self.recipe.margin)
        else:
            loss = info_nce(first, second, x["group"], self.recipe.temperature)
        for place, logits in enumerate(guesses):
            target = x["guess"][:, place]
            known = ops.cast(target >= 0, "float32")
            each = ops.sparse_categorical_crossentropy(
                ops.maximum(target, 0), logits * 10.0, from_logits=True
            )
            loss += GUESS_FIELDS / len(guesses) * ops.sum(each * known) / ops.maximum(ops.sum(known), 1.0)
        return loss


def info_nce(first: Any, second: Any, group: Any, temperature: float) -> Any:
    """Cross-entropy of finding each thing's second view among those of the batch, and the other way round.

    Args:
        first: (B, D) unit vectors.
        second: (B, D) unit vectors; row b is the other view of thing b.
        group: (B,) int; things of one group are no rivals of one another.
        temperature: above 0; lower is sharper.
    Returns: nats, averaged over both ways and the batch.
    """
    logits = ops.matmul(first, ops.transpose(second)) / temperature  # (B, B)
    akin = ops.logical_and(group[:, None] == group[None, :], ~ops.eye(ops.shape(group)[0], dtype="bool"))
    logits = ops.where(akin, -1e9, logits)
    right = ops.diagonal(logits)
    ways = ops.logsumexp(logits, axis=1) + ops.logsumexp(logits, axis=0) - 2 * right
    return ops.mean(ways) / 2


def triplet(first: Any, second: Any, group: Any, margin: float) -> Any:
    """How far each thing's second view falls short of lying `margin` nearer than the nearest rival.

    The rival is the hardest of the batch (Faghri et al., BMVC 2018), both ways.

    Args:
        first: (B, D) unit vectors.
        second: (B, D) unit vectors; row b is the other view of thing b.
        group: (B,) int; things of one group are no rivals of one another.
        margin: in cosine.
    Returns: 0 to 2 + margin, averaged over both ways and the batch.
    """
    cosines = ops.matmul(first, ops.transpose(second))  # (B, B)
    rivals = ops.where(group[:, None] == group[None, :], -1e9, cosines)
    right = ops.diagonal(cosines)
    short = [ops.relu(margin + ops.max(rivals, axis=way) - right) for way in (0, 1)]
    return ops.mean(short[0] + short[1]) / 2


def train(
    catalogue: Catalogue,
    encoder: Encoder,
    recipe: ContentRecipe,
    seed: int,
    report: Report = silent,
    families: Families | None = None,
) -> ContentModel:
    """Train the item tower on `catalogue`, which `encoder` was fitted on. A seed repeats the vectors.

    Args:
        families: what belongs together; None reads it off the titles.

    Raises: TrainingError when the catalogue has nothing to tell things apart by.
    """
    if not encoder.fields:
        raise TrainingError(
            "The catalogue has no column to learn from: give it titles, categories or numbers, or a log."
        )
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    views = Views(catalogue, encoder, recipe, families)
    tower = content_tower(views.encoded, recipe.dim, _vectors_share(encoder, recipe))
    model = Contrast(tower, views.encoded, recipe)
    steps = -(-catalogue.size // recipe.batch_size) * recipe.epochs
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    # Every batch has a length of its own, which XLA would compile anew.
    model.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False)
    batches = Batches(catalogue.size, recipe.batch_size, seed, lambda rows, rng: (views.pairs(rows, rng),))
    epochs = fit(model, batches, recipe.epochs, stage="training the item tower", report=report)
    curve = Curve(tuple(model.history.history["loss"]))
    return ContentModel(tower, embed(tower, views.encoded), epochs, curve)
