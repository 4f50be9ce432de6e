import tracemalloc

import numpy as np
import pytest

from tastemaker.data import split
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation import exam
from tastemaker.evaluation.baselines import Baseline, Ease, Markov, Popularity, all_baselines
from tastemaker.evaluation.beyond import Known
from tastemaker.evaluation.exam import FullRanking, Result, compare, examine, examine_baselines
from tastemaker.features import pairs

ITEMS = 30
NO_LISTS = np.zeros((0, 10), np.int32)


@pytest.fixture(scope="module")
def fold(log_of):
    rng = np.random.default_rng(4)
    log = log_of(*(rng.choice(ITEMS, rng.integers(1, 12), replace=False) for _ in range(40)))
    return split.leave_one_out(log, "test")


class Fixed:
    """Answers everyone with the same list."""

    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    def top(self, history, users, k):
        self.asked.append(users.tolist())
        return np.tile(np.array(self.rows[:k], np.int32), (len(users), 1))


def test_only_those_with_something_to_be_found_are_asked(log_of):
    fold = split.leave_one_out(log_of([0, 1, 2], [3], [0, 2, 1], [0, 1, 0]), "test")
    top = Fixed(2, 4)
    result = examine(top, fold, 2, 5, name="fixed")
    assert top.asked == [[0, 2]]  # one event, or a repeat of what was seen: nothing to be found
    assert result.users.tolist() == [0, 2]
    assert result.left_out == 2
    assert result.per_user["hit_rate"].tolist() == [1, 0]
    assert result.overall["coverage"] == 2 / 5


@pytest.mark.parametrize("place", range(5), ids=[baseline.name for baseline in all_baselines()])
def test_one_by_one_or_all_at_once_the_marks_are_the_same(fold, place):
    top = FullRanking(all_baselines()[place].fit(fold.train, ITEMS))
    vectors = np.random.default_rng(1).normal(size=(ITEMS, 4)).astype(np.float32)
    one, many = (
        examine(top, fold, 5, ITEMS, name="x", known=Known(vectors), block=block) for block in (1, 1000)
    )
    assert one.overall == many.overall
    assert set(one.overall) == {"coverage", "novelty", "gini", "popularity_lift", "serendipity", "diversity"}
    for metric, values in one.per_user.items():
        assert values.tolist() == many.per_user[metric].tolist()


def test_no_block_is_larger_than_the_memory_it_may_take(fold, monkeypatch):
    monkeypatch.setattr(exam, "BLOCK_BYTES", 3 * exam.BYTES_PER_SCORE * ITEMS)
    top = Fixed(*range(5))
    examine(top, fold, 5, ITEMS, name="fixed")
    assert max(map(len, top.asked)) == 3


