"""The map as a service shows it: made once in a job of its own, and by the same script as a map in a file."""

import gzip
import json
import urllib.request

import pytest

from tastemaker.errors import TastemakerError
from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.web.jobs import at_hand
from tests.served import served

MAKES_MS = 90_000
"""UMAP is compiled when it is first used."""


@pytest.fixture(scope="module")
def town(town_bundle):
    return Recommender(town_bundle())


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": path, "read": made.add(Role.READ, "reader")}


@pytest.fixture(scope="module")
def service(town, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    town.save(folder / "town")
    options = ("--keys", keys["path"], "--store", folder / "store.sqlite", "--workshop", folder / "shop")
    with served(folder / "town", *options, key=keys["read"]) as service:
        service.shop = folder / "shop"
        yield service


@pytest.fixture
def opened(service, keys, look):
    """`opened(hash)` is a look at the map, drawn."""

    def open_it(hash: str = "", **more):
        seen = look(service, reduced_motion="reduce", **more)
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {keys['read']!r})")
        seen.page.goto(f"{seen.address}page/map.html{hash}")
        seen.page.wait_for_selector("#start", state="detached", timeout=MAKES_MS)
        return seen

    return open_it


def where(page, title: str) -> tuple[float, float]:
    row = page.evaluate("(title) => titles.findIndex((each) => each.startsWith(title))", title)
    return tuple(page.evaluate("(row) => [plane.screenX(row), plane.screenY(row)]", row))


def test_it_is_made_while_one_waits_then_shown_and_not_made_again(service, town, keys, opened, look):
    seen = look(service)
    seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {keys['read']!r})")
    seen.page.goto(f"{seen.address}page/map.html")
    seen.page.wait_for_selector("#start progress")
    assert "made once" in seen.page.inner_text("#start")
    assert not seen.serious()
    seen.page.wait_for_selector("#start", state="detached", timeout=MAKES_MS)
    page = opened().page
    assert service.get("/page/api/map")["job"]["state"] == "done"
    assert page.evaluate("count") == 200
    page.fill("#query", "wednsday")
    page.press("#query", "Enter")
    assert page.inner_text("#title") == "Wednesday: Season 1"
    like = page.locator("#neighbours li span").all_text_contents()
    assert like == [each.title for each in town.similar(item_id="n7", k=10)]
    assert page.locator("#about p").count() >= 2
    (made,) = service.shop.glob("map-*")
    assert made.name == f"map-{service.get('/page/api/facts')['model']['name']}"
    assert json.loads((made / "job.json").read_text())["state"] == "done"


def test_what_is_sent_is_the_map_zipped(service, opened, town):
    opened()
    ask = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/page/api/map/data",
        headers={"Accept-Encoding": "gzip", "X-API-Key": service.key},
    )
    with urllib.request.urlopen(ask) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "no-store"
        sent = answer.read()
    plain = service.ask("GET", "/page/api/map/data")
    assert json.loads(gzip.decompress(sent)) == plain.body
    assert plain.body["version"] == service.get("/page/api/facts")["model"]["name"]
    assert sorted(plain.body["ids"]) == sorted(town.catalogue.ids)


def test_a_link_from_explore_opens_its_item_and_one_leads_back(opened):
    seen = opened("#item=n7")
    page = seen.page
    assert page.inner_text("#title") == "Wednesday: Season 1"
    page.click("#more a")
    page.wait_for_selector(".view.explore #item:has-text('Wednesday')")
    assert page.url == f"{seen.address}#/explore/n7"
    page.click(".links a >> nth=0")
    page.wait_for_selector("#panel:not([hidden])")
    page.click("#back")
    page.wait_for_selector(".view.explore .cards")


def test_signed_out_it_leads_to_the_sign_in(service, look):
    seen = look(service)
    seen.page.goto(f"{seen.address}page/map.html")
    seen.page.wait_for_selector("#start [role=alert]")
    assert not seen.serious()
    seen.page.click("#start a")
    seen.page.wait_for_selector("input[name=key]")


def test_its_page_is_under_the_strict_policy_and_holds_no_data(service):
    said = service.ask("GET", "/page/map.html", None, "")
    assert said.status == 200
    assert "'unsafe" not in said.headers["content-security-policy"]
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/page/map.html") as answer:
        html = answer.read().decode()
    assert "<style" not in html
    assert "style=" not in html
    assert html.count("<script") == html.count("<script defer src=") + html.count(
        '<script type="module" src='
    )
    assert "Wednesday" not in html


def test_without_a_workshop_it_says_so():
    with pytest.raises(TastemakerError, match="without a workshop"):
        at_hand(None)


def test_a_map_that_failed_is_told_and_made_again(town, tmp_path, look):
    town.save(tmp_path / "town")
    options = ("--no-auth", "--store", tmp_path / "store.sqlite", "--workshop", tmp_path / "shop")
    with served(tmp_path / "town", *options) as service:
        (tmp_path / "town").rename(tmp_path / "elsewhere")
        seen = look(service)
        seen.page.goto(f"{seen.address}page/map.html")
        seen.page.wait_for_selector("#start [role=alert]", timeout=30_000)
        assert "could not be made" in seen.page.inner_text("#start")
        message = service.get("/page/api/map")["job"]["message"]
        assert "is not a bundle" in message
        assert str(tmp_path) not in message
        (tmp_path / "elsewhere").rename(tmp_path / "town")
        seen.page.get_by_role("button", name="Try again").click()
        seen.page.wait_for_selector("#start progress")
        assert service.get("/page/api/map")["job"]["state"] in ("waiting", "running", "done")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(opened, scheme):
    seen = opened("#item=n7", color_scheme=scheme)
    assert not seen.serious()
    seen.page.keyboard.press("Escape")
    seen.page.keyboard.press("l")
    assert not seen.serious()
    seen.page.locator("#entries button").first.press("Enter")
    assert seen.page.is_visible("#several")
    assert not seen.serious()


def test_ids_are_copied(opened):
    seen = opened()
    seen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = seen.page
    page.select_option("#colour", label="town")
    page.locator("#entries button", has_text="Gamma").press("Shift+Enter")
    page.click("#copy")
    page.wait_for_selector("#several-note:has-text('copied')")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert sorted(copied) == sorted(f"n{n}" for n in range(100, 150))


def test_on_a_phone_nothing_is_too_wide(opened):
    seen = opened("#item=n7", width=390, height=800, has_touch=True)
    assert not seen.is_wider_than_the_window()
    box = seen.page.locator("#back").bounding_box()
    assert box["x"] + box["width"] <= 390
