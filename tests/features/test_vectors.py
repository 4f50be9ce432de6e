"""Pre-trained vectors of texts. The package brings its weights, so nothing here may need a network."""

import json
import logging
import socket
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import RecipeError
from tastemaker.features.encode import Encoder
from tastemaker.features.vectors import TextVectors, bare
from tastemaker.recipe import Column, FeatureRecipe, Role

WITH = FeatureRecipe(vectors="wordllama", min_count=1)
TITLES = [
    "The Doctor: Season 1 // 닥터",
    "The Physician (1999)",
    "The Hospital Nurse",
    "Pirates of the Sea",
    "The Sailing Ship",
    None,
]
PLOTS = [
    "A surgeon saves lives.",
    "A medic heals the sick.",
    None,
    "Sailors seek gold.",
    "An ocean voyage.",
    None,
]


def films(titles: list[str | None] = TITLES, plots: list[str | None] | None = None) -> Catalogue:
    frame = pl.DataFrame(
        {
            "title": pl.Series(titles, dtype=pl.String),
            "plot": pl.Series(plots or [None] * len(titles), dtype=pl.String),
        }
    )
    return Catalogue(frame, (Column(name="title", role=Role.TITLE), Column(name="plot", role=Role.TEXT)))


@pytest.fixture
def package() -> None:
    pytest.importorskip("wordllama", reason="the extra `text` isn't installed")


@pytest.fixture
def offline(monkeypatch) -> None:
    """Whoever opens a socket fails, and nothing loaded before helps."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    from tastemaker.features import vectors

    vectors._wordllama.cache_clear()


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("Roma", "Roma"),
        ("Toy Story (1995)", "Toy Story"),
        ("Friends (1994): Season 2", "Friends"),
        ("The Glory: Season 1 // 더 글로리: 시즌 1", "The Glory 더 글로리"),
        ("Dark // Dark", "Dark"),
    ],
)
def test_a_title_is_read_without_season_and_year_in_all_its_halves(title, left):
    assert bare(title) == left


def test_a_vector_is_the_mean_of_its_pieces_less_what_all_share(package):
    """By hand from the package's own table: pieces, mean, length 1; less the mean of all, length 1."""
    from pathlib import Path

    import wordllama
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = Path(wordllama.__file__).parent
    table = load_file(folder / "weights" / "l2_supercat_256.safetensors")["embedding.weight"].astype(
        np.float64
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    read = [
        "The Doctor 닥터 A surgeon saves lives.",
        "The Physician A medic heals the sick.",
        "Pirates of the Sea",
    ]
    means = np.stack([table[tokenizer.encode(text, add_special_tokens=False).ids].mean(0) for text in read])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    expected = means - means.mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    things = films([*TITLES[:2], TITLES[3], None], [*PLOTS[:2], None, None])
    encoded = Encoder.fit(things, WITH).encode(things)
    assert encoded.vector_dim == 256
    found = encoded.dense[:, -256:]
    np.testing.assert_allclose(found[:3], expected, atol=1e-5)
    assert not found[3].any()  # nothing is known of it, so it is like nothing


def test_words_that_mean_alike_lie_together_though_they_share_no_letters(package):
    things = films(["Doctor", "Physician", "Pirate", "Ship"])
    likeness = (vectors := Encoder.fit(things, WITH).encode(things).dense) @ vectors.T
    assert likeness[0, 1] > max(likeness[0, 2:])
    assert likeness[2, 3] > max(likeness[2, :2])


def test_it_needs_no_network(package, offline):
    things = films()
    assert Encoder.fit(things, WITH).encode(things).dense.any()


def test_reading_it_leaves_the_logs_of_others_as_they_were(package):
    """In a process of its own: where a log has a handler already, the package doesn't touch it."""
    script = """
import logging
from tastemaker.features import vectors
vectors._wordllama()
print(logging.getLogger().handlers, logging.getLogger().level)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[] {logging.WARNING}"


def test_one_row_alone_is_encoded_as_among_others_and_after_a_saving(package):
    things = films(plots=PLOTS)
    encoder = Encoder.fit(things, WITH)
    again = Encoder.from_json(json.loads(json.dumps(encoder.as_json())))
    together = encoder.encode(things).dense
    for row in range(things.size):
        np.testing.assert_array_equal(again.encode(things.frame[row : row + 1]).dense, together[[row]])
    assert len(encoder.dense_names) == together.shape[1]


def test_a_column_that_is_gone_counts_as_missing(package):
    things = films(plots=PLOTS)
    encoder = Encoder.fit(things, WITH)
    found = encoder.encode(things.frame.drop("plot")).dense
    assert found.shape == (6, 256)
    np.testing.assert_array_equal(found, encoder.encode(films()).dense)
    assert not encoder.encode(things.frame.drop("plot", "title")).dense.any()


def test_a_catalogue_without_texts_has_no_vectors(package):
    things = Catalogue(pl.DataFrame({"kind": ["a", "b"]}), (Column(name="kind", role=Role.CATEGORY),))
    assert Encoder.fit(things, WITH).encode(things).vector_dim == 0
    assert TextVectors.fit(films([None, None]), films([None, None]).frame, "wordllama") is None


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    from tastemaker.features import vectors

    monkeypatch.setattr(vectors.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"features\.vectors=wordllama .* pip install 'tastemaker\[text\]'"):
        Encoder.fit(films(), WITH)
    known = TextVectors(model="wordllama", title="title", texts=(), mean=(0.0,) * 256)
    with pytest.raises(RecipeError, match=r"tastemaker\[text\]"):
        Encoder((), known).encode(films())
    assert Encoder.fit(films(), FeatureRecipe()).encode(films()).vector_dim == 0
