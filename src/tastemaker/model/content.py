"""The default model of a catalogue alone: an item is recognised from what is left of its metadata.

A tower sums the embeddings of words, n-grams and fields into a unit vector; it never sees an id. It
learns to bring two corrupted views of one thing together, and apart from the other things of the
batch (InfoNCE; van den Oord et al., 2018): so what things share decides, and a title that is new
gets a sensible place. The second view is often taken from another part of the same series, or another
title of the same franchise, and where a title has an English and a native half, one view is the
one and the other the other. Beside that, a view predicts the fields that were dropped from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import polars as pl
import tensorflow as tf
from keras import layers, ops
from scipy import sparse

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.titles import english_half, franchise_key, native_half, series_key
from tastemaker.errors import TrainingError
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded, Field
from tastemaker.model.fit import Batches, fit
from tastemaker.model.history import BagOfRows, feature_inputs, register
from tastemaker.progress import Report, silent
from tastemaker.recipe import ContentRecipe

Floats = npt.NDArray[np.float32]

POSITIVES = (0.4, 0.3)
"""Chance that the second view is of the row itself, and of its series; else it is of its franchise."""
GUESS_FIELDS = 0.5
"""Weight of predicting dropped fields, beside InfoNCE."""
GUESS_ROWS = 2048
"""Fields with a larger table are not predicted: they cost more than they say."""
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
    """

    tower: keras.Model
    vectors: Floats
    epochs: int


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


class Families(NamedTuple):
    """Which rows may stand for one another in training, and are no rivals.

    Attributes:
        series: (N,) equal for the parts of one series.
        franchise: (N,) equal for all of one franchise, so for all of one series.
    """

    series: Sequence[str]
    franchise: Sequence[str]

    @classmethod
    def of(cls, titles: Sequence[str]) -> "Families":
        return cls([series_key(title) for title in titles], [franchise_key(title) for title in titles])


class Flat(NamedTuple):
    """Bags without padding: thing n owns `starts[n]:starts[n + 1]`."""

    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    weights: Floats
    field: npt.NDArray[np.int32]


class Views:
    """Draws pairs of corrupted views of a catalogue's rows.

    Args:
        catalogue: N things.
        encoder: fitted on them.
        recipe: how much is dropped.
    """

    def __init__(
        self, catalogue: Catalogue, encoder: Encoder, recipe: ContentRecipe, families: Families | None = None
    ) -> None:
        self.encoded = encoder.encode(catalogue)
        titles = catalogue.titles if catalogue.title_column else [str(row) for row in range(catalogue.size)]
        series, franchise = families or Families.of(titles)
        self.series, self.franchise = _Groups(series), _Groups(franchise)
        native = [native_half(title) for title in titles]
        self.is_bilingual = np.array([half is not None for half in native])
        sources = [self.encoded]
        if catalogue.title_column:  # three blocks of N rows: whole titles, English halves, native halves
            for texts in ([english_half(title) for title in titles], native):
                frame = catalogue.frame.with_columns(pl.Series(catalogue.title_column, texts, pl.String))
                sources.append(encoder.encode(frame))
        self.flat = _flat(self.encoded, sources)
        numbers = self.encoded.dense.shape[1] - self.encoded.vector_dim
        self.dense_widths = [numbers, self.encoded.vector_dim]
        self.dense = np.tile(self.encoded.dense, (len(sources), 1))
        self.dense[:, numbers:] = np.concatenate([source.dense[:, numbers:] for source in sources])
        self.drop = np.array([_drop_chance(field.name, field.kind, recipe) for field in self.encoded.fields])
        self.drop_dense, self.halves = recipe.drop_fields, recipe.halves
        self.is_text = np.array([field.kind == "text" for field in self.encoded.fields])
        self.guessed = [place for place, field in enumerate(self.encoded.fields) if _is_guessed(field)]

    def pairs(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
        """Two views each of `rows` (B,): the first views of all, then the second.

        Returns: bags as (T,) `place` (0 to 2B - 1), `ids` and `weights`; `dense` (2B, M); `group` (B,),
            equal for things that are no rivals; `guess` (2B, F) rows of the dropped fields' tables,
            -1 where the field was not dropped or is not known.
        """
        size = self.encoded.size
        of_series, of_franchise = self.series.draw(rows, rng), self.franchise.draw(rows, rng)
        choice = rng.random(len(rows))[:, None] >= np.cumsum(POSITIVES)
        partners = np.choose(choice.sum(1), [rows, of_series, of_franchise])
        split = (rng.random(len(rows)) < self.halves) & self.is_bilingual[rows]
        swap = np.where(rng.random(len(rows)) < 0.5, 1, 2)
        first = rows + size * np.where(split, swap, 0)
        second = partners + size * np.where(split & self.is_bilingual[partners], 3 - swap, 0)
        return {**self._corrupted(np.concatenate([first, second]), rng), "group": self.franchise.of[rows]}

    def _corrupted(
        self, places: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[Any]]:
        things = places % self.encoded.size
        is_dropped = rng.random((len(places), len(self.drop))) < self.drop  # a field goes as a whole
        counts = np.diff(self.flat.starts)[places]
        of = np.repeat(np.arange(len(places)), counts)
        at = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts - self.flat.starts[places], counts)
        field = self.flat.field[at]
        keep = np.where(self.is_text[field], rng.random(len(at)) >= self.drop[field], ~is_dropped[of, field])
        guess = np.stack(
            [self.encoded.bags[place].ids[things, 0] for place in self.guessed] or [np.zeros(len(places))], 1
        )
        known = (guess > 0) & (is_dropped[:, self.guessed] if self.guessed else False)
        kinds = 1 + (self.encoded.vector_dim > 0)  # numbers go as a whole, vectors by themselves
        has_kind = np.ones((len(places), 2), np.bool_)
        has_kind[:, :kinds] = rng.random((len(places), kinds)) >= self.drop_dense
        return {
            "place": of[keep].astype(np.int32),
            "ids": self.flat.ids[at[keep]],
            "weights": self.flat.weights[at[keep]],
            "dense": self.dense[places] * np.repeat(has_kind, self.dense_widths, axis=1),
            "guess": np.where(known, guess, -1).astype(np.int32),
        }


