"""A real browser for pages: Debian's Chromium, driven by Playwright. Tests skip with a reason without it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")  # Playwright leaves an event loop running, beside which no other can be begun
def browser() -> Iterator[Any]:
    """Chromium without a window; `.ci/run` installs it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        yield found
        found.close()


class Opened:
    """A page that was opened from a file, and all that it complained about since.

    Attributes:
        page: Playwright's.
        complaints: errors of scripts and of the console, and requests for anything but the file itself.
    """

    def __init__(self, browser: Any, file: Path, width: int, height: int, **more: Any) -> None:
        self.complaints: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda told: self.complaints.append(told.text) if told.type in ("error", "warning") else None,
        )
        self.page.on("request", self._asked)
        self._own = file.resolve().as_uri()
        self.page.goto(self._own)

    def _asked(self, request: Any) -> None:
        if request.url != self._own and not request.url.startswith(("data:", "blob:")):
            self.complaints.append(f"asked for {request.url}")

    def is_wider_than_the_window(self) -> bool:
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens a file: `open_page(path, width=1280, height=800)` gives an `Opened`."""
    opened: list[Opened] = []

    def open_it(file: Path, width: int = 1280, height: int = 800, **more: Any) -> Opened:
        opened.append(Opened(browser, file, width, height, **more))
        return opened[-1]

    yield open_it
    for each in opened:
        each.page.context.close()
