"""What does a catalogue alone know of kinship?    python -m benchmarks.content

On the Netflix titles (19,158), nothing but titles and a few noisy columns. recall@10 of four things:

    seasons      of every title with other seasons of its series, the share of them among the 10 nearest
    franchise    of every title of a franchise, the share of its other titles, the own series masked
    new          the same, asked from 30 % of the franchises, which training didn't know as such: each of
                 their titles was its own series and its own franchise, and a rival to the others
    native       the English title found from the native one, for 30 % of the bilingual series, whose rows
                 stood in training with their English half alone. Asked is the native half, with no
                 other column, of every such row; listed are the English halves of all titles, with no
                 other column either; found is the own row, no other season. `native, columns` lists
                 them with their other columns; what is asked from still has none.

Groups are made here with plain regular expressions, not by the code under test; but what "franchise"
means, the text before the first ":", is also what `features.names` counts once more. So one opponent
compares nothing else. A group of more than 11 can't be found whole: `ceiling` is what a perfect
ranking would get.

The first two are asked of one model that was trained on everything; the last two of a model for each
of `--draws`, which holds out both and has the draw as its seed. Draw 0 shares no franchise and no
series with any other, and settings are chosen by it alone: `--held-out-only --draws 0`.

Rows: scikit-learn's character TF-IDF of the titles, and of what stands before the first ":" (outside
opponents, same run); ours; the tower before training; the tower; the served mix; and `seed-content`,
whose network is taught to name its own input.
"""

import argparse
import re
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.features.encode import Encoder
from tastemaker.features.text import texts_of
from tastemaker.features.tfidf import Tfidf
from tastemaker.model import content, seed_content
from tastemaker.model.views import Families
from tastemaker.progress import Progress
from tastemaker.recipe import Recipe
from tastemaker.retrieve.neighbours import Neighbours

K = 10
QUERIES_AT_ONCE = 256
HELD_OUT = 0.3
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
    series = [_series(english(title)) for title in titles]
    franchises = [_franchise(title) for title in titles]
    return tuple(np.unique(names, return_inverse=True)[1] for names in (series, franchises))  # type: ignore[return-value]


def _series(name: str) -> str:
    while (match := SEASON.search(name)) and match.start():
        name = name[: match.start()]
    return name.casefold()


def _franchise(title: str) -> str:
    return _series(english(title)).split(":")[0].strip()


def english(title: str) -> str:
    return title.partition(" // ")[0].strip()


def native(title: str) -> str:
    """ "" where there is none."""
    return title.partition(" // ")[2].strip()


class World(NamedTuple):
    """What is held out of one training.

    Attributes:
        catalogue: as it is trained on.
        families: what training may know of kinship; None for all.
        franchises: labels of those that are held out.
        natives: (Q,) rows whose native halves are.
        queries: (Q) those halves, nothing else.
        candidates: (N) English halves, nothing else.
        with_columns: (N) English halves and the other columns.
    """

    catalogue: Catalogue
    families: Families | None
    franchises: Labels
    natives: Labels
    queries: Catalogue
    candidates: Catalogue
    with_columns: Catalogue


def held_out(labels: Labels, draw: int) -> Labels:
    """30 % of the distinct labels. Draw 0 shares none with any other, the others may among themselves."""
    order = np.random.default_rng(0).permutation(np.unique(labels))
    size = int(HELD_OUT * len(order))
    return order[:size] if draw == 0 else np.random.default_rng(draw).permutation(order[size:])[:size]


def world(catalogue: Catalogue, draw: int | None) -> World:
    """None holds nothing out."""
    titles = catalogue.titles
    halves = [english(title) for title in titles]
    series, franchises = groups(titles)
    is_bilingual = np.array([bool(native(title)) for title in titles])
    natives, strangers, families = series[:0], franchises[:0], None
    if draw is not None:
        natives = np.flatnonzero(is_bilingual & np.isin(series, held_out(series[is_bilingual], draw)))
        strangers = held_out(franchises[_has_others(series, franchises)], draw)
    trained = list(titles)
    for row in natives:
        trained[row] = halves[row]
    if draw is not None:
        alone = [f" {row}" if is_new else "" for row, is_new in enumerate(np.isin(franchises, strangers))]
        known = Families.of(trained)
        families = Families(*([key + own for key, own in zip(keys, alone, strict=True)] for keys in known))
    column = catalogue.title_column
    assert column

    def of(texts: list[str], bare: bool) -> Catalogue:
        named = pl.Series(column, texts, pl.String)
        return replace(catalogue, frame=pl.DataFrame(named) if bare else catalogue.frame.with_columns(named))

    return World(
        of(trained, bare=False),
        families,
        strangers,
        natives,
        of([native(titles[row]) for row in natives], bare=True),
        of(halves, bare=True),
        of(halves, bare=False),
    )


