from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.bundle import SERIES
from tastemaker.data.catalogue import PAD
from tastemaker.features import kin as kinship
from tastemaker.features import newcomers
from tastemaker.features.encode import Encoder
from tastemaker.features.kin import Kin
from tastemaker.features.newcomers import Newcomers
from tastemaker.recommend import Recommender
from tastemaker.retrieve import settle as settling
from tastemaker.retrieve.settle import settle

GENRES, EACH, NEW = 4, 30, 4
"""Of each genre's items, those that nobody has touched."""


def world(swapped: bool = False) -> tm.Dataset:
    """People with a taste: ten items of a genre, and ten of any. The last items of each genre are new.

    swapped: the new items of the first two genres have changed their metadata.
    """
    rng = np.random.default_rng(4)
    genres = [f"genre {n // EACH}" for n in range(GENRES * EACH)]
    words = [f"word{n % 5}" for n in range(GENRES * EACH)]
    if swapped:
        for new in range(EACH - NEW, EACH):
            other = new + EACH
            genres[new], genres[other] = genres[other], genres[new]
            words[new], words[other] = words[other], words[new]
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(GENRES * EACH)], "genre": genres, "word": words})
    touched = np.flatnonzero(np.arange(GENRES * EACH) % EACH < EACH - NEW)
    events = [
        (f"u{user}", f"i{item}", time)
        for user in range(160)
        for time, item in enumerate(
            [*(user % GENRES * EACH + rng.choice(EACH - NEW, 10, replace=False)), *rng.choice(touched, 10)]
        )
    ]
    log = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    return tm.read(items=items, interactions=log)


def is_new(recommender: Recommender) -> np.ndarray:
    return recommender.bundle.histories.counts(recommender.catalogue.size) == 0


def kin_of(recommender: Recommender) -> Kin:
    known = np.flatnonzero(~is_new(recommender)).astype(np.int32)
    features = Encoder.fit(recommender.catalogue, recommender.recipe.features, rows=known)
    return Kin(features.encode(recommender.catalogue), recommender.bundle.histories.counts(GENRES * EACH))


KNOBS = [
    "history.epochs=8",
    "history.dim=8",
    "history.dropout=0.2",
    "history.order=none",
    "history.encoder=recency",
]


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    pytest.importorskip("tensorflow")
    return tm.train(world(), tm.Recipe.read(None, KNOBS))


