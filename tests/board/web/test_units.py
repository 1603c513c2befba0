"""Unit tests of the web app's modules. The tests are JavaScript modules, which run in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from ..conftest import Board

UNITS = Path(__file__).parent / "units"
_RUN = """async (address) => {
    const { tests } = await import(address);
    const failures = [];
    for (const [name, test] of Object.entries(tests)) {
        try { await test(); } catch (error) { failures.push(`${name}: ${error.message}`); }
    }
    return { count: Object.keys(tests).length, failures };
}"""


@pytest.fixture(scope="module")
def modules(browser: Browser, shared_board: Board) -> Page:
    """Page of a server that also serves the unit tests, as `/web/HASH/units/NAME.js`."""
    context = browser.new_context(base_url=shared_board.url)
    context.request.get(shared_board.link)
    page = context.new_page()
    page.route(re.compile(r"/web/\w+/units/"), _serve)
    page.goto("/trash")
    return page


def _serve(route: Route) -> None:
    name = route.request.url.rpartition("/")[2]
    route.fulfill(body=(UNITS / name).read_text(), content_type="text/javascript")


@pytest.mark.parametrize("unit", sorted(path.stem for path in UNITS.glob("*.js") if path.stem != "check"))
def test_unit_tests_of_module_pass(modules: Page, unit: str) -> None:
    main = modules.locator("script[src$='main.js']").get_attribute("src")
    assert main is not None

    result = modules.evaluate(_RUN, main.replace("main.js", f"units/{unit}.js"))

    assert result["count"] > 0
    assert result["failures"] == []