class _Groups:
    """Rows that share a key."""

    def __init__(self, keys: Sequence[str]) -> None:
        _, self.of = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)
        self.order = np.argsort(self.of, kind="stable")
        self.counts = np.bincount(self.of)
        self.starts = np.cumsum(self.counts) - self.counts

    def draw(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """A member of each row's group, itself perhaps."""
        group = self.of[rows]
        drawn: npt.NDArray[np.int64] = self.order[self.starts[group] + rng.integers(self.counts[group])]
        return drawn


def _is_guessed(field: Field) -> bool:
    return field.kind != "text" and field.size <= GUESS_ROWS


def _drop_chance(name: str, kind: str, recipe: ContentRecipe) -> float:
    if kind != "text":
        return recipe.drop_fields
    return recipe.drop_words if name.endswith("/words") else recipe.drop_ngrams


def _flat(whole: Encoded, sources: Sequence[Encoded]) -> Flat:
    """Rows of all sources one under the other."""
    blocks = []
    first_rows = np.cumsum([0, *(field.size for field in whole.fields)])
    for block, source in enumerate(sources):
        for place, bag in enumerate(source.bags):
            row, column = np.nonzero(bag.weights)
            ids = bag.ids[row, column]
            blocks.append(
                (
                    row + block * whole.size,
                    ids + first_rows[place],
                    bag.weights[row, column],
                    np.full(len(row), place),
                )
            )
    rows, ids, weights, fields = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=whole.size * len(sources)))])
    return Flat(starts, ids[order].astype(np.int32), weights[order], fields[order].astype(np.int32))


class Contrast(keras.Model):
    """InfoNCE between the first and the second views, plus the guesses."""

    def __init__(self, tower: keras.Model, encoded: Encoded, recipe: ContentRecipe) -> None:
        super().__init__()
        self.bag, self.head = tower.get_layer("bag"), tower.get_layer("head")
        self.recipe = recipe
        self.has_dense = bool(encoded.dense.shape[1])
        sizes = [field.size for field in encoded.fields if _is_guessed(field)]
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
    return ContentModel(tower, embed(tower, views.encoded), epochs)
