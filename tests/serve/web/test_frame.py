"""The frame of the page: who may come in, what a browser may do there, and how much it fetches at first."""

import gzip
import re

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import served


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": str(path)} | {role.value: made.add(role, f"the {role.value}") for role in Role}


@pytest.fixture(scope="module")
def service(by_hand, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frame")
    Recommender(by_hand).save(folder / "six")
    options = ("--keys", keys["path"], "--store", folder / "store.sqlite")
    with served(folder / "six", *options, key=keys["admin"]) as service:
        yield service


def test_without_a_key_it_asks_for_one_and_a_wrong_one_is_refused(service, keys, look):
    seen = look(service)
    page = seen.at()
    assert page.inner_text("h1") == "Sign in"
    assert not page.locator("nav").count()
    page.fill("input[name=key]", "tm_nobody_nothing")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert "unknown" in page.inner_text("[role=alert]")
    page.fill("input[name=key]", keys["write-events"])
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:has-text('role read')")
    page.fill("input[name=key]", keys["read"])
    page.keyboard.press("Enter")
    page.wait_for_selector("nav a[aria-current]")
    assert "6 items" in page.inner_text("#bar")
    page.reload()
    page.wait_for_selector("nav a[aria-current]")
    assert not page.evaluate("document.cookie")
    page.click("text=Sign out")
    page.wait_for_selector("input[name=key]")
    page.reload()
    page.wait_for_selector("input[name=key]")
    assert not seen.serious()


def test_its_files_hold_no_data_and_are_under_a_strict_policy(service):
    for path in ("/", "/page/app.js", "/page/vendor/lit-html/lit-html.js", "/page/shared/page.css"):
        said = service.ask("GET", path, None, "")
        assert said.status == 200, path
        policy = dict(part.split(" ", 1) for part in said.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert said.headers["x-content-type-options"] == "nosniff"
        again = service.ask("GET", path, None, "", **{"If-None-Match": said.headers["etag"]})
        assert again.status == 304
    assert service.ask("POST", "/page/app.js", None, "").status == 401
    for path in ("/page/../app.py", "/page/%2e%2e/files.py", "/page/vendor", "/page/", "/page/nothing.js"):
        assert service.ask("GET", path, None, "").status == 401, path


def test_what_is_asked_of_the_page_takes_a_key_as_all_else_does(service, keys):
    for path in ("/page/api/facts", "/page/api/search?q=dune"):
        assert service.ask("GET", path, None, "").status == 401
        assert service.ask("GET", path, None, keys["write-events"]).status == 403
        assert service.ask("GET", path, None, keys["read"]).status == 200


def test_the_first_view_is_small(service, keys, look):
    seen = look(service)
    seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {keys['read']!r})")
    sizes = {}

    def heard(answer):
        if answer.status == 200:
            sizes[answer.url] = int(answer.headers["content-length"])

    seen.page.on("response", heard)
    seen.at()
    seen.page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes.values()) <= 150_000, sizes


def test_files_that_are_sent_zipped_are_the_same(service):
    import urllib.request

    for path in ("", "page/app.js"):
        asked = urllib.request.Request(
            f"http://127.0.0.1:{service.port}/{path}", headers={"Accept-Encoding": "gzip"}
        )
        with urllib.request.urlopen(asked) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            zipped = gzip.decompress(answer.read())
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/{path}") as answer:
            assert answer.read() == zipped


def test_no_word_for_people_stands_outside_the_file_of_words():
    """Text between tags of a template, and labels, come from words.js."""
    from importlib import resources

    static = resources.files("tastemaker.serve.web").joinpath("static")
    for file in static.iterdir():
        if not file.name.endswith(".js") or file.name == "words.js":
            continue
        code = re.sub(r"//.*", "", re.sub(r"\$\{[^{}]*\}", "", file.read_text(encoding="utf-8")))
        plain = re.findall(r">\s*([A-Za-z][A-Za-z ]{3,})<", code)
        plain += re.findall(r'(?:aria-label|placeholder|title)="([^"$]*[A-Za-z][^"$]*)"', code)
        assert not plain, f"{file.name}: {plain}"
