import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation import metrics
from tastemaker.hits import best
from tastemaker.rerank.facts import Groups

# One user; 1, 4 and 9 should be found. The list finds 4 second and 1 fourth.
LIST = np.array([[7, 4, 3, 1, 8]], np.int32)


@pytest.fixture
def wanted(log_of):
    return log_of([1, 4, 9])


def top_k(scores, seen, k):
    return best(np.array(scores), k, seen).rows


def test_precision_is_hits_over_k(wanted):
    assert metrics.precision(LIST, wanted, 5) == pytest.approx([2 / 5])
    assert metrics.precision(LIST, wanted, 2) == pytest.approx([1 / 2])


def test_precision_of_a_short_list_is_still_over_k(wanted):
    assert metrics.precision(np.array([[4, PAD, PAD]], np.int32), wanted, 10) == pytest.approx([1 / 10])


def test_recall_is_hits_over_all_relevant(wanted):
    assert metrics.recall(LIST, wanted, 5) == pytest.approx([2 / 3])


def test_hit_rate_is_whether_anything_was_found(wanted):
    assert metrics.hit_rate(LIST, wanted, 5) == pytest.approx([1])
    assert metrics.hit_rate(LIST, wanted, 1) == pytest.approx([0])


def test_ndcg_has_an_ideal_list_cut_at_k_or_at_all_relevant(wanted):
    found = 1 / math.log2(3) + 1 / math.log2(5)
    assert metrics.ndcg(LIST, wanted, 5) == pytest.approx([found / (1 + 1 / math.log2(3) + 1 / math.log2(4))])
    assert metrics.ndcg(LIST, wanted, 2) == pytest.approx([(1 / math.log2(3)) / (1 + 1 / math.log2(3))])


def test_average_precision_is_over_the_smaller_of_k_and_all_relevant(wanted):
    assert metrics.average_precision(LIST, wanted, 5) == pytest.approx([(1 / 2 + 2 / 4) / 3])
    assert metrics.average_precision(LIST, wanted, 2) == pytest.approx([(1 / 2) / 2])


def test_reciprocal_rank_is_that_of_the_first_hit(wanted):
    assert metrics.reciprocal_rank(LIST, wanted, 5) == pytest.approx([1 / 2])
    assert metrics.reciprocal_rank(LIST, wanted, 1) == pytest.approx([0])


@pytest.mark.parametrize("metric", metrics.PER_USER.values(), ids=metrics.PER_USER)
def test_a_user_with_nothing_to_be_found_has_no_number(log_of, metric):
    values = metric(np.array([[0], [0]], np.int32), log_of([], [0]), 1)
    assert np.isnan(values[0])
    assert values[1] == 1


@pytest.mark.parametrize("metric", metrics.PER_USER.values(), ids=metrics.PER_USER)
def test_an_empty_list_finds_nothing(log_of, metric):
    assert metric(np.full((2, 3), PAD, np.int32), log_of([0], [5]), 3).tolist() == [0, 0]
    assert metric(np.zeros((2, 0), np.int32), log_of([0], [5]), 3).tolist() == [0, 0]


@pytest.mark.parametrize("metric", metrics.PER_USER.values(), ids=metrics.PER_USER)
def test_a_target_that_stands_twice_is_one_target(log_of, metric):
    rows = np.array([[3, 2, 0]], np.int32)
    assert metric(rows, log_of([2, 2, 5]), 3) == pytest.approx(metric(rows, log_of([2, 5]), 3))


def test_padding_is_never_the_last_item_of_the_user_before(log_of):
    # Rows are looked up as user * items + row: PAD of user 1 would fall on item 5 of user 0.
    assert not metrics.hits(np.array([[0], [PAD]], np.int32), log_of([5], [4]), 1).any()


@pytest.mark.slow  # ranx compiles itself for half a minute
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 5, 10])
def test_the_metrics_agree_with_ranx(log_of, seed, k):
    ranx = pytest.importorskip("ranx", reason="the oracle for metrics is not installed")
    rng = np.random.default_rng(seed)
    users, items = 40, 25
    targets = log_of(*(rng.choice(items, rng.integers(1, 14), replace=False) for _ in range(users)))
    scores = rng.integers(0, 6, (users, items)).astype(np.float32)  # many ties
    seen = [rng.choice(items, rng.integers(0, items - 1), replace=False) for _ in range(users)]  # short lists
    rows = top_k(scores, seen, k)
    # ranx gets scores without ties, in the order promised: it breaks ties in its own way.
    run = {
        f"u{user:02}": {str(row): float(items - place) for place, row in enumerate(listed) if row != PAD}
        for user, listed in enumerate(rows)
    }
    relevant = {f"u{user:02}": {str(row): 1 for row in targets.of(user)} for user in range(users)}
    theirs = ranx.evaluate(
        ranx.Qrels(relevant),
        ranx.Run(run),
        [f"{name}@{k}" for name in ("precision", "recall", "hit_rate", "ndcg", "map", "mrr")],
        return_mean=False,
    )
    wanted = metrics.relevant_counts(targets)
    lengths = (rows != PAD).sum(1)
    # One of its conventions differs: map divides by |relevant|, where we do by min(k, |relevant|).
    theirs = {name.split("@")[0]: np.asarray(values) for name, values in theirs.items()}
    theirs["map"] = theirs["map"] * wanted / np.minimum(k, wanted)
    assert (lengths < k).any() or k == 1
    for name, metric in metrics.PER_USER.items():
        assert metric(rows, targets, k) == pytest.approx(theirs[name], abs=1e-9), name


