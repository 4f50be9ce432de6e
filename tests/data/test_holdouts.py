"""Splits that draw: who is held out is never learnt from, and folds hold out everything once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.holdouts import cold_users, user_holdout
from tastemaker.data.interactions import Interactions
from tastemaker.data.protocols import choose, folds
from tastemaker.errors import DataError
from tastemaker.recipe import SplitRecipe

DRAWING = ("random", "cold_item", "user_holdout", "cold_user")


def log_of(events, users, **kinds):
    columns = np.array(events, float).reshape(len(events), 3)
    names = [f"u{user}" for user in range(users)]
    rows = columns[:, 1].astype(np.int32)
    return Interactions.from_events(names, columns[:, 0].astype(np.int32), rows, columns[:, 2], **kinds)


LOGS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(100, 110).map(float)), min_size=1, max_size=40
).map(lambda events: log_of(events, 6, is_clock=True))

EVEN = log_of([(user, row, row) for user in range(10) for row in range(10)], 10, is_clock=True)


def test_a_held_out_person_is_known_by_their_older_events_and_asked_for_the_rest():
    fold = user_holdout(EVEN, 0.2, 0.8, np.random.default_rng(3))
    asked = np.flatnonzero(np.diff(fold.targets.offsets))
    assert len(asked) == 2
    for user in range(10):
        parts = [part.of(user).tolist() for part in fold]
        if user in asked:
            assert parts == [[], [0, 1, 2, 3, 4, 5, 6, 7], [8, 9]]
        else:
            assert parts == [list(range(10)), list(range(10)), []]


def test_without_an_order_what_is_known_of_a_person_is_drawn():
    log = log_of([(user, row, 0) for user in range(40) for row in range(10)], 40, is_ordered=False)
    fold = user_holdout(log, 0.5, 0.5, np.random.default_rng(1))
    known = fold.history.rows[fold.history.users == np.flatnonzero(np.diff(fold.targets.offsets))[0]]
    assert len(known) == 5
    everybody = fold.history.rows[np.isin(fold.history.users, fold.targets.users)]
    # Twenty people with five of ten each: every item about ten times, not the first five twenty times.
    assert np.bincount(everybody, minlength=10).min() > 2


@pytest.mark.parametrize("known", [0, 1, 3])
def test_of_somebody_new_only_the_first_events_are_known(known):
    fold = cold_users(EVEN, 0.3, known, np.random.default_rng(3))
    asked = np.flatnonzero(np.diff(fold.targets.offsets))
    assert len(asked) == 3
    for user in asked:
        assert [part.of(user).tolist() for part in fold] == [[], list(range(known)), list(range(known, 10))]


@pytest.mark.parametrize("strategy", ["user_holdout", "cold_user"])
def test_somebody_must_be_left_to_learn_from(strategy):
    with pytest.raises(DataError, match="others must be left"):
        choose(log_of([(0, 1, 1), (0, 2, 2)], 1), SplitRecipe(strategy=strategy), 1)
    with pytest.raises(DataError, match="No user can be held out of 2"):
        choose(log_of([(0, 1, 1), (1, 2, 2)], 2), SplitRecipe(strategy=strategy), 1)


def test_a_gap_is_known_but_not_learnt():
    log = log_of([(0, 1, 1 * 86400), (0, 2, 8 * 86400), (0, 3, 10 * 86400)], 1, is_clock=True)
    split = choose(log, SplitRecipe(strategy="global_time", test_share=0.3, gap_days=3), 1)
    assert [part.rows.tolist() for part in split.fold] == [[1], [1, 2], [3]]
    assert split.cut == 10 * 86400
    assert "up to 3 days before" in split.why
    with pytest.raises(DataError, match=r"Lower split\.gap_days"):
        choose(log, SplitRecipe(strategy="global_time", test_share=0.3, gap_days=9), 1)


@given(log=LOGS, strategy=st.sampled_from(DRAWING), seed=st.integers(0, 99))
def test_the_same_seed_makes_the_same_split_and_what_is_asked_is_held_out(log, strategy, seed):
    recipe = SplitRecipe(strategy=strategy, test_share=0.4)
    try:
        fold, again = choose(log, recipe, seed).fold, choose(log, recipe, seed).fold
    except DataError:
        return
    assert [part.fingerprint for part in fold] == [part.fingerprint for part in again]
    if strategy == "cold_item":
        assert not set(fold.targets.rows.tolist()) & set(fold.train.rows.tolist())
    if strategy in ("user_holdout", "cold_user"):
        assert not set(fold.targets.users.tolist()) & set(fold.train.users.tolist())


@given(log=LOGS, strategy=st.sampled_from(DRAWING), count=st.integers(2, 4))
def test_folds_hold_out_everything_once(log, strategy, count):
    try:
        made = [split.fold for split in folds(log, SplitRecipe(strategy=strategy), count, 1)]
    except DataError:
        return
    assert len(made) == count
    pairs = [set(zip(fold.targets.users.tolist(), fold.targets.rows.tolist(), strict=True)) for fold in made]
    assert sum(map(len, pairs)) == len(set().union(*pairs))  # nothing is asked for twice
    everything = set(zip(log.users.tolist(), log.rows.tolist(), strict=True))
    if strategy == "random":
        own = {user: {row for who, row in everything if who == user} for user, _ in everything}
        assert set().union(*pairs) == {(user, row) for user, row in everything if len(own[user]) > 1}
    if strategy == "cold_item":
        assert set().union(*pairs) == everything
    if strategy in ("user_holdout", "cold_user"):
        held_out = [set(log.users.tolist()) - set(fold.train.users.tolist()) for fold in made]
        able = {user for user in range(6) if np.diff(log.offsets)[user] >= 2}
        assert sorted(user for users in held_out for user in users) == sorted(able)


def test_a_cut_in_time_has_no_folds():
    with pytest.raises(DataError, match="one newest part only"):
        list(folds(EVEN, SplitRecipe(strategy="global_time"), 3, 1))
    with pytest.raises(DataError, match="20 folds need 20 items"):
        list(folds(EVEN, SplitRecipe(strategy="cold_item"), 20, 1))
