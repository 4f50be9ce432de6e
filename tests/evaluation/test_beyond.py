import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import leave_one_out
from tastemaker.evaluation import metrics
from tastemaker.evaluation.baselines import Popularity
from tastemaker.evaluation.beyond import Known
from tastemaker.evaluation.exam import FullRanking, examine
from tastemaker.rerank.calibration import mix
from tastemaker.rerank.facts import Groups

COUNTS = np.array([9, 7, 7, 3, 0])


def surprises(rows, targets, history, counts, k=2):
    return metrics.serendipity(metrics.Found.of(rows, targets, k), rows, history, counts)


def test_a_hit_that_popularity_would_have_shown_is_no_surprise(log_of):
    rows = np.array([[0, 3], [2, 1], [3, 4], [1, 0]], np.int32)
    targets = log_of([0, 3], [2, 1], [0], [])
    # 0 and 1 are expected, of the equally popular the smaller row: two hits with one surprise; 2 is one too;
    # nothing found; nothing to be found.
    told = surprises(rows, targets, log_of([], [], [], []), COUNTS)
    assert told[:3] == pytest.approx([1 / 2, 1 / 2, 0])
    assert np.isnan(told[3])


def test_what_a_person_has_seen_makes_room_for_the_next_popular(log_of):
    rows = np.array([[2, 3], [3, 2]], np.int32)
    targets = log_of([2, 3], [2, 3])
    # Who has seen 0 is expected to be shown 1 and 2; who has seen 0, 1 (twice): 2 and 3.
    history = log_of([0], [0, 1, 1])
    assert surprises(rows, targets, history, COUNTS) == pytest.approx([1 / 2, 0])


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 9999), items=st.integers(1, 20), k=st.integers(1, 25))
def test_serendipity_is_precision_less_what_popularity_lists_have_in_common_with_it(seed, items, k):
    rng = np.random.default_rng(seed)

    def log(most):
        some = [rng.choice(items, rng.integers(0, most + 1)) for _ in range(5)]
        users = np.repeat(np.arange(5, dtype=np.int32), [len(rows) for rows in some])
        return Interactions.from_events(list("abcde"), users, np.concatenate(some).astype(np.int32))

    train, history, targets = log(items), log(items), log(items)
    rows = np.full((5, k), PAD, np.int32)
    for user in range(5):
        own = rng.permutation(np.setdiff1d(np.arange(items), history.of(user)))[: rng.integers(0, k + 1)]
        rows[user, : len(own)] = own
    usual = FullRanking(Popularity().fit(train, items)).top(history, np.arange(5, dtype=np.int32), k)
    told = surprises(rows, targets, history, train.counts(items), k)
    for user in range(5):
        wanted = set(targets.of(user).tolist())
        if not wanted or not train.size:
            assert np.isnan(told[user])
        else:
            hits = wanted & set(rows[user].tolist())
            assert told[user] == pytest.approx(len(hits - set(usual[user].tolist())) / k)


def test_half_of_all_places_show_what_is_of_the_median_age_or_younger():
    ages = np.array([100.0, 1.0, 10.0, np.nan])
    assert metrics.median_age(np.array([1, 1, 1, 9]), ages) == 10  # 1, 10, 100; nobody knows the last
    assert metrics.median_age(np.array([3, 1, 1, 0]), ages) == 100  # 1, 10, 100, 100, 100
    assert metrics.median_age(np.array([1, 2, 1, 0]), ages) == 1  # 1, 1, 10, 100: the lower of the middle two
    assert math.isnan(metrics.median_age(np.array([0, 0, 0, 4]), ages))


def divergence(own, shown):
    """KL(p ‖ q̃) in nats, with q̃ = 0.99 q + 0.01 p, of two mixes of groups (Steck, RecSys 2018)."""
    there = own > 0
    p, q = own[there], shown[there]
    return float(p @ np.log(p / (0.99 * q + 0.01 * p)))


def test_a_mix_that_is_the_own_one_is_no_divergence_and_one_that_shares_nothing_the_log_of_a_hundred():
    assert divergence(np.array([0.7, 0.3]), np.array([0.7, 0.3])) == pytest.approx(0, abs=1e-12)
    assert divergence(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(math.log(100))
    assert divergence(np.array([1.0, 0]), np.array([0.0, 0])) == pytest.approx(math.log(100))
    # Steck's example in small: 0.5 log(0.5 / (0.99 + 0.005)) + 0.5 log(0.5 / 0.005)
    told = 0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(100)
    assert divergence(np.array([0.5, 0.5]), np.array([1.0, 0])) == pytest.approx(told)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), groups=st.integers(1, 5), at_once=st.sampled_from([2, 2**20]))
def test_miscalibration_is_that_of_the_rule_one_by_one(seed, groups, at_once):
    rng = np.random.default_rng(seed)
    of = Groups.of([[f"g{g}" for g in rng.choice(groups, rng.integers(0, 3))] for _ in range(9)])
    lengths = rng.integers(0, 6, 7)
    history = Interactions.from_events(
        [f"u{u}" for u in range(7)],
        np.repeat(np.arange(7, dtype=np.int32), lengths),
        rng.integers(0, 9, lengths.sum()).astype(np.int32),
    )
    rows = rng.integers(-1, 9, (7, 4)).astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "MIXES_AT_ONCE", at_once)
        told = metrics.miscalibration(rows, history, of)
    for user, (shown, touched) in enumerate(zip(rows, history, strict=True)):
        own = mix(of, touched)
        if own.any() and (shown != PAD).any():
            assert told[user] == pytest.approx(divergence(own, mix(of, shown[shown != PAD])), abs=1e-12)
        else:
            assert np.isnan(told[user])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), k=st.integers(1, 8))
def test_ranks_say_where_each_target_stands(seed, k):
    rng = np.random.default_rng(seed)
    rows = np.full((4, 6), PAD, np.int32)
    for line in rows:
        count = rng.integers(0, 7)
        line[:count] = rng.permutation(9)[:count]
    lengths = rng.integers(0, 5, 4)
    targets = Interactions.from_events(
        list("abcd"),
        np.repeat(np.arange(4, dtype=np.int32), lengths),
        rng.integers(0, 9, lengths.sum()).astype(np.int32),
    )
    ranks = metrics.ranks(rows, targets, k)
    for user, row, rank in zip(targets.users, targets.rows, ranks, strict=True):
        shown = rows[user, :k].tolist()
        assert rank == (shown.index(row) + 1 if row in shown else 0)


def test_an_exam_measures_what_is_known_and_no_more(log_of):
    fold = leave_one_out(log_of([0, 1, 2], [1, 2, 3], [2, 0, 3]), "test")
    top = FullRanking(Popularity().fit(fold.train, 5))
    bare = examine(top, fold, 2, 5, name="x")
    assert set(bare.overall) == {"coverage", "novelty", "gini", "popularity_lift", "serendipity"}
    known = Known(
        vectors=np.eye(5, dtype=np.float32),
        age_days=np.arange(5.0),
        groups=Groups.of([["a"], ["b"], ["a"], ["b"], ["a"]]),
    )
    full = examine(top, fold, 2, 5, name="x", known=known, keep_lists=False)
    assert set(full.overall) - set(bare.overall) == {"diversity", "age_days", "miscalibration"}
    assert full.overall["diversity"] == pytest.approx(1)
    assert len(full.rows) == 0
    assert full.ranks is not None
    assert full.ranks.tolist() == bare.ranks.tolist()
