import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import sparse

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features import pairs
from tastemaker.features.pairs import Pairs, ease, even_ease, faded, following, heaviest


def row(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def log_of(*histories: Sequence[int]) -> Interactions:
    """`log_of([3, 1], [])`: one user touched row 3 and then row 1, another nothing."""
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    rows = np.array([row for history in histories for row in history])
    names = [f"u{user}" for user in range(len(histories))]
    return Interactions.from_events(names, users.astype(np.int32), rows.astype(np.int32))


def counted(seed: int, items: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((items, items)) * (rng.random((items, items)) < 0.4)).astype(np.float32)


# --- what a history counts ------------------------------------------------------------------


def test_an_item_that_came_twice_counts_at_its_newest_place():
    assert faded(row(3, 1, 3, 1, 0), 5, 0.5).toarray().tolist() == [[1 / 16, 1 / 2, 0, 1, 0]]


def test_padding_says_nothing_and_moves_nobody_from_their_place():
    histories = np.array([[PAD, 2, PAD, 0], [PAD] * 4, [1, PAD, PAD, PAD]], np.int32)
    assert faded(histories, 3, 0.5).toarray().tolist() == [[1 / 8, 0, 1 / 2], [0, 0, 0], [0, 1, 0]]


def test_without_decay_every_item_counts_the_same():
    assert faded(row(2, 0, 2), 3, 1.0).toarray().tolist() == [[1, 0, 1]]


def test_what_is_forgotten_costs_nothing():
    # 0.03, 0.0009 and 0.000027 are above a millionth, 0.03⁴ = 0.00000081 is not.
    known = faded(np.array([[7, 6, 5, 4, 3, 2], [PAD, 1, 1, 1, 1, 0]], np.int32), 8, 0.03)
    assert known.shape == (2, 8)
    assert known.nnz == 5
    assert known.toarray()[0] == pytest.approx([0, 0, 0, 0, 2.7e-5, 9e-4, 0.03, 1])
    assert known.toarray()[1] == pytest.approx([0, 0.03, 0, 0, 0, 0, 0, 0])


# --- what pairs say -------------------------------------------------------------------------


@pytest.mark.parametrize(
    # 0.5¹⁹ is 0.0000019 and 0.5²⁰ is 0.00000095; 0.8⁶¹ and 0.8⁶² lie on both sides of a millionth as well.
    ("decay", "reach"),
    [(0.5, 20), (0.8, 62), (0.03, 4), (1e-7, 1), (0.999, 1000), (1.0, 1000)],
)
def test_pairs_reach_to_the_last_event_that_makes_a_difference(decay, reach):
    assert Pairs(sparse.csr_array((3, 3), dtype=np.float32), decay).reach == reach


def test_an_event_within_reach_is_heard_and_one_beyond_is_not():
    heard = Pairs(sparse.csr_array(np.ones((2, 2), np.float32)), 0.5)
    last, beyond = np.full((2, 1, 21), PAD, np.int32)
    last[0, heard.reach - 1] = beyond[0, heard.reach] = 1
    assert heard.scores(last).tolist() == [[0.5**19] * 2]
    assert heard.scores(beyond).tolist() == [[0, 0]]


def test_scores_are_a_slow_loop():
    weights, decay = counted(1, 11), 0.7
    histories = np.random.default_rng(2).integers(PAD, 11, (9, 6)).astype(np.int32)
    scores = Pairs(sparse.csr_array(weights), decay).scores(histories)
    assert scores.dtype == np.float32
    for n, history in enumerate(histories):
        expected, heard = np.zeros(11), set()
        for place, item in enumerate(history):
            if item != PAD and item not in heard:
                expected += decay**place * weights[item].astype(float)
                heard.add(item)
        assert scores[n] == pytest.approx(expected, abs=1e-6)


def test_alone_or_in_a_batch_a_history_is_told_the_same():
    told = Pairs(sparse.csr_array(counted(1, 67)), 0.9)
    histories = np.random.default_rng(2).integers(PAD, 67, (17, 40)).astype(np.int32)
    together = told.scores(histories)
    for n in range(17):
        np.testing.assert_array_equal(told.scores(histories[n : n + 1])[0], together[n])


def test_nobody_asks_and_nothing_is_known():
    told = Pairs(sparse.csr_array(counted(1, 5)), 0.9)
    assert told.scores(np.zeros((0, 4), np.int32)).shape == (0, 5)
    assert told.scores(np.full((2, 4), PAD, np.int32)).tolist() == [[0] * 5] * 2
    assert told.scores(np.zeros((2, 0), np.int32)).tolist() == [[0] * 5] * 2


def test_pairs_come_back_from_their_arrays(tmp_path):
    weights = counted(1, 6)
    weights[[0, 5]] = weights[:, 5] = 0  # neither the first row nor the last row and column say anything
    arrays = Pairs(sparse.csr_array(weights), 0.83).arrays()
    np.savez(tmp_path / "pairs.npz", **arrays)
    with np.load(tmp_path / "pairs.npz", allow_pickle=False) as stored:
        again = Pairs.from_arrays(stored)
    assert again.decay == 0.83
    assert again.weights.dtype == np.float32
    np.testing.assert_array_equal(again.weights.toarray(), weights)


# --- what follows what ----------------------------------------------------------------------


def slow_following(histories: Sequence[Sequence[int]], items: int, reach: int, fade: float) -> np.ndarray:
    counts = np.zeros((items, items))
    for history in histories:
        for place, before in enumerate(history):
            for distance, after in enumerate(history[place + 1 : place + 1 + reach]):
                counts[before, after] += fade**distance
    sums = counts.sum(1, keepdims=True)
    return np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)


