from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.features import pairs
from tastemaker.recommend import Recommender
from tastemaker.training import pairing
from tastemaker.training.pairing import WEIGHTS, Pairing, choose

ITEMS = 24

Network = Callable[..., Recommender]


@pytest.fixture
def network(by_hand, monkeypatch) -> Network:
    """`network(likes)`: after item n it likes item m by `likes[n, m]`; it sees the newest event only."""
    monkeypatch.setattr("tastemaker.retrieve.nearest.Tower", lambda model: lambda history, **_: history[:, 0])

    def build(likes: np.ndarray) -> Recommender:
        items = len(likes)
        ids = [f"i{n}" for n in range(items)]
        frame = pl.DataFrame({"id": ids, "title": ids, "genre": ["x"] * items})
        arrays = {
            "item_vectors": np.eye(items, dtype=np.float32),
            "item_inputs": likes.astype(np.float32),
            "popularity": np.zeros(items, np.float32),
        }
        return Recommender(
            replace(
                by_hand,
                manifest=by_hand.manifest.model_copy(update={"history_length": 1}),
                catalogue=Catalogue(frame, by_hand.catalogue.columns),
                arrays=arrays,
                towers={"query_tower": b"a tower"},
            )
        )

    return build


def log_of(histories: Sequence[Sequence[int]]) -> Interactions:
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    rows = np.array([row for history in histories for row in history], np.int32)
    names = [f"u{user}" for user in range(len(histories))]
    return Interactions.from_events(names, users.astype(np.int32), rows)


def everyone(log: Interactions) -> np.ndarray:
    return np.arange(log.user_count, dtype=np.int32)


def how_early(targets: np.ndarray, rows: np.ndarray) -> float:
    """1 where everybody's target comes first, ½ where it comes second, and so on."""
    places = np.argmax(rows == targets[:, None], axis=1) + 1
    return float(np.where((rows == targets[:, None]).any(1), 1 / places, 0).mean())


def noise(seed: int, items: int = ITEMS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(items, items))


NEXT = np.roll(np.eye(ITEMS), 1, axis=1)
"""Likes of one who knows that after item n comes item n + 1, after the last the first."""


def ring(users: int) -> tuple[Interactions, np.ndarray]:
    """Everyone walks from somewhere, always to the next item; and the item that comes next."""
    starts = np.random.default_rng(1).integers(0, ITEMS, users)
    walks = (starts[:, None] + np.arange(7)) % ITEMS
    return log_of(walks[:, :6].tolist()), walks[:, 6]


def tastes(users: int) -> tuple[Interactions, np.ndarray]:
    """Each likes six of the eight items of one kind, in any order; and one that is left."""
    rng = np.random.default_rng(2)
    drawn = np.array([8 * rng.integers(3) + rng.permutation(8) for _ in range(users)])
    return log_of(drawn[:, :6].tolist()), drawn[:, 6]


def tried(chosen: Pairing | None, train: Interactions, histories: Interactions) -> float:
    """The entry of WEIGHTS behind a choice: its weight × the spread of what its pairs say."""
    assert chosen is not None
    counted = chosen.count(train, ITEMS)
    weights, spreads = counted.weights.toarray().astype(float), []
    for user in range(histories.user_count):
        said = np.zeros(ITEMS)
        for place, row in enumerate(histories.of(user)[::-1]):
            said += counted.decay**place * weights[row]
        spreads.append(said.std())
    return chosen.weight * float(np.mean(spreads))


# --- planted worlds -------------------------------------------------------------------------


def test_where_only_what_follows_knows_the_answer_it_gets_a_high_weight(network):
    log, targets = ring(100)
    ignorant = network(noise(3))
    chosen = choose(ignorant, log, log, everyone(log), partial(how_early, targets), "following")
    assert tried(chosen, log, log) > 1.9
    assert chosen.ridge is None


def test_where_only_the_same_people_know_the_answer_ease_gets_a_high_weight(network):
    log, targets = tastes(100)
    ignorant = network(noise(3))
    chosen = choose(ignorant, log, log, everyone(log), partial(how_early, targets), "ease")
    assert tried(chosen, log, log) > 1.9
    assert chosen.ridge in (100, 300, 1000)


def test_even_ease_is_tried_and_counted_as_such(network):
    log, targets = tastes(100)
    chosen = choose(network(noise(3)), log, log, everyone(log), partial(how_early, targets), "even_ease")
    assert tried(chosen, log, log) > 1.9
    assert chosen is not None
    assert chosen.is_even
    assert chosen.ridge is not None
    wanted = pairs.even_ease(log, ITEMS, chosen.ridge)
    np.testing.assert_array_equal(chosen.count(log, ITEMS).weights.toarray(), wanted)
    assert not np.allclose(wanted, pairs.ease(log, ITEMS, chosen.ridge), atol=1e-3)


