"""Fixtures of the web app's tests: a browser, and pages that check themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, sync_playwright

from ..conftest import Board

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NARROW, WIDE = 400, 1440
HEIGHT = 900
_LAYOUT_CHECK = (Path(__file__).parent / "layout_check.js").read_text()
_REPORT_VIOLATIONS = """
    addEventListener("securitypolicyviolation", (event) =>
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""

OpenPage = Callable[..., Page]
Theme = Literal["light", "dark"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one browser per test process."""
    if CHROMIUM is None:
        if "CI" in os.environ:
            pytest.fail("chromium is not installed")
        pytest.skip("needs /usr/bin/chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class CheckedPage:
    """Page that records its console errors and requests, so that a test can end with `check`.

    Args:
        context: Browser context, with cookies, of the page.
        board: Server of the page.
    """

    def __init__(self, context: BrowserContext, board: Board) -> None:
        self.page = context.new_page()
        self.expected_errors: list[str] = []
        self._board = board
        self._errors: list[str] = []
        self._hosts: set[str] = set()
        self.page.add_init_script(_REPORT_VIOLATIONS)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self._errors.append(str(error)))
        self.page.on("request", lambda request: self._hosts.add(urlsplit(request.url).netloc))

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._errors.append(f"{message.text} {message.location.get('url', '')}")

    def check(self) -> None:
        """Assert that a page has no errors, requests to other hosts, serious axe findings, or broken layout."""
        unexpected = [text for text in self._errors if not any(part in text for part in self.expected_errors)]
        assert unexpected == []
        assert self._hosts - {""} == {urlsplit(self._board.url).netloc}
        check_look(self.page)


def check_look(page: Page) -> None:
    """Assert that a page is accessible, and that none of its text is clipped or overlaps other text."""
    assert page.evaluate(_LAYOUT_CHECK) == []
    findings: list[dict[str, Any]] = Axe().run(page).response["violations"]
    serious = [finding for finding in findings if finding["impact"] in ("serious", "critical")]
    assert [(finding["id"], [node["html"][:200] for node in finding["nodes"]]) for finding in serious] == []


def region(page: Page, name: str) -> Locator:
    """Return a part of the page by its name: "Charts", "Runs"."""
    return page.get_by_role("region", name=name, exact=True)


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open pages: `open_page("/e/digits", width=400, theme="dark")` of `shared_board`, or of another board.

    When the test ends, each page is checked by `CheckedPage.check`. A test that provokes errors passes parts of their
    texts as `expected_errors`.
    """
    pages: list[CheckedPage] = []
    contexts: list[BrowserContext] = []

    def start(
        path: str = "/",
        width: int = WIDE,
        theme: Theme = "light",
        board: Board | None = None,
        expected_errors: tuple[str, ...] = (),
        context: BrowserContext | None = None,
    ) -> Page:
        shown: Board = board or request.getfixturevalue("shared_board")
        if context is None:
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT},
                color_scheme=theme,
                base_url=shown.url,
                reduced_motion="reduce",
            )
            contexts.append(context)
            context.request.get(shown.link)
        checked = CheckedPage(context, shown)
        checked.expected_errors.extend(expected_errors)
        pages.append(checked)
        checked.page.goto(path)
        return checked.page

    yield start
    try:
        for checked in pages:
            if not checked.page.is_closed():
                checked.check()
    finally:
        for context in contexts:
            context.close()