@pytest.mark.parametrize(("reach", "fade"), [(1, 0.8), (3, 0.5), (10, 0.8), (40, 1.0)])
def test_following_is_a_slow_loop(reach, fade):
    rng = np.random.default_rng(3)
    histories = [rng.integers(0, 9, length).tolist() for length in (5, 0, 1, 14, 2, 0, 30)]
    found = following(log_of(*histories), 9, reach, fade)
    assert found.dtype == np.float32
    assert found.toarray() == pytest.approx(slow_following(histories, 9, reach, fade), abs=1e-6)


def test_what_one_user_begins_with_does_not_follow_what_another_ended_with():
    assert following(log_of([0, 1], [2], [3, 0]), 4).toarray().tolist() == [
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 0],
    ]


def test_far_away_follows_less_than_close_by_up_to_ten_events():
    # From 0 on: 1 stands one away, 2 two … and 10 ten away; 11 is out of reach.
    found = following(log_of(range(12)), 12).toarray()[0]
    steps = 0.8 ** np.arange(10)
    assert found == pytest.approx([0, *(steps / steps.sum()), 0])


@pytest.mark.parametrize("log", [log_of(), log_of([]), log_of([1]), log_of([0], [1])])
@pytest.mark.filterwarnings("error")
def test_where_nobody_did_two_things_nothing_follows(log):
    assert following(log, 2).toarray().tolist() == [[0, 0], [0, 0]]


# --- what is kept ---------------------------------------------------------------------------

SOME = np.array([[0, -3, 2, 1], [5, 0, -6, 4], [0, 0, 0, 0], [0, 0, 0, -1]], np.float32)


def kinds(weights: np.ndarray) -> list[np.ndarray | sparse.csr_array]:
    return [weights, sparse.csr_array(weights)]


@pytest.mark.parametrize("weights", kinds(SOME), ids=["dense", "sparse"])
def test_the_largest_of_each_row_are_kept_by_amount(weights, monkeypatch):
    monkeypatch.setattr(pairs, "LEAST_KEPT", 1)
    kept = heaviest(weights, 8)  # two of each of four rows
    assert kept.toarray().tolist() == [[0, -3, 2, 0], [5, 0, -6, 0], [0, 0, 0, 0], [0, 0, 0, -1]]
    assert kept.nnz == 5
    assert kept.dtype == np.float32


@pytest.mark.parametrize("weights", kinds(SOME), ids=["dense", "sparse"])
def test_where_all_fit_all_are_kept(weights, monkeypatch):
    assert heaviest(weights, 12).toarray().tolist() == SOME.tolist()
    monkeypatch.setattr(pairs, "LEAST_KEPT", 1)
    assert heaviest(weights, 12).toarray().tolist() == SOME.tolist()  # no row has more than three


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_of_each_item_32_pairs_are_kept_at_least(kind):
    amounts = np.random.default_rng(4).permuted(np.tile(np.arange(1, 41, dtype=np.float32), (40, 1)), axis=1)
    kept = heaviest(amounts if kind == "dense" else sparse.csr_array(amounts), 40).toarray()
    np.testing.assert_array_equal(kept, np.where(amounts > 40 - 32, amounts, 0))