@pytest.mark.parametrize("kind", ["following", "ease", "even_ease"])
def test_where_the_network_is_perfect_and_pairs_are_noise_it_stands_alone(network, kind):
    rng = np.random.default_rng(4)
    log = log_of([rng.permutation(ITEMS)[:6] for _ in range(60)])
    last = np.array([log.of(user)[-1] for user in range(60)])
    targets = (last + 1) % ITEMS
    asked = np.array([user for user in range(60) if targets[user] not in log.of(user)], np.int32)
    quality = partial(how_early, targets[asked])
    assert quality(network(NEXT).top(log, asked, 10)) == 1
    assert choose(network(NEXT), log, log, asked, quality, kind) is None


def test_pairs_are_counted_where_the_network_was_trained_and_nowhere_else(network):
    history, targets = ring(100)
    nothing_learnt = log_of([[]] * 100)
    ignorant, quality = network(noise(3)), partial(how_early, targets)
    assert choose(ignorant, nothing_learnt, history, everyone(history), quality, "following") is None


def test_pairs_are_asked_about_more_of_a_history_than_the_network_sees(network):
    # Everyone's last known event is 0, whatever they came from; the answer is 8 after the event before it.
    firsts = np.random.default_rng(5).integers(1, 8, 100)
    train = log_of([[first, 0, first + 8] for first in firsts])
    history = log_of([[first, 0] for first in firsts])
    marks: list[float] = []

    def quality(rows: np.ndarray) -> float:
        marks.append(how_early(firsts + 8, rows))
        return marks[-1]

    chosen = choose(network(noise(3)), train, history, everyone(history), quality, "following")
    assert tried(chosen, train, history) > 1.9
    # By 0 alone the seven answers can't be told apart: (1 + 1/2 + … + 1/7) / 7 = 0.37.
    assert max(marks) > 0.9


# --- the search for a weight -----------------------------------------------------------------


class Script:
    """Marks as written down beforehand, in the order of the asking; keeps what it was asked about."""

    def __init__(self, *marks: float) -> None:
        self.marks = list(marks)
        self.asked: list[np.ndarray] = []

    def __call__(self, rows: np.ndarray) -> float:
        self.asked.append(rows)
        return self.marks[len(self.asked) - 1]


def test_the_best_weight_is_taken_past_a_ripple_but_not_past_the_top(network):
    log, _ = ring(5)
    # Of the network alone, then of 0.03, 0.05 …; what is lower by more than a fiftieth of 0.8 ends it.
    script = Script(0.5, 0.6, 0.7, 0.69, 0.8, 0.79, 0.78, 0.99)
    chosen = choose(network(noise(3)), log, log, everyone(log), script, "following")
    assert tried(chosen, log, log) == pytest.approx(0.15)
    assert chosen.ridge is None
    assert len(script.asked) == 7


def test_every_ridge_has_its_own_top(network):
    log, _ = tastes(5)
    of_100, of_300, of_1000 = (0.6, 0.1), (0.3, 0.4, 0.9, 0.2), (0.5, 0.1)
    script = Script(0.5, *of_100, *of_300, *of_1000)
    chosen = choose(network(noise(3)), log, log, everyone(log), script, "ease")
    assert tried(chosen, log, log) == pytest.approx(0.1)
    assert chosen.ridge == 300
    assert len(script.asked) == 9


def test_what_is_no_better_than_the_network_alone_is_not_taken(network):
    log, _ = ring(5)
    script = Script(*[0.5] * (1 + len(WEIGHTS)))
    assert choose(network(noise(3)), log, log, everyone(log), script, "following") is None
    assert len(script.asked) == 1 + len(WEIGHTS)


def test_the_lists_that_are_marked_hold_ten_and_nothing_seen(network):
    log, _ = ring(5)
    script = Script(*np.arange(1 + len(WEIGHTS)))
    users = np.array([3, 1], np.int32)
    choose(network(noise(3)), log, log, users, script, "following")
    assert len(script.asked) == 1 + len(WEIGHTS)
    for rows in script.asked:
        assert rows.shape == (2, 10)
        for user, found in zip(users, rows, strict=True):
            assert not set(found) & {PAD, *log.of(int(user))}


# --- the unit of a weight --------------------------------------------------------------------


@pytest.mark.parametrize(("measured", "spread"), [(1, 3**0.5 / 4), (2, 3**0.5 / 8), (1000, 3**0.5 / 12)])
def test_weights_are_in_units_of_what_pairs_say_of_the_first_histories(
    network, monkeypatch, measured, spread
):
    # Of 0 the pairs say 0, 1, 0, 0: mean 1/4, deviation √3 / 4. Of 2 and 3 they say nothing.
    monkeypatch.setattr(pairing, "SPREAD", measured)
    train, history = log_of([[0, 1]]), log_of([[0], [2], [3]])
    script = Script(0.5, 0.6, 0.1)
    chosen = choose(network(noise(3, 4)), train, history, everyone(history), script, "following")
    assert chosen is not None
    assert chosen.weight == pytest.approx(0.03 / spread)