def peak_of(users):
    """The most bytes that asking `users` people takes, of whom each has two events and one to be found."""
    each = np.arange(users, dtype=np.int32)
    ids = [f"u{user}" for user in each]
    log = Interactions.from_events(ids, np.repeat(each, 3), np.tile(np.arange(3, dtype=np.int32), users))
    fold = split.leave_one_out(log, "test")
    _ = [part.users for part in fold]  # made once, and belongs to the log
    tracemalloc.start()
    try:
        examine(Fixed(*range(9)), fold, 9, ITEMS, name="fixed", block=100, keep_lists=False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_an_exam_takes_of_a_user_is_a_number_a_metric_and_never_a_list():
    few, many = peak_of(1_000), peak_of(9_000)
    # Ten float64 are kept, some a moment longer than others, and who is asked. A list of nine takes 72 alone.
    assert (many - few) / 8_000 < 180


def test_a_full_ranking_leaves_out_what_was_seen(fold):
    rows = FullRanking(Popularity().fit(fold.train, ITEMS)).top(
        fold.history, np.arange(40, dtype=np.int32), ITEMS
    )
    for user, listed in enumerate(rows):
        assert set(listed[listed != PAD]) == set(range(ITEMS)) - set(fold.history.of(user))


def test_a_list_with_a_row_twice_gets_no_marks(fold):
    with pytest.raises(AssertionError, match="a row stands twice"):
        examine(Fixed(3, 1, 3), fold, 3, ITEMS, name="echo")


def test_a_sample_of_the_users_is_drawn_by_the_seed(fold):
    everyone = exam.asked(fold)
    first, again, other = (exam.asked(fold, 10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() == sorted(set(first.tolist()) & set(everyone.tolist()))
    assert len(first) == 10
    assert first.tolist() != other.tolist()
    assert exam.asked(fold, 10_000).tolist() == everyone.tolist()
    part = examine(Fixed(1, 2), fold, 2, ITEMS, name="fixed", users=first)
    whole = examine(Fixed(1, 2), fold, 2, ITEMS, name="fixed")
    assert part.per_user["ndcg"].tolist() == whole.per_user["ndcg"][np.isin(everyone, first)].tolist()
    assert part.left_out == 30


def test_nobody_to_ask_is_no_crash(log_of):
    fold = split.leave_one_out(log_of([0, 1]), "test")
    result = examine(Fixed(0), fold, 1, 2, name="fixed")
    assert np.isnan(result.mean("ndcg"))
    report = compare([result], np.random.default_rng(0), models=["fixed"])
    assert report.users_asked == 0
    assert report.line("fixed").marks["ndcg"].mean is None


def test_a_baseline_that_refuses_is_listed_with_its_reason(fold, monkeypatch):
    monkeypatch.setattr(pairs, "EASE_ITEMS", 10)
    baselines: list[Baseline] = [Popularity(), Ease()]
    results, skipped = examine_baselines(baselines, fold, 5, ITEMS)
    assert [result.name for result in results] == ["popularity"]
    assert skipped[0].name == "ease"
    assert skipped[0].reason.startswith("30 items are more than 10")


def result_of(name, marks, users=None):
    marks = np.asarray(marks, float)
    users = np.arange(len(marks), dtype=np.int32) if users is None else users
    return Result(name, 10, users, 0, {"ndcg": marks, "hit_rate": marks}, {"coverage": 0.5}, 0.1, NO_LISTS)


def test_a_model_is_tested_against_the_best_baseline_on_the_same_users():
    rng = np.random.default_rng(3)
    hard = rng.random(300)
    results = [
        result_of("ours", hard + 0.05 + rng.normal(0, 0.1, 300)),
        result_of("weak", hard - 0.3),
        result_of("strong", hard),
    ]
    report = compare(results, np.random.default_rng(1), models=["ours"])
    (contest,) = report.contests
    assert (contest.ours, contest.theirs, contest.metric, contest.verdict) == (
        "ours",
        "strong",
        "ndcg",
        "better",
    )
    gain = results[0].per_user["ndcg"] - hard
    half = 1.96 * gain.std() / np.sqrt(300)
    assert contest.difference.mean == pytest.approx(gain.mean())
    assert contest.difference.low == pytest.approx(gain.mean() - half, abs=0.002)
    assert [line.is_baseline for line in report.lines] == [False, True, True]


@pytest.mark.parametrize(("shift", "verdict"), [(-0.1, "worse"), (0.0, "no difference can be shown")])
def test_a_model_can_be_worse_or_no_different(shift, verdict):
    rng = np.random.default_rng(5)
    base = rng.random(300)
    noise = rng.normal(0, 0.1, 300)
    results = [result_of("ours", base + shift + noise - noise.mean()), result_of("base", base)]
    (contest,) = compare(results, rng, models=["ours"]).contests
    assert contest.verdict == verdict


def test_two_models_are_also_tested_against_each_other():
    marks = np.random.default_rng(1).random(50)
    results = [result_of("new", marks + 0.1), result_of("old", marks), result_of("base", marks - 0.1)]
    contests = compare(results, np.random.default_rng(0), models=["new", "old"]).contests
    assert [(c.ours, c.theirs) for c in contests] == [("new", "base"), ("old", "base"), ("new", "old")]


def test_the_same_rng_gives_the_same_report(fold):
    results, _ = examine_baselines([Popularity(), Markov()], fold, 5, ITEMS)
    first, again = (compare(results, np.random.default_rng(1), models=["markov"]) for _ in range(2))
    assert first == again


def test_results_of_other_users_are_not_compared():
    results = [result_of("a", [1, 0]), result_of("b", [1, 0], users=np.array([0, 2], np.int32))]
    with pytest.raises(ValueError, match="same users"):
        compare(results, np.random.default_rng(0))
