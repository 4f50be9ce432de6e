"""What is answered over HTTP, by the real process, about people and items whose lists are worked out by hand.

The six items and two people are laid out in tests/conftest.py: a and b point right, c and d lean up, e
points up, f left; ann touched a, then e; bob touched f. How their lists come about stands in
tests/test_recommend.py.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from test_upkeep import bundle_of

from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tests.served import Served, at, served

PLACES = """
[placements.night]
filter = 'genre == "x"'
k = 2

[placements.charts]
sources = { nearest = 0.0, popular = 1.0 }

[placements.mixed]
weights = { popularity = 1.0 }

[placements.kin]
about = "item"
k = 2
"""


@pytest.fixture(scope="module")
def folder(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    Recommender(by_hand).save(folder / "six")
    Recommender(bundle_of(list(range(24)))).save(folder / "town")
    (folder / "places.toml").write_text(PLACES)
    return folder


@pytest.fixture(scope="module")
def six(folder):
    options = ("--no-auth", "--store", folder / "six.sqlite", "--recipe", folder / "places.toml")
    with served(folder / "six", *options) as service:
        yield service


@pytest.fixture(scope="module")
def town(folder):
    """24 items, and new ones can come."""
    with served(folder / "town", "--no-auth", "--store", folder / "town.sqlite") as service:
        yield service


def touch(service: Served, user_id: str, *item_ids: str, **more: object) -> dict:
    events = [{"user_id": user_id, "item_id": each, **more} for each in item_ids]
    return service.post("/v1/events", {"events": events})


# --- who asks --------------------------------------------------------------------------------


def test_a_known_person_gets_what_lies_near_their_history(six):
    answer = six.post("/v1/recommend", {"user_id": "ann"})
    # (0.9 a + 1 e) / 1.9, as worked out in tests/test_recommend.py.
    assert [item["item_id"] for item in answer["items"]] == list("dcbf")
    scores = [item["score"] for item in answer["items"]]
    assert scores == pytest.approx([1.34 / 1.9, 1.32 / 1.9, 0.9 / 1.9, -0.9 / 1.9], abs=1e-6)
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4]
    assert answer["degraded"] == []
    assert 0 < answer["took_ms"] < 1000


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"user_id": "eve"}, "popularity: user eve has no known history"),
        ({"history": []}, "popularity: there is no history"),
        ({}, "popularity: there is no history"),
        ({"history": ["zz"]}, "popularity: nothing of the history is known"),
    ],
)
def test_of_whom_nothing_is_known_gets_what_is_popular_and_is_told_so(six, who, why):
    answer = six.post("/v1/recommend", {**who, "k": 4})
    assert [item["item_id"] for item in answer["items"]] == list("bdfc")  # 5, 5, 3, 2
    assert {item["source"] for item in answer["items"]} == {why}


def test_whoever_has_no_name_is_answered_by_a_history_or_by_what_they_like(six):
    assert six.ids(history=["a", "e"], k=2) == ["d", "c"]
    assert six.ids(history=["e", "a"], k=2) == ["c", "d"]
    assert six.ids(liked=["Comet: Season 1", "Dune (2021)"], k=2) == ["d", "c"]
    assert six.ask("POST", "/v1/recommend", {"liked": ["Zanzibar qqq"]}).status == 404
    assert six.ask("POST", "/v1/recommend", {"history": ["a"], "user_id": "ann"}).status == 422


def test_lists_are_those_of_the_recommender_in_python(six, by_hand):
    """We measure what we serve."""
    here = Recommender(by_hand)
    for asked in (
        {"user_id": "ann"},
        {"user_id": "bob", "k": 3},
        {"history": ["c", "f"], "k": 5},
        {"history": ["b"], "filter": 'genre == "x"', "exclude": ["a"]},
        {"user_id": "ann", "placement": "because-you-watched"},
    ):
        answer, slate = six.post("/v1/recommend", asked), here.recommend(**asked, explain=False)
        told = [(e["item_id"], e["score"], e["rank"], e["source"], e["reasons"]) for e in answer["items"]]
        want = [(e.item_id, float(e.score), e.rank, e.source, list(e.reasons)) for e in slate]
        assert told == want, asked
        assert answer["query"] == slate.query
    answer, slate = six.get("/v1/items/c/similar"), here.similar(item_id="c", placement="more-like-this")
    assert [each["item_id"] for each in answer["items"]] == [each.item_id for each in slate]


def test_what_an_item_is_there_because_of_is_found_out_when_asked(six, by_hand):
    answer = six.post("/v1/recommend", {"user_id": "ann", "explain": True, "k": 2})
    slate = Recommender(by_hand).recommend("ann", k=2, explain=True)
    assert [each["reasons"] for each in answer["items"]] == [list(each.reasons) for each in slate]
    assert all(each["reasons"] for each in answer["items"])


# --- places ----------------------------------------------------------------------------------


def test_a_placement_has_its_own_filter_sources_weights_and_length(six):
    assert six.ids(user_id="ann", placement="night") == ["d", "b"]  # of dcbf those of genre x
    assert six.ids(user_id="ann", placement="charts", k=3) == ["b", "d", "f"]  # 5, 5, 3
    assert six.ids(user_id="ann", placement="mixed", k=3) == ["d", "b", "f"]  # popularity alone: 5, 5, 3
    assert six.get("/v1/placements")["night"]["filter"] == 'genre == "x"'
    assert six.ask("POST", "/v1/recommend", {"placement": "nowhere"}).status == 422


def test_because_you_watched_says_because_of_what(six):
    answer = six.post("/v1/recommend", {"user_id": "ann", "placement": "because-you-watched", "k": 2})
    assert answer["query"].endswith("because of Dune (2021)")
    assert [each["item_id"] for each in answer["items"]] == ["d", "c"]  # 0.8 and 0.6 along e


def test_what_is_about_an_item_is_asked_where_the_item_is_named(six):
    for placement in ("more-like-this", "kin"):
        said = six.ask("POST", "/v1/recommend", {"user_id": "ann", "placement": placement})
        assert said.status == 422
        assert "/similar" in said.body["error"]["message"]
    answer = six.get("/v1/items/e/similar?placement=kin")
    assert [each["item_id"] for each in answer["items"]] == ["d", "c"]
    assert six.get("/v1/items/e/similar")["placement"] == "more-like-this"
    assert six.ask("GET", "/v1/items/zz/similar").status == 404


def test_items_of_the_askers_own_are_put_in_order(six):
    assert six.ids("/v1/rank", items=["f", "b", "d", "c"], user_id="ann") == list("dcbf")
    assert six.ids("/v1/rank", items=["f", "b", "d", "c"], user_id="ann", k=2) == ["d", "c"]
    assert six.ids("/v1/rank", items=["f", "e", "a"], history=["a"])[-1] == "f"


@pytest.mark.parametrize("typed", ["roma", "Rmoa", "dnue", "osl", "comt"])
def test_a_title_is_found_however_it_is_typed(six, typed):
    wanted = {"roma": "c", "Rmoa": "c", "dnue": "de", "osl": "f", "comt": "ab"}[typed]
    found = six.get(f"/v1/search?q={typed}&k=1")["items"]
    assert found
    assert found[0]["item_id"] in wanted


# --- pages -----------------------------------------------------------------------------------


def pages(service: Served, **asked: object) -> list[list[str]]:
    found, cursor = [], None
    while True:
        body = {**asked} if cursor is None else {**asked, "cursor": cursor}
        answer = service.post("/v1/recommend", body)
        ranks = [item["rank"] for item in answer["items"]]
        before = sum(map(len, found))
        assert ranks == list(range(before + 1, before + 1 + len(ranks)))
        found.append([item["item_id"] for item in answer["items"]])
        cursor = answer["cursor"]
        if cursor is None:
            return found
        assert len(found) < 50


def test_pages_put_together_are_the_whole_list(town):
    whole = town.ids(history=["i2"], k=24)
    assert len(whole) == 23
    for k in (1, 5, 23):
        assert [each for page in pages(town, history=["i2"], k=k) for each in page] == whole


@pytest.mark.parametrize("seed", range(4))
def test_nothing_comes_twice_though_events_and_items_come_in_between(town, seed):
    rng, person = np.random.default_rng(seed), f"pager {seed}"
    shown, cursor, added = [], None, []
    touch(town, person, "i3")
    for page in range(40):
        body = {"user_id": person, "k": int(rng.integers(1, 5))}
        answer = town.post("/v1/recommend", body | ({} if cursor is None else {"cursor": cursor}))
        shown += [each["item_id"] for each in answer["items"]]
        cursor = answer["cursor"]
        if cursor is None:
            break
        what = page % 3
        if what == 0:
            touch(town, person, f"i{rng.integers(24)}")
        elif what == 1:
            added.append(f"page {seed} {page}")
            town.put(f"/v1/items/{at(added[-1])}", {"title": f"new {page}", "genre": "genre 1"})
        elif added:
            town.delete(f"/v1/items/{at(added.pop())}")
    for each in added:
        town.delete(f"/v1/items/{at(each)}")
    assert cursor is None
    assert len(shown) == len(set(shown))
    assert len(shown) > 10


@pytest.mark.parametrize("cursor", ["", "x", "AQ==", "AgAAAAA=", "é", "A" * 7000, "AQAAAAA", "../../etc"])
def test_a_cursor_that_is_none_of_ours_is_refused(six, cursor):
    assert six.ask("POST", "/v1/recommend", {"cursor": cursor}).status == 422


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/recommend", {"user_id": "a\0"}),
        ("/v1/recommend", {"history": ["a\0"]}),
        ("/v1/recommend", {"device": "tv\0"}),
        ("/v1/rank", {"items": ["a\0"]}),
        ("/v1/events", {"events": [{"user_id": "ann", "item_id": "\0"}]}),
        ("/v1/events", {"events": [{"user_id": "ann", "item_id": "a", "event_id": "\0"}]}),
        ("/v1/events", {"events": [{"user_id": "ann", "item_id": "a", "recommendation_id": "\0"}]}),
    ],
)
def test_what_no_database_could_keep_is_refused_before_it_is_tried(six, path, asked):
    assert six.ask("POST", path, asked).status == 422


# --- events ----------------------------------------------------------------------------------


def test_an_event_changes_the_very_next_answer(six):
    for n in range(20):
        person = f"new {n}"
        assert six.ids(user_id=person, k=2) == ["b", "d"]
        assert touch(six, person, "e") == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert six.ids(user_id=person, k=2) == ["d", "c"]


def test_what_is_excluded_or_hidden_does_not_come_back(six):
    assert six.ids(user_id="ann", exclude=["d"]) == list("cbf")
    touch(six, "hider", "a")
    assert "c" in six.ids(user_id="hider")
    touch(six, "hider", "c", event="hide")
    for placement in ("home", "because-you-watched", "charts", "mixed"):
        assert "c" not in six.ids(user_id="hider", placement=placement)
    touch(six, "hider", *["b"] * 3)
    assert "c" not in six.ids(user_id="hider")


def test_an_impression_is_no_part_of_a_history(six):
    touch(six, "looker", "e", event="impression")
    assert six.post("/v1/recommend", {"user_id": "looker"})["items"][0]["source"].startswith("popularity")


def test_the_same_event_counts_once(six):
    event = {"user_id": "twice", "item_id": "e", "event_id": "once-only"}
    both = six.post("/v1/events", {"events": [event, event]})
    assert (both["accepted"], both["duplicates"]) == (1, 1)
    assert six.post("/v1/events", {"events": [event]})["duplicates"] == 1
    made = {"user_id": "twice", "item_id": "a", "timestamp": 1_700_000_000}  # its id is made of the rest
    assert six.post("/v1/events", {"events": [made]})["accepted"] == 1
    assert six.post("/v1/events", {"events": [made]})["duplicates"] == 1
    assert len(six.get("/v1/users/twice")["events"]) == 2


def test_a_time_that_lies_ahead_is_refused_and_the_others_are_kept(six):
    soon, late = time.time() + 100, time.time() + 4000
    events = [
        {"user_id": "ahead", "item_id": "a", "timestamp": soon},
        {"user_id": "ahead", "item_id": "e", "timestamp": late},
    ]
    told = six.post("/v1/events", {"events": events})
    assert told["accepted"] == 1
    assert [each["index"] for each in told["rejected"]] == [1]
    assert "ahead of ours" in told["rejected"][0]["reason"]


def test_what_comes_late_is_sorted_in(six):
    now = time.time()
    touch(six, "late", "e", timestamp=now - 10)
    touch(six, "late", "a", timestamp=now - 1000)
    assert six.ids(user_id="late", k=2) == ["d", "c"]  # a, then e
    touch(six, "later", "a", timestamp=now - 10)
    touch(six, "later", "e", timestamp=now - 1000)
    assert six.ids(user_id="later", k=2) == ["c", "d"]  # e, then a


def test_a_time_may_be_seconds_milliseconds_or_a_date(six):
    when = datetime(2024, 5, 17, 20, 30, tzinfo=UTC).timestamp()
    for n, said in enumerate(
        (when, int(when), when * 1000, "2024-05-17T20:30Z", "2024-05-17T22:30+02:00", "2024-05-17 20:30")
    ):
        touch(six, f"clock {n}", "a", timestamp=said)
        assert six.get(f"/v1/users/clock%20{n}")["events"][0]["at"] == when, said
    for wrong in ("yesterday", True, -1, "1969-12-31", 1e300, [], {}):
        said = {"events": [{"user_id": "clock", "item_id": "a", "timestamp": wrong}]}
        assert six.ask("POST", "/v1/events", said).status == 422, wrong


def test_an_answer_and_what_came_of_it_are_joined_by_its_id(six):
    answer = six.post("/v1/recommend", {"user_id": "joiner", "k": 2})
    touch(six, "joiner", "b", recommendation_id=answer["recommendation_id"], position=1)
    end = time.monotonic() + 5
    while not (person := six.get("/v1/users/joiner"))["answers"] and time.monotonic() < end:
        time.sleep(0.02)
    kept = person["answers"][0]
    assert kept["recommendation_id"] == answer["recommendation_id"]
    assert kept["recommendation_id"] == person["events"][0]["recommendation_id"]
    assert [each["item_id"] for each in kept["items"]] == ["b", "d"]
    assert kept["model_version"] == answer["model_version"]


# --- people and items that go ------------------------------------------------------------------


@pytest.fixture
def own(folder, tmp_path):
    """`own("six")` is a service with a store of its own; again, it is the same after a restart."""
    running: list[Served] = []

    def start(bundle: str, *more: object) -> Served:
        for service in running:
            assert service.stop() == 0
        running.append(Served(folder / bundle, "--no-auth", "--store", tmp_path / "store.sqlite", *more))
        return running[-1]

    yield start
    for service in running:
        service.stop()


@pytest.mark.slow
def test_of_whoever_is_erased_nothing_counts_from_then_on_nor_after_a_restart(own):
    service = own("six")
    touch(service, "ann", "c")
    assert "c" not in service.ids(user_id="ann")
    assert service.get("/v1/users/ann")["learnt_from"] == ["a", "e"]
    assert service.delete("/v1/users/ann")["erased"] >= 1
    for _ in range(2):
        answer = service.post("/v1/recommend", {"user_id": "ann", "k": 2})
        assert answer["items"][0]["source"] == "popularity: user ann has no known history"
        assert service.get("/v1/users/ann")["events"] == []
        service = own("six")
    touch(service, "ann", "f")
    assert service.ids(user_id="ann") == service.ids(history=["f"])  # what is new counts, and alone


@pytest.mark.slow
def test_items_that_come_and_go_are_so_in_the_next_answer_and_after_a_restart(own):
    service = own("town")
    gone = service.ids(history=["i2"], k=1)[0]
    columns = {"title": "brand new", "genre": "genre 0", "tags": ["tag 0"], "year": 2020}
    assert service.put("/v1/items/new%2Fone", columns)["items"] == 25
    assert service.delete(f"/v1/items/{at(gone)}")["items"] == 24
    for _ in range(2):
        whole = service.ids(history=["i2"], k=50)
        assert "new/one" in whole
        assert gone not in whole
        assert service.get("/v1/items/new%2Fone")["columns"]["year"] == 2020
        assert service.get("/v1/search?q=brand")["items"][0]["item_id"] == "new/one"
        assert service.ask("GET", f"/v1/items/{at(gone)}").status == 404
        assert service.ask("DELETE", f"/v1/items/{at(gone)}").status == 404
        service = own("town")


@pytest.mark.slow
def test_items_put_by_many_at_once_are_each_there_when_it_is_acknowledged(own):
    service = own("town")

    def put(n: int) -> bool:
        service.put(f"/v1/items/many{n}", {"title": f"many {n}", "genre": "genre 1"})
        return service.ask("GET", f"/v1/items/many{n}").status == 200

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(put, range(18)))


@pytest.mark.slow
def test_another_worker_knows_of_an_item_within_a_second(own):
    service = own("town", "--workers", "2")
    service.put("/v1/items/spread", {"title": "spread", "genre": "genre 1"})
    time.sleep(1)
    workers = {}
    for _ in range(200):
        workers.setdefault(service.get("/v1/models")["worker"], 0)
        assert service.ask("GET", "/v1/items/spread").status == 200
        if len(workers) == 2:
            break
    assert len(workers) == 2


def test_the_usual_placements_are_there_without_a_recipe(town):
    assert set(town.get("/v1/placements")) == set(Recipe().known_placements)
    assert set(town.get("/v1/placements")) == {"home", "because-you-watched", "more-like-this"}
