import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.evaluation.exam import Result
from tastemaker.evaluation.judge import Marked
from tastemaker.evaluation.report import Mark, Report
from tastemaker.evaluation.segments import Segment, Segments, segments
from tastemaker.recipe import Column, Role
from tastemaker.recommend import Recommender

PEOPLE = 200


@pytest.fixture
def told(by_hand):
    """`told(ours, theirs, rows, ranks, their_ranks)`: segments of 200 people, u0 to u199, the even ones from
    A, whose NDCG is given; person u asks for `rows[u]`, found at these ranks."""

    def build(ours, theirs, rows=None, ranks=None, their_ranks=None, times=None):
        asked = np.arange(PEOPLE, dtype=np.int32)
        ids = [f"u{n}" for n in asked]
        times = asked.astype(float) if times is None else times
        history = Interactions.from_events(ids, asked, np.zeros(PEOPLE, np.int32), times, is_clock=True)
        rows = [[1]] * PEOPLE if rows is None else rows
        users = np.repeat(asked, [len(own) for own in rows])
        targets = Interactions.from_events(ids, users, np.concatenate(rows).astype(np.int32))
        frame = pl.DataFrame({"id": ids, "country": ["A", "B"] * (PEOPLE // 2)})
        roles = (Column(name="id", role=Role.ID), Column(name="country", role=Role.CATEGORY))

        def result(name, marks, found):
            marks = np.broadcast_to(np.asarray(marks, float), PEOPLE)
            found = np.zeros(targets.size) if found is None else np.asarray(found)
            none = np.zeros((0, 10), np.int32)
            return Result(name, 10, asked, 0, {"ndcg": marks}, {}, 0.1, none, found.astype(np.uint16))

        exam = Marked(
            Report(10, "", PEOPLE, 0, ()), result("x", ours, ranks), Fold(history, history, targets)
        )
        recommender = Recommender(replace(by_hand, users=Catalogue(frame, roles)))
        return segments(recommender, exam, None if theirs is None else result("y", theirs, their_ranks))

    return build


def line(found, by, name):
    return next(line for line in found.lines if (line.by, line.name) == (by, name))


def test_who_is_served_worse_than_by_the_rival_is_told_and_who_is_not_is_not(told):
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.05, PEOPLE)
    theirs = np.full(PEOPLE, 0.5)
    ours = theirs + noise + np.where(np.arange(PEOPLE) % 2, 0.0, -0.2)  # A loses; B has nothing but noise
    found = told(ours, theirs)
    a, b = line(found, "country", "A"), line(found, "country", "B")
    assert (a.people, a.verdict, a.is_sure) == (100, "worse", True)
    assert a.ours.mean == pytest.approx(ours[::2].mean())
    half = 1.96 * ours[::2].std() / 10
    assert a.difference.low == pytest.approx(ours[::2].mean() - 0.5 - half, abs=0.003)
    assert (b.verdict, b.is_sure) == ("no difference can be shown", False)
    section = found.section()
    assert section.verdict == "alarm"
    assert "It loses for: " in section.lead
    assert "country A" in section.lead


def test_items_are_marked_by_the_share_of_their_targets_found_and_intervals_are_over_people(told):
    """Half the people have ten targets each, all found or none: a hundred people's word, not a thousand's."""
    rng = np.random.default_rng(3)
    lucky = rng.random(PEOPLE) < 0.5
    rows = [[2] * 10 if user % 2 else [1] for user in range(PEOPLE)]
    ranks = np.concatenate([np.full(len(own), 3 * lucky[user]) for user, own in enumerate(rows)])
    found = told(0.5, None, rows, ranks)
    lines = [line for line in found.lines if line.of == "items" and line.by == "popularity"]
    assert sum(line.targets for line in lines) == 100 + 1000
    whole = sum(line.ours.mean * line.targets for line in lines)
    assert whole == pytest.approx((ranks > 0).sum())
    most = max(lines, key=lambda line: line.targets)
    width = most.ours.high - most.ours.low
    assert width > 2 * 1.96 * 0.5 / np.sqrt(200)  # of targets alone it would be 0.06; of people it is 0.2


def test_late_comers_stand_beside_the_rest(told):
    ours = np.where(np.arange(PEOPLE) > 150, 0.1, 0.6)
    found = told(ours, None)
    late, early = line(found, "first seen", "late"), line(found, "first seen", "early")
    assert late.people + early.people == PEOPLE
    assert late.people == 66  # the newest third
    assert late.ours.mean == pytest.approx(ours[-66:].mean())


def test_a_segment_of_a_few_has_no_line_and_is_counted(told):
    rows = [[1]] * (PEOPLE - 3) + [[2]] * 3
    found = told(0.5, 0.5, rows)
    assert all(line.people >= 10 for line in found.lines)
    assert found.left_out >= 1
    assert found.section().verdict == "unclear"  # no difference anywhere


def test_it_is_plain_values_and_pictures(told):
    found = told(0.5, 0.4)
    assert json.loads(json.dumps(found.as_json()))["lines"][0]["verdict"] == "better"
    section = found.section()
    assert section.verdict == "good"
    assert len(section.tables) == 2
    for picture in section.pictures:
        assert picture.svg.startswith("<svg")


@pytest.mark.parametrize(
    ("chance", "mean", "verdict"),
    [(0.09, -0.08, "no difference can be shown"), (0.01, -0.08, "worse"), (0.01, 0.08, "better")],
)
def test_a_segment_is_better_or_worse_by_its_test_and_not_by_its_interval(chance, mean, verdict):
    mark = Mark(0.2, 0.1, 0.3)
    difference = Mark(mean, min(mean - 0.06, -0.001), mean + 0.06)
    line = Segment("people", "gender", "F", 16, 80, mark, mark, difference, chance)
    assert line.verdict == verdict


def test_a_segment_in_which_nothing_was_found_has_an_interval_with_a_width(told):
    for segment in told(0.0, 0.0).lines:
        # Of n people none: Jeffreys's interval.
        assert segment.ours.low == 0
        assert segment.ours.high == pytest.approx(beta.ppf(0.975, 0.5, segment.people + 0.5), rel=0.35)


@pytest.mark.parametrize("has_rival", [True, False])
def test_what_a_bundle_keeps_of_them_says_the_same(told, has_rival):
    rng = np.random.default_rng(5)
    found = told(rng.uniform(size=PEOPLE), rng.uniform(size=PEOPLE) if has_rival else None)
    kept = json.loads(json.dumps(found.as_json()))
    assert Segments.from_json(kept) == found
