import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, hold_out_any
from tastemaker.errors import TrainingError

USERS, COMMON = 60, 40


def surprises() -> tm.Dataset:
    """Everyone touches six common things, then something that nobody else ever touches."""
    rng = np.random.default_rng(3)
    events = []
    for user in range(USERS):
        common = rng.choice(COMMON, 6, replace=False)
        events += [(f"u{user}", f"i{item}", t) for t, item in enumerate([*common, COMMON + user])]
    frame = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    return tm.read(interactions=frame)


@pytest.mark.slow
def test_the_exam_asks_for_what_was_never_learnt_and_the_refit_learns_everything():
    pytest.importorskip("tensorflow")
    data = surprises()
    knobs = ["history.epochs=20", "history.dim=16", "history.dropout=0", "history.length=8"]
    recommender = tm.train(data, tm.Recipe.read(None, knobs))
    # Sixty things that were in no event of the trial lie beyond reach, but for chance: 10 of 94.
    strict = tm.evaluate(recommender, data).line("tastemaker").marks["hit_rate"].mean
    assert strict is not None
    assert strict < 0.3
    # A thing that was in no training event has no vector of its own; after the refit all have one.
    last = recommender.catalogue.rows([f"i{COMMON + user}" for user in range(USERS)])
    assert (np.linalg.norm(recommender.bundle.arrays["item_vectors"][last, :-1], axis=1) > 0).all()


def test_any_one_event_is_held_out_and_no_user_loses_all():
    log = Interactions.from_events(
        ["one", "two", "many"],
        np.array([0, 1, 1, 2, 2, 2, 2], np.int32),
        np.array([5, 1, 2, 1, 2, 3, 4], np.int32),
    )
    drawn = set()
    for seed in range(40):
        fold: Fold = hold_out_any(log, np.random.default_rng(seed))
        assert np.diff(fold.targets.offsets).tolist() == [0, 1, 1]
        assert np.diff(fold.train.offsets).tolist() == [1, 1, 3]
        assert not set(fold.targets.of(2)) & set(fold.history.of(2))
        drawn.add(int(fold.targets.of(2)[0]))
    assert drawn == {1, 2, 3, 4}  # not only the last


def test_seed_softmax_without_histories_is_refused():
    pytest.importorskip("tensorflow")
    films = pl.DataFrame({"title": [f"Film {n}" for n in range(5)]})
    with pytest.raises(TrainingError, match="give a file of interactions"):
        tm.train(tm.read(items=films), tm.Recipe.of({"preset": "seed-softmax"}))


@pytest.mark.slow
def test_other_data_are_judged_by_the_ids_and_not_by_the_rows():
    pytest.importorskip("tensorflow")
    data = surprises()
    recommender = tm.train(
        data, tm.Recipe.read(None, ["history.epochs=1", "history.dim=4", "history.length=4"])
    )
    # The same people and things, later, in a file whose rows are numbered the other way round.
    later = pl.DataFrame({"user_id": ["u0", "u1"], "item_id": ["i39", "i39"], "timestamp": [100, 100]})
    whole = pl.DataFrame({"item_id": list(reversed(data.items.ids))})
    report = tm.evaluate(recommender, tm.read(items=whole, interactions=later))
    seen = data.interactions
    assert seen is not None
    new = [u for u in ("u0", "u1") if data.items.rows(["i39"])[0] not in seen.of(seen.user(u) or 0)]
    assert report.users_asked == len(new)


@pytest.mark.slow
def test_the_seed_softmax_preset_trains_and_answers_without_tensorflow(tmp_path):
    pytest.importorskip("tensorflow")
    recipe = tm.Recipe.of({"preset": "seed-softmax", "history": {"epochs": 2, "length": 6}})
    recommender = tm.train(surprises(), recipe)
    recommender.save(tmp_path / "seed")
    opened = tm.load(tmp_path / "seed")
    assert opened.recommend("u3", k=5) == recommender.recommend("u3", k=5)
    assert opened.bundle.arrays["item_vectors"].shape == (COMMON + USERS, 35)
