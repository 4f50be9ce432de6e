"""A bundle that would answer something else than where it was made isn't opened."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.bundle import Bundle
from tastemaker.errors import BundleError
from tastemaker.recommend import Recommender


@pytest.fixture
def saved(by_hand, tmp_path):
    Recommender(by_hand).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_is_kept_are_histories_and_the_scores_of_what_they_get(saved):
    # ann (a, e) and bob (f), see `by_hand`; somebody with b, the first of the most popular.
    kept = Bundle.open(saved).golden
    assert [each["history"] for each in kept] == [["a", "e"], ["f"], ["b"]]
    # bob's f is -1, 0: the others lie at -1, -1, -0.8, -0.6 and 0 of it.
    assert kept[1]["scores"] == pytest.approx([0, -0.6, -0.8, -1, -1])
    assert len(Recommender.load(saved).recommend(history=["f"], k=2)) == 2


@pytest.mark.parametrize(("factor", "opens"), [(1.0, True), (1.0001, True), (1.01, False), (-1.0, False)])
def test_other_answers_than_those_that_were_kept_are_refused(saved, factor, opens):
    bundle = Bundle.open(saved)
    arrays = {name: np.array(array) for name, array in bundle.arrays.items()}
    for vectors in (array for array in arrays.values() if array.ndim == 2):
        vectors[3] *= factor  # d, with sums that fit: no checksum tells
    replace(bundle, arrays=arrays).save(saved)
    if opens:
        Recommender.load(saved)
    else:
        with pytest.raises(BundleError, match=r"golden request 1 of 3 scores [^\n]+\.$"):
            Recommender.load(saved)


def test_a_bundle_without_any_is_taken_as_it_is(by_hand, tmp_path):
    by_hand.save(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "golden.json").exists()
    assert Recommender.load(tmp_path / "bundle").bundle.golden == ()
