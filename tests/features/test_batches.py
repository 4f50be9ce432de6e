import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, floats, integers, lists

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import (
    Batch,
    Examples,
    Scale,
    Sets,
    Stretches,
    Window,
    ages,
    cut,
    query_windows,
)

ITEMS = 7
Histories = lists(lists(integers(0, ITEMS - 1), max_size=9), min_size=1, max_size=5)


def log_of(histories: list[list[int]]) -> Interactions:
    """Users 0, 1, … with these rows, oldest first; the strength of an event is its row + 1."""
    rows = np.array([row for history in histories for row in history], np.int32)
    users = np.repeat(np.arange(len(histories), dtype=np.int32), [len(history) for history in histories])
    times = np.arange(len(rows), dtype=float)
    return Interactions.from_events([f"u{n}" for n in range(len(histories))], users, rows, times, rows + 1.0)


def examples(log: Interactions, length: int = 3, in_order: bool = True) -> Examples:
    return Examples(log, ITEMS, length, Scale(), in_order)


# --- windows --------------------------------------------------------------------------------


def test_a_window_is_newest_first_and_padded_behind():
    log = log_of([[5, 1, 4, 2], [6]])
    rows, values = cut(log.rows, log.weights, np.array([3, 1, 0, 5]), np.array([0, 0, 0, 4]), 3)
    assert rows.tolist() == [[4, 1, 5], [5, PAD, PAD], [PAD, PAD, PAD], [6, PAD, PAD]]
    assert values.tolist() == [[5, 2, 6], [6, 0, 0], [0, 0, 0], [7, 0, 0]]
    assert (rows.dtype, values.dtype) == (np.int32, np.float32)


def test_a_window_is_no_longer_than_asked():
    log = log_of([[5, 1, 4, 2]])
    assert cut(log.rows, log.weights, np.array([4]), np.array([0]), 2)[0].tolist() == [[2, 4]]


def test_in_the_padding_a_strength_is_0_even_where_0_is_not_the_mean():
    seen = query_windows(log_of([[3]]), np.array([0], np.int32), 3, Scale(mean=2, deviation=4))
    assert seen.values.tolist() == [[0.5, 0, 0]]


def test_an_empty_log_gives_padding():
    nobody = Interactions.from_events(["a"], np.zeros(0, np.int32), np.zeros(0, np.int32))
    seen = query_windows(nobody, np.array([0], np.int32), 2, Scale())
    assert (seen.rows.tolist(), seen.values.tolist()) == ([[PAD, PAD]], [[0, 0]])


def timed(times: list[float], is_clock: bool = True) -> Interactions:
    """One person who was there at these times."""
    rows, users = np.arange(len(times), dtype=np.int32), np.zeros(len(times), np.int32)
    return Interactions.from_events(["a"], users, rows, np.array(times), is_clock=is_clock)


def test_ages_are_seconds_before_the_newest_event_of_the_window():
    log = timed([1e9, 1e9 + 5, 1e9 + 5, 1e9 + 100_000])
    found = ages(log, np.array([4, 3, 1, 0]), np.array([0, 0, 0, 0]), 3)
    assert found.tolist() == [[0, 99_995, 99_995], [0, 0, 5], [0, -1, -1], [-1, -1, -1]]
    assert found.dtype == np.float32
    assert query_windows(log, np.array([0], np.int32), 2, Scale()).ages.tolist() == [[0, 99_995]]


