"""For a person: whose list it is, the list itself, and what changed since the one before."""

import subprocess
import sys

import polars as pl
import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.serve.web.peopled import RULED, peopled, saved
from tests.served import served

AT = 1_700_000_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": str(path)} | {role.value: made.add(role, f"the {role.value}") for role in Role}


@pytest.fixture(scope="module")
def folder(town_bundle, tmp_path_factory):
    return saved(peopled(town_bundle, RULED), tmp_path_factory.mktemp("person") / "town")


@pytest.fixture(scope="module")
def service(folder, keys):
    options = ("--keys", keys["path"], "--store", folder.parent / "store.sqlite")
    with served(folder, *options, key=keys["admin"]) as service:
        yield service


@pytest.fixture
def page_of(service, keys, look):
    """`page_of("admin")` looks with a key of that role."""

    def looked(role="admin", hash="#/person", **more):
        seen = look(service, **more)
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {keys[role]!r})")
        seen.at(hash)
        seen.page.wait_for_selector(".places li")
        seen.page.wait_for_selector("#knob-diversity", state="attached")
        return seen

    return looked


def shown(page):
    """Ids of the list that stands there."""
    return page.eval_on_selector_all(".places li", "all => all.map((one) => one.dataset.id)")


def looked(service, **asked):
    return service.post("/page/api/recommend", asked)


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


def test_a_history_is_built_by_clicking_and_the_list_says_what_changed(page_of, service):
    page = page_of().page
    page.fill("#adding input", "wednesday")
    page.click("#adding [role=option]")
    page.wait_for_selector(".history li:has-text('Wednesday')")
    page.wait_for_selector(".changed:has-text('After adding Wednesday: Season 1')")
    before = shown(page)
    assert before == ids(looked(service, history=["n7"]))
    assert "history=n7" in page.url
    added = before[3]
    page.click(f".places li[data-id={added}] button")
    page.wait_for_selector(".history li:nth-child(2):has-text('Wednesday')")
    page.wait_for_selector(f".places:not(:has([data-id={added}]))")
    after = shown(page)
    assert after == ids(looked(service, history=["n7", added]))
    # What a person would find who lays the two lists side by side.
    told = page.eval_on_selector_all(
        ".places li", "all => all.map((one) => one.querySelector('.mark')?.innerText ?? '')"
    )
    for place, item_id in enumerate(after):
        if item_id not in before:
            assert told[place] == "new"
        elif before.index(item_id) != place:
            rose = before.index(item_id) - place
            assert told[place] == (f"↑ {rose}" if rose > 0 else f"↓ {-rose}")
        else:
            assert told[place] == ""
    gone = [item_id for item_id in before if item_id not in after]
    assert added in gone
    assert page.locator(".gone s").count() == len(gone)
    page.click(".history li:first-child button")
    page.wait_for_selector(".changed:has-text('Without')")
    assert shown(page) == before
    page.reload()
    page.wait_for_selector(".history li:has-text('Wednesday')")
    page.wait_for_selector(".places li")
    assert shown(page) == before


