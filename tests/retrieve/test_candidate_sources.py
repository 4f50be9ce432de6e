"""A planted world: what the model likes, what people touched once and touch now, and series half-watched."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.features.encode import Encoder
from tastemaker.features.tfidf import Tfidf
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.recommend import Recommender
from tastemaker.retrieve.sources import Sources

N, PEOPLE, DAY = 60, 40, 86_400
NAMES = ("nearest", "item_to_item", "kin", "next_season", "popular", "trending", "newest")


@pytest.fixture(scope="module")
def world(by_hand) -> Bundle:
    """Items 0 … 9 were touched by all long ago, 10 and 12 by half of them today; 14 … 19 are two series.

    Vectors are drawn; an item's year is its row, backwards; i40 to i59 nobody touched.
    """
    rng = np.random.default_rng(1)
    titles = [f"film {n % 7} {n % 5}" for n in range(N)]
    titles[14:20] = [f"{name}: Season {n}" for name in ("Ark", "Bay") for n in (1, 2, 3)]
    frame = pl.DataFrame(
        {
            "id": [f"i{n}" for n in range(N)],
            "title": titles,
            "year": [float(2000 - n) for n in range(N)],
            "kids": ["yes" if n % 3 == 0 else "no" for n in range(N)],
        }
    )
    roles = (Role.ID, Role.TITLE, Role.NUMBER, Role.CATEGORY)
    columns = tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    events = [(user, row, 0) for user in range(PEOPLE) for row in range(10)]
    events += [(user, 10 + user % 4, 300) for user in range(0, PEOPLE, 2)]
    events += [(user, 20 + user % 20, 150) for user in range(PEOPLE)]
    events += [(3, 14, 200), (3, 17, 250)]
    users, rows, days = (np.array(column) for column in zip(*events, strict=True))
    log = Interactions.from_events(
        [f"u{user}" for user in range(PEOPLE)],
        users.astype(np.int32),
        rows.astype(np.int32),
        (days + 19_000.0) * DAY,
    )
    vectors = rng.normal(size=(N, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    arrays = {"item_vectors": vectors, "popularity": log.counts(N).astype(np.float64)}
    return replace(
        by_hand,
        catalogue=Catalogue(frame, columns),
        histories=log,
        arrays=arrays,
        tfidf=Tfidf.fit(titles),
    )


def asked_with(bundle: Bundle, retrieval: dict[str, object] | None = None, **shares: float) -> Recommender:
    recipe = Recipe.of(
        {"retrieval": (retrieval or {}) | {"sources": shares}, "content": {"tfidf_share": 0.0}}
    )
    return Recommender(
        replace(
            bundle, manifest=bundle.manifest.model_copy(update={"recipe": recipe.model_dump(mode="json")})
        )
    )


@pytest.fixture(scope="module")
def all_of_them(world) -> Recommender:
    return asked_with(world, **dict.fromkeys(NAMES, 1.0))


def rows(found: object) -> list[int]:
    return [int(item.item_id[1:]) for item in found]  # type: ignore[attr-defined]


def test_by_default_the_model_alone_is_asked(world):
    plain = Recommender(world)
    found = plain.candidates("u5", n=7)
    log, user = world.histories, np.array([5], np.int32)
    assert found.names == ("nearest",)
    assert found.rows.tolist() == plain.nearest.search(log, user, 7).rows[0].tolist()
    assert found.scores.tolist() == plain.nearest.search(log, user, 7).scores[0].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_each_source_alone_brings_what_it_says_and_then_the_model_fills_up(world, name):
    alone = asked_with(world, **({"nearest": 0.0} | {name: 1.0}))
    found = alone.candidates("u3", n=N)
    seen = world.histories.of(3).tolist()
    assert sorted(found.rows.tolist() + list(set(seen))) == list(range(N))
    first = {
        "nearest": None,
        "item_to_item": None,
        "kin": None,
        "next_season": [18, 15],  # Bay was touched after Ark
        "popular": [10, 12, 20, 21],  # ten each, then two each
        "trending": [10, 12, 20, 21],
        "newest": [10, 11, 12, 13],  # 0 … 9 are seen
    }[name]
    if first is not None:
        assert found.rows[: len(first)].tolist() == first
    brought = [names[0] for names in found.sources]
    assert brought[0] == name
    assert brought == [name] * brought.count(name) + ["nearest"] * (len(brought) - brought.count(name))


def test_what_is_trending_differs_from_what_is_popular_once_the_log_turns(world):
    popular = asked_with(world, nearest=0, popular=1).recommend("stranger", k=4)
    trending = asked_with(world, nearest=0, trending=1).recommend("stranger", k=2)
    assert rows(popular) == [0, 1, 2, 3]
    assert rows(trending) == [10, 12]
    assert {item.source for item in trending} == {"trending"}
    # With a half-life of ten years nothing has faded yet.
    slow = asked_with(world, {"half_life_days": 3650.0}, nearest=0, trending=1)
    assert rows(slow.recommend("stranger", k=4)) == [0, 1, 2, 3]


def test_the_next_season_of_a_series_half_watched_is_in_the_slate(world):
    plain, with_seasons = Recommender(world), asked_with(world, nearest=0.9, next_season=0.1)
    slate = with_seasons.recommend("u3", k=10)
    assert 18 not in rows(plain.recommend("u3", k=10))
    (season,) = (item for item in slate if item.item_id == "i18")
    assert season.source == "next_season"
    assert season.reasons == ()  # the model had no say in it
    assert {item.source for item in slate} == {"content", "next_season"}
    assert with_seasons.recommend(history=["i14", "i15"], k=10)[5].item_id == "i16"


def test_quotas_hold_exactly(world):
    found = asked_with(world, nearest=0.5, popular=0.3, newest=0.2).candidates("u5", n=20)
    brought = [names[0] for names in found.sources]
    assert {name: brought.count(name) for name in found.names} == {"nearest": 10, "popular": 6, "newest": 4}


def test_the_recipe_says_how_many_come_into_question(world):
    assert len(asked_with(world, {"candidates": 7}).candidates("u5")) == 7
    assert len(asked_with(world).candidates("u5")) == N - len(set(world.histories.of(5)))


def test_a_history_of_nothing_is_answered_by_those_who_need_none(world):
    recommender = asked_with(world, nearest=0.5, item_to_item=0.1, kin=0.1, next_season=0.1, newest=0.2)
    for asked in ({"history": []}, {"user_id": "stranger"}, {"history": ["zz"]}):
        slate = recommender.recommend(k=N, **asked)
        assert sorted(rows(slate)) == list(range(N))
        assert rows(slate)[:3] == [0, 1, 2]
        assert {item.source.split(":")[0] for item in slate} == {"newest"}
    # What has no year comes last, by popularity, and says why.
    frame = world.catalogue.frame.with_columns(year=pl.Series([None] * 30 + [1.0] * 30, dtype=pl.Float64))
    undated = replace(world, catalogue=replace(world.catalogue, frame=frame))
    slate = asked_with(undated, nearest=0, newest=1).recommend(history=[], k=N)
    assert rows(slate)[:30] == list(range(30, 60))
    assert rows(slate)[30:33] == [0, 1, 2]
    assert slate[30].source == "popularity: there is no history"
    assert [item.score for item in slate] == sorted((item.score for item in slate), reverse=True)


def test_without_texts_kin_goes_by_the_columns(by_hand):
    genres = [["a", "b"], ["c"], ["a"], ["a", "b"], None, ["c"]]
    frame = pl.DataFrame({"id": list("abcdef"), "genres": genres})
    columns = (Column(name="id", role=Role.ID), Column(name="genres", role=Role.CATEGORIES))
    catalogue = Catalogue(frame, columns)
    encoders = {"items": Encoder.fit(catalogue, Recipe().features).as_json()}
    bundle = replace(by_hand, catalogue=catalogue, encoders=encoders)
    found = asked_with(bundle, nearest=0, kin=1).candidates(history=["a"])
    assert found.ids[:2] == ("d", "c")  # a and b of two: 1; a of both: 1 / √2; the others share nothing
    assert found.said[:2, 0].tolist() == pytest.approx([1, 0.5**0.5])
    assert found.sources[:3] == (("kin",), ("kin",), ("nearest",))
    nothing = asked_with(replace(bundle, encoders={}), nearest=0, kin=1)
    assert nothing.candidates(history=["a"]).sources[0] == ("nearest",)


MASKS = some.lists(some.booleans(), min_size=N, max_size=N)


@given(mask=MASKS, history=some.lists(some.integers(0, N - 1), max_size=8), n=some.integers(1, N))
@settings(max_examples=60, deadline=None)
def test_all_together_keep_the_promises(all_of_them, mask, history, n):
    only = np.array(mask)
    log = Interactions.from_events(["u"], np.zeros(len(history), np.int32), np.array(history, np.int32))
    sources: Sources = all_of_them.sources
    (found,) = sources.search(log, np.zeros(1, np.int32), n, only)
    left = set(np.flatnonzero(only)) - set(history)
    assert len(found) == len(set(found.rows.tolist())) == min(n, len(left))
    assert set(found.rows.tolist()) <= left
    assert (np.diff(found.scores) <= 0).all()


def test_alone_or_with_others_everybody_gets_the_same(all_of_them, monkeypatch):
    log = all_of_them.bundle.histories
    asked = ["u3", "stranger", "u5", "u3", "u0"]
    monkeypatch.setattr("tastemaker.recommend.BLOCK", 2)
    together = list(all_of_them.recommend_many(asked, 12, filter="not kids"))
    for user_id, slate in zip(asked, together, strict=True):
        alone = all_of_them.recommend(user_id, k=12, filter="not kids")
        assert [item._replace(reasons=()) for item in alone] == list(slate)
        assert all(row % 3 for row in rows(slate))
    users = np.array([5, 0, 3], np.int32)
    top = all_of_them.top(log, users, 12)
    for user, found in zip(users, top, strict=True):
        assert found.tolist() == rows(all_of_them.recommend(f"u{user}", k=12))
        assert found.tolist() == all_of_them.candidates(f"u{user}").rows[:12].tolist()
    assert (all_of_them.top(log, users, N)[0][-5:] == PAD).all()


def test_candidates_know_their_ids_and_what_each_source_says(all_of_them):
    found = all_of_them.candidates("u3", n=30)
    assert found.ids == tuple(f"i{row}" for row in found.rows)
    log, user = all_of_them.bundle.histories, np.array([3], np.int32)
    nearest = all_of_them.nearest.search(log, user, 30)
    said = dict(zip(nearest.rows[0].tolist(), nearest.scores[0].tolist(), strict=True))
    column = found.said[:, found.names.index("nearest")]
    for row, score in zip(found.rows.tolist(), column.tolist(), strict=True):
        assert (said[row] == score) if row in said else np.isnan(score)
