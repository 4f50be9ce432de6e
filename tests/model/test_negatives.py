import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, just, lists, one_of
from scipy.stats import chisquare

pytest.importorskip("numba")

from tastemaker.model.negatives import (
    Mixture,
    Queue,
    Source,
    Streamed,
    Uniform,
    Weighted,
    alias,
)

Weights = lists(one_of(just(0.0), floats(1e-6, 1e6)), min_size=1, max_size=60).filter(any)


def rows_of(*rows: int) -> np.ndarray:
    return np.array(rows, np.int32)


def fits(rows: np.ndarray, odds: np.ndarray) -> bool:
    """Whether draws are what these odds (N,) would give; a right source fails once in 10 000 seeds."""
    counts = np.bincount(rows, minlength=len(odds))
    assert not counts[odds == 0].any()
    seen = odds > 0
    return bool(chisquare(counts[seen], odds[seen] / odds.sum() * len(rows)).pvalue > 1e-4)


# --- sources --------------------------------------------------------------------------------


def test_uniform_draws_every_item_alike_and_says_so():
    rows = Uniform(np.ones(50, bool)).draw(200_000, np.random.default_rng(1))
    assert fits(rows, np.ones(50))
    assert Uniform(np.ones(50, bool)).odds(rows_of(0, 49)).tolist() == [0.02, 0.02]


def test_uniform_leaves_out_what_is_not_known():
    known = np.arange(50) % 5 > 0
    rows = Uniform(known).draw(200_000, np.random.default_rng(1))
    assert fits(rows, known.astype(float))
    assert Uniform(known).odds(rows_of(1, 49)).tolist() == [1 / 40, 1 / 40]


def test_weighted_draws_by_weight_and_says_so():
    weights = np.array([5.0, 0.0, 1.0, 0.25, 100.0, 0.0, 3.75, 40.0])
    source = Weighted(weights)
    assert fits(source.draw(200_000, np.random.default_rng(1)), weights)
    assert source.odds(np.arange(8, dtype=np.int32)) == pytest.approx(weights / 150)


@given(Weights)
@settings(max_examples=100)
def test_the_alias_table_holds_the_odds_exactly(weights):
    odds = np.array(weights) / np.sum(weights)
    bars, others = alias(odds)
    # A row is drawn when its own bar keeps it, and whenever another row's bar passes on to it.
    chance = bars / len(odds)
    for n, other in enumerate(others):
        chance[other] += (1 - bars[n]) / len(odds)
    assert chance == pytest.approx(odds, rel=1e-9, abs=1e-12)
    assert not chance[odds == 0].any()
    assert ((bars >= 0) & (bars <= 1)).all()


def test_new_weights_take_the_place_of_the_old():
    source = Weighted(np.array([1.0, 0.0, 0.0]))
    source.weigh(np.array([0.0, 1.0, 3.0]))
    assert fits(source.draw(10_000, np.random.default_rng(1)), np.array([0, 1.0, 3.0]))
    assert source.odds(rows_of(0, 1, 2)).tolist() == [0, 0.25, 0.75]


def test_where_no_item_weighs_anything_nothing_is_drawn():
    source = Weighted(np.zeros(4))
    assert source.draw(10, np.random.default_rng(1)).tolist() == []
    assert source.odds(rows_of(0, 3)).tolist() == [0, 0]


def test_a_queue_gives_the_newest_labels_first_and_forgets_the_oldest():
    queue, rng = Queue(Uniform(np.ones(10, bool)), length=5), np.random.default_rng(1)
    assert queue.draw(3, rng).tolist() == []
    queue.push(rows_of(1, 2, 3))
    assert queue.draw(5, rng).tolist() == [1, 2, 3]
    queue.push(rows_of(4, 5, 6))
    assert queue.draw(9, rng).tolist() == [4, 5, 6, 1, 2]
    assert queue.draw(2, rng).tolist() == [4, 5]


def test_a_queue_draws_as_its_labels_come():
    weights, rng = np.array([1.0, 2, 3, 10]), np.random.default_rng(1)
    queue, drawn = Queue(Weighted(weights), length=40), []
    for _ in range(5_000):
        queue.push(rng.choice(4, 40, p=weights / 16).astype(np.int32))
        drawn.append(queue.draw(40, rng))
    assert fits(np.concatenate(drawn), weights)
    assert queue.odds(rows_of(0, 3)) == pytest.approx([1 / 16, 10 / 16])


