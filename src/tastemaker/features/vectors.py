"""Texts as vectors that others have trained: what words mean, which no catalogue alone can tell.

The weights come with the package `wordllama` (extra `text`): a table of 32,000 pieces of words, 256
numbers each, drawn from a large language model, and read without a network. A text is the mean of its
pieces. English is what it knows best; of scripts other than Latin it knows little.
"""

import importlib.util
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.titles import halves, without_season, without_year
from tastemaker.errors import RecipeError
from tastemaker.recipe import Role

Floats = npt.NDArray[np.float32]
Model = Literal["wordllama"]

MAX_LETTERS = 4000
"""Of one text; what comes after them changes its mean little."""
AT_ONCE = 256
"""Texts that are padded to the longest of them."""


class TextVectors(BaseModel):
    """How title and free texts of a row become one unit vector: less what all texts share.

    Attributes:
        model: whose vectors.
        title: its column, read without season and year, or None.
        texts: columns of free text.
        mean: (Dv,) of the unit vectors met in fitting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Model
    title: str | None
    texts: tuple[str, ...]
    mean: tuple[float, ...]

    @classmethod
    def fit(cls, catalogue: Catalogue, frame: pl.DataFrame, model: Model) -> Self | None:
        """Fit on `frame`, rows of the catalogue. None where no column holds a text.

        Raises: RecipeError where the package isn't installed.
        """
        require(model)
        texts = tuple(name for name in catalogue.by_role(Role.TEXT) if name in frame.columns)
        title = catalogue.title_column if catalogue.title_column in frame.columns else None
        raw = cls(model=model, title=title, texts=texts, mean=())
        vectors = raw._raw(frame)
        known = vectors[vectors.any(1)]
        return raw.model_copy(update={"mean": tuple(known.mean(0).tolist())}) if len(known) else None

    @property
    def dim(self) -> int:
        return len(self.mean)

    def encode(self, frame: pl.DataFrame) -> Floats:
        """(N, Dv) float32 of length 1, or 0 where there is no text.

        Raises: RecipeError where the package isn't installed.
        """
        require(self.model)
        vectors = self._raw(frame)
        has_text = vectors.any(1, keepdims=True)
        return _unit((vectors - np.array(self.mean, np.float32)) * has_text)

    def _raw(self, frame: pl.DataFrame) -> Floats:
        return _embedded(self._read(frame))

    def _read(self, frame: pl.DataFrame) -> list[str]:
        """(N,) what is read of each row, "" where there is nothing."""
        columns = [
            frame[name].fill_null("").to_list()
            for name in (self.title, *self.texts)
            if name is not None and name in frame.columns
        ]
        if self.title in frame.columns:
            columns[0] = [bare(title) for title in columns[0]]
        return [" ".join(filter(None, parts)) for parts in zip(*columns, strict=True)] or [""] * frame.height


def bare(title: str) -> str:
    """Every half without its season and its year: `Dark (2017): Season 1 // …` → `Dark …`."""
    return " ".join(dict.fromkeys(without_year(without_season(half)) for half in halves(title)))


def require(model: Model) -> None:
    """Raises RecipeError where the package that brings these vectors isn't installed."""
    if importlib.util.find_spec(model) is None:
        raise RecipeError(
            f"features.vectors={model} needs a package that isn't installed: pip install 'tastemaker[text]'."
        )


def _embedded(texts: Sequence[str]) -> Floats:
    """(N, Dv) unit vectors, 0 of an empty text; each text is read once."""
    words, place = np.unique(np.array([text[:MAX_LETTERS] for text in texts], object), return_inverse=True)
    # Texts of like length stand together, so that little of a block is padding.
    order = sorted((at for at in range(len(words)) if words[at].strip()), key=lambda at: len(words[at]))
    model = _wordllama()
    vectors = np.zeros((len(words), model.embedding.shape[1]), np.float32)
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        vectors[some] = model.embed([words[at] for at in some], batch_size=AT_ONCE)
    return _unit(vectors)[place]


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


@cache
def _wordllama() -> Any:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama

    root.handlers[:] = handlers  # importing it makes every library's log speak
    root.setLevel(level)
    # It looks for its tokenizer beside the folder that it ships it in, and would fetch it; a cache it finds.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
