"""A page holds all it needs, and what stands in data stays data."""

import json
import re
from html import unescape

import pytest

from tastemaker.pages.page import embedded, page


@pytest.mark.parametrize(
    "title", ["</script><script>alert(1)</script>", "<!--<script>", "a\u2028b", "Ålesund"]
)
def test_embedded_data_come_back_and_can_close_nothing(title):
    text = embedded({"title": title})
    assert json.loads(text) == {"title": title}
    assert "<" not in text


def test_embedded_data_hold_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        embedded({"mark": float("nan")})


def test_a_title_is_escaped_and_nothing_is_fetched():
    html = page("base.html", title="<b>films</b>")
    assert "<title>&lt;b&gt;films&lt;/b&gt;</title>" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert "script-src 'none'" in unescape(html)
