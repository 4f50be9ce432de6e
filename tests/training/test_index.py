from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import BundleError, TrainingError
from tastemaker.progress import silent
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.retrieve import ivf, shortlist
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.hnsw import Hnsw
from tastemaker.retrieve.ivf import Ivf
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.scan import Scan
from tastemaker.training.index import indexed, tuned

ITEMS = 5000


def grouped(seed: int, items: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(size=(100, 16))
    return (middles[rng.integers(0, 100, items)] + 0.5 * rng.normal(size=(items, 16))).astype(np.float32)


def bundle_of(by_hand: Bundle, *settings: str) -> Bundle:
    """Five thousand items without a query tower, and what a recipe says of their index."""
    column = Column(name="id", role=Role.ID)
    manifest = by_hand.manifest.model_copy(
        update={"recipe": Recipe.read(None, settings).model_dump(mode="json"), "columns": {"items": [column]}}
    )
    catalogue = Catalogue(pl.DataFrame({"id": [str(n) for n in range(ITEMS)]}), (column,))
    vectors = grouped(1, ITEMS)
    return replace(by_hand, manifest=manifest, catalogue=catalogue, arrays={"item_vectors": vectors})


@pytest.mark.parametrize("target", [0.95, 0.99, 1.0])
def test_an_index_is_widened_until_it_finds_what_it_should_and_no_further(target):
    vectors, asked = grouped(1, ITEMS), grouped(2, 200)
    truth = Scan(vectors).search(asked, 20, [()] * 200).rows
    index = Ivf.built(vectors)
    recall = tuned(index, asked, truth, target)
    assert recall >= target

    def found(width: int) -> float:
        index.width = width
        rows = index.search(asked, 20, [()] * 200).rows
        return np.mean([len(set(due) & set(got)) / 20 for due, got in zip(truth, rows, strict=True)])

    width = index.width
    assert found(width) == pytest.approx(recall)
    assert found(width - max(2, width // 5)) < target


def test_what_was_measured_is_noted_and_the_bundle_opens_with_it(by_hand, tmp_path):
    made = indexed(bundle_of(by_hand, "retrieval.index.kind=ivf", "retrieval.index.k=30"), silent)
    note = made.manifest.index
    assert (note.kind, note.lists, note.k, note.queries) == ("ivf", ITEMS // 32, 30, 1000)
    assert 1 <= note.width < note.lists
    assert 0.99 <= note.recall <= 1
    assert 0 < note.latency_us["median"] <= note.latency_us["p95"]
    assert note.built_seconds > 0
    made.save(tmp_path / "bundle")
    opened = Bundle.open(tmp_path / "bundle")
    assert opened.manifest.index == note
    first, again = Nearest(made)._index, Nearest(opened)._index
    assert isinstance(again, Ivf)
    assert again.width == note.width
    asked = grouped(3, 50)
    for one, other in zip(
        first.search(asked, 30, [()] * 50), again.search(asked, 30, [()] * 50), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_by_itself_a_small_catalogue_is_looked_at_as_a_whole(by_hand):
    made = indexed(bundle_of(by_hand), silent)
    assert (made.manifest.index.kind, made.manifest.index.recall, made.manifest.index.width) == (
        "exact",
        1,
        0,
    )
    assert set(made.arrays) == {"item_vectors"}
    assert isinstance(Nearest(made)._index, Exact)


def test_a_bundle_from_before_there_were_indexes_is_looked_at_as_a_whole(by_hand):
    assert by_hand.manifest.index is None
    assert isinstance(Nearest(by_hand)._index, Exact)


def test_who_finds_too_little_at_the_widest_is_refused(by_hand, monkeypatch):
    monkeypatch.setattr(Hnsw, "widest", 16)
    asked = bundle_of(by_hand, "retrieval.index.kind=hnsw", "retrieval.index.recall=0.9999")
    with pytest.raises(TrainingError, match=r"'hnsw' finds 0\.\d+ of the 100 .*0\.9999") as told:
        indexed(asked, silent)
    assert "\n" not in str(told.value)


def test_lists_of_another_catalogue_are_refused(by_hand, tmp_path):
    made = indexed(bundle_of(by_hand, "retrieval.index.kind=ivf"), silent)
    lists = made.arrays[ivf.LISTS] + 10_000_000
    replace(made, arrays={**made.arrays, ivf.LISTS: lists}).save(tmp_path / "bundle")
    with pytest.raises(BundleError, match="doesn't fit"):
        Nearest(Bundle.open(tmp_path / "bundle"))._index  # noqa: B018


def test_lists_are_not_scanned(monkeypatch):
    """Else none of the above would say anything of them."""
    monkeypatch.setattr(Scan, "search", lambda *_: pytest.fail("scanned"))
    assert shortlist.TOO_MANY * ITEMS > 200
    Ivf.built(grouped(1, ITEMS), 8).search(grouped(2, 5), 100, [()] * 5)