@pytest.mark.parametrize("kind", ["following", "ease"])
def test_pairs_twice_as_heavy_get_half_the_weight_and_make_the_same_lists(network, monkeypatch, kind):
    log, targets = tastes(100)
    lists: list[list[np.ndarray]] = [[], []]
    chosen: list[Pairing | None] = []
    for times, seen in zip((1, 2), lists, strict=True):
        monkeypatch.setattr(pairing, "heaviest", lambda weights, times=times: times * pairs.heaviest(weights))

        def quality(rows: np.ndarray, seen: list[np.ndarray] = seen) -> float:
            seen.append(rows)
            return how_early(targets, rows)

        chosen.append(choose(network(noise(3)), log, log, everyone(log), quality, kind))
    once, twice = chosen
    assert once is not None
    assert twice == Pairing(once.ridge, pytest.approx(once.weight / 2))
    np.testing.assert_array_equal(*lists)


def test_a_weight_that_is_given_is_taken_as_it_stands(network):
    log, _ = ring(5)
    chosen = choose(network(noise(3)), log, log, everyone(log), Script(0.5), "following", weight=0.4)
    assert chosen == Pairing(None, 0.4)


# --- what is not tried ----------------------------------------------------------------------


def test_a_catalogue_too_large_for_ease_gets_no_pairs_and_no_error(network, monkeypatch):
    log, _ = tastes(5)
    script = Script(0.5, 0.9)
    monkeypatch.setattr(pairs, "EASE_ITEMS", ITEMS - 1)
    assert choose(network(noise(3)), log, log, everyone(log), script, "ease") is None
    assert len(script.asked) == 1
    monkeypatch.setattr(pairs, "EASE_ITEMS", ITEMS)
    rising = Script(*np.arange(1 + 3 * len(WEIGHTS)))
    chosen = choose(network(noise(3)), log, log, everyone(log), rising, "ease")
    assert tried(chosen, log, log) == pytest.approx(8)
    assert chosen.ridge == 1000


def test_a_catalogue_that_takes_long_to_invert_gets_the_middle_ridge_only(network, monkeypatch):
    log, _ = tastes(5)
    script = Script(*np.arange(1 + len(WEIGHTS)))
    monkeypatch.setattr(pairing, "EXACT_ITEMS", ITEMS - 1)
    chosen = choose(network(noise(3)), log, log, everyone(log), script, "ease")
    assert tried(chosen, log, log) == pytest.approx(8)
    assert chosen.ridge == 300
    assert len(script.asked) == 1 + len(WEIGHTS)


def test_who_wants_no_pairs_gets_none(network):
    log, _ = ring(5)
    assert choose(network(noise(3)), log, log, everyone(log), Script(0.5, 0.9), "none") is None


# --- counting -------------------------------------------------------------------------------


def test_what_follows_is_counted_with_the_decay_of_the_baseline():
    counted = Pairing(None, 0.3).count(log_of([[0, 1, 2], [3]]), 5)
    expected = np.zeros((5, 5))
    expected[0, 1], expected[0, 2], expected[1, 2] = 1 / 1.8, 0.8 / 1.8, 1
    assert counted.weights.toarray() == pytest.approx(expected)
    assert counted.decay == 0.8


def test_ease_is_counted_with_its_ridge_and_forgets_nothing():
    log, _ = tastes(30)
    touched = np.zeros((30, ITEMS))
    touched[log.users, log.rows] = 1
    inverse = np.linalg.inv(touched.T @ touched + 7 * np.eye(ITEMS))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    counted = Pairing(7.0, 0.3).count(log, ITEMS)
    assert counted.weights.toarray() == pytest.approx(expected, abs=1e-6)
    assert counted.decay == 1


@pytest.mark.parametrize("ridge", [None, 7.0])
def test_only_the_heaviest_pairs_are_counted(ridge, monkeypatch):
    rng = np.random.default_rng(6)
    log = log_of([rng.permutation(ITEMS)[:15].tolist() for _ in range(60)])
    whole = Pairing(ridge).count(log, ITEMS).weights.toarray()
    monkeypatch.setattr(pairing, "heaviest", partial(pairs.heaviest, kept=ITEMS * 4))
    monkeypatch.setattr(pairs, "LEAST_KEPT", 1)
    kept = Pairing(ridge).count(log, ITEMS).weights.toarray()
    assert (np.count_nonzero(whole, axis=1) > 20).all()
    for row, left in zip(whole, kept, strict=True):
        four = np.argsort(-np.abs(row))[:4]
        assert sorted(np.flatnonzero(left)) == sorted(four)
        assert left[four].tolist() == row[four].tolist()


def test_the_note_says_what_was_chosen():
    assert Pairing(None, 0.05).note == "what follows, weight 0.05"
    assert Pairing(1000.0, 0.3).note == "EASE, ridge 1000, weight 0.3"
    assert Pairing(1000.0, 0.3, is_even=True).note == "even EASE, ridge 1000, weight 0.3"
