import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.contenders import Contender, contested, recalled
from tastemaker.recommend import Recommender

PEOPLE = [f"u{n}" for n in range(40)]
A, B, C, D, E, F = range(6)
ASKEW = np.array([[1, 0], [-1, 0], [0, -1], [-0.6, -0.8], [0, 1], [0.9, 0.1]], np.float32)
"""Under these f is like a, where `by_hand` finds b like a."""


def log(events, users=PEOPLE):
    """(user, row) pairs, in time order."""
    pairs = np.array(events, np.int32).reshape(-1, 2)
    return Interactions.from_events(users, pairs[:, 0], pairs[:, 1], np.arange(len(pairs), dtype=float))


KNOWN = log([(n, A) for n in range(40)])
LATER = log([(n, B) for n in range(40)])


@pytest.fixture
def made(by_hand):
    """`made(vectors=…, known=…, order=…, fingerprint=…)`: a model of the same six items, in any order."""

    def make(vectors=None, known=KNOWN, order=range(6), fingerprint="one", **more):
        order = list(order)
        vectors = by_hand.arrays["item_vectors"] if vectors is None else vectors
        arrays = {
            "item_vectors": vectors[order],
            "neighbour_vectors": vectors[order],
            "popularity": by_hand.arrays["popularity"][order],
        }
        place = np.argsort(order).astype(np.int32)
        manifest = by_hand.manifest.model_copy(
            update={"data": by_hand.manifest.data | {"fingerprint": fingerprint}}
        )
        catalogue = replace(by_hand.catalogue, frame=by_hand.catalogue.frame[order])
        bundle = replace(
            by_hand,
            manifest=manifest,
            catalogue=catalogue,
            arrays=arrays,
            histories=known.renumbered(place),
            **more,
        )
        return Recommender(bundle)

    return make


def test_who_finds_what_people_did_next_is_better(made):
    found = contested(
        [Contender("askew", made(ASKEW), LATER), Contender("straight", made(), LATER)],
        k=1,
        metrics=["hit_rate", "mrr"],
    )
    report = found.report
    assert (report.users_asked, report.users_left_out, report.k) == (40, 0, 1)
    # Everybody touched a and then b: the one puts b first, the other f.
    assert [report.line(name).marks["hit_rate"].mean for name in ("askew", "straight")] == [0, 1]
    first = report.contests[0]
    assert (first.ours, first.theirs, first.metric, first.verdict) == (
        "askew",
        "straight",
        "hit_rate",
        "worse",
    )
    assert first.difference.mean == -1
    assert first.chance == pytest.approx(1 / 10_001)
    # Two models and the best baseline make three pairs, by two metrics.
    assert (len(report.contests), first.among) == (6, 6)
    assert first.corrected == pytest.approx(6 / 10_001)
    assert found.lead().startswith("straight has most of hit rate@1, 1.0000. It is better than askew")
    assert {line.name for line in report.lines if line.is_baseline} == {
        "random",
        "popularity",
        "item_knn",
        "ease",
        "markov",
    }


def test_one_model_in_another_order_of_items_is_the_same_model(made):
    order = [3, 5, 0, 4, 2, 1]
    events = [(n, (B, C, D)[n % 3]) for n in range(40)]
    turned = log(events).renumbered(np.argsort(order).astype(np.int32))
    found = contested(
        [Contender("one", made(), log(events)), Contender("turned", made(order=order), turned)], k=3
    )
    one, other = (found.report.line(name).marks for name in ("one", "turned"))
    assert 0 < one["ndcg"].mean < 1
    assert one["ndcg"].mean == other["ndcg"].mean
    first = found.report.contests[0]
    assert (first.chance, first.verdict, first.detectable) == (1, "no difference can be shown", None)
    assert not any("differ (" in note for note in found.more)


def test_people_are_grouped_by_how_much_they_did(made):
    # The light touched a and go on to b; the heavy touched d, e and c before, and go on to f, which `askew`
    # finds like a and what `by_hand` has last.
    known = log([(n, A) for n in range(20)] + [(n, row) for n in range(20, 40) for row in (C, D, E)])
    later = log([(n, B if n < 20 else F) for n in range(40)])
    away = np.array([[0, 1], [0, -1], [1, 0], [1, 0], [1, 0.1], [1, 0]], np.float32)
    found = contested(
        [Contender("a", made(known=known), later), Contender("b", made(away, known=known), later)], k=1
    )
    assert [(group.name, group.users) for group in found.groups] == [("light", 20), ("middle", 20)]
    light, other = (group.contests[0] for group in found.groups)
    assert (light.verdict, other.verdict) == ("better", "worse")
    assert light.among == 2
    assert found.groups[1].marks["b"].mean == 1
    assert found.report.contests[0].verdict == "no difference can be shown"


