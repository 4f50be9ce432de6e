import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data import holdouts, protocols, split
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.recipe import SplitRecipe


def log_of(events, users=None, **kinds):
    """A log of (user, row, time) triples."""
    users = users or 1 + max((user for user, _, _ in events), default=0)
    columns = np.array(events, float).reshape(len(events), 3)
    return Interactions.from_events(
        [f"u{user}" for user in range(users)],
        columns[:, 0].astype(np.int32),
        columns[:, 1].astype(np.int32),
        columns[:, 2],
        **kinds,
    )


def events_of(log):
    return list(zip(log.users.tolist(), log.rows.tolist(), log.times.tolist(), strict=True))


def rows_of(part):
    return [rows.tolist() for rows in part]


LOGS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(100, 110).map(float)), min_size=1, max_size=40
).map(lambda events: log_of(events, users=5, is_clock=True))


def test_the_last_event_is_the_test_and_the_one_before_it_the_validation():
    log = log_of([(0, 7, 1), (0, 8, 2), (0, 9, 3), (0, 6, 4)])
    test, valid = split.leave_one_out(log, "test"), split.leave_one_out(log, "valid")
    assert [rows_of(part) for part in test] == [[[7, 8]], [[7, 8, 9]], [[6]]]
    assert [rows_of(part) for part in valid] == [[[7, 8]], [[7, 8]], [[9]]]


def test_a_user_with_two_events_keeps_both_in_train_and_is_not_asked():
    fold = split.leave_one_out(log_of([(0, 1, 1), (0, 2, 2)]), "test")
    assert [rows_of(part) for part in fold] == [[[1, 2]], [[1, 2]], [[]]]


def test_holding_out_the_last_event_learns_from_all_the_others():
    fold = split.hold_out_last(log_of([(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 4, 1)]))
    assert [rows_of(part) for part in fold] == [[[1, 2], [4]], [[1, 2], [4]], [[3], []]]


def test_cold_items_are_taken_out_of_training_altogether_and_are_all_that_is_asked():
    log = log_of([(user, row, float(row)) for user in range(3) for row in range(10)])
    fold = holdouts.cold_items(log, 0.3, np.random.default_rng(5))
    cold = set(fold.targets.rows.tolist())
    assert len(cold) == 3
    assert not cold & set(fold.train.rows.tolist())
    assert fold.history is fold.train
    assert sorted(events_of(fold.train) + events_of(fold.targets)) == sorted(events_of(log))
    by_recipe, told = protocols.choose(log, SplitRecipe(strategy="cold_item", test_share=0.3), 5)[:2]
    assert rows_of(by_recipe.targets) == rows_of(fold.targets)
    assert told.startswith("cold_item")
    other = protocols.choose(log, SplitRecipe(strategy="cold_item", test_share=0.3), 6).fold
    assert rows_of(other.targets) != rows_of(fold.targets)


def test_a_cold_split_needs_items_on_both_sides():
    log = log_of([(0, 1, 1), (0, 2, 2), (1, 1, 1)])
    for share in (0.1, 0.9):
        with pytest.raises(DataError, match="of 2 items holds out"):
            holdouts.cold_items(log, share, np.random.default_rng(1))


def test_a_cut_in_time_is_the_same_moment_for_everybody():
    log = log_of([(0, 1, 10), (0, 2, 40), (1, 3, 20), (1, 4, 30), (2, 5, 50)])
    fold = split.global_time(log, 0.4)[0]  # two of five: the times 40 and 50
    assert [rows_of(part) for part in fold] == [[[1], [3, 4], []], [[1], [3, 4], []], [[2], [], [5]]]


def test_what_was_watched_before_the_cut_is_not_asked_again_and_a_repeat_only_once():
    log = log_of([(0, 1, 10), (0, 2, 11), (0, 1, 40), (0, 3, 41), (0, 3, 42)])
    assert rows_of(split.global_time(log, 0.6)[0].targets) == [[3]]


def test_a_repeated_last_event_has_no_target():
    fold = split.leave_one_out(log_of([(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 1, 4)]), "test")
    assert rows_of(fold.targets) == [[]]
    assert rows_of(fold.history) == [[1, 2, 3]]


def test_events_of_one_moment_stay_on_one_side_of_the_cut():
    log = log_of([(0, 1, 10), (0, 2, 20), (1, 3, 20), (1, 4, 20)], is_clock=True)
    fold, _ = split.global_time(log, 0.25)
    assert fold.train.size == 1
    assert fold.targets.size == 3


