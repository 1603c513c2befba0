"""Checks of every page in both themes and at both widths, with a store whose texts break careless pages."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from .conftest import NARROW, WIDE, OpenPage, check_look

EXPERIMENTS = ("digits", "curves", "media", "naughty", "<script>alert(1)</script>")
PATHS = ["/all", "/trash", *(f"/e/{quote(name, safe='')}" for name in EXPERIMENTS)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_accessible_and_nothing_is_cut_or_overlaps(open_page: OpenPage, theme: str) -> None:
    page = open_page(PATHS[0], theme=theme)
    for path in PATHS:
        page.set_viewport_size({"width": WIDE, "height": 900})
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("main .failure")).to_have_count(0)
        page.wait_for_timeout(300)
        check_look(page)
        page.set_viewport_size({"width": NARROW, "height": 900})
        page.wait_for_timeout(100)
        check_look(page)
