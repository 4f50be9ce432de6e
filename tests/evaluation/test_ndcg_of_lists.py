import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.data.interactions import Interactions
from tastemaker.evaluation import metrics
from tastemaker.evaluation.lists import ndcg_of_lists

pytestmark = pytest.mark.filterwarnings("error")

LISTS = np.array([0, 0, 0, 1, 1, 2], np.int32)


def ndcg(scores: list[float], gains: list[float], k: int = 10, relevant: list[int] | None = None) -> list:
    due = None if relevant is None else np.array(relevant)
    return ndcg_of_lists(LISTS, np.array(scores, np.float32), np.array(gains, np.float32), k, due).tolist()


def test_what_was_chosen_counts_by_where_its_score_puts_it():
    # First list: order b, c, a, and a was chosen: 1 / log2(4) of 1. Second: the first of two. Third: nothing.
    found = ndcg([1, 3, 2, 5, 4, 0], [1, 0, 0, 1, 0, 0])
    assert found[:2] == pytest.approx([0.5, 1])
    assert math.isnan(found[2])


def test_gains_of_any_size_are_measured_by_the_best_order_of_their_own():
    # Gains 2 and 4 at places 1 and 3, and 4 before 2 would be best.
    ours, best = 2 + 4 / math.log2(4), 4 + 2 / math.log2(3)
    assert ndcg([3, 2, 1, 1, 0, 0], [2, 0, 4, 0, 0, 0])[0] == pytest.approx(ours / best)


def test_what_retrieval_did_not_find_counts_against_the_list():
    found = ndcg([3, 2, 1, 5, 4, 0], [1, 0, 0, 0, 0, 0], relevant=[2, 1, 0])
    assert found[:2] == pytest.approx([1 / (1 + 1 / math.log2(3)), 0])
    assert math.isnan(found[2])


def test_places_behind_k_win_nothing_and_no_more_than_k_could_be_won():
    assert ndcg([3, 2, 1, 5, 4, 0], [0, 0, 1, 1, 1, 1], k=2, relevant=[1, 9, 1]) == pytest.approx([0, 1, 1])


def test_ties_stand_as_they_come():
    assert ndcg([0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1])[0] == pytest.approx(1 / math.log2(3))


def test_a_list_without_a_place_counts_where_something_was_to_be_found():
    lists, gains = np.array([0, 2], np.int32), np.ones(2, np.float32)
    found = ndcg_of_lists(lists, gains, gains, 10, np.array([1, 1, 1]))
    assert found.tolist() == [1, 0, 1]
    assert not len(ndcg_of_lists(lists[:0], gains[:0], gains[:0], 10))


@given(seed=some.integers(0, 999), k=some.integers(1, 12))
@settings(deadline=None, max_examples=50)
def test_it_is_the_exams_ndcg(seed, k):
    rng = np.random.default_rng(seed)
    people, items = 6, 9
    scores = rng.random((people, items)).astype(np.float32)
    targets = [
        rng.choice(items, rng.integers(1, items), replace=False).astype(np.int32) for _ in range(people)
    ]
    users = np.repeat(np.arange(people, dtype=np.int32), [len(rows) for rows in targets])
    log = Interactions.from_events([f"u{n}" for n in range(people)], users, np.concatenate(targets))
    gains = np.array([np.isin(np.arange(items), rows) for rows in targets], np.float32)
    order = np.argsort(-scores, axis=1, kind="stable").astype(np.int32)
    padded = np.pad(order, ((0, 0), (0, max(0, k - items))), constant_values=-1)[:, :k]
    lists = np.repeat(np.arange(people, dtype=np.int32), items)
    relevant = np.array([len(rows) for rows in targets])
    for due in (None, relevant):  # all there was stands in these lists
        ours = ndcg_of_lists(lists, scores.ravel(), gains.ravel(), k, due)
        assert ours == pytest.approx(metrics.ndcg(padded, log, k))
