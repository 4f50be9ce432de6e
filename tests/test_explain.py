from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.explain import bonds, kinship, word_counts
from tastemaker.recommend import Recommender

# The six items are laid out in conftest.py: a and b point right, c and d lean up, e points up, f left.


def test_the_item_that_lifts_most_is_named(answers):
    reasons = {item.item_id: item.reasons for item in answers.recommend(history=["a", "e"])}
    assert reasons["b"] == ("because of Comet: Season 1",)
    assert reasons["d"] == ("because of Dune (2021)",)


def test_what_nothing_lifts_has_no_reason(answers):
    # Without a, f would lie at 0 from e alone; without e, at -1: e lifts it. From a alone nothing does.
    assert {item.item_id: item.reasons for item in answers.recommend(history=["a"])}["f"] == ()
    reasons = {item.item_id: item.reasons for item in answers.recommend(history=["a", "e"])}
    assert reasons["f"] == ("because of Dune (2021)",)


def test_an_item_that_stands_thrice_is_left_out_thrice(answers):
    # For d, one e of the three is worth less than the only c, but all three are worth more. The cosines
    # with d are f -0.6, e 0.8, c 0.96, the weights 0.9⁴, 0.9³, 0.9², 0.9, 1: with all of them 0.615,
    # without c 0.503, without the newest e 0.563, without any e 0.342.
    slate = answers.recommend(history=["f", "e", "e", "e", "c"])
    (d,) = (item for item in slate if item.item_id == "d")
    assert d.score == pytest.approx(0.6148, abs=1e-4)
    assert d.reasons == ("because of Dune (2021)",)


def test_popularity_needs_no_reason(answers):
    assert all(item.reasons == () for item in answers.recommend("eve"))


def test_kinship_names_series_franchise_and_shared_values(answers):
    catalogue = answers.catalogue
    reasons = kinship(catalogue, 0, np.array([1, 2, 3, 4], np.int32))
    assert reasons == [("same series", "x"), (), ("x",), ()]


def test_flags_are_no_reason(by_hand):
    frame = by_hand.catalogue.frame.with_columns(genre=np.array(["Yes", "x", "yes", "NO", "1", "x"]))
    catalogue = replace(by_hand.catalogue, frame=frame)
    assert kinship(catalogue, 0, np.array([2], np.int32)) == [()]
    assert kinship(catalogue, 1, np.array([5], np.int32)) == [("x",)]


@pytest.mark.slow
def test_of_a_trained_model_the_named_item_is_the_one_whose_absence_costs_most(history_bundle, planted):
    recommender = Recommender.load(history_bundle)
    titles = dict(zip(recommender.catalogue.ids, recommender.catalogue.titles, strict=True))
    history = [planted.item_ids[n] for n in (20, 33, 47, 5)]
    checked = 0
    for item in recommender.recommend(history=history, k=8):
        scores = {}
        for at, left_out in enumerate(history):
            # The window is taken as it stands, with one event made absent.
            rows = recommender.catalogue.rows(history)[::-1]
            window = _window(recommender, rows, len(history) - 1 - at)
            row = recommender.catalogue.rows([item.item_id])
            scores[titles[left_out]] = float(recommender.nearest.scores(window, [""], row)[0, 0])
        costliest = min(scores, key=scores.__getitem__)
        if item.score - scores[costliest] > 1e-4:
            assert item.reasons == (f"because of {costliest}",)
            checked += 1
    assert checked >= 4


@pytest.mark.slow
def test_with_one_event_left_out_the_others_are_as_far_apart_as_they_were(by_hand):
    pytest.importorskip("keras")
    from tastemaker.model.export import to_litert
    from tastemaker.model.sequence import SequenceTower

    knobs = {"blocks": 1, "heads": 1, "slow": 0.5, "width": 2, "before": False, "dropout": 0.0}
    tower = SequenceTower(5, 8, **knobs, gaps=True, user=None)
    rng = np.random.default_rng(1)
    for variable in tower.model.trainable_variables:  # all of it speaks, the pauses most of all
        scale = 3.0 if "since_before" in variable.path else 0.5
        variable.assign(rng.normal(size=variable.shape, scale=scale))
    vectors = rng.normal(size=(6, 9)).astype(np.float32)
    made = replace(
        by_hand,
        manifest=by_hand.manifest.model_copy(update={"kind": "history"}),
        arrays={**by_hand.arrays, "item_vectors": vectors},
        towers={"query_tower": to_litert(tower.whole)},
    )
    recommender, titles = Recommender(made), by_hand.catalogue.titles
    checked = 0
    for _ in range(20):
        rows = rng.permutation(6)[:4].astype(np.int32)
        times = 1e9 + np.cumsum(2.0 ** rng.integers(0, 24, 4))
        log = Interactions.from_events(["a"], np.zeros(4, np.int32), rows, times)
        for item in recommender.recommend("a", interactions=log):
            lows = []
            for left_out in range(4):
                window = _window(recommender, rows[::-1], 3 - left_out)
                ages = np.full((1, 5), -1, np.float32)
                ages[0, :4] = [times[3] - times[3 - place] for place in range(4)]
                row = recommender.catalogue.rows([item.item_id])
                lows.append(float(recommender.nearest.scores(window._replace(ages=ages), ["a"], row)[0, 0]))
            if item.score - min(lows) > 1e-3 and np.sort(lows)[1] - min(lows) > 1e-3:
                assert item.reasons == (f"because of {titles[rows[int(np.argmin(lows))]]}",)
                checked += 1
    assert checked >= 15


def _window(recommender, rows, absent):
    from tastemaker.features.batches import Window

    length = recommender.bundle.manifest.history_length
    padded = np.full((1, length), -1, np.int32)
    padded[0, : len(rows)] = rows
    padded[0, absent] = -1
    values = np.zeros((1, length), np.float32)
    values[0, : len(rows)] = recommender.bundle.scale.apply(np.ones(len(rows), np.float32))
    return Window(padded, values)


def test_what_people_and_rare_words_bind_is_counted(by_hand):
    titles = ["The Red Fox", "Fox of the Hills", "The Sea", "The Red Sea", "A Song", "The End"]
    frame = by_hand.catalogue.frame.with_columns(pl.Series("title", titles))
    # Of three who touched 0, one twice, two touched 1, and one of these 3; a fourth touched 1 alone.
    users, rows = [0, 0, 0, 1, 1, 1, 2, 3], [0, 0, 1, 0, 1, 3, 0, 1]
    log = Interactions.from_events(list("abcd"), np.array(users, np.int32), np.array(rows, np.int32))
    catalogue = replace(by_hand.catalogue, frame=frame)
    recommender = Recommender(replace(by_hand, catalogue=catalogue, histories=log))
    words = word_counts(catalogue)
    assert (words["the"], words["fox"], words["a"]) == (5, 2, 0)
    found = bonds(recommender, 0, [1, 3, 4], {**words, "the": 6})  # a word of more than five, and of 1 %
    assert [[bond[:4] for bond in each if bond.kind in ("word", "people")] for each in found] == [
        [("word", "fox", 2, 6), ("people", "", 2, 3)],
        [("word", "red", 2, 6), ("people", "", 1, 3)],
        [],
    ]
