"""What tests of every stage share: where real data lie, and small files to write."""

import csv
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.recommend import Recommender

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data("ml-100k")` is that folder; the test is skipped where it isn't there."""

    def folder(name: str) -> Path:
        path = SHARED / name
        if not path.is_dir():
            pytest.skip(f"the data set {name} is not beside the repository (../shared/data/{name})")
        return path

    return folder


@pytest.fixture(scope="session")
def example_data() -> Path:
    """The data set that comes with the repository: movies.csv and ratings.csv."""
    return REPOSITORY / "examples" / "data"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes, str], Path]:
    """`written("a,b\\n1,2\\n")` is the path of a file that holds this; bytes stay as they are."""

    def write(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class Done(NamedTuple):
    """What a command came to."""

    status: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def tastemaker() -> Command:
    """`tastemaker("train", "--items", path, …)` as from a shell, but in this process, which is quicker."""
    from tastemaker.cli import main

    def run(*arguments: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["tastemaker", *map(str, arguments)])
            with pytest.raises(SystemExit) as stopped:
                main()
        return Done(int(stopped.value.code or 0), out.getvalue(), err.getvalue())

    return run


class Planted(NamedTuple):
    """Files of a world with one law: after item n comes item n + 1, after the last the first.

    items, interactions: CSV. item_ids, user_ids: in the order of the files.
    """

    items: Path
    interactions: Path
    item_ids: list[str]
    user_ids: list[str]


ODD_IDS = [
    "a,b",
    'say "hi"',
    "two\nlines",
    "🎬",
    "007",
    "../up",
    " spaced ",
    '"quoted"',
    "1.0",
    "1e5",
    "NA",
    "-3",
]
"""Ids that a careless program would change."""


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    item_ids = ODD_IDS + [f"i{n}" for n in range(len(ODD_IDS), 60)]
    user_ids = ODD_IDS + [f"u{n}" for n in range(len(ODD_IDS), 80)]
    titles = ["Comet: Season 1", "Comet: Season 2", "Comet: Season 3", "Dune (1984)", "Dune (2021)"]
    syllables = ["ka", "lo", "mir", "ten", "su", "vor", "ba", "nel"]
    titles += [f"{syllables[n // 8]}{syllables[n % 8]}x" for n in range(5, 60)]
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [[item_ids[n], titles[n], f"genre {n // 10}", 1960 + n] for n in range(60)]
        csv.writer(file).writerows([["item_id", "title", "genre", "year"], *rows])
    with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
        events = [
            [user_ids[user], item_ids[(7 * user + step) % 60], 1_600_000_000 + 1000 * step + user]
            for user in range(80)
            for step in range(12)
        ]
        csv.writer(file).writerows([["user_id", "item_id", "timestamp"], *events])
    return Planted(folder / "items.csv", folder / "log.csv", item_ids, user_ids)


SMALL = [  # no knob at its default
    *("seed=3", "split.strategy=leave_one_out", "evaluation.k=4", "evaluation.bootstrap=100"),
    *("features.hash_rows=512", "features.ngrams=[2, 4]", "features.max_text=40", "features.buckets=5"),
    *("history.dim=10", "history.hidden=[12, 9]", "history.length=7", "history.epochs=2"),
    *("history.batch_size=64", "history.dropout=0.1", "history.id_dropout=0.2", "history.patience=2"),
    *("retrieval.index.kind=ivf", "retrieval.index.recall=0.9", "retrieval.index.k=7"),
    *("content.dim=12", "content.epochs=2", "content.batch_size=32", "content.tfidf_share=0.3"),
]


@pytest.fixture(scope="session")
def settings() -> list[str]:
    """`--set` for a quick training, no knob at its default."""
    return [part for setting in SMALL for part in ("--set", setting)]


def trained(tastemaker: Command, folder: Path, *arguments: object) -> Path:
    pytest.importorskip("tensorflow")
    done = tastemaker("train", *arguments, "--out", folder)
    assert done.status == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def history_bundle(tastemaker, planted, settings, tmp_path_factory) -> Path:
    """Trained on the planted world. Don't change it: it is shared."""
    files = ("--items", planted.items, "--interactions", planted.interactions)
    return trained(tastemaker, tmp_path_factory.mktemp("history") / "bundle", *files, *settings)


@pytest.fixture(scope="session")
def gaps_bundle(tastemaker, planted, settings, tmp_path_factory) -> Path:
    """The same, read event by event with the times between events. Don't change it: it is shared."""
    files = ("--items", planted.items, "--interactions", planted.interactions)
    more = (
        "history.encoder=transformer",
        "history.gaps=true",
        "history.heads=5",
        "history.learning_rate=0.01",
    )
    sets = [part for setting in more for part in ("--set", setting)]
    return trained(tastemaker, tmp_path_factory.mktemp("gaps") / "bundle", *files, *settings, *sets)


@pytest.fixture(scope="session")
def content_bundle(tastemaker, planted, settings, tmp_path_factory) -> Path:
    """Trained on the planted catalogue alone. Don't change it: it is shared."""
    return trained(
        tastemaker, tmp_path_factory.mktemp("content") / "bundle", "--items", planted.items, *settings
    )


@pytest.fixture(scope="session")
def by_hand() -> Bundle:
    """Six items in the plane, made without any training; two people.

    | row | id | title           | vector   | popularity |
    |-----|----|-----------------|----------|------------|
    | 0   | a  | Comet: Season 1 | 1, 0     | 1          |
    | 1   | b  | Comet: Season 2 | 1, 0     | 5          |
    | 2   | c  | Roma            | 0.8, 0.6 | 2          |
    | 3   | d  | Dune (1984)     | 0.6, 0.8 | 5          |
    | 4   | e  | Dune (2021)     | 0, 1     | 0          |
    | 5   | f  | Oslo            | -1, 0    | 3          |

    ann touched a, then e; bob touched f.
    """
    titles = ["Comet: Season 1", "Comet: Season 2", "Roma", "Dune (1984)", "Dune (2021)", "Oslo"]
    frame = pl.DataFrame({"id": list("abcdef"), "title": titles, "genre": ["x", "x", "y", "x", None, "y"]})
    roles = (Role.ID, Role.TITLE, Role.CATEGORY)
    columns = tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    vectors = np.array([[1, 0], [1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    log = Interactions.from_events(
        ["ann", "bob"], np.array([0, 0, 1], np.int32), np.array([0, 4, 5], np.int32), np.array([1.0, 2, 3])
    )
    manifest = Manifest(
        kind="content",
        recipe=Recipe().model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=5,
        value_scale={"mean": 1.0, "deviation": 1.0, "is_log": False},
        data={"fingerprint": "planted", "items": 6, "users": 2, "interactions": 3},
        created="2024-01-01T00:00:00+00:00",
        versions={"tastemaker": "0.1.0"},
    )
    return Bundle(
        manifest=manifest,
        catalogue=Catalogue(frame, columns),
        users=None,
        histories=log,
        arrays={
            "item_vectors": vectors,
            "neighbour_vectors": vectors,
            "popularity": np.array([1, 5, 2, 5, 0, 3], np.float32),
        },
        encoders={"items": {}},
        card="# By hand\n",
    )


@pytest.fixture(scope="session")
def answers(by_hand: Bundle) -> Recommender:
    return Recommender(by_hand)


@pytest.fixture(scope="session")
def town_bundle(by_hand: Bundle) -> Callable[..., Bundle]:
    """`town_bundle()`: 200 items in four towns, made without any training; `town_bundle(change)` with other
    vectors. One is called Wednesday, another like a script.
    """
    rng = np.random.default_rng(11)
    names = ["Alpha", "Beta", "Gamma", "Delta"]
    of = np.repeat(np.arange(4), 50)
    of[[50, 199]] = 0, 3
    centres = 3 * np.linalg.qr(rng.normal(size=(8, 8)))[0][:4]
    vectors = centres[of] + 0.5 * rng.normal(size=(200, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    titles = [
        f"{names[town]} tale {chr(97 + n // 26)}{chr(97 + n % 26)} ({1950 + n % 60})"
        for n, town in enumerate(of)
    ]
    titles[7] = "Wednesday: Season 1 // 水曜日 (1957)"
    titles[8] = "<img src=x onerror=document.title='taken'> (1958)"
    titles[9] = "Pokémon: Ásta & Öskar (1959)"
    tags = [sorted({f"t{n % 11}", f"t{n * n % 12}"} if n % 5 else {f"t{9 + n % 3}"}) for n in range(200)]
    town = [names[each] for each in of[:199]] + [None]
    columns = {
        "id": [f"n{n}" for n in range(200)],
        "title": titles,
        "town": town,
        "tags": [sorted(set(t)) for t in tags],
    }
    frame = pl.DataFrame(columns | {"hours": (1000.0 / (1 + np.arange(200))).round(1)})
    roles = (Role.ID, Role.TITLE, Role.CATEGORY, Role.CATEGORIES, Role.POPULARITY)
    described = tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))

    def made(change: Callable[[np.ndarray], np.ndarray] = lambda vectors: vectors) -> Bundle:
        nobody = Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
        own = change(vectors).astype(np.float32)
        arrays = {"item_vectors": own, "neighbour_vectors": own, "popularity": np.zeros(200, np.float32)}
        manifest = by_hand.manifest.model_copy(update={"columns": {"items": list(described)}})
        return replace(
            by_hand, manifest=manifest, catalogue=Catalogue(frame, described), histories=nobody, arrays=arrays
        )

    return made
