"""What of an older bundle fits newer data, and what a model that goes on from it may be asked: no network."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD
from tastemaker.errors import RecipeError, TrainingError
from tastemaker.features.encode import Encoder
from tastemaker.recommend import Recommender
from tastemaker.training.pairing import Pairing
from tastemaker.training.parts import Parts, bundle
from tastemaker.training.warm import Older

OLD_EVENTS = [("ann", "a", 11), ("ann", "b", 12), ("bob", "b", 13), ("bob", "c", 14)]
STOOD = Pairing(ridge=None, weight=0.75)
KINDS = {"a": "x", "b": "x", "c": "y", "d": "y", "e": "x", "new": "y"}


def data_of(events: list[tuple], items: str = "abcde", kinds: bool = True) -> tm.Dataset:
    log = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"][: len(events[0])], orient="row")
    ids = list(items.split(",")) if "," in items else list(items)
    frame = pl.DataFrame({"item_id": ids} | ({"kind": [KINDS[i] for i in ids]} if kinds else {}))
    return tm.read(items=frame, interactions=log)


def older_of(events: list[tuple] = OLD_EVENTS, knobs: tuple[str, ...] = (), **more) -> Older:
    """A bundle of `events` whose item n has the vector (n, 10 n) and the bias 100 n."""
    data = data_of(events)
    recipe = tm.Recipe.read(None, ["history.dim=2", "history.epochs=8", "history.learning_rate=0.01", *knobs])
    rows = np.arange(5, dtype=np.float32)[:, None]
    arrays = {"item_vectors": rows * np.array([1, 10, 100], np.float32)}
    encoders = {"items": Encoder.fit(data.items, recipe.features).as_json()}
    parts = Parts("history", arrays, encoders, 5, **more)
    # As it is written: every knob named.
    return Older.of(Recommender(bundle(data, recipe, parts)))


def start(older: Older, data: tm.Dataset):
    encoder = Encoder.fit(data.items, tm.Recipe().features)
    counts = data.interactions.counts(data.items.size)
    seen = encoder.encode(data.items)
    return older.start(data.items, counts, {"items": encoder}, seen, None)


# --- rows by id -----------------------------------------------------------------------------


def test_vectors_are_found_by_id_wherever_they_stand_now():
    newer = data_of([("ann", "c", 3), ("ann", "b", 4)], "c,new,b")
    begun = start(older_of(), newer)
    assert begun.items.tolist() == [2, PAD, 1]
    np.testing.assert_allclose(begun.vectors[[0, 2]], [[2, 20, 200], [1, 10, 100]])


def test_what_nobody_had_touched_is_new_though_it_stood_in_the_catalogue():
    newer = data_of([("ann", "d", 3), ("ann", "b", 4)], "bcde")
    assert start(older_of(), newer).items.tolist() == [1, 2, PAD, PAD]


def test_a_new_item_starts_beside_its_kin_and_without_metadata_at_the_mean():
    newer = data_of([("ann", "new", 3), ("bob", "e", 4)], "a,b,c,new,e")
    vectors = start(older_of(), newer).vectors
    # a and b (rows 0 and 1, bias 0 and 100) are of kind x, c (bias 200) of kind y.
    assert vectors[3, 2] > 100 > vectors[4, 2]  # "new" is of kind y, "e" of kind x
    bare = data_of([("ann", "new", 3), ("ann", "b", 4)], "a,b,c,new", kinds=False)
    found = older_of().start(bare.items, bare.interactions.counts(4), {}, None, None)
    np.testing.assert_allclose(found.vectors[3], [1, 10, 100])
    assert len(found.features) == 0


def test_an_item_whose_metadata_nobody_learns_from_takes_no_time_to_foretell(monkeypatch):
    monkeypatch.setattr("tastemaker.training.warm.Kin", None)  # not called
    newer = data_of([("ann", "c", 3), ("ann", "b", 4)], "a,b,c,new")
    np.testing.assert_allclose(start(older_of(), newer).vectors[3], [1, 10, 100])


def test_a_model_whose_histories_have_vectors_of_their_own_keeps_both():
    inputs = np.arange(10, dtype=np.float32).reshape(5, 2) + 50
    older = older_of(knobs=("history.tied=false",))
    older = Older(replace(older.bundle, arrays={**older.bundle.arrays, "item_inputs": inputs}))
    newer = data_of([("ann", "c", 3), ("ann", "b", 4)], "cb")
    begun = start(older, newer)
    np.testing.assert_allclose(begun.inputs, inputs[[2, 1]])
    np.testing.assert_allclose(begun.vectors, [[2, 20, 200], [1, 10, 100]])


# --- what may be asked ----------------------------------------------------------------------


def test_news_is_who_did_what_by_ids_and_not_by_rows_or_times():
    newer = data_of([("bob", "b", 9), ("bob", "a", 10), ("eve", "a", 1), ("ann", "new", 3)], "new,b,a")
    log = newer.interactions
    known = older_of().news(newer.items)(log)
    told = {
        (log.user_ids[user], newer.items.ids[row]): bool(new)
        for user, row, new in zip(log.users, log.rows, known, strict=True)
    }
    assert told == {("bob", "b"): False, ("bob", "a"): True, ("eve", "a"): True, ("ann", "new"): True}


def test_the_last_event_is_asked_for_only_where_it_is_new():
    # ann has gone on to d, bob has done nothing since.
    newer = data_of([*OLD_EVENTS, ("ann", "d", 15)])
    fold, why = older_of().exam(newer.interactions, newer.items, tm.Recipe())
    asked = [fold.targets.user_ids[user] for user in fold.targets.users]
    assert (asked, newer.items.id_list(fold.targets.rows)) == (["ann"], ["d"])
    assert fold.train.size == 4  # what bob did is learnt from, since it is known anyway
    assert why.startswith("leave_one_out: the last event of those 1 users is to be found of whom it is new")


def test_a_split_that_the_recipe_names_asks_for_nothing_that_was_learnt():
    newer = data_of([*OLD_EVENTS, ("ann", "d", 15), ("bob", "b", 16), ("bob", "a", 17), ("bob", "c", 18)])
    recipe = tm.Recipe.read(None, ["split.strategy=leave_one_out"])
    fold, why = older_of().exam(newer.interactions, newer.items, recipe)
    assert newer.items.id_list(fold.targets.rows) == ["d"]
    assert "known to the older bundle and aren't asked for" not in why  # c a second time was never a question
    recipe = tm.Recipe.read(None, ["split.strategy=global_time", "split.test_share=0.8"])
    fold, why = older_of().exam(newer.interactions, newer.items, recipe)
    assert sorted(newer.items.id_list(fold.targets.rows)) == ["a", "d"]
    assert "2 of 4 targets are known to the older bundle and aren't asked for" in why


def week(day: int, people: int = 300) -> list[tuple]:
    return [(f"u{user}", "abcde"[(user + day) % 5], 100 * day + user / people) for user in range(people)]


def test_a_cut_in_time_is_held_to_where_the_older_bundle_knows_nothing_later():
    days = [week(day) for day in range(4)]
    log = [event for day in days for event in day]
    newer = data_of(log)
    recipe = tm.Recipe.read(None, ["split.test_share=0.25"])  # the last day
    fair = older_of(days[0] + days[1])
    fold, why = fair.exam(newer.interactions, newer.items, recipe)
    assert set(fold.targets.times // 100) == {3}
    assert "The older bundle knows nothing that late" in why
    # It has learnt of somebody else what happened at the end of the last day.
    late = older_of([*days[0], *days[1], ("zoe", "a", 399.0)])
    fold, why = late.exam(newer.interactions, newer.items, recipe)
    assert why.startswith("leave_one_out")
    assert "days that the older bundle knows" in why
    # Of the days before there is nothing new to choose by.
    full = older_of(days[0] + days[1] + days[2])
    fold, why = full.exam(newer.interactions, newer.items, recipe)
    assert why.startswith("leave_one_out")
    assert "too few new events to choose by" in why
    assert not np.isin(
        fold.targets.users * 5 + fold.targets.rows, fold.train.users * 5 + fold.train.rows
    ).any()


def test_strangers_are_told_of_since_nothing_can_be_said_of_them():
    newer = data_of([("x1", "a", 1), ("x1", "b", 2), ("x1", "d", 3)])
    _, why = older_of().exam(newer.interactions, newer.items, tm.Recipe())
    assert "knows none of these users" in why
    newer = data_of([("ann", "a", 1), ("ann", "b", 2), ("ann", "d", 15)])
    assert "knows none" not in older_of().exam(newer.interactions, newer.items, tm.Recipe())[1]


# --- settings -------------------------------------------------------------------------------


def test_a_split_that_nothing_can_be_held_by_is_refused_where_it_is_inherited_too():
    newer = data_of([*OLD_EVENTS, ("ann", "d", 15)])
    older = older_of(knobs=("split.strategy=cold_item",))
    with pytest.raises(RecipeError, match=r"set split\.strategy=auto"):
        older.settled(tm.Recipe(), newer)
    asked = tm.Recipe.read(None, ["split.strategy=auto"])
    assert older.settled(asked, newer).split.strategy == "auto"


def test_what_the_recipe_leaves_open_is_as_it_was():
    newer = data_of([*OLD_EVENTS, ("ann", "d", 15)])
    asked = tm.Recipe.read(None, ["history.dim=2", "history.dropout=0.25", "evaluation.k=3"])
    found = older_of(knobs=("seed=7", "loss.temperature=0.5")).settled(asked, newer)
    assert (found.history.dim, found.history.epochs, found.history.learning_rate) == (2, 8, 0.01)
    assert (found.seed, found.loss.temperature) == (7, 0.5)
    assert (found.history.dropout, found.evaluation.k) == (0.25, 3)


@pytest.mark.parametrize(
    ("knob", "told"),
    [
        ("history.dim=3", "history.dim is 3, and the older bundle was trained with 2"),
        ("history.hidden=[4, 5]", "history.hidden is [4, 5], and the older bundle was trained with [128]"),
        ("history.encoder=gru", "history.encoder is gru, and the older bundle was trained with recency"),
        ("preset=seed-softmax", "preset is seed-softmax, and the older bundle was trained with default"),
        ("split.strategy=cold_item", "cold_item, which asks as if some of them were new"),
    ],
)
def test_another_shape_is_refused_with_both(knob, told):
    newer = data_of([*OLD_EVENTS, ("ann", "d", 15)])
    with pytest.raises(RecipeError) as refused:
        older_of().settled(tm.Recipe.read(None, [knob]), newer)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("newer", "told"),
    [
        (lambda: data_of(OLD_EVENTS[:3]), "knows every event of this log"),
        (lambda: data_of([("ann", "new", 3), ("ann", "d", 4)], "d,new"), "None of the items"),
        (lambda: data_of([("ann", "d"), ("ann", "a")]), "no order in time"),
        (lambda: replace(data_of(OLD_EVENTS), interactions=None), "give a file of interactions"),
    ],
)
def test_data_that_nothing_fits_are_refused(newer, told):
    with pytest.raises(TrainingError) as refused:
        older_of().settled(tm.Recipe(), newer())
    assert told in str(refused.value)


def test_ids_of_another_kind_are_shown_beside_each_other():
    frame = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["1.0", "2.0"], "timestamp": [5, 6]})
    with pytest.raises(TrainingError, match=r"'1\.0', '2\.0' here, and like 'a', 'b' there"):
        older_of().settled(tm.Recipe(), tm.read(interactions=frame))


def test_other_kinds_of_bundle_are_refused(by_hand: Bundle):
    with pytest.raises(TrainingError, match="made from a catalogue alone"):
        Older.of(Recommender(by_hand))
    with pytest.raises(TrainingError, match="has preset seed-softmax"):
        older_of(knobs=("preset=seed-softmax",))


def test_users_with_other_columns_are_refused():
    newer = data_of([("ann", "d", 3), ("ann", "b", 4)], "bcde")
    people = pl.DataFrame({"user_id": ["ann", "bob"], "region": ["n", "s"]})
    log = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["b", "d"], "timestamp": [1, 2]})
    users = tm.read(interactions=log, users=people).users
    encoder = Encoder.fit(users, tm.Recipe().features)
    counts = newer.interactions.counts(4)
    with pytest.raises(TrainingError, match=r"Of users region is known here, .* with nothing"):
        older_of().start(newer.items, counts, {"users": encoder}, None, encoder.encode(users))


# --- counted pairs ----------------------------------------------------------------------------


def weighed(knobs: tuple[str, ...] = (), pairing: Pairing | None = STOOD, ordered: bool = True) -> Older:
    """An older bundle beside whose network `pairing` stood."""
    events = OLD_EVENTS if ordered else [event[:2] for event in OLD_EVENTS]
    if pairing is None:
        return older_of(events, knobs)
    counted = pairing.count(data_of(events).interactions, 5)
    return older_of(events, knobs, pairs=counted, pair_weight=pairing.weight, pair_ridge=pairing.ridge)


def keeps(older: Older, asked: int, *knobs: str, ordered: bool = True) -> bool:
    events = [*OLD_EVENTS, ("ann", "d", 15)]
    log = data_of(events if ordered else [event[:2] for event in events]).interactions
    return older.keeps_pairing(log, tm.Recipe.read(None, list(knobs)), asked)


def test_pairs_keep_their_weight_where_fewer_than_two_hundred_could_choose_another(tmp_path):
    older = weighed()
    Recommender(older.bundle).save(tmp_path / "older")
    older = Older.of(tm.load(tmp_path / "older"))
    assert older.pairing == Pairing(ridge=None, weight=0.75)
    assert [keeps(older, asked) for asked in (0, 199, 200, 5000)] == [True, True, False, False]


def test_no_pairs_are_kept_as_none():
    assert weighed(pairing=None).pairing is None
    assert keeps(weighed(pairing=None), 199)
    assert not keeps(weighed(pairing=None), 200)


def test_what_the_recipe_says_of_pairs_is_chosen_anew():
    assert keeps(weighed(), 10, "history.pairs=following")  # which auto is, in order
    assert not keeps(weighed(), 10, "history.pairs=ease")
    assert not keeps(weighed(), 10, "history.pair_weight=2")
    assert not keeps(weighed(pairing=None, knobs=("history.pairs=none",)), 10)


@pytest.mark.parametrize(("kind", "is_even"), [("ease", False), ("even_ease", True)])
def test_ease_is_kept_with_its_ridge_or_not_at_all(kind, is_even):
    told = Pairing(300.0, 0.75, is_even)
    older = weighed((f"history.pairs={kind}",), told, ordered=False)
    assert older.pairing == told
    named = f"history.pairs={kind}"
    assert keeps(older, 10, named, ordered=False)
    assert keeps(older, 10, named, "history.pair_ridge=300", ordered=False)
    assert not keeps(older, 10, named, "history.pair_ridge=100", ordered=False)
    earlier = replace(older.bundle, manifest=older.bundle.manifest.model_copy(update={"pair_ridge": None}))
    assert not keeps(Older(earlier), 10, named, ordered=False)
