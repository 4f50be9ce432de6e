import itertools
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.split import Fold
from tastemaker.errors import DataError
from tastemaker.evaluation.exam import Result
from tastemaker.evaluation.judge import Marked
from tastemaker.evaluation.people import by_people, falling_behind
from tastemaker.evaluation.report import Report
from tastemaker.recipe import Column, Role
from tastemaker.recommend import Recommender

ROLES = {"id": Role.ID, "country": Role.CATEGORY, "likes": Role.CATEGORIES, "age": Role.NUMBER}


@pytest.fixture
def report_of(by_hand, log_of):
    """`report_of(column, ndcg, lengths, country=[…])`: of people with these marks, histories and columns;
    the last `strangers` of them aren't in the users file."""

    def build(by, ndcg, lengths=None, strangers=0, **columns):
        count = len(ndcg)
        history = log_of(*([0] * length for length in (lengths or [1] * count)))
        ids = [f"u{n}" for n in range(count - strangers)]
        schema = {"id": pl.String, "country": pl.String, "likes": pl.List(pl.String), "age": pl.Float64}
        frame = pl.DataFrame({"id": ids, **columns}, schema={name: schema[name] for name in ["id", *columns]})
        users = Catalogue(frame, tuple(Column(name=name, role=ROLES[name]) for name in frame.columns))
        marks = {"ndcg": np.array(ndcg, float), "recall": np.array(ndcg, float) / 2}
        asked = np.arange(count, dtype=np.int32)
        ours = Result("x", 10, asked, 0, marks, {}, 0.1, np.zeros((count, 10), np.int32))
        exam = Marked(Report(10, "", count, 0, ()), ours, Fold(history, history, history))
        return by_people(Recommender(replace(by_hand, users=users)), exam, by)

    return build


def test_each_group_has_the_mean_of_its_own(report_of):
    ndcg = [0.1] * 20 + [0.5] * 30
    report = report_of("country", ndcg, country=["KR"] * 20 + ["US"] * 30)
    assert [(line.name, line.users) for line in report.lines] == [("US", 30), ("KR", 20)]  # the largest first
    us, kr = report.lines
    assert (us.marks["ndcg"].mean, us.marks["recall"].mean) == pytest.approx((0.5, 0.25))
    assert kr.marks["ndcg"].mean == pytest.approx(0.1)


def test_the_worst_served_is_named_where_intervals_lie_apart(report_of):
    rng = np.random.default_rng(1)
    ndcg = [*rng.uniform(0.0, 0.4, 150), *rng.uniform(0.3, 0.7, 150)]
    report = report_of("country", ndcg, country=["KR"] * 150 + ["US"] * 150)
    assert (report.worst, report.is_worst_sure) == ("KR", True)
    assert report.chance == pytest.approx(1 / 1001)  # of a thousand shuffles none
    (note,) = report.notes()
    assert note.startswith("Worst served: KR, NDCG@10 0.")
    assert note.endswith("one is so far behind 0.1% of the time.")


def test_where_intervals_overlap_nobody_is_called_worst_served(report_of):
    """The same law for all: of 40 worlds no more than a few name anybody, though one group is always last."""
    named = 0
    for seed in range(40):
        ndcg = np.random.default_rng(seed).uniform(0, 1, 120)
        report = report_of("country", ndcg, country=["A", "B", "C", "D"] * 30)
        assert report.worst is not None
        named += report.is_worst_sure
        assert report.notes()[0].startswith("Worst served" if report.is_worst_sure else "It can't be shown")
    assert named <= 4


def test_a_few_who_got_nothing_are_no_proof(report_of):
    """Where three in four get nothing, a dozen of a kind may."""
    ndcg = [0.0] * 12 + [0.0, 0.0, 0.0, 0.8] * 27
    report = report_of("country", ndcg, country=["KR"] * 12 + list("ABCDEFGHI") * 12)
    assert report.worst == "KR"
    low, high = next(
        (line.marks["ndcg"].low, line.marks["ndcg"].high) for line in report.lines if line.name == "KR"
    )
    assert low == 0
    assert high == pytest.approx(stats.beta.ppf(0.975, 0.5, 12.5), abs=0.02)  # Jeffreys's, of 0 of 12
    assert not report.is_worst_sure


