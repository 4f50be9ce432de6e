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
