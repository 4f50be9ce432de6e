from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.features.batches import Scale
from tastemaker.model.problem import Learned
from tastemaker.recipe import SourcesRecipe
from tastemaker.recommend import Recommender
from tastemaker.training.fitted import Fitted, lengthened
from tastemaker.training.pairing import Pairing, choose

VECTORS = np.array([[3, 0, 4], [0, 0, 0], [0.6, 0, 0.8], [0, -1, 0]], np.float32)
"""(N, D + 1): of lengths 5, 0, 1 and 1, the first and the third in one direction."""


def test_the_dot_product_is_left_as_it_was_learnt():
    arrays = {"item_vectors": VECTORS}
    assert lengthened(arrays, 1) is arrays


def test_the_cosine_forgets_lengths_but_not_their_mean():
    served = lengthened({"item_vectors": VECTORS}, 0)["item_vectors"]
    # Lengths 5, 0, 1, 1 sum to 7; of three vectors of one length each has 7 / 3.
    assert np.linalg.norm(served, axis=1) == pytest.approx([7 / 3, 0, 7 / 3, 7 / 3])
    assert served.dtype == np.float32
    assert served[0] == pytest.approx(served[2])


@pytest.mark.parametrize("power", [0.0, 0.3, 0.5, 0.9])
def test_the_score_is_the_cosine_by_a_power_of_the_length(power):
    rng = np.random.default_rng(2)
    vectors = (rng.normal(size=(50, 7)) * rng.uniform(0.1, 9, size=(50, 1))).astype(np.float32)
    served, query = lengthened({"item_vectors": vectors}, power)["item_vectors"], rng.normal(size=7)
    lengths = np.linalg.norm(vectors, axis=1)
    wanted = lengths**power * (vectors @ query) / (lengths * np.linalg.norm(query))
    ratio = (served @ query) / wanted
    assert ratio == pytest.approx(np.full(50, ratio[0]), rel=1e-4)
    assert ratio[0] > 0
    assert np.linalg.norm(served, axis=1).sum() == pytest.approx(lengths.sum(), rel=1e-5)


def test_what_the_tower_sees_and_what_items_are_compared_by_stay():
    bare = lengthened({"item_vectors": VECTORS}, 0)
    np.testing.assert_array_equal(bare["item_inputs"], VECTORS[:, :-1])
    other = np.ones((4, 2), np.float32)
    given = {"item_vectors": VECTORS, "item_inputs": other, "neighbour_vectors": other}
    kept = lengthened(given, 0.5)
    assert kept["item_inputs"] is other
    assert kept["neighbour_vectors"] is other
    assert (
        lengthened({"item_vectors": np.zeros((2, 3), np.float32)}, 0)["item_vectors"].tolist()
        == [[0] * 3] * 2
    )


@pytest.mark.parametrize("pairing", [Pairing(300.0, 0.5, is_even=True), Pairing(None, 7.0)])
def test_a_bundle_is_told_how_its_pairs_were_counted_and_weighed(pairing):
    log = {
        "user_id": ["ann", "ann", "bob", "bob"],
        "item_id": ["a", "b", "b", "c"],
        "timestamp": [1, 2, 3, 4],
    }
    data = tm.read(interactions=pl.DataFrame(log))
    learned = Learned({"item_vectors": VECTORS[:3]}, {}, {}, Scale(), epochs=1, examples=2)
    parts = Fitted.of(data, data.interactions, data.interactions, tm.Recipe()).parts(learned, pairing)
    assert (parts.pair_ridge, parts.pair_weight) == (pairing.ridge, pairing.weight)
    counted = pairing.count(data.interactions, 3).weights.toarray()
    np.testing.assert_array_equal(parts.pairs.weights.toarray(), counted)


@pytest.mark.slow
def test_the_recipes_similarity_and_sources_reach_the_bundle_and_its_lists(
    tastemaker, planted, settings, tmp_path, monkeypatch
):
    pytest.importorskip("tensorflow")
    asked: list[Recommender] = []

    def choosing(recommender: Recommender, *rest: Any) -> Any:
        asked.append(recommender)
        return choose(recommender, *rest)

    monkeypatch.setattr("tastemaker.training.histories.choose_pairing", choosing)
    knobs = (
        "retrieval.norm_power=0",
        "retrieval.sources={nearest=0.8, next_season=0.2}",
        "history.pairs=none",
    )
    sets = [part for knob in knobs for part in ("--set", knob)]
    files = ("--items", planted.items, "--interactions", planted.interactions)
    done = tastemaker("train", *files, *settings, *sets, "--out", tmp_path / "bundle")
    assert done.status == 0, done.stderr
    # Pairs are weighed against the network, not against what other sources bring.
    assert [each.recipe.retrieval.sources for each in asked] == [SourcesRecipe()]
    recommender = Recommender.load(tmp_path / "bundle")
    assert recommender.recipe.retrieval.sources.next_season == 0.2
    arrays = recommender.bundle.arrays
    lengths = np.linalg.norm(arrays["item_vectors"], axis=1)
    assert lengths == pytest.approx(np.full(len(lengths), lengths[0]), rel=1e-4)
    assert np.ptp(np.linalg.norm(arrays["item_inputs"], axis=1)) > 0.01
    # Comet has three seasons, the first three items.
    slate = recommender.recommend(history=[planted.item_ids[20], planted.item_ids[0]], k=5)
    (season,) = (item for item in slate if "next_season" in item.source)
    assert season.item_id == planted.item_ids[1]
