import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.recipe import Column, Role

keras = pytest.importorskip("keras")

from tastemaker.model.seed_content import language_and_type, seed_network, train  # noqa: E402


def catalogue(**categories: list) -> Catalogue:
    size = len(next(iter(categories.values()), range(12)))
    frame = pl.DataFrame({"name": [f"title {n}" for n in range(size)], **categories})
    columns = [Column(name=name, role=Role.CATEGORY) for name in categories]
    return Catalogue(frame, (Column(name="name", role=Role.TITLE), *columns))


def test_language_and_type_are_known_by_name():
    some = catalogue(a=["x"], **{"Content Type": ["Movie"], "Language Indicator": ["English"]})
    assert language_and_type(some) == ("Language Indicator", "Content Type")


def test_else_the_first_categories_stand_in():
    assert language_and_type(catalogue(a=["x"], b=["y"], c=["z"])) == ("a", "b")
    assert language_and_type(catalogue(kind_type=["x"], b=["y"])) == ("b", "kind_type")
    assert language_and_type(catalogue()) == ("", "")


def test_the_network_has_the_sizes_of_its_description():
    network = seed_network(items=10, languages=3, types=2)
    # embeddings, Dense 64 on 44 inputs, Dense 32, softmax over 10
    assert network.count_params() == 10 * 32 + 3 * 8 + 2 * 4 + 45 * 64 + 65 * 32 + 33 * 10
    assert network.output_shape == (None, 10)


@pytest.mark.slow
def test_it_learns_the_identity_and_a_seed_repeats_it():
    some = catalogue(language=["en", "ko", None] * 4, type=["a", "b"] * 6)
    told = []
    one = train(some, seed=1, report=told.append, epochs=100, batch_size=4)
    again = train(some, seed=1, epochs=100, batch_size=4)
    assert one.queries.shape == one.vectors.shape == (12, 33)
    np.testing.assert_array_equal(one.queries @ one.vectors.T, again.queries @ again.vectors.T)
    assert (np.argmax(one.queries @ one.vectors.T, axis=1) == np.arange(12)).all()
    assert told[-1].step == 100 * 3


@pytest.mark.slow
def test_a_catalogue_without_categories_trains():
    assert np.isfinite(train(catalogue(), seed=1, epochs=1, batch_size=4).vectors).all()