def test_an_admin_finds_a_person_and_takes_a_title_out_of_their_history(page_of, service):
    page = page_of().page
    page.fill("#people input", "P3")
    page.wait_for_selector("#people [role=option]:has-text('5 events')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".history li:nth-child(5)")
    page.wait_for_selector(".somebody:has-text('Person p3')")
    assert shown(page) == ids(looked(service, user_id="p3"))
    assert page.url.endswith("#/person?user=p3")
    page.click(".history li:first-child button")
    page.wait_for_selector(".changed:has-text('Without')")
    assert shown(page) == ids(looked(service, history=["n3", "n16", "n29", "n42"]))
    page.click("text=Back to person p3")
    page.wait_for_selector(".history li:nth-child(5)")


def test_whoever_may_only_read_finds_nobody_and_begins_with_a_taste(page_of, service, keys):
    page = page_of("read").page
    assert not page.locator("#people").count()
    assert page.locator(".tastes button").count() == 3
    column = page.locator(".who").bounding_box()
    for button in page.locator(".tastes button").all():
        assert button.bounding_box()["width"] <= column["width"] + 1
    page.click(".tastes button >> nth=1")
    page.wait_for_selector(".history li:nth-child(3)")
    for path in ("/page/api/people?q=p", "/page/api/person?id=p3"):
        assert service.ask("GET", path, None, keys["read"]).status == 403
        assert service.ask("GET", path, None, keys["write-events"]).status == 403
    assert service.ask("POST", "/page/api/recommend", {}, keys["read"]).status == 200
    assert service.ask("POST", "/page/api/recommend", {}, keys["write-events"]).status == 403


def test_it_finds_out_why_where_it_is_asked_to(page_of):
    page = page_of(hash="#/person?history=n7&history=n60").page
    assert "because of" not in page.inner_text(".places")
    page.check("text=Find out why")
    page.wait_for_selector(".why:has-text('because of')")


def test_a_title_is_only_text(page_of):
    page = page_of(hash="#/person?history=n8").page
    page.wait_for_selector(".history li:has-text('<img src=x')")
    assert page.title() == "For a person · Tastemaker"
    assert not page.locator("main img").count()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_anybody_can_use_it(page_of, width, scheme):
    more = {"color_scheme": scheme, "has_touch": width < 400}
    seen = page_of(hash="#/person?user=p3", width=width, **more)
    if width < 400:
        seen.page.click(".steer summary")
    seen.page.locator("#knob-diversity").fill("0.8")
    seen.page.wait_for_selector(".changed")
    seen.page.evaluate("for (const each of document.querySelectorAll('details.knobs')) each.open = true")
    assert not seen.serious()
    assert not seen.is_wider_than_the_window()


def test_people_are_found_by_how_their_ids_begin_and_then_by_what_they_hold(service):
    found = service.get("/page/api/people?q=1&k=5")["people"]
    assert [each["id"] for each in found] == ["p1", "p10", "p11"]
    assert [each["id"] for each in service.get("/page/api/people?q=p1")["people"]] == ["p1", "p10", "p11"]
    assert {each["count"] for each in found} == {5}
    assert service.get("/page/api/people?q=nobody")["people"] == []


def test_a_persons_history_is_what_the_model_knew_and_what_the_store_heard(service):
    event = {"user_id": "p5", "item_id": "n100", "timestamp": AT + 900, "weight": 4.0}
    service.post("/v1/events", {"events": [event]})
    told = service.get("/page/api/person?id=p5")
    assert [each["item_id"] for each in told["events"]] == ["n100", "n57", "n44", "n31", "n18", "n5"]
    assert told["count"] == 6
    newest = told["events"][0]
    assert (newest["at"], newest["weight"]) == (AT + 900, 4.0)
    assert told["events"][1]["at"] == AT + 29  # the thirtieth of all events, a second apart
    assert service.get("/page/api/person?id=stranger")["events"] == []


def test_a_list_is_the_one_that_the_recommender_gives(service, folder):
    recommender = Recommender.load(folder)
    for who in ({"user_id": "p3"}, {"history": ["n7", "n9"]}, {"history": []}):
        answer = looked(service, **who, k=15)
        slate = recommender.recommend(**who, k=15, placement="home", explain=False)
        assert ids(answer) == [item.item_id for item in slate]
        assert [item["score"] for item in answer["items"]] == pytest.approx([item.score for item in slate])
        assert [item["reasons"] for item in answer["items"]] == [list(item.reasons) for item in slate]
        served = service.post("/v1/recommend", {**who, "k": 15, "placement": "home"})
        assert ids(answer) == ids(served)
        assert [item.get("moves", []) for item in answer["items"]] == [
            item.get("moves", []) for item in served["items"]
        ]
    best = looked(service, history=["n7"])["items"][0]
    number = int(best["item_id"].removeprefix("n"))
    tags = {f"t{number % 11}", f"t{number * number % 12}"} if number % 5 else {f"t{9 + number % 3}"}
    assert best["about"] == f"Alpha · {', '.join(sorted(tags))}"
    assert set(looked(service, user_id="p3", explain=True)["stages_ms"]) >= {"retrieve", "rerank", "explain"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"user_id": "p1", "history": ["n1"]}, "one of user_id and history"),
        ({"k": 201}, "200"),
        ({"placement": "nowhere"}, "no placement 'nowhere'"),
        ({"placement": "more-like-this"}, "about an item"),
        ({"model": "../etc"}, "model"),
        ({"model": "0123456789ab"}, "no model '0123456789ab'"),
        ({"history": ["n"] * 1001}, "1000"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cant_be_asked_is_told_in_a_line(service, asked, told):
    said = service.ask("POST", "/page/api/recommend", asked)
    assert said.status == 422, said
    assert told in said.body["error"]["message"]
    assert "\n" not in said.body["error"]["message"]


def test_what_is_only_looked_at_is_never_written_down(folder, keys, tmp_path):
    store = tmp_path / "looked.sqlite"
    with served(folder, "--keys", keys["path"], "--store", store, key=keys["admin"]) as service:
        for number in range(5):
            looked(service, user_id="p2", settings={"reranking": {"diversity": {"strength": number / 5}}})
        service.get("/page/api/person?id=p2")
        service.post("/v1/recommend", {"user_id": "p4"})  # which shows that answers are kept here
    out = tmp_path / "out"

    command = [sys.executable, "-m", "tastemaker", "store", "export", str(store), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    people = set()
    for file in out.glob("*.parquet"):
        frame = pl.read_parquet(file)
        people |= set(frame["user_id"].to_list()) if "user_id" in frame.columns else set()
    assert people == {"p4"}
