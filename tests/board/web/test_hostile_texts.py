"""Names, notes, tags, captions and printed lines from a record are shown as text, and never as HTML (S-13, S-14)."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Page, expect

from .conftest import OpenPage

EXPERIMENTS = ("naughty", "<script>alert(1)</script>")
TABS = ("", "media", "console", "code", "files")
FOREIGN_ELEMENTS = "img[onerror], iframe, [href^='javascript:'], [src*='example.org'], main script"


def fail_on_dialog(page: Page) -> None:
    page.on("dialog", lambda dialog: (_ for _ in ()).throw(AssertionError(dialog.message)))


def test_hostile_texts_are_shown_as_text_on_every_page(open_page: OpenPage) -> None:
    page = open_page("/all?v=1&columns=name,tags")
    fail_on_dialog(page)
    expect(page.get_by_role("row", name="<script>alert(1)</script>").first).to_be_visible()
    runs = page.request.get("api/runs?where=experiment+IN+('naughty','%3Cscript%3Ealert(1)%3C%2Fscript%3E')").json()
    paths = [f"/e/{quote(name, safe='')}?v=1" for name in EXPERIMENTS]
    paths += [f"/r/{key}?v=1&tab={tab}" for key, tab in zip(runs["keys"], TABS * 2, strict=True)]
    for path in paths:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator(".failure")).to_have_count(0)
        page.wait_for_timeout(200)
        assert page.locator(FOREIGN_ELEMENTS).count() == 0