def test_where_times_are_only_counted_no_age_is_known():
    log = timed([0, 1, 2], is_clock=False)
    assert query_windows(log, np.array([0], np.int32), 4, Scale()).ages.tolist() == [[-1, -1, -1, -1]]
    nobody = Interactions.from_events(["a"], np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    assert query_windows(nobody, np.array([0], np.int32), 2, Scale()).ages.tolist() == [[-1, -1]]


@given(Histories, integers(1, 5), integers(0, 99))
@settings(max_examples=40)
def test_in_training_times_lie_as_far_apart_as_when_asked(histories, length, seed):
    log = replace(log_of(histories), is_clock=True)
    asked = replace(examples(log, length), with_ages=True)
    if not len(asked.events):
        return
    users = np.arange(log.user_count, dtype=np.int32)
    of_labels = asked.batch(asked.events, np.random.default_rng(seed))
    for row, label in enumerate(asked.events):
        (user,) = log.users[[label]]
        before = log.where((log.users != user) | (np.arange(log.size) < label))
        now = query_windows(before, users[[user]], length, Scale())
        assert of_labels.history.ages[row].tolist() == now.ages[0].tolist()
    learnt = Stretches(asked, 4)
    for dealt in learnt.deal(np.random.default_rng(seed)):
        batch = learnt.batch(dealt)
        newest = [log.times[end - 1] for end in dealt[:, 0]]
        is_event = batch.history.rows != PAD
        # `log_of` gives every event a second of its own.
        rows = [
            [int(np.float64(t) - age) for age in line[line >= 0]]
            for t, line in zip(newest, batch.history.ages, strict=True)
        ]
        assert [log.rows[line].tolist() for line in rows] == [
            line[there].tolist() for line, there in zip(batch.history.rows, is_event, strict=True)
        ]
        assert ((batch.history.ages >= 0) == is_event).all()


def test_a_part_of_windows_is_a_part_of_all_that_they_know():
    whole = query_windows(log_of([[1, 2, 3], [4], [5, 6]]), np.arange(3, dtype=np.int32), 3, Scale())
    part = whole.part(slice(1, 3), 2)
    for some, all_of_it in zip(part, whole, strict=True):
        np.testing.assert_array_equal(some, all_of_it[1:3, :2])
    assert Window(whole.rows, whole.values).part(slice(1)).ages is None


@given(Histories, integers(1, 5))
@settings(max_examples=40)
def test_what_is_known_now_is_the_window_at_each_users_end(histories, length):
    log = log_of(histories)
    users = np.arange(len(histories), dtype=np.int32)[::-1].copy()
    now = query_windows(log, users, length, Scale())
    for at, user in enumerate(users):
        newest = histories[user][::-1][:length]
        assert now.rows[at].tolist() == newest + [PAD] * (length - len(newest))


# --- examples -------------------------------------------------------------------------------


def test_every_event_with_a_history_is_a_label_once():
    log = log_of([[5, 1, 5, 2], [6], [], [3, 4]])
    # By position: 0 has no history, 2 is there already, 4 is alone, 5 has no history.
    assert examples(log).events.tolist() == [1, 3, 6]
    # Without order everything else is the history, so only repeats and the lonely are out.
    assert examples(log, in_order=False).events.tolist() == [0, 1, 3, 5, 6]


def test_one_item_again_and_again_is_no_example():
    log = log_of([[2, 2, 2]])
    assert examples(log).events.tolist() == []
    assert examples(log, in_order=False).events.tolist() == []


@given(Histories, integers(0, 99), integers(1, 6), booleans())
@settings(max_examples=80)
def test_the_label_never_stands_in_its_history_nor_does_what_came_later(histories, seed, length, in_order):
    log = log_of(histories)
    made = examples(log, length, in_order)
    events, rng = made.events, np.random.default_rng(seed)
    if not len(events):
        return
    batch = made.batch(rng.permutation(events), np.random.default_rng(seed))
    order = np.random.default_rng(seed).permutation(events)
    for at, event in enumerate(order):
        user = int(log.users[event])
        place = int(event - log.offsets[user])
        label, window = histories[user][place], [row for row in batch.history.rows[at].tolist() if row != PAD]
        assert batch.labels[at] == label
        assert batch.users[at] == user
        assert label not in window
        assert window, "an example has a history"
        if in_order:
            assert window == histories[user][:place][::-1][:length]
        else:
            others = [row for row in histories[user] if row != label]
            assert len(window) == min(length, len(others))
            assert all(window.count(row) <= others.count(row) for row in window)
        strengths = [row + 1 if row != PAD else 0 for row in batch.history.rows[at].tolist()]
        assert batch.history.values[at].tolist() == strengths


def test_without_order_a_long_history_is_seen_in_random_parts():
    made = examples(log_of([[0, 1, 2, 3, 4, 5, 6]]), length=2, in_order=False)
    rng, parts = np.random.default_rng(1), set()
    for _ in range(100):
        parts.add(frozenset(made.batch(np.array([0]), rng).history.rows[0].tolist()))
    assert len(parts) == 15  # pairs of the six others


# --- stretches ------------------------------------------------------------------------------


def stretches(histories: list[list[int]], length: int, size: int) -> Stretches:
    """The strength of an event is its position in the log, so that each can be told from all others."""
    log = log_of(histories)
    return Stretches(examples(replace(log, weights=np.arange(log.size, dtype=np.float32)), length), size)


def unfolded(batch: Batch) -> Iterator[tuple[int, list[int], int]]:
    """Of each example: what it comes after, as positions in the log, newest first; and its place there."""
    for after in batch.after.tolist():
        owner, place = divmod(after, batch.history.rows.shape[1])
        there = batch.history.rows[owner] != PAD
        yield owner, batch.history.values[owner][there].astype(int).tolist(), place


@given(Histories, integers(1, 5), integers(1, 12), integers(0, 99))
@settings(max_examples=100)
def test_in_an_epoch_of_stretches_every_example_is_found_once_from_the_newest_before_it(
    histories, length, size, seed
):
    made, met = stretches(histories, length, size), []
    log = made.examples.log
    if not len(made.examples.events):
        return
    for dealt in made.deal(np.random.default_rng(seed)):
        batch = made.batch(dealt)
        assert len(batch.labels) == len(batch.users) == len(batch.after)
        assert (
            batch.history.rows.shape
            == batch.history.values.shape
            == (len(batch.owners), batch.history.rows.shape[1])
        )
        for at, (owner, positions, place) in enumerate(unfolded(batch)):
            user = int(batch.owners[owner])
            start = int(log.offsets[user])
            newest, label = positions[0] + 1, positions[place] + 1
            met.append(label)
            assert batch.users[at] == user == log.users[label]
            assert batch.labels[at] == log.rows[label]
            # The stretch is what stands before its newest label, newest first, as far as the window goes …
            assert positions == list(range(newest - 1, max(start, newest - length) - 1, -1))
            assert batch.history.rows[owner][: len(positions)].tolist() == log.rows[positions].tolist()
            # … and of that, this example sees what stands before its own label.
            seen = positions[place:]
            assert 1 <= len(seen) <= length
            assert max(seen) == label - 1
            assert batch.labels[at] not in log.rows[seen]
    assert sorted(met) == made.examples.events.tolist()


@given(Histories, integers(1, 5), integers(1, 12), integers(0, 99))
@settings(max_examples=60)
def test_batches_of_stretches_are_about_as_large_as_asked(histories, length, size, seed):
    made = stretches([list(dict.fromkeys(history)) for history in histories], length, size)
    events = len(made.examples.events)
    if not events:
        return
    dealt = made.deal(np.random.default_rng(seed))
    share = events / max(1, round(events / size))  # what each would have, could stretches be broken
    longest = max(batch[:, 1].max() for batch in dealt)
    assert longest <= length
    for batch in dealt:
        assert share - longest < len(made.batch(batch).labels) < share + longest


def test_the_same_chance_deals_the_same_stretches_and_another_deals_others():
    made = stretches([list(range(n % 6 + 2)) for n in range(20)], length=3, size=8)
    one, again, other = (
        [batch.tolist() for batch in made.deal(np.random.default_rng(seed))] for seed in (1, 1, 2)
    )
    assert one == again != other


def test_from_epoch_to_epoch_a_long_history_is_cut_elsewhere():
    made, met = stretches([[0, 1, 2, 3, 4, 5, 6]], length=3, size=100), set()
    for epoch in range(30):
        (dealt,) = made.deal(np.random.default_rng(epoch))
        found = unfolded(made.batch(dealt))
        met.add(
            tuple(sorted((positions[place] + 1, len(positions) - place) for _, positions, place in found))
        )
    # Labels, and how many events each is found from: the newest stretch has one label, two or three.
    assert met == {
        ((1, 1), (2, 2), (3, 1), (4, 2), (5, 3), (6, 3)),
        ((1, 1), (2, 1), (3, 2), (4, 3), (5, 2), (6, 3)),
        ((1, 1), (2, 2), (3, 3), (4, 1), (5, 2), (6, 3)),
    }


def test_what_fits_into_a_window_is_never_cut():
    made = stretches([[0, 1, 2, 3], [4, 5], [6]], length=3, size=100)
    for seed in range(20):
        (dealt,) = made.deal(np.random.default_rng(seed))
        assert sorted(dealt.tolist()) == [[3, 3], [5, 1]]  # position of the newest label, and how many


def test_stretches_of_like_length_come_together():
    made = stretches([[0, 1, 2]] * 300 + [[*range(7)] * 4] * 30, length=30, size=30)
    lengths = [set(batch[:, 1].tolist()) for batch in made.deal(np.random.default_rng(1))]
    assert {2} in lengths
    assert {27} in lengths
    assert sum(len(kinds) > 1 for kinds in lengths) <= 1


def test_a_batch_of_stretches_is_no_longer_than_its_longest():
    made = stretches([[0, 1, 2, 3], [4, 5], [6, 0, 1]], length=50, size=100)
    assert made.batch(np.array([[5, 1], [8, 2]])).history.rows.tolist() == [[4, PAD], [0, 6]]


def test_every_batch_has_something_to_find():
    """Whoever does one thing again and again gives no labels, and a mean over none is no number."""
    made = stretches([[2, 2, 2, 2], [3, 3, 3, 3], [0, 1]], length=3, size=1)
    for seed in range(20):
        assert all(len(made.batch(dealt).labels) for dealt in made.deal(np.random.default_rng(seed)))


# --- scale ----------------------------------------------------------------------------------


def test_ratings_are_standardised():
    ratings = np.array([1, 3, 5], np.float32)
    scale = Scale.fit(ratings)
    # mean 3, deviation √(8/3)
    assert scale.apply(ratings) == pytest.approx([-2 / (8 / 3) ** 0.5, 0, 2 / (8 / 3) ** 0.5])
    assert not scale.is_log


def test_strengths_over_powers_of_ten_are_read_by_their_logarithm():
    plays = np.array([0, 1, 2, 3, 10_000], np.float32)
    scale = Scale.fit(plays)
    assert scale.is_log
    shown = np.log1p(plays)
    assert scale.apply(plays) == pytest.approx((shown - shown.mean()) / shown.std(), rel=1e-5)


def test_below_nothing_is_as_nothing_in_a_logarithm():
    assert Scale(is_log=True).apply(np.array([-3, 0], np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize("weights", [[], [1, 1, 1], [4]])
def test_where_all_are_alike_strength_says_nothing(weights):
    scale = Scale.fit(np.array(weights, np.float32))
    assert scale.apply(np.array(weights, np.float32)).tolist() == [0] * len(weights)


@given(lists(floats(-1e6, 1e6, width=32), max_size=20))
def test_a_scale_comes_back_from_json(weights):
    scale = Scale.fit(np.array(weights, np.float32))
    again = Scale(**json.loads(json.dumps(asdict(scale))))
    assert again == scale
    assert np.isfinite(again.apply(np.array(weights, np.float32))).all()


# --- sets -----------------------------------------------------------------------------------


@given(Histories, integers(0, 99), integers(1, 9), integers(1, 4))
@settings(max_examples=80)
def test_a_persons_items_are_parted_into_labels_and_the_history_of_them_all(histories, seed, length, size):
    made = Sets(examples(log_of(histories), length, in_order=False), size)
    dealt = made.deal(np.random.default_rng(seed))
    assert all(len(users) <= size for users in dealt)
    everyone = [user for users in dealt for user in users.tolist()]
    assert sorted(everyone) == [user for user, rows in enumerate(histories) if len(set(rows)) > 1]
    for users in dealt if everyone else []:
        batch = made.batch(users, np.random.default_rng(seed))
        assert batch.owners.tolist() == users.tolist()
        assert batch.starts is not None
        for at, user in enumerate(users.tolist()):
            labels = batch.labels[batch.starts[at] : batch.starts[at + 1]].tolist()
            window = [row for row in batch.history.rows[at].tolist() if row != PAD]
            known = [row for row in histories[user] if row not in labels]
            assert labels, "somebody asks for something"
            assert len(labels) == len(set(labels))
            assert window, "and knows something"
            assert len(window) == min(length, len(known))
            assert all(window.count(row) <= known.count(row) for row in window)
            assert set(batch.users[batch.starts[at] : batch.starts[at + 1]].tolist()) == {user}
        shown = [[row + 1 if row != PAD else 0 for row in rows] for rows in batch.history.rows.tolist()]
        assert batch.history.values.tolist() == shown
        assert batch.starts[-1] == len(batch.labels)


def test_every_parting_comes_up_and_half_of_the_items_are_labels():
    made = Sets(examples(log_of([[0, 1, 2, 3]]), 4, in_order=False), 1)
    rng, times = np.random.default_rng(1), dict[frozenset[int], int]()
    for _ in range(1600):
        labels = frozenset(made.batch(np.array([0]), rng).labels.tolist())
        times[labels] = times.get(labels, 0) + 1
    assert len(times) == 14  # all parts of four but none and all
    # 1 of 16 draws finds no label, and leaves the lowest of four coins: so 1/16 + 1/64 for each single one.
    single = sum(times[frozenset([row])] for row in range(4))
    assert single == pytest.approx(1600 * (4 / 16 + 1 / 16), rel=0.15)


def test_a_long_set_is_seen_in_random_parts():
    made = Sets(examples(log_of([[0, 1, 2, 3, 4, 5, 6]]), length=2, in_order=False), 1)
    rng, parts = np.random.default_rng(1), set()
    for _ in range(300):
        parts.add(frozenset(made.batch(np.array([0]), rng).history.rows[0].tolist()) - {PAD})
    assert len({part for part in parts if len(part) == 2}) == 21  # pairs of seven