@given(log=LOGS, part=st.sampled_from(["test", "valid", "last", "time"]))
def test_no_split_leaks(log, part):
    try:
        fold = {
            "test": lambda: split.leave_one_out(log, "test"),
            "valid": lambda: split.leave_one_out(log, "valid"),
            "last": lambda: split.hold_out_last(log),
            "time": lambda: split.global_time(log, 0.3)[0],
        }[part]()
    except DataError:
        assert part == "time"
        assert (
            len(set(log.times.tolist())) == 1
            or log.times.min() >= np.sort(log.times)[-round(0.3 * log.size) or -1]
        )
        return
    assert all(list(each.user_ids) == list(log.user_ids) for each in fold)
    everything = events_of(log)
    for user in range(log.user_count):
        train, history, targets = ([e for e in events_of(each) if e[0] == user] for each in fold)
        rows = [row for _, row, _ in targets]
        assert not set(rows) & {row for _, row, _ in history}
        assert len(rows) == len(set(rows))
        assert history[: len(train)] == train  # what is learnt from is the older part of what is known
        own = [e for e in everything if e[0] == user]
        assert own[: len(history)] == history  # and that is the older part of everything
        assert all(time <= later for _, _, time in history for _, _, later in targets)
    if part == "time" and fold.targets.size:
        assert fold.train.times.max() < fold.targets.times.min()


def test_a_cut_in_time_is_refused_without_a_clock():
    log = log_of([(0, 1, 0), (0, 2, 1), (1, 3, 0)])
    assert not log.is_clock
    with pytest.raises(DataError, match="leave_one_out"):
        split.global_time(log, 0.1)


def test_a_cut_in_time_is_refused_when_all_happened_at_once():
    with pytest.raises(DataError, match="same time"):
        split.global_time(log_of([(0, 1, 5), (1, 2, 5)], is_clock=True), 0.1)


def crossing(users, both):
    """A log where `both` of `users` people are seen on both sides of a late cut."""
    early = [(user, row, 100.0 + row) for user in range(users) for row in range(8)]
    late = [(user, 9, 200.0 + user) for user in range(both)]
    return log_of(early + late, users=users, is_clock=True)


def test_auto_cuts_in_time_where_enough_people_are_seen_on_both_sides():
    log = crossing(300, 250)
    fold, why = protocols.choose(log, SplitRecipe(test_share=250 / log.size), 1)[:2]
    assert fold.train.times.max() < fold.targets.times.min()
    assert why.startswith("global_time: the newest 9% of events are to be found; 250 of 300 users (83%)")


@pytest.mark.parametrize(
    ("users", "both"), [(300, 150), (1200, 220)], ids=["too few people", "too small a share"]
)
def test_auto_holds_out_the_last_event_where_a_cut_would_ask_an_odd_few(users, both):
    log = crossing(users, both)
    fold, why = protocols.choose(log, SplitRecipe(test_share=both / log.size), 1)[:2]
    assert why.startswith("leave_one_out: each user's last event is to be found, because only")
    assert f"{both} of {users:,}" in why
    assert fold.train.size == log.size - users  # all but one event of each


def test_auto_says_why_when_there_is_no_clock_or_no_time():
    sequences = log_of([(0, 1, 0), (0, 2, 1), (1, 3, 0)])
    assert protocols.choose(sequences, SplitRecipe(), 1)[1].endswith("no clock that all users share.")
    at_once = log_of([(0, 1, 5), (1, 2, 5)], is_clock=True)
    assert protocols.choose(at_once, SplitRecipe(), 1)[1].endswith("nearly all events have the same time.")


def test_a_strategy_named_in_the_recipe_is_taken():
    log = crossing(3, 3)
    by_time, told = protocols.choose(log, SplitRecipe(strategy="global_time", test_share=0.1), 1)[:2]
    assert rows_of(by_time.targets) == [[9], [9], [9]]
    assert "as the recipe asks" in told
    by_user = protocols.choose(log, SplitRecipe(strategy="leave_one_out"), 1).fold
    assert by_user.train.size == log.size - 6


def test_only_what_may_be_asked_for_is_held_out():
    log = log_of([(0, 1, 1), (0, 2, 2), (1, 3, 1), (1, 4, 2), (1, 5, 3)])
    fold = split.hold_out_last(log, may=log.rows == 5)
    assert fold.targets.rows.tolist() == [5]
    assert fold.train.rows.tolist() == [1, 2, 3, 4]  # the first keeps both


def test_of_what_may_be_asked_for_some_is_drawn_of_everybody_who_has_it():
    log = log_of([(user, item, item) for user in range(5) for item in range(20)])
    drawn = set()
    for seed in range(30):
        fold = holdouts.hold_out_any(log, np.random.default_rng(seed), may=log.rows >= 19 - log.users)
        # Two of twenty each; the first user has but one that may be asked for.
        assert np.diff(fold.targets.offsets).tolist() == [1, 2, 2, 2, 2]
        assert fold.train.size == 100 - 9
        assert (fold.targets.rows >= 19 - fold.targets.users).all()
        drawn |= set(fold.targets.of(4).tolist())
    assert drawn == {15, 16, 17, 18, 19}