def test_rows_stay_where_they_are_in_a_catalogue_of_more_than_one_block():
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(1030, 1030)).astype(np.float32)
    kept = heaviest(weights, 0)
    for at in (0, 1, 1023, 1024, 1029):
        expected = np.zeros(1030)
        for column in sorted(range(1030), key=lambda column: -abs(weights[at, column]))[:32]:
            expected[column] = weights[at, column]
        np.testing.assert_array_equal(kept[[at]].toarray()[0], expected)


TIES = np.array([[1, -2, 2, 2, 3], [4, 4, 4, 4, 4], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0] * 5], np.float32)


def test_dense_ties_at_the_edge_all_stay(monkeypatch):
    monkeypatch.setattr(pairs, "LEAST_KEPT", 2)
    kept = heaviest(TIES, 0)
    expected = TIES.copy()
    expected[0, 0] = 0
    assert kept.toarray().tolist() == expected.tolist()
    assert kept.nnz == 4 + 5 + 1 + 1  # what is 0 is not kept for being tied with another 0


def test_of_sparse_ties_at_the_edge_the_first_stay(monkeypatch):
    monkeypatch.setattr(pairs, "LEAST_KEPT", 2)
    kept = heaviest(sparse.csr_array(TIES), 0).toarray()
    assert kept[:2].tolist() == [[0, -2, 0, 0, 3], [4, 4, 0, 0, 0]]
    assert kept[2:].tolist() == TIES[2:].tolist()


# --- what the same people touch -------------------------------------------------------------


def planted(people: int = 60, items: int = 12) -> tuple[Interactions, np.ndarray]:
    """Some touched two items and some nearly all; (U, N) who touched what."""
    rng = np.random.default_rng(8)
    histories = [rng.permutation(items)[: rng.integers(2, items)].tolist() for _ in range(people)]
    matrix = np.zeros((people, items))
    for user, history in enumerate(histories):
        matrix[user, history] = 1
    return log_of(*histories), matrix


def test_even_ease_without_its_additions_is_ease():
    log, _ = planted()
    assert even_ease(log, 12, 7.0, dropout=0, activity=0, rarity=0) == pytest.approx(
        ease(log, 12, 7.0), abs=1e-5
    )


def test_even_ease_is_the_denoising_regression_of_weighted_people():
    """Each column by itself: ‖√w (x_j − X b)‖² + (λ + p/(1−p) G_ii) b_i², without the item itself."""
    log, people = planted()
    weights = people.sum(1) ** -0.5
    weights *= people.sum() / (weights * people.sum(1)).sum()
    both = people.T @ (weights[:, None] * people)
    found = even_ease(log, 12, 7.0, dropout=0.4, activity=0.5, rarity=0.3)
    rare = (people.sum(0) / people.sum(0).mean()) ** -0.3
    for item in range(12):
        others = np.delete(np.arange(12), item)
        held_back = np.diag(7.0 + 0.4 / 0.6 * np.diag(both)[others])
        wanted = np.linalg.solve(both[np.ix_(others, others)] + held_back, both[others, item])
        assert found[others, item] == pytest.approx(wanted * rare[item], abs=1e-5)
        assert found[item, item] == 0


def test_an_item_that_nobody_touched_is_told_nothing_by_even_ease():
    found = even_ease(log_of([0, 1], [0, 1]), 4, 10.0)
    assert np.isfinite(found).all()
    assert not found[2:].any()
    assert not found[:, 2:].any()


@pytest.mark.parametrize("fit", [ease, even_ease])
def test_a_large_table_stands_twice_in_memory_while_it_is_fitted(fit, monkeypatch):
    monkeypatch.setattr(pairs, "EXACT_ITEMS", 0)
    items = 3000
    rng = np.random.default_rng(1)
    log = Interactions.from_events(
        [f"u{n}" for n in range(400)],
        np.repeat(np.arange(400, dtype=np.int32), 10),
        rng.integers(0, items, 4000).astype(np.int32),
    )
    tracemalloc.start()
    fit(log, items, 100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.4 * 4 * items**2


def test_pairs_of_some_items_and_of_more():
    said = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]], np.float32)
    pairs = Pairs(sparse.csr_array(said), 0.5)
    assert pairs.only(np.array([2, 0], np.int32)).weights.toarray().tolist() == [[0, 5], [2, 0]]
    wider = pairs.beside(4, np.array([1, 3], np.int32)).weights.toarray()
    assert wider.tolist() == [[0, 0, 2, 0], [3, 0, 4, 0], [5, 0, 0, 0], [0, 0, 0, 0]]
    assert pairs.beside(4, np.array([3], np.int32)).weights.toarray()[:3, :3].tolist() == said.tolist()
    assert pairs.weights.toarray().tolist() == said.tolist()
