import numpy as np
import pytest
from index_contract import IndexContract, agree

from tastemaker.errors import BundleError
from tastemaker.retrieve import ivf, shortlist
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.ivf import Ivf, list_count


class TestIvf(IndexContract):
    def build(self, vectors: np.ndarray) -> Ivf:
        return Ivf.built(vectors)

    def again(self, index: Ivf, vectors: np.ndarray) -> Ivf:
        return Ivf.opened(vectors, index.arrays(), index.width)


@pytest.fixture(scope="class")
def small():
    """Even a small catalogue is parted into lists and not scanned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "TOO_MANY", 1)
        patch.setattr(ivf, "list_count", lambda items: max(1, items // 6))
        yield


@pytest.mark.usefixtures("small")
class TestIvfOfShortLists(TestIvf):
    """Of all its lists or nearly so, since the catalogues of the contract have few."""

    def build(self, vectors: np.ndarray) -> Ivf:
        return Ivf.built(vectors, width=1000)


@pytest.mark.usefixtures("small")
class TestIvfOfFewOfItsLists(TestIvf):
    """What it promises where it doesn't look at all."""

    least = 0.0

    def build(self, vectors: np.ndarray) -> Ivf:
        return Ivf.built(vectors, width=2)


def grouped(seed: int, items: int, dim: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(200, dim))
    return (middles[rng.integers(0, 200, items)] + 0.5 * rng.normal(size=(items, dim))).astype(np.float32)


VECTORS, ASKED = grouped(1, 20_000), grouped(2, 60)


def recall(index, k: int = 50, only=None) -> float:
    found = index.search(ASKED, k, [()] * len(ASKED), only).rows
    truth = Exact(VECTORS).search(ASKED, k, [()] * len(ASKED), only).rows
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


def test_more_lists_find_more_and_all_of_them_everything():
    index = Ivf.built(VECTORS)
    assert len(index.centres) == 512
    found = []
    for index.width in (1, 16, 128, 512):
        found.append(recall(index))
    assert found == sorted(found)
    assert found[0] < 0.9
    assert found[2] > 0.95
    assert found[3] == 1


@pytest.mark.parametrize("passing", [0.1, 0.01, 0.001])
def test_behind_a_filter_that_leaves_few_all_are_found(passing):
    only = np.random.default_rng(3).random(len(VECTORS)) < passing
    assert recall(Ivf.built(VECTORS, width=4), only=only) == 1


def test_behind_a_filter_that_leaves_many_as_many_are_found_as_without():
    index = Ivf.built(VECTORS, width=24)
    only = np.random.default_rng(3).random(len(VECTORS)) < 0.3
    assert recall(index, only=only) >= recall(index) - 0.01


def test_equal_vectors_are_in_one_list():
    vectors = grouped(4, 3000)
    vectors[rows] = vectors[(rows := np.random.default_rng(5).integers(0, 3000, 1500)) // 2]
    lists = Ivf.built(vectors).lists
    _, number = np.unique(vectors, axis=0, return_inverse=True)
    assert len(set(zip(number.ravel(), lists, strict=True))) == len(set(number.ravel()))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {**a, ivf.LISTS: a[ivf.LISTS][:-1]},
        lambda a: {**a, ivf.LISTS: a[ivf.LISTS] + 10_000},
        lambda a: {**a, ivf.LISTS: a[ivf.LISTS] - 10_000},
        lambda a: {**a, ivf.LISTS: a[ivf.LISTS].astype(float)},
        lambda a: {**a, ivf.CENTRES: a[ivf.CENTRES][:, 1:]},
    ],
    ids=["too short", "too high", "below 0", "no whole numbers", "too narrow"],
)
def test_lists_that_do_not_fit_are_refused(change):
    vectors = grouped(6, 2000)
    arrays = Ivf.built(vectors).arrays()
    agree(
        Ivf.opened(vectors, arrays, 4).search(ASKED, 5, [()] * 60),
        Ivf.built(vectors, 4).search(ASKED, 5, [()] * 60),
    )
    with pytest.raises(BundleError, match="doesn't fit"):
        Ivf.opened(vectors, change(arrays), 4)


def test_a_catalogue_has_lists_by_its_size():
    assert [list_count(items) for items in (0, 1, 63, 64, 60_000, 1_000_000)] == [1, 1, 1, 2, 1024, 4096]