class Found(NamedTuple):
    """recall@10, what a perfect ranking would get, and how many titles were asked from."""

    recall: float
    ceiling: float
    queries: int


def seasons(scores: Scores, series: Labels) -> Found:
    """Other seasons of the same series, all titles listed."""
    asked = np.flatnonzero(np.bincount(series)[series] > 1)
    return _recall(scores, asked, lambda rows: series[rows][:, None] == series, masks_series=None)


def _has_others(series: Labels, franchises: Labels) -> npt.NDArray[np.bool_]:
    """(N,) whether the franchise has titles beside the own series."""
    return np.bincount(franchises)[franchises] > np.bincount(series)[series]  # type: ignore[no-any-return]


def by_native(scores: npt.NDArray[np.float32], natives: Labels) -> Found:
    """The own row among the 10 best of (Q, N) scores."""
    is_found = _nearest(scores)[np.arange(len(natives)), natives]
    return Found(float(is_found.mean()), 1.0, len(natives))


def _nearest(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(B, N) whether a row is among the K best; of equals, the smaller rows."""
    least = np.partition(scores, -K, axis=1)[:, [-K]]
    above, level = scores > least, scores == least
    return above | (level & (np.cumsum(level, 1) <= K - above.sum(1, keepdims=True)))


def franchise(
    scores: Scores, series: Labels, franchises: Labels, only: npt.NDArray[np.int64] | None = None
) -> Found:
    """Other titles of the same franchise; those of the own series stand in nobody's way.

    Args:
        only: ask from these franchises; None for all.
    """
    asked = np.flatnonzero(_has_others(series, franchises))
    if only is not None:
        asked = asked[np.isin(franchises[asked], only)]
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
        hits, relevant = (akin & _nearest(found)).sum(1), akin.sum(1)
        recalls.append(hits / relevant)
        ceilings.append(np.minimum(relevant, K) / relevant)
    return Found(float(np.concatenate(recalls).mean()), float(np.concatenate(ceilings).mean()), len(asked))


class Contestant(NamedTuple):
    """Attributes:
    scores: likeness of rows to all rows, of the catalogue as trained.
    native: (Q, N) likeness of the world's queries to its candidates, bare and with columns; None where it
        can't be asked.
    seconds: to build.
    """

    name: str
    scores: Scores
    native: Callable[[], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] | None
    seconds: float


def contestants(
    world: World, recipe: Recipe, seed: int, report: Callable[[Progress], None]
) -> Iterator[Contestant]:
    """One at a time."""
    titles = world.catalogue.titles
    yield _scikit_learn("TF-IDF, scikit-learn", titles, world, str)
    yield _scikit_learn("TF-IDF of names, scikit-learn", titles, world, _franchise)

    started = time.perf_counter()
    texts = texts_of(world.catalogue, recipe.features)
    tfidf = Tfidf.fit(texts, recipe.features.ngrams)
    text_seconds = time.perf_counter() - started

    def by_text() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        asked, listed = (
            tfidf.transform(texts_of(part, recipe.features)) for part in (world.queries, world.candidates)
        )
        found = np.asarray((asked @ listed.T).toarray(), np.float32)
        return found, found

    yield Contestant("TF-IDF, ours", lambda rows: tfidf.similarity(tfidf.matrix[rows]), by_text, text_seconds)

    started = time.perf_counter()
    encoder = Encoder.fit(world.catalogue, recipe.features)
    encoded = encoder.encode(world.catalogue)
    content.keras.utils.set_random_seed(seed)
    untrained = content.content_tower(encoded, recipe.content.dim)
    start = content.embed(untrained, encoded)

    def by_tower(tower: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        parts = (world.queries, world.candidates, world.with_columns)
        asked, bare, with_columns = (content.embed(tower, encoder.encode(part)) for part in parts)
        return asked @ bare.T, asked @ with_columns.T

    yield Contestant(
        "tower, untrained",
        lambda rows: start[rows] @ start.T,
        lambda: by_tower(untrained),
        time.perf_counter() - started,
    )

    started = time.perf_counter()
    model = content.train(world.catalogue, encoder, recipe.content, seed, report, world.families)
    vectors = model.vectors
    seconds = time.perf_counter() - started
    yield Contestant("tower", lambda rows: vectors[rows] @ vectors.T, lambda: by_tower(model.tower), seconds)

    share = recipe.content.tfidf_share
    mix = Neighbours(vectors, vectors, tfidf, share)
    ones = np.ones((QUERIES_AT_ONCE, 1), np.float32)

    def by_mix() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        pairs = zip(by_tower(model.tower), by_text(), strict=True)
        bare, with_columns = ((1 - share) * tower + share * text for tower, text in pairs)
        return bare, with_columns

    yield Contestant(
        "served mix",
        lambda rows: mix.scores(rows[:, None], ones[: len(rows)]),
        by_mix,
        seconds + text_seconds,
    )

    if world.families is None:
        started = time.perf_counter()
        theirs = seed_content.train(world.catalogue, seed, report)
        yield Contestant(
            "seed-content",
            lambda rows: theirs.queries[rows] @ theirs.vectors.T,
            None,  # it knows ids, not texts
            time.perf_counter() - started,
        )


def _scikit_learn(name: str, titles: list[str], world: World, part: Callable[[str], str]) -> Contestant:
    """Character TF-IDF of `part` of the titles."""
    started = time.perf_counter()
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    matrix = vectorizer.fit_transform([part(title) for title in titles]).tocsr()
    columns = matrix.T.tocsr()

    def by_native() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        asked, listed = (
            vectorizer.transform([part(title) for title in side.titles]).tocsr()
            for side in (world.queries, world.candidates)
        )
        found = (asked @ listed.T).toarray().astype(np.float32)
        return found, found

    seconds = time.perf_counter() - started
    return Contestant(name, lambda rows: (matrix[rows] @ columns).toarray(), by_native, seconds)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(__file__).parents[2] / "shared/data/netflix_content_2023"
    words.add_argument("--data", type=Path, default=folder / "netflix_content_2023.csv")
    words.add_argument("--seed", type=int, default=1, help="of the model that is trained on everything")
    words.add_argument("--draws", nargs="*", type=int, default=[1, 2, 3], help="of what is held out")
    words.add_argument("--held-out-only", action="store_true", help="train nothing on everything")
    words.add_argument("--set", action="append", default=[], metavar="A.B=C", help="a knob of the recipe")
    words.add_argument("--dry", action="store_true", help="print only, keep no rows")
    asked = words.parse_args()
    recipe = Recipe.read(None, asked.set)
    catalogue = read(items=asked.data).items
    series, franchises = groups(catalogue.titles)
    draws = [None] * (not asked.held_out_only) + asked.draws
    answers: dict[str, dict[str, list[Found]]] = {}
    seconds: dict[str, list[float]] = {}
    console = Console(width=130)
    with console.status("") as status:

        def report(progress: Progress) -> None:
            status.update(f"{progress.stage} {progress.step}/{progress.steps} loss {progress.loss:.3f}")

        for draw in draws:
            held = world(catalogue, draw)
            for one in contestants(held, recipe, asked.seed if draw is None else draw, report):
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before it is judged
                if draw is None:
                    found = {
                        "seasons": seasons(one.scores, series),
                        "franchise": franchise(one.scores, series, franchises),
                    }
                else:
                    found = {"new": franchise(one.scores, series, franchises, held.franchises)}
                    if one.native:
                        bare, with_columns = (by_native(each, held.natives) for each in one.native())
                        found |= {"native": bare, "native, columns": with_columns}
                for what, each in found.items():
                    answers.setdefault(one.name, {}).setdefault(what, []).append(each)
                seconds.setdefault(one.name, []).append(one.seconds)
                console.print(draw, one.name, {what: round(each.recall, 4) for what, each in found.items()})
                if not asked.dry:
                    record(
                        "content", model=one.name, seed=asked.seed if draw is None else draw, held_out=draw,
                        settings=asked.set, titles=catalogue.size,
                        **{what.replace(", ", "_"): each._asdict() for what, each in found.items()},
                        seconds=round(one.seconds, 1), peak_mb=round(peak_mb),
                    )  # fmt: skip
    console.print(_table(answers, seconds))


def _table(answers: dict[str, dict[str, list[Found]]], seconds: dict[str, list[float]]) -> Table:
    """Means over the draws, and the standard deviation where there are several."""
    asked = list(dict.fromkeys(what for found in answers.values() for what in found))
    table = Table("recall@10", *asked, "seconds")
    for name, found in answers.items():
        cells = [_cell([each.recall for each in found.get(what, [])]) for what in asked]
        table.add_row(name, *cells, f"{np.mean(seconds[name]):.0f}")
    first = next(iter(answers.values()))
    table.add_row("ceiling", *(_cell([each.ceiling for each in first[what]]) for what in asked))
    return table


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


if __name__ == "__main__":
    main()