def streamed(odds: np.ndarray, batch: int, steps: int) -> Streamed:
    rng, source = np.random.default_rng(1), Streamed(len(odds))
    for _ in range(steps):
        source.see(rng.choice(len(odds), batch, p=odds).astype(np.int32))
    return source


def world(odds: float, batch: int) -> np.ndarray:
    """A hundred items (or as many as fit) of these odds, and four hundred more for the rest."""
    items = min(100, int(0.8 / odds))
    return np.concatenate([np.full(items, odds), np.full(400, (1 - items * odds) / 400)])


@pytest.mark.parametrize("in_a_batch", [0.05, 0.3, 1, 2, 3, 12])
def test_odds_of_a_stream_come_near_the_true_ones(in_a_batch):
    batch = 64
    odds = world(in_a_batch / batch, batch)
    source = streamed(odds, batch, 2000)
    alike = np.flatnonzero(odds == odds[0]).astype(np.int32)
    assert source.odds(alike).mean() == pytest.approx(odds[0], rel=0.15)


def test_an_item_that_comes_at_every_nth_step_has_exactly_those_odds():
    source = Streamed(9)
    for step in range(1, 41):
        # 0 at every step, 1 at every fourth, 2 twice at every step; the rest of a batch of five is 3.
        source.see(rows_of(0, 2, 2, 3 if step % 4 else 1, 3))
    assert source.odds(rows_of(0, 1, 2)) == pytest.approx([1 / 5, 1 / 20, 2 / 5])
    assert source.odds(rows_of(7)).tolist() == [0]  # never seen
    assert source.draw(5, np.random.default_rng(1)).tolist() == []


def test_a_stream_that_changes_is_followed():
    source = Streamed(3)
    for step in range(200):
        source.see(rows_of(0 if step < 100 else 1, 2))
    for step in range(1, 201):
        source.see(rows_of(0 if step % 10 == 0 else 1, 2))
    # 0 had the odds 1/2, was away, and now comes at every tenth step.
    assert source.odds(rows_of(0))[0] == pytest.approx(1 / 20, rel=0.5)
    assert source.odds(rows_of(0))[0] < 0.2


# --- mixture --------------------------------------------------------------------------------

ITEMS, BATCH = 12, 6
OFTEN = np.array([20, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1.0])
EVERYTHING = np.arange(ITEMS, dtype=np.int32)


def mixture(in_batch: bool) -> Mixture:
    """Of every kind of source; labels come as `OFTEN` says."""
    labels = Weighted(OFTEN)
    sources = [(Uniform(np.ones(ITEMS, bool)), 5), (Weighted(OFTEN**0.5), 7), (Queue(labels, 8), 4)]
    return Mixture(sources, labels if in_batch else None)


def batches(mixed: Mixture, count: int, rng: np.random.Generator):
    """The rivals that the first query of each batch sees, and how often each item was to be expected."""
    for _ in range(count):
        labels = rng.choice(ITEMS, BATCH, p=OFTEN / OFTEN.sum()).astype(np.int32)
        drawn = mixed.draw(labels, rng)
        assert drawn.rows[:BATCH].tolist() == labels.tolist()
        # Its own label is no rival of its own: what the others bring is random, whatever it is.
        rivals = drawn.rows[max(1, drawn.counted) :]
        yield np.bincount(rivals, minlength=ITEMS), drawn.expected(EVERYTHING)


@pytest.mark.parametrize("in_batch", [False, True])
def test_items_come_as_often_as_expected(in_batch):
    mixed, rng = mixture(in_batch), np.random.default_rng(1)
    first = next(batches(mixed, 1, rng))
    # The queue is empty yet: 5 even ones, 7 by the root of popularity, and the labels of the other five.
    share = OFTEN / OFTEN.sum()
    wanted = 5 / ITEMS + 7 * OFTEN**0.5 / (OFTEN**0.5).sum() + in_batch * 5 * share
    assert first[1] == pytest.approx(wanted)
    pairs = list(batches(mixed, 5_000, rng))
    counts, expected = np.mean([c for c, _ in pairs], 0), np.mean([e for _, e in pairs], 0)
    assert expected == pytest.approx(wanted + 4 * share)
    assert counts == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("in_batch", [False, True])
