"""Which index a catalogue is looked through with: chosen by its size, built, and opened from a bundle."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy.typing as npt

from tastemaker.hits import Floats
from tastemaker.retrieve import annoy
from tastemaker.retrieve.annoy import Annoy
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.hnsw import Hnsw
from tastemaker.retrieve.ivf import Ivf
from tastemaker.retrieve.shortlist import Approximate

Kind = Literal["exact", "ivf", "hnsw", "annoy"]

CROSSOVER = 350_000
"""Items from which `auto` parts them into lists. They are quicker from far fewer on, but not exact, and until
here a query takes 2 ms on one core at most (benchmarks.retrieval)."""


def settled(kind: Kind | Literal["auto"], items: int) -> Kind:
    """The kind itself, where a recipe leaves it open. Raises TastemakerError where it can't be had here."""
    if kind == "auto":
        return "exact" if items < CROSSOVER else "ivf"
    if kind == "annoy":
        annoy.check_installed()
    return kind


def built(kind: Kind, vectors: Floats, seed: int = 0) -> Exact | Approximate:
    """A new index of `vectors` (N, D); an approximate one is as wide as it comes."""
    match kind:
        case "exact":
            return Exact(vectors)
        case "ivf":
            return Ivf.built(vectors, seed=seed)
        case "hnsw":
            return Hnsw(vectors)
        case "annoy":
            return Annoy(vectors)


def opened(
    kind: Kind, width: int, vectors: Floats, arrays: Mapping[str, npt.NDArray[Any]]
) -> Exact | Approximate:
    """The index that a bundle names, with what it gave to be kept. Nothing is read from a file of an index.

    Raises: BundleError where that doesn't fit `vectors` (N, D), TastemakerError where Annoy isn't installed.
    """
    match kind:
        case "exact":
            return Exact(vectors)
        case "ivf":
            return Ivf.opened(vectors, arrays, width)
        case "hnsw":
            return Hnsw(vectors, width)
        case "annoy":
            return Annoy(vectors, width)
