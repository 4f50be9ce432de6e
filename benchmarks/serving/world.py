"""What is served: 60,000 titles with genres and dates, 12,000 people of three tastes each, and a model.

Planted and trained once, in three minutes, into a folder; its ranker learns from lists that were found.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

GENRES, TASTES = 200, 3
START_S, SPAN_S = 1_700_000_000, 50_000_000
SETTINGS = (
    "history.encoder=recency",
    "history.epochs=2",
    "history.pairs=none",
    "ranking.use=always",
    "ranking.epochs=2",
    "reranking.diversity.strength=0.3",
    "evaluation.max_users=500",
)


def bundle(folder: Path, items: int, people: int, events: int) -> Path:
    """The trained bundle, made where it isn't there yet."""
    out = folder / f"served-{items}-{people}-{events}"
    if (out / "manifest.json").exists():
        return out
    folder.mkdir(parents=True, exist_ok=True)
    plant(folder, items, people, events)
    command = [sys.executable, "-m", "tastemaker", "train", "--out", str(out)]
    command += ["--items", str(folder / "items.parquet")]
    command += ["--interactions", str(folder / "interactions.parquet")]
    for setting in SETTINGS:
        command += ["--set", setting]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return out


def plant(folder: Path, items: int, people: int, events: int) -> None:
    rng = np.random.default_rng(7)
    genre = rng.integers(0, GENRES, items)
    popularity = 1 / (np.arange(items) + 10.0)
    of_genre = [np.flatnonzero(genre == number) for number in range(GENRES)]
    steps = [np.cumsum(popularity[rows]) / popularity[rows].sum() for rows in of_genre]
    tastes = rng.integers(0, GENRES, (people, TASTES))
    users = np.repeat(np.arange(people), events)
    chosen = tastes[users, rng.integers(0, TASTES, len(users))]
    draws = rng.random(len(users))
    rows = np.empty(len(users), np.int64)
    for number in range(GENRES):
        here = np.flatnonzero(chosen == number)
        rows[here] = of_genre[number][np.searchsorted(steps[number], draws[here])]
    times = np.sort(START_S + rng.integers(0, SPAN_S, (people, events)), axis=1).ravel()
    log = pl.DataFrame({"user_id": users, "item_id": rows, "timestamp": times})
    log = log.unique(["user_id", "item_id"], keep="first", maintain_order=True).with_columns(
        pl.format("user {}", "user_id").alias("user_id"), pl.format("item {}", "item_id").alias("item_id")
    )
    log.write_parquet(folder / "interactions.parquet")
    words = [a + b for a in ("ka", "mo", "ri", "su", "te", "lo") for b in ("ren", "lis", "tor", "mak", "bel")]
    names = np.array(words)[rng.integers(0, len(words), (items, 3))]
    days = rng.integers(0, 15_000, items)
    pl.DataFrame(
        {
            "item_id": [f"item {row}" for row in range(items)],
            "title": [f"{' '.join(name).title()} {row}" for row, name in enumerate(names)],
            "genre": [f"genre {number}" for number in genre],
            "released": [str(np.datetime64("1980-01-01") + int(day)) for day in days],
        }
    ).write_parquet(folder / "items.parquet")
