"""The page as people meet it: a service of its own, and a real browser that looks at it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages.conftest import browser
from tests.served import Served

__all__ = ["browser", "look"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who looks at a page looks long."""
    for item in items:
        if "look" in getattr(item, "fixturenames", ()) and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


class Look:
    """A browser that looks at a service, and all that it complained about since.

    Attributes:
        page: Playwright's.
        complaints: errors of scripts and of the console, what the policy stopped, and requests for anything
            but the service.
    """

    def __init__(self, browser: Any, service: Served, width: int, height: int, **more: Any) -> None:
        self.complaints: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": height}, **more)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)
        self.address = f"http://127.0.0.1:{service.port}/"

    def at(self, hash: str = "") -> Any:
        """The page at an address within it, once it has drawn something."""
        self.page.goto(self.address + hash)
        self.page.wait_for_selector("main .view:not(:has(> [aria-busy]))")
        return self.page

    def _heard(self, told: Any) -> None:
        # That a request was refused stands in the console of every browser, whatever a page does about it.
        if told.type in ("error", "warning") and not told.text.startswith("Failed to load resource"):
            self.complaints.append(told.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"asked for {request.url}")

    def is_wider_than_the_window(self) -> bool:
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )

    def serious(self) -> list[str]:
        """What axe-core finds that keeps somebody from using the page, serious or worse."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def shot(self, path: Path) -> None:
        self.page.screenshot(path=path)


@pytest.fixture
def look(browser: Any) -> Iterator[Any]:
    """`look(service, width=1280, height=800)` gives a `Look`; nothing may have been complained about."""
    looks: list[Look] = []

    def at(service: Served, width: int = 1280, height: int = 800, **more: Any) -> Look:
        looks.append(Look(browser, service, width, height, **more))
        return looks[-1]

    yield at
    for each in looks:
        each.context.close()
    complaints = [told for each in looks for told in each.complaints]
    assert not complaints
