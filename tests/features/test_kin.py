import numpy as np
import pytest
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from tastemaker.features import kin as kinship
from tastemaker.features.kin import Kin
from tastemaker.features.schema import Bag, Encoded, Field

ITEMS, NEW = 40, 7


def encoded(with_numbers: bool = True, items: int = ITEMS) -> Encoded:
    """A category and two words, some of them missing or unheard of (row 0), and two numbers."""
    rng = np.random.default_rng(1)
    category = Bag(rng.integers(0, 5, (items, 1)).astype(np.int32), np.ones((items, 1), np.float32))
    words = Bag(
        np.stack([rng.integers(0, 6, items), rng.integers(6, 12, items)], 1).astype(np.int32),
        rng.choice([0, 0.5, 1], (items, 2)).astype(np.float32),
    )
    fields = (Field("genre", "category", 5), Field("title/words", "text", 12))
    numbers = rng.normal(size=(items, 2 if with_numbers else 0)).astype(np.float32)
    return Encoded(fields, (category, words), numbers)


def counts() -> np.ndarray:
    often = np.random.default_rng(2).integers(1, 50, ITEMS)
    often[5 : 5 + NEW] = 0
    return often


def kernel(features: Encoded) -> np.ndarray:
    """The definition, pair by pair."""
    found = np.zeros((features.size, features.size))
    for i in range(features.size):
        for j in range(features.size):
            cosines = []
            for field, bag in zip(features.fields, features.bags, strict=True):
                a, b = np.zeros(field.size), np.zeros(field.size)
                np.add.at(a, bag.ids[i], bag.weights[i])
                np.add.at(b, bag.ids[j], bag.weights[j])
                a[0] = b[0] = 0
                length = np.linalg.norm(a) * np.linalg.norm(b)
                cosines.append(a @ b / length if length else 0.0)
            if features.dense.shape[1]:
                cosines.append(np.exp(-0.5 * ((features.dense[i] - features.dense[j]) ** 2).sum()))
            found[i, j] = np.exp(np.mean(cosines) - 1)
    return found


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(ITEMS - NEW, 4)).astype(np.float32)


@pytest.mark.parametrize("with_numbers", [False, True])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_new_items_are_foretold_as_by_kernel_ridge_regression(values, is_sparse, with_numbers):
    kin = Kin(encoded(with_numbers), counts(), noise=0.7)
    assert kin.new.tolist() == list(range(5, 5 + NEW))
    assert (np.diff(counts()[kin.known]) <= 0).all()
    lesson = kin.learn(sparse.csr_array(values) if is_sparse else values)
    between = kernel(encoded(with_numbers))
    judge = KernelRidge(alpha=0.7, kernel="precomputed")
    judge.fit(between[np.ix_(kin.known, kin.known)], values - values.mean(0))
    expected = judge.predict(between[np.ix_(kin.new, kin.known)])
    assert lesson.mean == pytest.approx(values.mean(0), abs=1e-6)
    assert lesson.of(kin.near(kin.new)) == pytest.approx(expected, abs=2e-3)
    assert np.abs(lesson.of(kin.near(kin.new))).max() > 0.05
    shares = kin.shares(kin.near(kin.new))
    assert shares @ (values - values.mean(0)) == pytest.approx(expected, abs=2e-3)


def test_an_item_of_elsewhere_is_as_near_as_one_of_the_table():
    features = encoded()
    kin = Kin(features, counts())
    bags = tuple(bag.take(kin.new) for bag in features.bags)
    others = Encoded(features.fields, bags, features.dense[kin.new])
    assert np.array_equal(kin.near_others(others), kin.near(kin.new))


def test_a_known_item_as_if_new_is_what_the_others_say_of_it(values):
    kin = Kin(encoded(), counts())
    lesson, between = kin.learn(values), kernel(encoded())
    for place in (0, 9, 30):
        others = np.delete(np.arange(len(kin.known)), place)
        rows = kin.known[others]
        judge = KernelRidge(alpha=kinship.NOISE, kernel="precomputed")
        judge.fit(between[np.ix_(rows, rows)], values[others] - values.mean(0))
        expected = judge.predict(between[np.ix_(kin.known[[place]], rows)])
        assert lesson.as_if_new(np.array([place])) == pytest.approx(expected, abs=2e-3)


def test_landmarks_come_near_the_whole(values, monkeypatch):
    kin = Kin(encoded(), counts())
    whole = kin.learn(values).of(kin.near(kin.new))
    monkeypatch.setattr(kinship, "LANDMARKS", 25)
    kin = Kin(encoded(), counts())
    assert kin.near(kin.new).shape == (NEW, 25)
    few = kin.learn(values).of(kin.near(kin.new))
    assert np.corrcoef(few.ravel(), whole.ravel())[0, 1] > 0.8
    assert not np.allclose(few, whole, atol=1e-4)


def test_where_all_metadata_are_missing_items_are_alike(values):
    nothing = Bag(np.zeros((ITEMS, 1), np.int32), np.zeros((ITEMS, 1), np.float32))
    features = Encoded((Field("genre", "category", 5),), (nothing,), np.zeros((ITEMS, 0), np.float32))
    kin = Kin(features, counts())
    foretold = kin.learn(values).of(kin.near(kin.new))
    assert foretold == pytest.approx(np.zeros_like(foretold), abs=1e-4)  # the mean, and nothing beside
