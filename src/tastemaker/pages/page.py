"""One self-contained HTML file: style, script, data and pictures inside, nothing fetched, nothing else run.

What may run is named by its hash in the page's own content security policy, so that a title which
looks like a script stays a title. Data stand in the page as JSON; scripts put them in as text, never as HTML.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup


def page(
    template: str,
    *,
    title: str,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Any = None,
    **values: Any,
) -> str:
    """HTML of one page.

    Args:
        template: a file of `templates/` that extends `base.html`.
        styles: files of `templates/`, after the style that all pages share.
        scripts: files of `templates/`, run in this order at the end of the page.
        data: plain values, for the scripts: `JSON.parse(document.getElementById("data").textContent)`.
        values: for the template, escaped wherever it puts them.
    """
    style = "\n".join(_asset(name) for name in ("page.css", *styles))
    code = [_asset(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            title=title,
            style=Markup(style),
            scripts=[Markup(each) for each in code],
            data=None if data is None else Markup(embedded(data)),
            policy=_policy(style, code),
            base="base.html",
            is_served=False,
            **values,
        )
    )


class Script(NamedTuple):
    """One that a page loads; address: as seen from the page."""

    address: str
    is_module: bool = False


def served(
    template: str, *, title: str, styles: Sequence[str], scripts: Sequence[Script], **values: Any
) -> str:
    """HTML of the same page for a service: it loads styles and scripts, which fetch the data.

    Args:
        template: a file of `templates/` that extends whatever `base` names.
        styles: addresses, as seen from the page.
        values: for the template, as for `page`.
    """
    return (
        _environment()
        .get_template(template)
        .render(base="served.html", is_served=True, title=title, styles=styles, scripts=scripts, **values)
    )


def embedded(values: Any) -> str:
    """JSON that may stand inside a script element: no text in it can close the element or open a comment."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tastemaker.pages"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup  # an SVG made by `style.svg`
    return environment


def _asset(name: str) -> str:
    return resources.files("tastemaker.pages").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    allowed = " ".join(_hash(each) for each in scripts) or "'none'"
    # matplotlib's drawings carry style attributes, which no hash can name.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