def test_coverage_is_the_share_of_the_catalogue_shown_to_anyone():
    assert metrics.coverage(np.array([[0, 1], [1, PAD]], np.int32), 8) == 2 / 8
    assert metrics.coverage(np.full((2, 3), PAD, np.int32), 8) == 0


def test_diversity_is_the_mean_pairwise_distance():
    vectors = np.array([[2, 0], [0, 3], [1, 1]], np.float32)  # of any length: only directions count
    half = 1 - math.sqrt(0.5)
    lists = np.array([[0, 1, 2], [0, 1, PAD], [2, PAD, PAD]], np.int32)
    # (0,1) are at 1, (0,2) and (1,2) at 1 - cos 45°; a list of one has no pairs.
    assert metrics.diversity(lists, vectors) == pytest.approx(((1 + half + half) / 3 + 1) / 2)
    assert math.isnan(metrics.diversity(lists[2:], vectors))


def test_novelty_is_the_bits_that_popularity_leaves():
    counts = np.array([4, 2, 2, 0])
    lists = np.array([[0, 1], [2, PAD], [PAD, PAD]], np.int32)  # 1 and 2 bits; 2 bits; nothing shown
    assert metrics.novelty(lists, counts) == pytest.approx((1.5 + 2) / 2)
    assert metrics.novelty(np.array([[3]], np.int32), counts) == pytest.approx(
        3
    )  # never seen: as one of eight


def test_gini_is_nothing_when_all_are_shown_alike_and_most_when_one_is():
    assert metrics.gini(np.array([[0, 1], [2, 3]], np.int32), 4) == pytest.approx(0)
    assert metrics.gini(np.array([[2], [2]], np.int32), 4) == pytest.approx(3 / 4)
    # Shown 0, 0, 1 and 3 times: (-3·0 - 1·0 + 1·1 + 3·3) / (4·4).
    assert metrics.gini(np.array([[0, 1], [0, PAD], [0, PAD]], np.int32), 4) == pytest.approx(10 / 16)


def test_popularity_lift_is_how_much_more_popular_the_lists_are_than_the_histories(log_of):
    counts = np.array([10, 4, 2])
    history = log_of([1, 2], [2], [])  # means 3 and 2; nobody knows what the third watched
    lists = np.array([[0, PAD], [1, 0], [0, 1]], np.int32)  # means 10 and 7
    assert metrics.popularity_lift(lists, history, counts) == pytest.approx((8.5 - 2.5) / 2.5)


def test_a_tie_goes_to_the_smaller_row():
    assert top_k(np.array([[1, 3, 3, 0, 3]], np.float32), [[]], 2).tolist() == [[1, 2]]
    assert top_k(np.array([[-0.0, 0.0]], np.float32), [[]], 2).tolist() == [[0, 1]]


def test_what_is_seen_infinitely_bad_or_not_a_number_never_comes_back():
    scores = np.array([[5, np.nan, -np.inf, np.inf, -2]], np.float32)
    assert top_k(scores, [[0]], 4).tolist() == [[3, 4, PAD, PAD]]
    assert np.isnan(scores[0, 1])  # and the caller's scores stay as they were
    last_is_best = np.array([[1, 5]], np.float32)
    assert top_k(last_is_best, [[PAD]], 2).tolist() == [[1, 0]]


def test_there_can_be_no_users_no_items_and_nothing_left():
    assert top_k(np.zeros((0, 4), np.float32), [], 3).shape == (0, 3)
    assert top_k(np.zeros((1, 0), np.float32), [[]], 2).tolist() == [[PAD, PAD]]
    assert top_k(np.zeros((1, 1), np.float32), [[0]], 1).tolist() == [[PAD]]


@given(seed=st.integers(0, 9999), items=st.integers(1, 30), k=st.integers(1, 40), levels=st.integers(1, 9))
def test_top_k_is_a_sort(seed, items, k, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels, (3, items)).astype(np.float32) / 7
    seen = [rng.choice(items, rng.integers(0, items + 1), replace=False) for _ in range(3)]
    rows = top_k(scores, seen, k)
    for query in range(3):
        left = [row for row in range(items) if row not in seen[query]]
        best = sorted(left, key=lambda row: (-scores[query, row], row))[:k]
        assert rows[query].tolist() == best + [PAD] * (k - len(best))


def test_miscalibration_is_the_divergence_of_a_lists_mix_from_the_persons_own():
    groups = Groups.of([["drama"], ["comedy"], ["drama", "comedy"], []])
    history = Interactions.from_events(
        ["a", "b", "c", "d"], np.array([0, 0, 1, 2, 3], np.int32), np.array([0, 1, 0, 3, 0], np.int32), None
    )
    rows = np.array([[2, PAD], [1, 3], [0, 1], [PAD, PAD]], np.int32)
    found = metrics.miscalibration(rows, history, groups)
    # Half and half, told by one item of both; drama alone, and none in the list; nothing known; no list.
    assert found[:2] == pytest.approx([0, math.log(100)], abs=1e-12)
    assert np.isnan(found[2:]).all()
    # 3/4 of drama: 0.5 log(0.5 / (0.99 · 0.75 + 0.005)) + 0.5 log(0.5 / (0.99 · 0.25 + 0.005))
    told = metrics.miscalibration(np.array([[0, 2]] * 4, np.int32), history, groups)[0]
    assert told == pytest.approx(0.5 * math.log(0.5 / 0.7475) + 0.5 * math.log(0.5 / 0.2525))
