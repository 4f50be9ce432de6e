"""The base of all pages, opened in a browser: what is allowed runs, what isn't doesn't."""

from tastemaker.pages.page import page


def test_a_script_in_the_data_stays_a_title(open_page, tmp_path):
    file = tmp_path / "page.html"
    hostile = "</script><script>document.title = 'taken over'</script>"
    file.write_text(page("base.html", title="films", data={"title": hostile}), encoding="utf-8")
    opened = open_page(file)
    assert opened.page.title() == "films"
    assert opened.page.evaluate("JSON.parse(document.getElementById('data').textContent).title") == hostile
    assert not opened.complaints


def test_a_script_that_the_page_does_not_name_is_refused(open_page, tmp_path):
    file = tmp_path / "page.html"
    html = page("base.html", title="films")
    file.write_text(html.replace("</body>", "<script>document.title = 'taken over'</script></body>"))
    opened = open_page(file)
    assert opened.page.title() == "films"
    assert "Content Security Policy" in " ".join(opened.complaints)