def test_only_what_all_are_to_find_is_asked_for(made):
    wiser = log([(n, A) for n in range(40)] + [(n, B) for n in range(10)])
    found = contested(
        [Contender("one", made(), LATER), Contender("wiser", made(known=wiser, fingerprint="two"), LATER)]
    )
    assert found.report.users_asked == 30
    notes = " ".join(found.notes())
    assert "10 of one, 0 of wiser" in notes
    assert "trained on different data" in notes
    everything = log([(n, row) for n in range(40) for row in (A, B)])
    with pytest.raises(DataError, match="nothing to foretell"):
        contested([Contender("one", made(), LATER), Contender("all", made(known=everything), LATER)])


def test_items_that_one_does_not_know_are_not_to_be_found(made, by_hand):
    five = [A, B, C, D, E]
    small = made(order=five)
    later = log([(n, B if n % 2 else F) for n in range(40)])
    theirs = later.renumbered(np.array([0, 1, 2, 3, 4, -1], np.int32))
    found = contested([Contender("six", made(), later), Contender("five", small, theirs)], k=2)
    assert found.report.users_asked == 20  # those who went on to b
    assert any("six 6, five 5; 5 known to all" in note for note in found.more)


def test_different_catalogues_are_refused(made, by_hand):
    frame = by_hand.catalogue.frame.with_columns(pl.Series("id", list("abuvwx")))
    other = Recommender(
        replace(by_hand, catalogue=Catalogue(frame, by_hand.catalogue.columns), histories=KNOWN)
    )
    with pytest.raises(DataError, match="Only 2 of one's 6 items are known to all"):
        contested([Contender("one", made(), LATER), Contender("other", other, LATER)])


def test_strangers_to_one_are_not_asked_of_another(made):
    strangers = log([(n, A) for n in range(40)], [f"x{n}" for n in range(40)])
    with pytest.raises(DataError, match="Some of these know the people of this log"):
        contested(
            [
                Contender("one", made(), log([(n, row) for row in (B, C) for n in range(40)])),
                Contender("two", made(known=strangers), log([(n, row) for row in (B, C) for n in range(40)])),
            ]
        )


def test_a_comparison_is_a_part_of_a_report(made):
    found = contested([Contender("x&y", made(), LATER), Contender("b", made(ASKEW), LATER)], k=1)
    section = found.section()
    assert (section.key, section.verdict) == ("comparison", "good")
    values = json.loads(json.dumps(section.as_json(), allow_nan=False))
    assert values["contests"][0]["verdict"] == "better"
    assert values["groups"] == []  # everybody did as much
    assert [table.title for table in section.tables] == [
        "What was found among the first 1",
        "Differences of NDCG@1",
        "Differences of recall@1",
    ]
    assert section.tables[1].rows[0][0] == "x&y − b"
    (picture,) = section.pictures
    assert "x&amp;y − b" in picture.svg
    assert not found.section(draw=False).pictures


class TestRemembered:
    """Exams that bundles remember."""

    @pytest.fixture
    def examined(self, made):
        from tastemaker.evaluation.judge import judge

        def make(vectors=None, later=LATER, k=1, **more):
            recommender = made(vectors, **more)
            exam = judge(recommender, later, k=k).as_json()
            return Recommender(replace(recommender.bundle, evaluation=exam))

        return make

    def test_exams_of_the_same_people_stand_side_by_side(self, examined):
        found = recalled({"one": examined(), "other": examined(ASKEW)})
        assert [line.name for line in found.report.lines[:2]] == ["one", "other"]
        assert [line.marks["ndcg"].mean for line in found.report.lines[:2]] == [1, 0]
        assert found.report.contests == ()
        assert any("no paired test" in note for note in found.notes())
        assert found.section().verdict == "unclear"
        assert found.section().pictures == []

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ({"fingerprint": "two"}, "the data they were trained on differ"),
            ({"k": 2}, "the lengths of the lists differ"),
            ({"later": log([(n, C) for n in range(40)])}, "the people they asked differ"),
        ],
    )
    def test_other_exams_are_not_compared(self, examined, other, told):
        with pytest.raises(DataError, match=rf"{told}.*--test"):
            recalled({"one": examined(), "other": examined(**other)})

    def test_a_bundle_without_an_exam_asks_for_a_log(self, examined, made):
        with pytest.raises(DataError, match="while other was trained: give --test"):
            recalled({"one": examined(), "other": made()})
