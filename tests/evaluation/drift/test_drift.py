"""No alarm where nothing changed, and each alarm where its own thing did."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.drift.report import DriftReport, drift
from tastemaker.recipe import Column, Role
from tastemaker.recommend import Recommender

ITEMS, PEOPLE, DAY_S = 60, 240, 86_400.0
GENRES = 4


@pytest.fixture(scope="module")
def recommender(by_hand) -> Recommender:
    """Of four genres, whose items are alike; made by hand, no training."""
    rng = np.random.default_rng(0)
    genre = np.arange(ITEMS) % GENRES
    vectors = (np.eye(GENRES)[genre] + rng.normal(0, 0.2, (ITEMS, GENRES))).astype(np.float32)
    return Recommender(made(by_hand, vectors))


def made(by_hand: Bundle, vectors: np.ndarray) -> Bundle:
    frame = pl.DataFrame({"id": names(ITEMS), "genre": [f"g{n % GENRES}" for n in range(ITEMS)]})
    columns = (Column(name="id", role=Role.ID), Column(name="genre", role=Role.CATEGORY))
    known = events(np.random.default_rng(9), people=range(PEOPLE))[0]
    manifest = by_hand.manifest.model_copy(update={"columns": {"items": list(columns)}, "history_length": 20})
    return replace(
        by_hand,
        manifest=manifest,
        catalogue=Catalogue(frame, columns),
        histories=known,
        arrays={
            "item_vectors": vectors,
            "neighbour_vectors": vectors,
            "popularity": known.counts(ITEMS).astype(np.float32),
        },
    )


def names(count: int) -> list[str]:
    return [f"i{n}" for n in range(count)]


def events(
    rng,
    people=range(PEOPLE),
    each: float = 12.0,
    steep: float = 0.7,
    genres=None,
    strange: float = 0.0,
    taste=0,
) -> tuple[Interactions, Catalogue]:
    """Everybody likes one genre, and of it what is popular; `strange` of all is of items nobody knows."""
    likes = np.ones(GENRES) if genres is None else np.asarray(genres, float)
    users, rows = [], []
    popular = 1 / (1 + np.arange(ITEMS) // GENRES) ** steep
    for place, person in enumerate(people):
        own = np.random.default_rng([person, taste]).choice(GENRES, p=likes / likes.sum())
        chances = (
            popular * np.where(np.arange(ITEMS) % GENRES == own, 1, 0.2) * likes[np.arange(ITEMS) % GENRES]
        )
        took = rng.choice(ITEMS, rng.poisson(each) + 2, p=chances / chances.sum())
        took = np.where(rng.random(len(took)) < strange, ITEMS, took)
        users += [place] * len(took)
        rows += took.tolist()
    times = rng.random(len(rows)) * 30 * DAY_S
    log = Interactions.from_events(
        [f"p{person}" for person in people], np.array(users, np.int32), np.array(rows, np.int32), times
    )
    own = pl.DataFrame({"id": [*names(ITEMS), "unheard of"]})
    return log, Catalogue(own, (Column(name="id", role=Role.ID),))


def found(recommender, after, before=None, **more) -> DriftReport:
    rng = np.random.default_rng(3)
    first = events(np.random.default_rng(1)) if before is None else before
    return drift(recommender, first, after, rng, k=5, swaps=999, **more)


def test_nothing_is_raised_between_two_windows_of_the_same_habits(recommender):
    report = found(recommender, events(np.random.default_rng(2)))
    assert report.raised == ()
    assert {alarm.name for alarm in report.alarms} == {
        *(
            "activity",
            "concentration",
            "cold items",
            "cold people",
            "mix of genre",
            "scores",
            "choices",
            "churn",
        )
    }
    assert report.section().verdict == "good"
    assert report.people == (PEOPLE, PEOPLE, PEOPLE)


CHANGES = {
    "activity": {"each": 24.0},
    "concentration": {"steep": 2.5},
    "cold items": {"strange": 0.2},
    "cold people": {"people": range(60, PEOPLE + 60)},
    "mix of genre": {"genres": [4, 1, 1, 1]},
    "churn": {"taste": 1},
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_raises_its_own_alarm(recommender, name):
    report = found(recommender, events(np.random.default_rng(2), **CHANGES[name]))
    assert name in report.raised
    assert report.section().verdict == "alarm"
    # What nobody touched is quiet.
    quiet = {"activity", "cold items", "cold people"} - {name}
    assert not quiet & set(report.raised)


def test_people_who_choose_against_the_model_are_noticed(recommender):
    rng = np.random.default_rng(2)
    log, own = events(rng)
    anything = Interactions.from_events(
        log.user_ids, log.users, rng.integers(0, ITEMS, log.size).astype(np.int32), log.times
    )
    assert {"choices", "scores"} & set(found(recommender, (anything, own)).raised)


def test_an_older_bundle_is_held_against_by_its_vectors_and_lists(recommender, by_hand):
    same = found(recommender, events(np.random.default_rng(2)), older=recommender)
    assert same.raised == ()
    distances = {alarm.name: alarm.distance for alarm in same.alarms}
    assert (distances["item norms"], distances["replaced"]) == (0, 0)
    vectors = np.asarray(recommender.bundle.arrays["item_vectors"])
    other = made(by_hand, (np.random.default_rng(5).permutation(vectors) * 1.5).astype(np.float32))
    changed = found(recommender, events(np.random.default_rng(2)), older=Recommender(other))
    assert set(changed.raised) == {"item norms", "replaced"}


def test_scores_that_take_few_values_are_told_apart_too(by_hand):
    # Items of one genre are the same, so the lists of those who touch one genre alone have four scores.
    lengths = np.array([1.0, 2.0, 3.0, 4.0])
    genre = np.arange(ITEMS) % GENRES
    vectors = (np.eye(GENRES)[genre] * lengths[genre][:, None]).astype(np.float32)
    few = Recommender(made(by_hand, vectors))

    def devoted(shares, seed: int) -> tuple[Interactions, Catalogue]:
        """Everybody touches ten items of one genre."""
        rng = np.random.default_rng(seed)
        own = np.sort(rng.choice(GENRES, PEOPLE, p=shares))
        rows = np.concatenate([rng.permutation(np.flatnonzero(genre == each))[:10] for each in own])
        log = Interactions.from_events(
            [f"p{n}" for n in range(PEOPLE)],
            np.repeat(np.arange(PEOPLE), 10).astype(np.int32),
            rows.astype(np.int32),
            np.tile(np.arange(10.0), PEOPLE) * DAY_S,
        )
        return log, events(rng)[1]

    before = devoted([0.7, 0.1, 0.1, 0.1], 1)
    assert found(few, devoted([0.7, 0.1, 0.1, 0.1], 2), before).raised == ()
    changed = found(few, devoted([0.1, 0.1, 0.1, 0.7], 2), before)
    (scores,) = (alarm for alarm in changed.alarms if alarm.name == "scores")
    # Two of four values change places, 0.7 and 0.1: twice 0.6 ln 7.
    assert scores.distance == pytest.approx(1.2 * np.log(7), rel=0.25)
    assert scores.is_raised


def test_a_log_without_a_clock_has_no_days(recommender):
    log, own = events(np.random.default_rng(2))
    timeless = Interactions.from_events(log.user_ids, log.users, log.rows, None, is_clock=False)
    report = found(recommender, (timeless, own))
    assert "activity" not in {alarm.name for alarm in report.alarms}
    assert any("has no clock" in note for note in report.notes)


def test_that_nothing_could_be_asked_of_the_bundle_is_said(recommender):
    log, own = events(np.random.default_rng(2), strange=1.0)
    report = found(recommender, (log, own))
    assert report.raised[-1] == "cold items"
    assert "scores" not in {alarm.name for alarm in report.alarms}
    assert any("knows no item of one window" in note for note in report.notes)


def test_a_bundle_of_another_catalogue_is_no_older_one(recommender, by_hand):
    with pytest.raises(DataError, match="is of another catalogue"):
        found(recommender, events(np.random.default_rng(2)), older=Recommender(by_hand))


@pytest.mark.slow
def test_shorter_query_vectors_are_noticed_and_steady_ones_are_not(history_bundle):
    """Trained on people who walk a ring: of those who jump about it makes less, and says so by the length."""
    trained = Recommender.load(history_bundle)
    size, each, people = trained.catalogue.size, 7, 80

    def log(seed: int, is_walking: bool) -> tuple[Interactions, Catalogue]:
        rng = np.random.default_rng(seed)
        rows = [
            (7 * person + rng.integers(3) + np.arange(each)) % size
            if is_walking
            else rng.permutation(size)[:each]
            for person in range(people)
        ]
        users = np.repeat(np.arange(people), each).astype(np.int32)
        times = 1e9 + np.tile(np.arange(each), people) * DAY_S
        names = [f"p{person}" for person in range(people)]
        return (
            Interactions.from_events(names, users, np.concatenate(rows).astype(np.int32), times),
            trained.catalogue,
        )

    def length(log: Interactions) -> float:
        """The geometric mean, one person at a time."""
        lengths = [
            float(np.linalg.norm(trained.nearest.query_vectors(trained.nearest.window(log, one), [""])))
            for one in np.arange(people, dtype=np.int32)[:, None]
        ]
        return float(np.prod(lengths) ** (1 / people))

    before, walking, jumping = log(1, True), log(2, True), log(3, False)
    steady = found(trained, walking, before)
    assert "query norms" in {alarm.name for alarm in steady.alarms}
    assert steady.raised == ()
    changed = found(trained, jumping, before)
    assert "query norms" in changed.raised
    (norms,) = (alarm for alarm in changed.alarms if alarm.name == "query norms")
    assert norms.distance == pytest.approx(abs(np.log(length(jumping[0]) / length(before[0]))), rel=1e-4)
    assert norms.distance > np.log(1.1)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["by events", "by people"])
def test_halves_of_one_log_raise_an_alarm_no_oftener_than_they_may(recommender, way):
    any_chance, raised, runs = 0, 0, 100
    for seed in range(runs):
        rng = np.random.default_rng([seed, 4])
        log, own = events(rng, each=16.0)
        is_first = rng.random(log.size) < 0.5 if way == "by events" else (rng.random(PEOPLE) < 0.5)[log.users]
        halves = [part(log, is_first), part(log, ~is_first)]
        report = drift(recommender, (halves[0], own), (halves[1], own), rng, k=5, swaps=199)
        any_chance += any(alarm.adjusted <= 0.05 for alarm in report.alarms)
        raised += bool(report.raised)
    # 5 % of 100, and 2.3 standard errors more; the limits make real alarms rarer still.
    assert any_chance <= 10
    assert raised <= any_chance
    assert raised <= 5


def part(log: Interactions, keep: np.ndarray) -> Interactions:
    """Without those who did nothing in it."""
    kept = log.where(keep)
    there, users = np.unique(kept.users, return_inverse=True)
    return Interactions.from_events(
        [log.user_ids[int(user)] for user in there], users.astype(np.int32), kept.rows, kept.times
    )


def test_a_handful_of_people_is_no_window(recommender):
    few = events(np.random.default_rng(2), people=range(5))
    with pytest.raises(DataError, match="has 5 people"):
        found(recommender, few)