def test_the_chance_of_falling_behind_is_that_of_all_orders_there_are():
    values, member = np.array([0.0, 0.1, 0.2, 0.6, 0.9]), np.array([[1, 0]] * 2 + [[0, 1]] * 3, bool)
    found = falling_behind(values, member, 0, np.random.default_rng(3), 4000)
    # One of the two groups is behind by as much as they differ; of ten ways to choose the pair, how many do?
    gaps = [abs(np.mean(pair) - (values.sum() - sum(pair)) / 3) for pair in itertools.combinations(values, 2)]
    slow = np.mean([gap >= gaps[0] - 1e-9 for gap in gaps])
    assert found == pytest.approx(slow, abs=0.02)


def test_activity_is_by_thirds_of_the_length_of_a_history(report_of):
    lengths = [*range(1, 21), *range(30, 50), *range(100, 120)]
    order = np.random.default_rng(2).permutation(60)
    ndcg = np.repeat([0.2, 0.4, 0.6], 20)[order]
    report = report_of("activity", ndcg, [lengths[place] for place in order])
    assert [(line.name, line.users) for line in report.lines] == [
        ("light", 20),
        ("middle", 20),
        ("heavy", 20),
    ]
    assert [line.marks["ndcg"].mean for line in report.lines] == pytest.approx([0.2, 0.4, 0.6])
    assert "light: 1 to 20, middle: 30 to 49, heavy: 100 to 119 events known when asked." in report.notes()


def test_equal_histories_stay_together(report_of):
    report = report_of("activity", [0.5] * 60, [1] * 45 + [2] * 15)
    assert [(line.name, line.users) for line in report.lines] == [("light", 45), ("heavy", 15)]


def test_numbers_are_cut_into_thirds_and_who_has_none_is_unknown(report_of):
    ages = [float(age) for age in range(10, 46)] + [None] * 10
    report = report_of("age", [0.5] * 56, strangers=10, age=ages)
    assert [(line.name, line.users) for line in report.lines] == [
        ("10 to 21", 12),
        ("22 to 33", 12),
        ("34 to 45", 12),
        ("unknown", 20),
    ]


def test_one_person_may_be_of_several_groups_and_small_ones_are_put_together(report_of):
    likes = [["jazz", "folk"]] * 10 + [["jazz"]] * 15 + [["tango"], ["polka"], []] * 3
    report = report_of("likes", [0.5] * 34, likes=likes)
    assert [(line.name, line.users) for line in report.lines] == [("jazz", 25), ("folk", 10), ("others", 9)]


def test_what_nobody_knows_of_people_is_refused(report_of):
    with pytest.raises(DataError, match=r"Nothing called 'contry' .* Did you mean 'country'"):
        report_of("contry", [0.5] * 12, country=["A"] * 12)
    with pytest.raises(DataError, match="There are country, activity"):
        report_of("xyz", [0.5] * 12, country=["A"] * 12)


def test_one_group_alone_is_not_worse_than_others(report_of):
    report = report_of("country", [0.5] * 12, country=["A"] * 12)
    assert report.worst is None
    assert "one group only" in report.notes()[0]
    json.dumps(report.as_json(), allow_nan=False)


def test_as_a_part_of_a_report_a_sure_worst_is_an_alarm(report_of):
    sure = report_of("country", [0.1] * 100 + [0.5] * 100, country=["KR"] * 100 + ["US"] * 100).section()
    assert (sure.verdict, sure.lead[:16]) == ("alarm", "Worst served: KR")
    assert [row[:2] for row in sure.tables[0].rows] == [["KR", "100"], ["US", "100"]]
    assert list(sure.tables[0].strong) == [0]
    alike = report_of("country", [0.1, 0.5] * 50, country=["KR", "KR", "US", "US"] * 25).section()
    assert alike.verdict == "good"
