"""Vectors or a graph of neighbours become places in the plane. Seeded: the same twice."""

import importlib.util
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tastemaker.errors import TastemakerError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
Kind = Literal["pca", "umap"]

MISSING = "UMAP isn't installed: pip install 'tastemaker[map]', or take --projection pca."
EPOCHS = 200
SETTLED = 0.1
"""Steps from an older layout, of 1 from none: parts that nothing holds together would drift away from it."""
MIN_DISTANCE = 0.4
"""What UMAP leaves between two points at least; its own 0.1 stacks them where a finger can't choose."""


def settled(kind: Literal["auto", "pca", "umap"]) -> Kind:
    """UMAP where it is installed, if nobody says. Raises TastemakerError where it is asked for and isn't."""
    there = importlib.util.find_spec("umap") is not None
    if kind == "umap" and not there:
        raise TastemakerError(MISSING)
    return kind if kind != "auto" else "umap" if there else "pca"


def pca(vectors: npt.ArrayLike) -> tuple[Floats, float]:
    """(N, 2) the two directions that vectors (N, D) spread in most, and their share of the variance, 0 to 1.

    Where a direction points is chance; here, so that its largest part is positive.
    """
    given = np.asarray(vectors, np.float64)
    centred = given - given.mean(0)
    # Of the covariance, not of the vectors: (D, D) whatever the size of the catalogue.
    _, values, directions = np.linalg.svd(centred.T @ centred)
    leading = directions[:2]
    signs = np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(1)])
    places = np.zeros((len(given), 2))
    places[:, : len(leading)] = centred @ (leading * signs[:, None]).T
    return places, float(values[:2].sum() / max(values.sum(), np.finfo(np.float64).tiny))


def umap(
    neighbours: Rows, scores: npt.NDArray[np.float32], start: Floats, seed: int, is_laid_out: bool = False
) -> Floats:
    """(N, 2) laid out so that neighbours stand together (McInnes, Healy and Melville, 2018).

    The graph is the one that the model's own lists are made of, found exactly; umap-learn lays it out.

    Args:
        neighbours: (N, K) of each item, best first; never itself.
        scores: (N, K) how alike they are, of any scale.
        start: (N, 2) where to begin.
        is_laid_out: that is nearly where they should end; so they go in shorter steps.
    """
    import umap as library  # type: ignore[import-untyped]

    count, k = neighbours.shape
    # Only distances beyond the nearest count for UMAP, so 1 stands for the nearest and 0 for itself.
    apart = 1 + scores[:, :1] - scores
    known = np.concatenate([np.arange(count, dtype=np.int32)[:, None], neighbours], 1)
    distances = np.concatenate([np.zeros((count, 1)), apart], 1).astype(np.float32)
    spread = start - start.mean(0)
    layout: Any = library.UMAP(
        n_neighbors=k + 1,
        precomputed_knn=(known, distances),
        init=(10 * spread / max(float(np.abs(spread).max()), 1e-9)).astype(np.float32),
        min_dist=MIN_DISTANCE,
        n_epochs=EPOCHS,
        learning_rate=SETTLED if is_laid_out else 1.0,
        random_state=seed,
        n_jobs=1,
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a graph alone can't place newcomers later
        return np.asarray(layout.fit_transform(start.astype(np.float32)), np.float64)


def kept(places: Floats, neighbours: Rows, near: int = 50, sample: int = 2000, seed: int = 0) -> float:
    """The share, 0 to 1, of items' neighbours (N, K) that are among the `near` nearest on the map.

    Over a drawn `sample` of the items; a PAD counts as nobody.
    """
    from scipy.spatial import KDTree

    chosen = np.random.default_rng(seed).permutation(len(places))[:sample]
    near = min(near, len(places) - 1)
    if near < 1 or not neighbours.size:
        return 1.0
    found = np.asarray(KDTree(places).query(places[chosen], k=near + 1)[1])
    wanted = neighbours[chosen]
    is_kept = (wanted[:, :, None] == found[:, None, :]).any(2) & (wanted >= 0)
    return float(is_kept.sum() / max((wanted >= 0).sum(), 1))