def test_the_weighted_sum_over_the_drawn_estimates_the_sum_over_the_catalogue(in_batch):
    rng = np.random.default_rng(2)
    sizes = np.exp(rng.normal(0, 1.5, ITEMS))  # e^score
    sums = [(counts / expected) @ sizes for counts, expected in batches(mixture(in_batch), 5_000, rng)]
    assert np.mean(sums) == pytest.approx(sizes.sum(), abs=4 * np.std(sums) / 5_000**0.5)
    assert np.std(sums) / 5_000**0.5 < 0.02 * sizes.sum()  # or the line above would say nothing


def test_without_in_batch_the_labels_stand_there_uncounted():
    drawn = mixture(False).draw(rows_of(3, 3, 1), np.random.default_rng(1))
    assert drawn.counted == 3
    assert len(drawn.rows) == 3 + 5 + 7
    assert mixture(True).draw(rows_of(3, 3, 1), np.random.default_rng(1)).counted == 0


def test_a_source_with_less_than_was_asked_is_expected_to_have_given_less():
    drawn = Mixture([(Weighted(np.zeros(ITEMS)), 9), (Uniform(np.ones(ITEMS, bool)), 3)], None).draw(
        rows_of(0), np.random.default_rng(1)
    )
    assert len(drawn.rows) == 4
    assert drawn.expected(EVERYTHING) == pytest.approx(np.full(ITEMS, 3 / ITEMS))


def test_a_queue_holds_the_labels_of_the_batches_before_not_of_this_one():
    mixed, rng = Mixture([(Queue(Uniform(np.ones(9, bool)), 4), 4)], None), np.random.default_rng(1)
    assert mixed.draw(rows_of(1, 2), rng).rows.tolist() == [1, 2]
    assert mixed.draw(rows_of(3, 4), rng).rows.tolist() == [3, 4, 1, 2]
    assert mixed.draw(rows_of(5, 6), rng).rows.tolist() == [5, 6, 3, 4, 1, 2]


class Learning(Source):
    """Draws what its state says."""

    def __init__(self) -> None:
        self.row = 0

    def draw(self, count, rng):
        return np.full(count, self.row, np.int32)

    def odds(self, rows):
        return (rows == self.row).astype(float)

    def state(self):
        return {"row": np.array(self.row)}

    def restore(self, state):
        self.row = int(state["row"])


def gathering() -> Mixture:
    labels = Streamed(ITEMS)
    return Mixture(
        [(Learning(), 1), (Uniform(np.ones(ITEMS, bool)), 2), (Queue(labels, 9), 5), (Learning(), 1)], labels
    )


@given(integers(0, 99), integers(1, 8))
@settings(max_examples=20)
def test_a_mixture_put_back_goes_on_as_if_it_had_never_stopped(seed, cut):
    def learn(mixed: Mixture, steps: range) -> list:
        told = []
        for step in steps:
            rng = np.random.default_rng([seed, step])
            mixed.sources[0][0].row, mixed.sources[3][0].row = step, (step * 5) % ITEMS
            drawn = mixed.draw(rng.integers(0, ITEMS, 4, dtype=np.int32), rng)
            told.append((drawn.rows.tolist(), drawn.expected(EVERYTHING).tolist()))
        return told

    whole, first = gathering(), gathering()
    wanted = learn(whole, range(12))[cut:]
    learn(first, range(cut))
    kept = {name: array.copy() for name, array in first.state().items()}
    learn(first, range(cut, 12))  # what comes after `state` is no part of it
    second = gathering()
    second.restore(kept)
    assert [source.row for source, _ in second.sources[::3]] == [cut - 1, ((cut - 1) * 5) % ITEMS]
    assert learn(second, range(cut, 12)) == wanted


def test_weights_put_back_are_the_same_to_the_last_bit():
    first, second = Weighted(np.array([0.7, 0.1, 3.3])), Weighted(np.ones(3))
    for seed in range(20):  # with some weights the sum is 1
        first.weigh(np.random.default_rng(seed).gamma(1, 10, 300))
        second.restore({name: array.copy() for name, array in first.state().items()})
        rows = np.arange(300, dtype=np.int32)
        assert (
            second.draw(50, np.random.default_rng(1)).tolist()
            == first.draw(50, np.random.default_rng(1)).tolist()
        )
        assert second.odds(rows).tolist() == first.odds(rows).tolist()
