"""Models on the page: side by side with intervals, and alone; promoted, taken back, refused with a reason."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tastemaker.evaluation.report import Contest, Line, Mark, Report
from tastemaker.recommend import Recommender
from tastemaker.registry import Registry
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import served

CARD = """# Model card

Made by hand with `no training`.

## Limits

- <img src=x onerror="document.title='broken'"> stays **text**.

| | NDCG |
| --- | ---: |
| **ours** | 0.5 |
"""
FOUND = {
    "kind": "interactions",
    "rows": {"read": 1200, "kept": 1190, "merged": 4, "duplicates": 3, "rejected": 3},
    "repaired": [{"what": "hours isn't a number: left empty", "count": 17}],
    "suspicious": [],
}
REFUSED = pl.DataFrame(
    {"line": ["3", "7", "9"], "reason": ["no id", "no id", "no time"], "raw": [",x", ",y", "ann,b,"]}
)


def exam(mean: float, low: float, high: float) -> Report:
    """Ours, as given, beside popularity."""
    lines = (
        Line("tastemaker", False, {"ndcg": Mark(mean, low, high)}, {"coverage": 0.75}, 0.1),
        Line("popularity", True, {"ndcg": Mark(0.2, 0.15, 0.25)}, {"coverage": 0.25}, 0.1),
    )
    contest = Contest("tastemaker", "popularity", "ndcg", Mark(0.1, 0.05, 0.15), "better")
    return Report(10, "leave_one_out: by hand.", 40, 2, lines, (contest,))


@pytest.fixture
def shelf(by_hand, tmp_path):
    """A registry of two, and which is which: `good` answers, `other` turns the items by two."""
    registry, made = Registry.opened(tmp_path / "registry", create=True), {}
    for number, (name, marks) in enumerate({"good": (0.5, 0.4, 0.6), "other": (0.3125, 0.25, 0.375)}.items()):
        turned = np.roll(np.arange(6), 2 * number)
        vectors = by_hand.arrays["item_vectors"][turned]
        arrays = {"item_vectors": vectors, "neighbour_vectors": vectors}
        arrays["popularity"] = by_hand.arrays["popularity"][turned]
        data = by_hand.manifest.data | {"read": [FOUND]}
        told = {"created": f"2024-0{number + 1}-01T00:00:00+00:00", "data": data}
        manifest = by_hand.manifest.model_copy(update=told)
        bundle = replace(by_hand, arrays=arrays, manifest=manifest, evaluation=exam(*marks).as_json())
        bundle = replace(bundle, card=CARD, rejected=REFUSED if number == 0 else None)
        Recommender(bundle).save(tmp_path / name)
        made[name] = registry.add(tmp_path / name)
    registry.promote(made["good"], "it was first")
    return made | {"root": tmp_path / "registry", "folder": tmp_path}


@pytest.fixture
def service(shelf):
    options = ("--no-auth", "--store", shelf["folder"] / "store.sqlite")
    with served("--registry", shelf["root"], *options) as service:
        yield service


def liked_by_a(service) -> list[str]:
    return service.ids(history=["a"], k=3)


def test_another_model_is_let_answer_and_taken_back(service, shelf, look):
    page = look(service).at("#/models")
    before = liked_by_a(service)
    page.click(f"button[aria-label='Promote {shelf['other']}']")
    dialog = page.locator("dialog")
    told = dialog.inner_text()
    assert shelf["good"] in told
    assert shelf["other"] in told
    assert "0.500" in told
    assert "0.400 – 0.600" in told
    assert "0.313" in told
    assert "0.250 – 0.375" in told
    dialog.locator("input[name=because]").fill("its lists are newer")
    dialog.locator("button:has-text('Promote')").click()
    page.wait_for_selector(f".notice.good:has-text('{shelf['other']} answers now')")
    page.wait_for_selector(f"tr.live:has-text('{shelf['other']}')")
    assert shelf["other"] in page.inner_text("#bar")
    assert liked_by_a(service) != before
    assert "its lists are newer" in page.inner_text(".history li:first-child")
    page.click("text=Roll back")
    dialog = page.locator("dialog")
    assert shelf["good"] in dialog.inner_text()
    dialog.locator("button:has-text('Roll back')").click()
    page.wait_for_selector(f"tr.live:has-text('{shelf['good']}')")
    assert liked_by_a(service) == before
    assert [line.event for line in Registry(shelf["root"]).history()][-2:] == ["promoted", "rolled back"]


def test_what_is_called_off_changes_nothing(service, shelf, look):
    page = look(service).at("#/models")
    for end in (
        lambda: page.click("dialog button:has-text('Cancel')"),
        lambda: page.keyboard.press("Escape"),
    ):
        page.click(f"button[aria-label='Promote {shelf['other']}']")
        page.wait_for_selector("dialog[open]")
        end()
        page.wait_for_selector("dialog", state="detached")
    assert service.get("/v1/models")["live"] == shelf["good"]
    assert [line.event for line in Registry(shelf["root"]).history()] == ["added", "added", "promoted"]


def test_marks_stand_with_their_intervals_and_are_sorted_by_them(service, shelf, look):
    page = look(service).at("#/models")
    names = [name.inner_text() for name in page.locator(".versions tbody code").all()]
    assert names == [shelf["other"], shelf["good"]]  # the newest first
    page.click("th button:has-text('NDCG')")
    names = [name.inner_text() for name in page.locator(".versions tbody code").all()]
    assert names == [shelf["good"], shelf["other"]]
    assert page.get_attribute("th:has-text('NDCG')", "aria-sort") == "descending"
    labels = [each.get_attribute("aria-label") for each in page.locator(".versions .whisker").all()]
    assert "0.5000, 95 % interval 0.4000 to 0.6000; best baseline popularity 0.2000" in labels
    assert "0.3125, 95 % interval 0.2500 to 0.3750; best baseline popularity 0.2000" in labels
    # Both on one scale, from 0 to the 0.6 where the longest interval ends: 120 wide, 6 from the edge.
    first, second = (page.locator(f"tr:nth-child({n}) .whisker circle").first for n in (1, 2))
    assert float(first.get_attribute("cx")) == pytest.approx(6 + 120 * 0.5 / 0.6)
    assert float(second.get_attribute("cx")) == pytest.approx(6 + 120 * 0.3125 / 0.6)
    assert not page.locator("text=weren't the same").count()


def test_a_model_has_a_page_with_its_exam_its_data_and_its_card_as_text(service, shelf, look):
    seen = look(service)
    page = seen.at(f"#/models/{shelf['good']}")
    assert page.locator(".exam tbody tr").count() == 2
    assert "it was first" in page.inner_text(".history")
    text = page.inner_text("main")
    assert "1,200 rows read, 1,190 kept, 4 merged, 3 duplicates, 3 refused" in text
    assert "17 × hours isn't a number: left empty" in text
    assert "3 rows of the input could not be used" in text
    assert [row.inner_text().split("\t") for row in page.locator("tr:has-text('no ')").all()[:2]] == [
        ["no id", "2"],
        ["no time", "1"],
    ]
    page.click("summary:has-text('Model card')")
    assert page.inner_text("h3:has-text('Limits')")
    assert '<img src=x onerror="document.title=' in page.inner_text("details:has-text('Limits')")
    assert page.locator("details:has-text('Limits') b:text-is('ours')").count() == 1
    assert not page.locator("main img").count()
    assert "broken" not in page.title()
    assert page.get_attribute("a:has-text('All models')", "href") == "#/models"
    page.goto(f"{seen.address}#/models/{shelf['other']}")
    page.wait_for_selector(f"h1:has-text('{shelf['other']}')")
    assert page.get_attribute("a:has-text('Look at it')", "href") == f"#/explore?model={shelf['other']}"


def test_a_trial_is_started_and_ended(service, shelf, look):
    page = look(service).at(f"#/models/{shelf['other']}")
    page.select_option("select[name=kind]", "shadow")
    page.fill("input[name=share]", "12.5")
    page.click("text=Start the trial")
    page.click("dialog button.strong")
    page.wait_for_selector(".chip:has-text('shadow')")
    (trial,) = service.get("/v1/models")["trials"]
    assert (trial["version"], trial["kind"], trial["share"]) == (shelf["other"], "shadow", 0.125)
    page.click("li button:has-text('End the trial')")
    page.click("dialog button.strong")
    page.wait_for_selector(".chip:has-text('shadow')", state="detached")
    assert service.get("/v1/models")["trials"] == []


def test_a_damaged_model_says_so_and_the_one_before_goes_on(service, shelf, look):
    page = look(service).at("#/models")
    before = liked_by_a(service)
    vectors = shelf["root"] / "models" / shelf["other"] / "item_vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\x01")
    page.click(f"button[aria-label='Promote {shelf['other']}']")
    page.click("dialog button.strong")
    page.wait_for_selector("[role=alert]:has-text('item_vectors.npy differs from what was written')")
    assert page.locator(f"tr.live:has-text('{shelf['good']}')").count() == 1
    assert service.get("/v1/models")["live"] == shelf["good"]
    assert liked_by_a(service) == before
    (shelf["root"] / "models" / shelf["other"] / "evaluation.json").write_text("{}")
    page.reload()
    page.wait_for_selector(".why:has-text('evaluation.json differs from what was written')")
    assert not page.locator("button:has-text('Promote')").count()
    page.click(f"a:has-text('{shelf['other']}')")
    page.wait_for_selector("[role=alert]:has-text('evaluation.json differs')")


def test_who_may_only_read_sees_all_but_people_and_changes_nothing(shelf, look):
    path = shelf["folder"] / "keys.json"
    made = Keys.opened(path, create=True)
    reader, admin = (made.add(role, f"the {role.value}") for role in (Role.READ, Role.ADMIN))
    options = ("--keys", path, "--store", shelf["folder"] / "store.sqlite")
    address = f"/page/api/models/{shelf['good']}"
    with served("--registry", shelf["root"], *options, key=admin) as service:
        assert len(service.get(address)["rejected"]["rows"]) == 3
        told = service.ask("GET", address, None, reader).body["rejected"]
        assert (told["count"], told["rows"]) == (3, [])
        assert service.ask("POST", f"{address}/report", None, reader).status == 403
        seen = look(service)
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {reader!r})")
        for view in ("#/models", f"#/models/{shelf['other']}"):
            page = seen.at(view)
            assert "This takes a key with the role admin" in page.inner_text("main")
            for word in ("Promote", "Roll back", "Start the trial", "Examine"):
                assert not page.locator(f"main button:has-text('{word}')").count(), word


def test_one_bundle_alone_is_told_what_a_registry_brings(shelf, look):
    options = ("--no-auth", "--store", shelf["folder"] / "store.sqlite")
    with served(shelf["folder"] / "good", *options) as service:
        page = look(service).at("#/models")
        assert "tastemaker models promote" in page.inner_text("pre")
        assert not page.locator("button:has-text('Promote'), button:has-text('Roll back')").count()
        assert page.locator(".whisker").count() == 2
        page.click(f"a:has-text('{shelf['good']}')")
        page.wait_for_selector(".exam")
        unknown = service.ask("GET", "/page/api/models/0123456789ab")
        assert unknown.status == 422
        assert "There is no model" in unknown.body["error"]["message"]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_it_can_be_used_by_everybody_and_on_a_phone(service, shelf, look, width, scheme):
    seen = look(service, width=width, color_scheme=scheme)
    for view in ("#/models", f"#/models/{shelf['good']}"):
        page = seen.at(view)
        for summary in page.locator("summary").all():
            summary.click()
        assert not seen.serious()
        assert not seen.is_wider_than_the_window()
    seen.at("#/models")
    seen.page.click(f"button[aria-label='Promote {shelf['other']}']")
    seen.page.wait_for_selector("dialog[open]")
    assert not seen.serious()
    assert not seen.is_wider_than_the_window()


@pytest.mark.slow
def test_a_model_is_examined_and_what_could_be_wrong_stands_first(history_bundle, tmp_path, look):
    with served(history_bundle, "--no-auth", "--store", tmp_path / "store.sqlite") as service:
        version = service.get("/v1/models")["live"]
        seen = look(service)
        page = seen.at(f"#/models/{version}")
        page.click("text=Examine")
        page.wait_for_selector("progress")
        page.wait_for_selector(".part", timeout=120_000)
        report = service.get(f"/page/api/models/{version}/report")["report"]
        keys = [part["key"] for part in report["parts"]]
        assert {"folding", "exposure", "popularity", "data", "curves", "segments"} <= set(keys)
        verdicts = [(part.get_attribute("class") or "").split()[1:] for part in page.locator(".part").all()]
        alarms = sum(verdict == ["alarm"] for verdict in verdicts)
        assert all(verdict == ["alarm"] for verdict in verdicts[:alarms])
        assert alarms == len([key for key in report["alarms"] if key != "standing"])
        page.locator("summary:has-text('Training curves')").click()
        picture = page.locator("figure img:visible").first
        picture.scroll_into_view_if_needed()
        assert picture.get_attribute("src").startswith("blob:")
        assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth; }") > 100
        page.wait_for_selector("button:has-text('Examine again')")
        assert not seen.serious()
        # The file of the whole report is the same as what it shows.
        tables = next(part["tables"] for part in report["parts"] if part["key"] == "cost")
        assert any(table["title"] == "On disk" for table in tables)
