import numpy as np
import pytest
from index_contract import agree, floats

from tastemaker.errors import TastemakerError
from tastemaker.retrieve import annoy, kinds, shortlist
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.shortlist import Approximate


def test_auto_is_exact_as_long_as_a_scan_is_quick_and_parts_into_lists_from_there():
    assert kinds.settled("auto", 1) == kinds.settled("auto", kinds.CROSSOVER - 1) == "exact"
    assert kinds.settled("auto", kinds.CROSSOVER) == kinds.settled("auto", 10_000_000) == "ivf"
    assert kinds.settled("hnsw", 3) == "hnsw"


def test_without_annoy_who_asks_for_it_is_told_so(monkeypatch):
    monkeypatch.setattr(annoy.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TastemakerError, match=r"isn't installed: pip install 'tastemaker\[annoy\]'"):
        kinds.settled("annoy", 1000)
    with pytest.raises(TastemakerError, match="isn't installed"):
        kinds.opened("annoy", 100, floats(0, 10, 4), {})


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw", "annoy"])
def test_opened_it_answers_as_it_did_when_built(kind, monkeypatch):
    if kind == "annoy":
        pytest.importorskip("annoy")
    monkeypatch.setattr(shortlist, "TOO_MANY", 1)
    vectors, asked = floats(1, 3000, 48), floats(2, 20, 48)
    index, width = kinds.built(kind, vectors), 0
    kept: dict[str, np.ndarray] = {}
    if isinstance(index, Approximate):
        index.width = width = 2 * index.fewest
        kept = dict(index.arrays())
        near = index.search(asked, 10, [()] * 20).rows
        assert (
            near != Exact(vectors).search(asked, 10, [()] * 20).rows
        ).any()  # so narrow a search misses some
    agree(
        kinds.opened(kind, width, vectors, kept).search(asked, 10, [()] * 20),
        index.search(asked, 10, [()] * 20),
    )