@pytest.mark.slow
def test_new_items_are_found_by_those_who_like_their_kind(recommender):
    log = recommender.bundle.histories
    users = np.arange(log.user_count, dtype=np.int32)
    rows = recommender.top(log, users, 10)
    found = np.where(rows == PAD, False, is_new(recommender)[rows])
    own = np.array([int(name[1:]) % GENRES for name in log.user_ids])[:, None]
    of_own = found & (rows // EACH == own)
    assert of_own.sum() > 0.7 * found.sum()
    # Some fifteen known items of the own genre are left, and four new ones: neither kind is kept out.
    assert 0.5 < of_own.sum(1).mean() < 3.9
    assert (~found & (rows // EACH == own)).sum(1).mean() > 3


@pytest.mark.slow
def test_a_new_item_is_its_metadata_and_nothing_else(recommender):
    swapped = tm.train(world(swapped=True), tm.Recipe.read(None, KNOBS))
    new = is_new(recommender)
    ours, theirs = (each.bundle.arrays["item_vectors"] for each in (recommender, swapped))
    assert np.array_equal(ours[~new], theirs[~new])  # nothing is learnt of what nobody touched
    order = np.arange(len(ours))
    order[EACH - NEW : EACH] += EACH
    order[2 * EACH - NEW : 2 * EACH] -= EACH
    assert np.allclose(ours[new], theirs[order][new], atol=1e-5)
    assert not np.allclose(ours[new], theirs[new], atol=1e-2)
    pairs = [each.bundle.pairs.weights.toarray() for each in (recommender, swapped)]
    assert np.allclose(pairs[0], pairs[1][:, order], atol=1e-5)
    assert (np.abs(pairs[0][:, new]).sum(0) > 0).all()


@pytest.mark.slow
def test_the_wider_the_spread_the_more_places_go_to_new_items(recommender):
    log = recommender.bundle.histories
    network = Recommender(replace(recommender.bundle, pairs=None))
    known = np.flatnonzero(~is_new(recommender)).astype(np.int32)
    kin, users = kin_of(recommender), np.arange(log.user_count, dtype=np.int32)
    settled = settle(network.nearest, kin, log, users, np.random.default_rng(1))
    vectors = network.bundle.arrays["item_vectors"]
    shares = []
    for spread in (0.1, settled.spread, 30.0):
        foretold = Newcomers(spread).arrays(kin, {"item_vectors": vectors})
        assert np.array_equal(foretold["item_vectors"][known], vectors[known])
        served = Recommender(replace(network.bundle, arrays=network.bundle.arrays | foretold))
        rows = served.top(log, users, 10)
        shares.append(float(is_new(recommender)[rows].mean()))
    assert shares[0] < shares[1] < shares[2]
    # A seventh of all items is new.
    assert 0.05 < shares[1] < 0.35


@pytest.mark.slow
def test_where_pairs_say_nothing_of_new_items_their_vectors_make_up_for_it(recommender, monkeypatch):
    log = recommender.bundle.histories
    kin, users = kin_of(recommender), np.arange(log.user_count, dtype=np.int32)
    alone = Recommender(replace(recommender.bundle, pairs=None))
    without = settle(alone.nearest, kin, log, users, np.random.default_rng(1))
    monkeypatch.setattr(newcomers, "EASE_ITEMS", GENRES * EACH - 1)
    beside = settle(recommender.nearest, kin, log, users, np.random.default_rng(1))
    assert beside.spread > 1.05 * without.spread
    assert beside.pairs(kin, recommender.bundle.pairs) is recommender.bundle.pairs


@pytest.mark.slow
def test_a_large_catalogue_is_settled_a_few_people_and_items_at_a_time_and_alike(recommender, monkeypatch):
    log, users = recommender.bundle.histories, np.arange(40, dtype=np.int32)
    chance = np.random.default_rng
    whole = settle(recommender.nearest, kin_of(recommender), log, users, chance(1))
    pairs = whole.pairs(kin_of(recommender), recommender.bundle.pairs).weights.toarray()
    monkeypatch.setattr(settling, "MOST_SCORES", 3 * GENRES * EACH)
    monkeypatch.setattr(newcomers, "AT_ONCE", 7)
    monkeypatch.setattr(settling, "AT_ONCE", 7)
    monkeypatch.setattr(kinship, "AT_ONCE", 9)
    parted = settle(recommender.nearest, kin_of(recommender), log, users, chance(1))
    assert parted.spread == pytest.approx(whole.spread, rel=1e-3)
    again = parted.pairs(kin_of(recommender), recommender.bundle.pairs).weights.toarray()
    assert again == pytest.approx(pairs, abs=1e-4)


@pytest.mark.slow
def test_new_items_are_foretold_where_nobody_has_enough_events_to_be_asked():
    pytest.importorskip("tensorflow")
    whole = world()
    log = whole.interactions
    first_two = np.arange(log.size) - log.offsets[log.users] < 2
    recommender = tm.train(replace(whole, interactions=log.where(first_two)), tm.Recipe.read(None, KNOBS))
    assert recommender.bundle.evaluation is None
    new, vectors = is_new(recommender), recommender.bundle.arrays["item_vectors"]
    foretold = Newcomers(1.0).arrays(kin_of(recommender), {"item_vectors": vectors})["item_vectors"]
    assert vectors[new] == pytest.approx(foretold[new], abs=1e-5)


def test_nobody_to_ask_leaves_the_regression_as_it_is(answers):
    features = Encoder.fit(answers.catalogue, answers.recipe.features).encode(answers.catalogue)
    kin = Kin(features, np.ones(answers.catalogue.size, np.int64))
    nobody = np.zeros(0, np.int32)
    settled = settle(answers.nearest, kin, answers.bundle.histories, nobody, np.random.default_rng(1))
    assert settled == Newcomers(spread=1.0)


def new_items() -> pl.DataFrame:
    whole = world()
    touched = whole.interactions.counts(whole.items.size) > 0
    return whole.items.frame.filter(pl.Series(~touched))


@pytest.mark.slow
def test_put_in_later_they_are_what_training_foretold(recommender):
    frame = new_items()
    later = recommender.without(frame["item_id"]).with_items(frame)
    assert later.bundle.manifest.spread == recommender.bundle.manifest.spread
    order = later.catalogue.rows(recommender.catalogue.ids)
    for name, array in recommender.bundle.arrays.items():
        if name == SERIES:  # which are made anew of the titles
            continue
        assert later.bundle.arrays[name][order] == pytest.approx(array, abs=1e-5), name
    ours, theirs = (each.bundle.pairs.weights.toarray() for each in (later, recommender))
    assert ours[np.ix_(order, order)] == pytest.approx(theirs, abs=1e-5)
    log = recommender.bundle.histories
    users = np.arange(log.user_count, dtype=np.int32)
    same = later.top(later.bundle.histories, users, 10) == order[recommender.top(log, users, 10)]
    assert same.mean() > 0.999


@pytest.mark.slow
def test_where_training_knew_of_none_new_items_are_spread_when_the_first_one_comes(recommender):
    whole, frame = world(), new_items()
    kept = np.flatnonzero(whole.interactions.counts(whole.items.size)).astype(np.int32)
    numbers = np.full(whole.items.size, PAD, np.int32)
    numbers[kept] = np.arange(len(kept))
    known = replace(whole, items=whole.items.only(kept), interactions=whole.interactions.renumbered(numbers))
    later = tm.train(known, tm.Recipe.read(None, KNOBS))
    later = Recommender(
        replace(later.bundle, manifest=later.bundle.manifest.model_copy(update={"spread": None}))
    ).with_items(frame)
    assert 0.5 < later.bundle.manifest.spread / recommender.bundle.manifest.spread < 2
    log = later.bundle.histories
    users = np.arange(log.user_count, dtype=np.int32)
    shares = []
    for each in (recommender, later):
        rows = each.top(each.bundle.histories, users, 10)
        genre = np.array([int(id[1:]) // EACH for id in each.catalogue.ids])
        new = is_new(each)[rows]
        own = genre[rows] == np.array([int(name[1:]) % GENRES for name in log.user_ids])[:, None]
        assert (new & own).sum() > 0.7 * new.sum()
        shares.append(float(new.mean()))
    assert 0.5 < shares[1] / shares[0] < 2
