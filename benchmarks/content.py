"""What does a catalogue alone know of kinship?    python -m benchmarks.content

On the Netflix titles (19,158), nothing but titles and a few noisy columns: for every title with other
seasons of its series, the share of them among the 10 nearest; and for every title of a franchise, the
share of the franchise's other titles among the 10 nearest, its own series masked. Groups are made here
with plain regular expressions, not by the code under test. A group of more than 11 can't be found
whole: `ceiling` is what a perfect ranking would get.

Rows: scikit-learn's character TF-IDF (outside opponent, same run) and ours; the tower before training;
the tower; the served mix; and `seed-content`, whose network is taught to name its own input.
"""

import argparse
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.features.encode import Encoder
from tastemaker.features.text import Tfidf, texts_of
from tastemaker.model import content, seed_content
from tastemaker.progress import Progress
from tastemaker.recipe import Recipe
from tastemaker.retrieve.neighbours import Neighbours

K = 10
QUERIES_AT_ONCE = 256
Scores = Callable[[Rows], npt.NDArray[np.float32]]
Labels = npt.NDArray[np.int64]

SEASON = re.compile(
    r"[\s:,(–-]+(?:(?:season|series|part|volume|vol\.|chapter|book|collection|staffel|temporada)"
    r"\s*(?:\d+|[ivx]+)|limited series|collection)\)?\s*$",
    re.IGNORECASE,
)


def groups(titles: list[str]) -> tuple[Labels, Labels]:
    """(N,) series and (N,) franchise of each title, from its English half.

    `Money Heist: Korea: Season 1 // …` is of the series `money heist: korea` and the franchise `money heist`.
    """
    series = [_series(title.split(" // ")[0].strip()) for title in titles]
    franchises = [name.split(":")[0].strip() for name in series]
    return tuple(np.unique(names, return_inverse=True)[1] for names in (series, franchises))  # type: ignore[return-value]


def _series(name: str) -> str:
    while (match := SEASON.search(name)) and match.start():
        name = name[: match.start()]
    return name.casefold()


class Found(NamedTuple):
    """recall@10, what a perfect ranking would get, and how many titles were asked from."""

    recall: float
    ceiling: float
    queries: int


def seasons(scores: Scores, series: Labels) -> Found:
    """Other seasons of the same series, all titles listed."""
    asked = np.flatnonzero(np.bincount(series)[series] > 1)
    return _recall(scores, asked, lambda rows: series[rows][:, None] == series, masks_series=None)


def franchise(scores: Scores, series: Labels, franchises: Labels) -> Found:
    """Other titles of the same franchise; those of the own series stand in nobody's way."""
    asked = np.flatnonzero(np.bincount(franchises)[franchises] > np.bincount(series)[series])
    return _recall(scores, asked, lambda rows: franchises[rows][:, None] == franchises, masks_series=series)


def _recall(
    scores: Scores,
    asked: npt.NDArray[np.int64],
    is_akin: Callable[[Labels], npt.NDArray[np.bool_]],
    masks_series: Labels | None,
) -> Found:
    recalls, ceilings = [], []
    for start in range(0, len(asked), QUERIES_AT_ONCE):
        rows = asked[start : start + QUERIES_AT_ONCE]
        found = scores(rows.astype(np.int32)).copy()
        masked = (
            np.zeros(found.shape, bool)
            if masks_series is None
            else masks_series[rows][:, None] == masks_series
        )
        masked[np.arange(len(rows)), rows] = True
        found[masked] = -np.inf
        akin = is_akin(rows) & ~masked
        nearest = np.argsort(-found, axis=1, kind="stable")[:, :K]  # ties: the smaller row
        hits, relevant = np.take_along_axis(akin, nearest, 1).sum(1), akin.sum(1)
        recalls.append(hits / relevant)
        ceilings.append(np.minimum(relevant, K) / relevant)
    return Found(float(np.concatenate(recalls).mean()), float(np.concatenate(ceilings).mean()), len(asked))


def contestants(catalogue: Catalogue, recipe: Recipe, seed: int, report: Callable[[Progress], None]) -> Any:
    """Yields (name, scores, seconds to build), one at a time."""
    texts = texts_of(catalogue)
    started = time.perf_counter()
    theirs = (
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        .fit_transform(texts)
        .tocsr()
    )
    columns = theirs.T.tocsr()
    yield (
        "TF-IDF, scikit-learn",
        lambda rows: (theirs[rows] @ columns).toarray(),
        time.perf_counter() - started,
    )

    started = time.perf_counter()
    tfidf = Tfidf.fit(texts, recipe.features.ngrams)
    text_seconds = time.perf_counter() - started
    yield "TF-IDF, ours", lambda rows: tfidf.similarity(tfidf.matrix[rows]), text_seconds

    started = time.perf_counter()
    encoder = Encoder.fit(catalogue, recipe.features)
    encoded = encoder.encode(catalogue)
    content.keras.utils.set_random_seed(seed)
    start = content.embed(content.content_tower(encoded, recipe.content.dim), encoded)
    yield "tower, untrained", lambda rows: start[rows] @ start.T, time.perf_counter() - started

    started = time.perf_counter()
    vectors = content.train(catalogue, encoder, recipe.content, seed, report).vectors
    seconds = time.perf_counter() - started
    yield "tower", lambda rows: vectors[rows] @ vectors.T, seconds

    mix = Neighbours(vectors, vectors, tfidf, recipe.content.tfidf_share)
    ones = np.ones((QUERIES_AT_ONCE, 1), np.float32)
    yield "served mix", lambda rows: mix.scores(rows[:, None], ones[: len(rows)]), seconds + text_seconds

    started = time.perf_counter()
    seed_model = seed_content.train(catalogue, seed, report)
    yield (
        "seed-content",
        lambda rows: seed_model.queries[rows] @ seed_model.vectors.T,
        time.perf_counter() - started,
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(__file__).parents[2] / "shared/data/netflix_content_2023"
    words.add_argument("--data", type=Path, default=folder / "netflix_content_2023.csv")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--set", action="append", default=[], metavar="A.B=C", help="a knob of the recipe")
    words.add_argument("--dry", action="store_true", help="print only, keep no rows")
    asked = words.parse_args()
    recipe = Recipe.read(None, asked.set)
    catalogue = read(items=asked.data).items
    series, franchises = groups(catalogue.titles)
    console = Console(width=110)
    table = Table(
        "", "seasons", "franchise", "seconds", "peak MB", title=f"recall@10, {catalogue.size} titles"
    )
    with console.status("") as status:

        def report(progress: Progress) -> None:
            status.update(f"{progress.stage} {progress.step}/{progress.steps} loss {progress.loss:.3f}")

        for name, scores, seconds in contestants(catalogue, recipe, asked.seed, report):
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before it is judged
            by_season, by_franchise = seasons(scores, series), franchise(scores, series, franchises)
            table.add_row(
                name,
                f"{by_season.recall:.4f}",
                f"{by_franchise.recall:.4f}",
                f"{seconds:.1f}",
                f"{peak_mb:.0f}",
            )
            if not asked.dry:
                record(
                    "content", model=name, seed=asked.seed, settings=asked.set, titles=catalogue.size,
                    seasons=by_season._asdict(), franchise=by_franchise._asdict(),
                    seconds=round(seconds, 1), peak_mb=round(peak_mb),
                )  # fmt: skip
    table.add_row("ceiling", f"{by_season.ceiling:.4f}", f"{by_franchise.ceiling:.4f}")
    console.print(table)


if __name__ == "__main__":
    main()
