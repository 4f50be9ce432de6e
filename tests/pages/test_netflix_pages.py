"""The real catalogue, trained for one epoch: its map and its report in a browser, as a user gets them."""

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def netflix(tastemaker, shared_data, tmp_path_factory):
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("netflix")
    items = shared_data("netflix_content_2023") / "netflix_content_2023.csv"
    quick = ("--set", "content.epochs=1", "--set", "content.dim=32")
    done = tastemaker("train", "--items", items, *quick, "--out", folder / "bundle")
    assert done.status == 0, done.stderr
    return folder


def test_the_map_finds_wednesday_and_a_click_shows_its_neighbours(tastemaker, netflix, open_page):
    done = tastemaker("explore", netflix / "bundle", "--projection", "pca", "--out", netflix / "map.html")
    assert done.status == 0, done.stderr
    opened = open_page(netflix / "map.html", reduced_motion="reduce")
    page = opened.page
    page.fill("#query", "Wednesday")
    found = page.locator("#results [role=option]").all_text_contents()
    assert any(title.startswith("Wednesday: Season 1") for title in found)
    page.fill("#query", "wednsday season 1")
    page.press("#query", "Enter")
    assert page.inner_text("#title") == "Wednesday: Season 1"
    first = page.locator("#neighbours li span").all_text_contents()[0]
    page.locator("#neighbours button").first.click()
    assert page.inner_text("#title") == first
    # Back to it by a click on its point.
    page.keyboard.press("Escape")
    row = page.evaluate("titles.findIndex((title) => title.startsWith('Wednesday: Season 1'))")
    page.evaluate("(row) => choose(row)", row)
    page.wait_for_timeout(300)
    spot = page.evaluate("(row) => [plane.screenX(row), plane.screenY(row)]", row)
    page.keyboard.press("Escape")
    page.mouse.click(*spot)
    assert page.is_visible("#panel")
    assert len(page.locator("#neighbours li span").all_text_contents()) == 10
    page.screenshot(path=netflix / "map.png")
    assert (netflix / "map.png").stat().st_size > 50_000
    assert not opened.complaints


def test_the_report_has_all_its_parts(tastemaker, netflix, open_page):
    done = tastemaker("evaluate", netflix / "bundle", "--report", netflix / "report")
    assert done.status == 0, done.stderr
    opened = open_page(netflix / "report" / "index.html")
    parts = [each.get_attribute("id") for each in opened.page.query_selector_all("main > section")]
    assert {"standing", "segments", "folding", "popularity", "kinship", "exposure", "examples"} <= set(parts)
    assert "Language Indicator" in opened.page.inner_text("#folding")
    opened.page.screenshot(path=netflix / "report.png", full_page=True)
    assert not opened.complaints
    phone = open_page(netflix / "report" / "index.html", width=390)
    assert not phone.is_wider_than_the_window()
