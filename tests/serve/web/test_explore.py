"""Explore: a title that is typed somehow leads to its item, and that to those like it and why."""

import csv
import sqlite3

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import at, served

WEDNESDAY = "Wednesday: Season 1"


@pytest.fixture(scope="module")
def town(town_bundle):
    return Recommender(town_bundle())


@pytest.fixture(scope="module")
def service(town, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    town.save(folder / "town")
    with served(folder / "town", "--no-auth", "--store", folder / "store.sqlite") as service:
        service.folder = folder
        yield service


@pytest.fixture(scope="module")
def people(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    Recommender(by_hand).save(folder / "six")
    with served(folder / "six", "--no-auth", "--store", folder / "store.sqlite") as service:
        yield service


# --- what is told ----------------------------------------------------------------------------


def test_an_item_is_told_with_its_columns_and_how_popular_it_is(service):
    told = service.get("/page/api/item?id=n3")
    # Hours are 1000 / (1 + n): 250 of the fourth, and 200 different figures down to 5.
    popular = told["popularity"]
    assert (popular["name"], popular["figure"], popular["rank"], popular["of"]) == ("hours", 250.0, 4, 200)
    assert sum(bar["items"] for bar in popular["bars"]) == 200
    own = popular["bars"][popular["bar"]]
    assert own["low"] <= 250 < own["high"]
    columns = {each["name"]: each["value"] for each in told["columns"]}
    assert columns == {"id": "n3", "town": "Alpha", "tags": ["t3", "t9"], "hours": 250.0}


def test_without_a_column_of_its_own_popularity_counts_events_and_equals_share_a_rank(people):
    ranks = {}
    for item_id in "abcdef":
        found = people.get(f"/page/api/item?id={item_id}")["popularity"]
        assert found["name"] == ""
        assert found["none"] == 1
        ranks[item_id] = (found["figure"], found["rank"])
    # 1, 5, 2, 5, 0, 3 events.
    assert ranks == {"a": (1, 5), "b": (5, 1), "c": (2, 4), "d": (5, 1), "e": (0, 6), "f": (3, 3)}
    assert people.get("/page/api/item?id=e")["popularity"]["bar"] is None
    found = people.get("/page/api/item?id=f")["popularity"]
    assert [tuple(bar.values()) for bar in found["bars"]] == [(1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 2)]
    assert found["bar"] == 2


def test_neighbours_are_those_of_similar_and_nothing_is_written_down(service):
    def held():
        with sqlite3.connect(service.folder / "store.sqlite") as store:
            names = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
            return {name: store.execute(f"select count(*) from [{name}]").fetchone()[0] for name in names}

    before = held()
    ours = service.get("/page/api/similar?id=n7&k=8")["items"]
    assert held() == before
    theirs = service.get("/v1/items/n7/similar?k=8")["items"]
    assert [(each["item_id"], each["score"]) for each in ours] == [
        (each["item_id"], pytest.approx(each["score"])) for each in theirs
    ]
    assert all(bond["kind"] in ("word", "value") for each in ours for bond in each["shared"])


def test_every_season_is_listed_where_it_is_asked_for(people):
    ids = [each["item_id"] for each in people.get("/page/api/similar?id=a&all_seasons=true")["items"]]
    assert ids[0] == "b"
    assert "b" not in [each["item_id"] for each in people.get("/page/api/similar?id=a")["items"]]


def test_what_two_items_share_is_counted(people):
    like = people.get("/page/api/similar?id=a&all_seasons=true")["items"]
    found = {each["item_id"]: [tuple(bond.values()) for bond in each["shared"]] for each in like}
    assert found["b"] == [
        ("series", "comet", 0, 6, ""),
        ("word", "comet", 2, 6, ""),
        ("word", "season", 2, 6, ""),
        ("value", "x", 3, 6, "genre"),
    ]
    assert found["c"] == []
    assert found["d"] == [("value", "x", 3, 6, "genre")]
    assert found["e"] == [("people", "", 1, 1, "")]  # of the one who touched a, ann, who touched e


def test_the_beginning_has_the_most_popular_and_what_is_known(service, people):
    told = service.get("/page/api/catalogue")
    assert [each["item_id"] for each in told["items"]] == [f"n{n}" for n in range(12)]
    (town,) = [each for each in told["columns"] if each["name"] == "town"]
    assert (town["different"], {each["value"] for each in town["values"]}) == (
        4,
        {"Alpha", "Beta", "Gamma", "Delta"},
    )
    assert sum(each["items"] for each in town["values"]) == 199  # one has none
    # b and d have 5 events each; b is of the series of a, which stands there once.
    assert [each["item_id"] for each in people.get("/page/api/catalogue")["items"]] == list("bdfce")


def test_what_there_is_none_of_is_told_in_a_line(service):
    for path in ("/page/api/item?id=nobody", "/page/api/similar?id=nobody"):
        said = service.ask("GET", path)
        assert said.status == 404
        assert "nobody" in said.body["error"]["message"]
    for query in ("", "id=", "id=n1&k=0", "id=n1&k=101", "id=n1&model=../x", f"id={'n' * 513}"):
        assert service.ask("GET", f"/page/api/similar?{query}").status == 422, query
    assert service.ask("GET", "/page/api/item?id=n1&model=0123456789ab").status == 422


def test_it_takes_a_key_that_may_read(by_hand, tmp_path):
    Recommender(by_hand).save(tmp_path / "six")
    keys = Keys.opened(tmp_path / "keys.json", create=True)
    read, write = keys.add(Role.READ, "reader"), keys.add(Role.WRITE_EVENTS, "writer")
    options = ("--keys", tmp_path / "keys.json", "--store", tmp_path / "store.sqlite")
    with served(tmp_path / "six", *options, key=read) as service:
        asked = ("catalogue", "item?id=a", "similar?id=a", "map", "map/data")
        for path in asked:
            assert service.ask("GET", f"/page/api/{path}", None, "").status == 401
            assert service.ask("GET", f"/page/api/{path}", None, write).status == 403
        for path in asked[:3]:
            assert service.ask("GET", f"/page/api/{path}").status == 200


# --- in a browser ----------------------------------------------------------------------------


def titles(page) -> list[str]:
    return page.locator(".items .title").all_inner_texts()


def test_a_misspelled_title_leads_to_its_item_by_keys_alone(service, town, look):
    seen = look(service)
    page = seen.at()
    page.wait_for_selector("#find-field:focus")
    page.keyboard.type("wendsday")
    page.wait_for_selector("#find-list [aria-selected=true]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".items li")
    assert page.inner_text("#item") == WEDNESDAY
    assert page.inner_text("article .native") == "水曜日 (1957)"
    assert page.evaluate("document.activeElement.id") == "item"
    assert page.url.endswith("#/explore/n7")
    assert page.title() == "Wednesday: Season 1 · Tastemaker"
    like = town.similar(item_id="n7", k=12)
    assert titles(page) == [each.title for each in like]
    page.keyboard.press("/")
    page.wait_for_selector("#find-field:focus")


def test_it_says_how_popular_an_item_is_and_why_its_neighbours_stand_there(service, look):
    page = look(service).at("#/explore/n2")
    page.wait_for_selector(".items li")
    assert page.inner_text("figcaption") == "3rd of 200 by hours"
    assert "333.3" in page.inner_text(".known")
    first = page.locator(".items li").first
    assert "Both Alpha (26%)" in first.locator(".why").inner_text()  # 51 of 200


def test_one_walks_on_from_neighbour_to_neighbour_and_back(service, look):
    page = look(service).at("#/explore/n7")
    page.wait_for_selector(".items li")
    first = titles(page)[0]
    page.locator(".items a").first.click()
    page.wait_for_selector(f"#item:has-text('{first}')")
    page.go_back()
    page.wait_for_selector(f"#item:has-text('{WEDNESDAY}')")
    assert page.get_attribute(".links a >> nth=0", "href") == "page/map.html#item=n7"
    assert page.get_attribute(".links a >> nth=1", "href") == "#/person?history=n7"


def test_a_title_like_a_script_stays_a_title_and_a_lost_link_is_told(service, look):
    page = look(service).at("#/explore/n8")
    page.wait_for_selector(".items li")
    assert page.inner_text("#item").startswith("<img src=x")
    assert page.locator("main img").count() == 0
    page.goto(f"http://127.0.0.1:{service.port}/#/explore/nobody")
    page.wait_for_selector("[role=alert]")
    assert "nobody" in page.inner_text("[role=alert]")
    assert page.is_visible("#find-field")


def test_more_are_shown_when_asked_and_seasons_too(people, service, look):
    page = look(service).at("#/explore/n7")
    page.wait_for_selector(".items li")
    assert len(titles(page)) == 12
    page.get_by_role("button", name="Show more").click()
    page.wait_for_selector(".items li:nth-child(24)")
    page = look(people).at("#/explore/a")
    page.wait_for_selector(".items li")
    assert "Comet: Season 2" not in titles(page)
    page.get_by_label("Every season").check()
    page.wait_for_selector(".items li:has-text('Comet: Season 2')")
    assert "The same series" in page.locator(".items .why").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(service, look, scheme):
    seen = look(service, color_scheme=scheme)
    page = seen.at()
    page.wait_for_selector(".cards a")
    assert not seen.serious()
    page.fill("#find-field", "tale")
    page.wait_for_selector("#find-list [role=option]")
    assert not seen.serious()
    page.goto(f"http://127.0.0.1:{service.port}/#/explore/n7")
    page.wait_for_selector(".items li")
    assert not seen.serious()


def test_on_a_phone_nothing_is_too_wide(service, look):
    seen = look(service, width=390, height=800, has_touch=True)
    page = seen.at()
    page.wait_for_selector(".cards a")
    assert not seen.is_wider_than_the_window()
    page.locator(".cards a").nth(7).tap()
    page.wait_for_selector(".items li")
    assert not seen.is_wider_than_the_window()


# --- the real catalogue ----------------------------------------------------------------------


@pytest.mark.slow
def test_wednesday_of_the_real_catalogue_is_found_misspelled_and_shows_what_is_like_it(
    tastemaker, shared_data, tmp_path, look
):
    pytest.importorskip("tensorflow")
    items = shared_data("netflix_content_2023") / "netflix_content_2023.csv"
    quick = ("--set", "content.epochs=1", "--set", "content.dim=32")
    done = tastemaker("train", "--items", items, *quick, "--out", tmp_path / "bundle")
    assert done.status == 0, done.stderr
    with items.open(encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["Title"].strip() == WEDNESDAY]
    hours = sum(int(row["Hours Viewed"].replace(",", "")) for row in rows)  # of two halves of the year
    with served(tmp_path / "bundle", "--no-auth", "--store", tmp_path / "store.sqlite") as service:
        seen = look(service)
        page = seen.at()
        page.fill("#find-field", "wednsday")
        page.wait_for_selector(f"#find-list [aria-selected=true]:has-text('{WEDNESDAY}')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".items li")
        assert page.inner_text("#item") == WEDNESDAY
        known = page.inner_text(".known")
        assert "23 November 2022" in known
        assert f"{hours:,}" in known
        assert page.inner_text("figcaption").endswith("of 19,158 by Hours Viewed")
        like = service.get(f"/v1/items/{at(WEDNESDAY)}/similar?k=12")["items"]
        assert titles(page) == [each["title"].split(" // ")[0] for each in like]
        assert not seen.serious()
        page.fill("#find-field", "더 글로리")  # the other half of a title
        page.wait_for_selector("#find-list [aria-selected=true]:has-text('The Glory')")
