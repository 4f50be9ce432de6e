"""What do pre-trained vectors add where a catalogue has texts?    python -m benchmarks.overviews

4,803 films with title, overview, genres, language, date, length and votes (tmdb_5000). Their keywords, which
no model sees, are the judge: precision@10 is the share of the ten nearest that have a keyword in common
with the film asked from, of those that 2 to 50 films have. Asked from 1,000 films; settings are chosen by a
thousand others (`chosen by` in a row).

Rows: TF-IDF of the texts; the pre-trained vectors alone; the tower; and the served mix, with
`features.vectors` off and on. `--shares` are values of `content.vectors_share`, by one training.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.rows import record
from tastemaker.data import read
from tastemaker.data.catalogue import Rows
from tastemaker.features.encode import Encoder
from tastemaker.features.text import texts_of
from tastemaker.features.tfidf import Tfidf
from tastemaker.model import content
from tastemaker.recipe import Recipe

K = 10
ASKED = 1000
SHARED = (2, 50)
"""Films that a keyword is of: held by one it is shared by none, held by many it says little."""
Likeness = npt.NDArray[np.float32]


def films(path: Path) -> pl.DataFrame:
    """Its JSON columns made plain; `keywords` is a list of ids."""
    table = pl.read_csv(path, infer_schema_length=0)
    names = ["|".join(one["name"] for one in json.loads(cell)) for cell in table["genres"]]
    keywords = [[one["id"] for one in json.loads(cell)] for cell in table["keywords"]]
    kept = ["id", "title", "overview", "release_date", "runtime", "original_language", "vote_count"]
    return table.select(kept).with_columns(
        pl.Series("genres", names), pl.Series("keywords", keywords, pl.List(pl.Int64))
    )


class Judge:
    """Who has a keyword in common with the films asked from."""

    def __init__(self, keywords: list[list[int]]) -> None:
        times = Counter(word for words in keywords for word in set(words))
        kept = {
            word: at for at, word in enumerate(w for w, n in times.items() if SHARED[0] <= n <= SHARED[1])
        }
        has = np.zeros((len(keywords), len(kept)), np.float32)
        for row, words in enumerate(keywords):
            has[row, [kept[word] for word in words if word in kept]] = 1
        drawn = np.random.default_rng(0).permutation(np.flatnonzero(has.any(1)))[: 2 * ASKED]
        self.asked: Rows = drawn.astype(np.int32)
        self.akin = has[self.asked] @ has.T > 0

    def precision(self, likeness: Likeness) -> tuple[float, float]:
        """Of (2 · ASKED, N), the film itself left out: of the films to choose by, and of the others."""
        likeness = likeness.copy()
        likeness[np.arange(len(likeness)), self.asked] = -np.inf
        nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :K]
        hits = np.take_along_axis(self.akin, nearest, 1).mean(1)
        return float(hits[:ASKED].mean()), float(hits[ASKED:].mean())


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(__file__).parents[2] / "shared/data/tmdb_5000"
    words.add_argument("--data", type=Path, default=folder / "tmdb_5000_movies.csv")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--shares", nargs="*", type=float, default=[0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0])
    words.add_argument("--set", action="append", default=[], metavar="A.B=C", help="a knob of the recipe")
    words.add_argument("--dry", action="store_true", help="print only, keep no rows")
    asked = words.parse_args()
    table = films(asked.data)
    judge = Judge(table["keywords"].to_list())
    items = read(items=table.drop("keywords")).items

    def tell(model: str, likeness: Likeness, seconds: float, settings: list[str]) -> None:
        chosen_by, found = judge.precision(likeness)
        print(
            f"{model:<14} {' '.join(settings):<55} {chosen_by:.4f} {found:.4f}  {seconds:.0f} s", flush=True
        )
        if not asked.dry:
            record(
                "content", data="tmdb_5000", model=model, seed=asked.seed, settings=settings,
                titles=items.size, cpu_seconds=round(seconds, 1),
                keywords={"precision": found, "chosen by": chosen_by, "queries": ASKED,
                          "chance": float(judge.akin.mean())},
            )  # fmt: skip

    for vectors in ("none", "wordllama"):
        settings = [*asked.set, f"features.vectors={vectors}"]
        recipe = Recipe.read(None, settings)
        started = time.process_time()
        tfidf = Tfidf.fit(texts_of(items, recipe.features), recipe.features.ngrams)
        text = tfidf.similarity(tfidf.matrix[judge.asked])
        if vectors == "none":
            tell("TF-IDF, ours", text, time.process_time() - started, settings)
        started = time.process_time()
        encoder = Encoder.fit(items, recipe.features)
        dense = encoder.encode(items).dense
        if vectors != "none":
            given = dense[:, -encoder.vectors.dim :] if encoder.vectors else dense[:, :0]
            tell("vectors", given[judge.asked] @ given.T, time.process_time() - started, settings)
        half = recipe.content.model_copy(update={"vectors_share": 0.5})
        model = content.train(items, encoder, half, asked.seed)
        seconds = time.process_time() - started
        learnt = model.vectors[:, : recipe.content.dim]
        learnt = learnt / np.linalg.norm(learnt, axis=1, keepdims=True)
        tower = learnt[judge.asked] @ learnt.T
        tell("tower", tower, seconds, settings)
        part = recipe.content.tfidf_share
        for share in asked.shares if vectors != "none" else [0.0]:
            mix = (1 - share) * tower + share * (given[judge.asked] @ given.T) if share else tower
            named = [*settings, f"content.vectors_share={share}"] if vectors != "none" else settings
            tell("served mix", (1 - part) * mix + part * text, seconds, named)


if __name__ == "__main__":
    main()
