"""Files that are tried: what may come in, what is said of it, how it becomes a model; nothing is left."""

import io
import os
import signal
import threading
import time
import zipfile
from pathlib import Path

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import served


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture(scope="module")
def service(by_hand, workshop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tries")
    Recommender(by_hand).save(folder / "six")
    options = ("--no-auth", "--store", folder / "store.sqlite", "--workshop", workshop)
    with served(folder / "six", *options) as service:
        yield service


@pytest.fixture
def file_of(written):
    def file(content: str | bytes, name: str):
        return written(content, name)

    return file


def send(service, content: bytes, name: str = "titles.csv"):
    return service.ask("POST", f"/page/api/tries?name={name}", content)


def until(service, id: str, *states: str, wait_s: float = 60.0):
    """How a try stands once it is in one of `states`."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        found = service.get(f"/page/api/tries/{id}")
        if found["state"] in states:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def forget_all(service) -> None:
    for each in service.get("/page/api/tries")["tries"]:
        service.delete(f"/page/api/tries/{each['id']}")


PLAIN = b"title,genre,year\nAlpha,drama,1999\nBeta,comedy,2001\nGamma,drama,2003\n"


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("titles.csv", PLAIN)
    return content.getvalue()


REFUSED = {
    "empty": (b"", "titles.csv", "empty"),
    "a picture by its name": (b"\x89PNG", "titles.png", "Give it as CSV"),
    "a workbook by its name": (b"PK", "titles.xlsx", "Save the sheet as CSV"),
    "an archive by its name": (zipped(), "titles.zip", "Unpack it"),
    "no ending": (PLAIN, "titles", "ends in .csv"),
    "a path for a name": (PLAIN, "../../up/.", "ends in .csv"),
    "thousands of columns": (b",".join(b"c%d" % n for n in range(10_000)) + b"\n", "t.csv", "10,000 columns"),
    "an endless line": (b"a," + b"x" * 1_200_000, "titles.csv", "A line of it"),
    "too many rows": (b"title\n" + b"a\n" * 200_001, "titles.csv", "more than 200,000 lines"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_be_told_at_once_is_refused_at_once_and_nothing_is_left_of_it(service, workshop, kind):
    content, name, told = REFUSED[kind]
    before = set(workshop.iterdir())
    said = send(service, content, name)
    assert said.status == 422
    assert told in said.body["error"]["message"]
    assert set(workshop.iterdir()) == before


def test_a_file_past_the_limit_is_refused_before_it_is_read_and_other_routes_keep_theirs(service):
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
    for path, size in (("/page/api/tries?name=a.csv", 70_000_000), ("/page/api/recommend", 2_000_000)):
        assert b" 413 " in service.raw(head.format(path, size).encode())
    assert send(service, b"title,x\n" + b"abcdefg,y\n" * 150_000).status == 200  # 1.5 MB
    forget_all(service)


UNREADABLE = {
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00" * 50, "binary"),
    "an archive": (zipped(), "zip archive"),
    "a header alone": (b"title,genre\n", "no rows"),
    "NUL bytes": (b"title,genre\nA\0B,x\n", "binary"),
    "one title twice": (b"title,genre\nA,x\nA,y\n", "at least two"),
    "columns of one name": (b"title,genre,genre\nA,x,y\nB,x,y\nC,x,y\n", "genre"),
    "ids that are missing": (b"item_id,title\n,A\n,B\n,C\n,D\n", "item"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_bad_file_gets_one_line_that_says_what_is_wrong_without_where_it_lies(service, workshop, kind):
    content, told = UNREADABLE[kind]
    id = send(service, content).body["id"]
    found = until(service, id, "unreadable", "read")
    if found["state"] == "read":  # repaired: the report says so
        assert told in str(found["report"])
    else:
        assert told in found["job"]["message"]
        assert str(workshop) not in found["job"]["message"]
        assert "\n" not in found["job"]["message"]
    assert service.ask("POST", f"/page/api/tries/{id}/train").status == (
        200 if found["state"] == "read" else 422
    )
    service.delete(f"/page/api/tries/{id}")


def test_what_was_found_stands_in_the_page_and_a_corrected_role_is_read(service, file_of, look):
    rows = [f"Film {n},{'drama' if n % 2 else 'comedy'},{1990 + n}" for n in range(30)]
    path = file_of("\n".join(["title,kind,year", *rows]), "films.csv")
    seen = look(service)
    page = seen.at("#/try")
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector("text=30 rows read, 30 kept")
    roles = page.locator("section select")
    assert [roles.nth(n).input_value() for n in range(3)] == ["title", "category", "number"]
    assert page.locator("td.example").first.inner_text().startswith("Film")
    page.select_option("select[aria-label='Taken for: year']", "ignored")
    assert page.is_disabled("text=Train a model")
    page.click("text=Read again")
    (id,) = [each["id"] for each in service.get("/page/api/tries")["tries"]]
    page.wait_for_selector("button:has-text('Train a model'):enabled")
    found = until(service, id, "read")
    assert page.input_value("select[aria-label='Taken for: year']") == "ignored"
    assert found["columns"] == {"year": "ignored"}
    assert {c["name"]: c["role"] for c in found["report"]["columns"]}["year"] == "ignored"
    assert not seen.serious()
    page.goto(seen.address + "#/try")
    page.click("[aria-label='Delete films.csv']")
    page.click("dialog >> text=Cancel")
    assert service.get("/page/api/tries")["tries"]
    page.click("[aria-label='Delete films.csv']")
    page.click("dialog button.strong")
    page.wait_for_selector("text=Nothing was tried yet.")
    assert not service.get("/page/api/tries")["tries"]


def test_a_broken_file_is_refused_in_the_page(service, file_of, look):
    seen = look(service, width=390, height=800, color_scheme="dark")
    page = seen.at("#/try")
    page.set_input_files("input[type=file]", file_of(b"\x00\x01" * 500, "broken.csv"))
    page.wait_for_selector("[role=alert]:has-text('is a binary file')")
    assert not seen.is_wider_than_the_window()
    assert not seen.serious()
    forget_all(service)


def test_the_oldest_that_is_over_goes_for_a_new_one(service):
    ids = [send(service, PLAIN, f"{n}.csv").body["id"] for n in range(8)]
    for id in ids:
        until(service, id, "read")
    ninth = send(service, PLAIN, "ninth.csv").body["id"]
    kept = [each["id"] for each in service.get("/page/api/tries")["tries"]]
    assert kept == [ninth, *ids[:0:-1]]
    forget_all(service)


def test_a_reader_may_not_try_files(by_hand, tmp_path, look):
    Recommender(by_hand).save(tmp_path / "six")
    reader = Keys.opened(tmp_path / "keys.json", create=True).add(Role.READ, "reader")
    options = ("--keys", tmp_path / "keys.json", "--store", tmp_path / "store.sqlite")
    with served(tmp_path / "six", *options, key=reader) as service:
        assert send(service, PLAIN).status == 403
        seen = look(service)
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {reader!r})")
        page = seen.at("#/try")
        assert "role admin" in page.inner_text("main")
        assert not page.locator("input[type=file]").count()


@pytest.mark.slow
def test_a_catalogue_is_trained_in_the_background_explored_and_forgotten(service, workshop, planted, look):
    pytest.importorskip("tensorflow")
    seen = look(service)
    page = seen.at("#/try")
    page.set_input_files("input[type=file]", planted.items)
    page.wait_for_selector("text=60 rows read, 60 kept")
    page.click("text=Train a model")
    page.wait_for_selector("progress")
    took = []
    for _ in range(20):  # who is served is served meanwhile
        began = time.perf_counter()
        assert len(service.ids(user_id="ann", k=3)) == 3
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.25
    page.reload()
    page.wait_for_selector("text=The model is ready", timeout=180_000)
    page.click("text=Explore it")
    page.wait_for_selector("#bar >> text=only looked at")
    assert "60 items" in page.inner_text("#bar")
    (one,) = service.get("/page/api/tries")["tries"]
    listed = service.post("/page/api/recommend", {"model": one["model"], "history": ["i20"], "k": 5})
    assert len(listed["items"]) == 5
    assert service.get("/v1/models")["live"] != one["model"]
    assert service.ids(user_id="ann", k=3)
    service.delete(f"/page/api/tries/{one['id']}")
    assert not [path for path in workshop.iterdir() if one["id"] in path.name]
    assert service.ask("GET", f"/page/api/facts?model={one['model']}").status == 422
    assert not seen.serious()


@pytest.mark.slow
def test_training_is_stopped_by_hand_and_dies_with_its_service(by_hand, planted, tmp_path):
    pytest.importorskip("tensorflow")
    Recommender(by_hand).save(tmp_path / "six")
    options = ("--no-auth", "--store", tmp_path / "store.sqlite", "--workshop", tmp_path / "workshop")
    content = planted.items.read_bytes()
    with served(tmp_path / "six", *options) as service:
        id = send(service, content).body["id"]
        until(service, id, "read")
        service.post(f"/page/api/tries/{id}/train", None)
        until(service, id, "training")
        assert service.post(f"/page/api/tries/{id}/stop", None)["state"] == "stopped"
        assert not running(id)
        service.post(f"/page/api/tries/{id}/train", None)
        until(service, id, "training")
        assert running(id)
        ended = threading.Thread(target=service.stop)
        ended.start()
        ended.join(15)
    assert not running(id)
    with served(tmp_path / "six", *options) as service:  # what is there stays, and can be trained
        assert service.get(f"/page/api/tries/{id}")["state"] in ("stopped", "failed")
        service.post(f"/page/api/tries/{id}/train", None)
        until(service, id, "training")
        service.stop(signal.SIGKILL)
    end = time.monotonic() + 15
    while running(id) and time.monotonic() < end:
        time.sleep(0.2)
    assert not running(id)


def running(id: str) -> list[int]:
    """Processes whose command names that try."""
    found = []
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        if f"try-{id}".encode() in line:
            found.append(int(name))
    return found


@pytest.mark.slow
def test_the_netflix_catalogue_and_its_copies_are_read_alike(service, shared_data, look):
    folder = shared_data("netflix_content_2023")
    files = [folder / "netflix_content_2023.csv", *sorted((folder / "variants").glob("*.csv"))]
    assert len(files) == 3
    told = []
    seen = look(service)
    for file in files:
        page = seen.at("#/try")
        page.set_input_files("input[type=file]", file)
        page.wait_for_selector("text=rows read", timeout=30_000)
        report = service.get("/page/api/tries")["tries"][0]
        found = service.get(f"/page/api/tries/{report['id']}")["report"]
        told.append(({c["name"].strip(): c["role"] for c in found["columns"]}, found["rows"]["kept"]))
    assert told[0][1] == 19_158
    assert told[0][0]["Title"] == "title"
    forget_all(service)
    assert len({kept for _, kept in told}) == 1, told
