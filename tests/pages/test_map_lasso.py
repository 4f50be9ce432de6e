"""Several items of a map at once: drawn around, by mouse or finger, or a group; listed, let go, saved."""

import csv
import io

import pytest

from tastemaker.evaluation.map import sheet
from tastemaker.evaluation.map.chart import chart
from tastemaker.recommend import Recommender


@pytest.fixture(scope="module")
def map_page(town_bundle, tmp_path_factory):
    file = tmp_path_factory.mktemp("lasso") / "map.html"
    file.write_text(sheet.html(chart(Recommender(town_bundle()), kind="pca")), encoding="utf-8")
    return file


@pytest.fixture
def page(open_page, map_page):
    opened = open_page(map_page, reduced_motion="reduce")
    yield opened.page
    assert not opened.complaints


def places(page) -> list[list[float]]:
    return page.evaluate("titles.map((_, row) => [plane.screenX(row), plane.screenY(row)])")


def in_triangle(page, corners) -> list[str]:
    """Titles by the sides of three lines, most popular first; another way than the page's."""
    (ax, ay), (bx, by), (cx, cy) = corners
    found = []
    for title, (x, y) in zip(page.evaluate("titles"), places(page), strict=True):
        sides = [
            (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0,
            (cx - bx) * (y - by) - (cy - by) * (x - bx) > 0,
            (ax - cx) * (y - cy) - (ay - cy) * (x - cx) > 0,
        ]
        if all(sides) or not any(sides):
            found.append(title)
    return found


def listed(page) -> list[str]:
    return [each.get_attribute("title") for each in page.locator("#several-items button").all()]


def drag(page, corners) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*corner, steps=6)
    page.mouse.up()


TRIANGLE = [(420, 120), (850, 260), (520, 700)]


def test_what_is_drawn_around_is_listed_most_popular_first_and_the_map_stays(page):
    before = page.evaluate("({...plane.view})")
    page.click("#lasso")
    assert page.get_attribute("#lasso", "aria-pressed") == "true"
    assert page.is_visible("#hint")
    within = in_triangle(page, TRIANGLE)
    assert 5 < len(within) < 190
    drag(page, TRIANGLE)
    assert page.evaluate("({...plane.view})") == before
    assert listed(page) == within
    assert page.inner_text("#several-title") == f"{len(within)} items chosen"
    assert page.evaluate("plane.taken.reduce((sum, each) => sum + each, 0)") == len(within)
    assert page.get_attribute("#lasso", "aria-pressed") == "false"
    assert page.evaluate("document.activeElement.id") == "several-title"


def test_one_of_them_leads_to_its_panel_and_escape_back_and_then_away(page):
    page.click("#lasso")
    drag(page, TRIANGLE)
    title = listed(page)[2]
    page.locator("#several-items button").nth(2).click()
    assert not page.is_visible("#several")
    assert page.inner_text("#title") == title.split(" // ")[0]
    page.keyboard.press("Escape")
    assert page.is_visible("#several")
    page.keyboard.press("Escape")
    assert not page.is_visible("#several")
    assert page.evaluate("plane.taken") is None


def test_what_the_panel_would_hide_is_moved_into_sight(page):
    page.click("#lasso")
    corners = [(820, 100), (1200, 150), (1000, 640)]
    within = in_triangle(page, corners)
    drag(page, corners)
    page.wait_for_timeout(100)
    edge = page.locator("#several").bounding_box()["x"]
    where = dict(zip(page.evaluate("titles"), places(page), strict=True))
    assert within
    assert max(where[title][0] for title in within) < edge


def test_the_key_l_turns_it_on_and_escape_off(page):
    page.focus("#query")
    page.keyboard.type("l")
    assert page.get_attribute("#lasso", "aria-pressed") == "false"
    page.focus("#over")
    page.keyboard.press("l")
    assert page.get_attribute("#lasso", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.get_attribute("#lasso", "aria-pressed") == "false"
    before = page.evaluate("plane.view.x")
    drag(page, TRIANGLE[:2])  # and a drag moves the map again
    assert not page.is_visible("#several")
    page.mouse.move(600, 300)
    page.mouse.down()
    page.mouse.move(700, 300, steps=4)
    page.mouse.up()
    assert page.evaluate("plane.view.x") != before


def test_a_group_is_chosen_by_keys_alone(page):
    page.select_option("#colour", label="town")
    page.focus("#over")
    page.keyboard.press("l")
    page.locator("#entries button", has_text="Delta").press("Enter")
    assert page.inner_text("#several-title") == "49 items chosen"
    page.keyboard.press("Escape")
    page.locator("#entries button", has_text="Delta").press("Enter")  # hides it again, as it always did
    assert page.locator("#entries button", has_text="Delta").get_attribute("aria-pressed") == "false"
    page.locator("#entries button", has_text="Delta").press("Shift+Enter")
    assert page.inner_text("#several-title") == "49 items chosen"
    assert page.locator("#entries button", has_text="Delta").get_attribute("aria-pressed") == "true"


def test_what_is_hidden_is_not_drawn_around(page):
    page.select_option("#colour", label="town")
    page.locator("#entries button", has_text="Alpha").click()
    page.click("#lasso")
    within = in_triangle(page, TRIANGLE)
    alpha = page.evaluate("titles.filter((_, row) => colour.labels[colour.codes[row]] === 'Alpha')")
    drag(page, TRIANGLE)
    assert listed(page) == [title for title in within if title not in alpha]


def test_a_finger_draws_too(open_page, map_page):
    opened = open_page(map_page, width=390, height=800, has_touch=True, reduced_motion="reduce")
    page = opened.page
    page.locator("#lasso").tap()
    corners = [(80, 150), (330, 200), (160, 620)]
    within = in_triangle(page, corners)
    hand = page.context.new_cdp_session(page)
    for n, (x, y) in enumerate((*corners, corners[0])):
        kind = "touchMove" if n else "touchStart"
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_selector("#several:not([hidden])")
    assert listed(page) == within
    assert page.locator("#several").bounding_box()["width"] == 390
    assert not opened.is_wider_than_the_window()
    assert not opened.complaints


def test_a_saved_table_has_all_of_them_and_nothing_that_a_spreadsheet_runs(page):
    page.select_option("#colour", label="town")
    page.locator("#entries button", has_text="Beta").press("Shift+Enter")
    with page.expect_download() as download:
        page.click("#save")
    text = download.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["town"] for row in rows} == {"Beta"}
    assert len(rows) == 49
    assert rows[0]["item_id"] == "n51"
    assert rows[0]["hours"] == "19.2"
    cells = page.evaluate("['=1+1', '+1', '-1', '@a', '\\t=1', 'a=1', 'a,\"b\"', 'two\\nlines'].map(cell)")
    assert cells == ["'=1+1", "'+1", "'-1", "'@a", "'\t=1", "a=1", '"a,""b"""', '"two\nlines"']
