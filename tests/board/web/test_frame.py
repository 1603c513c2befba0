"""What surrounds every page: rail, keys, jump, theme, and what happens when the server stops."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from .conftest import NARROW, OpenPage, region


def rail(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("navigation").get_by_role("link", name=text)


def test_first_page_is_the_newest_experiment_with_its_sentence(open_page: OpenPage) -> None:
    page = open_page("/")

    # Its parts are recorded at the same time, so either may be the newest.
    name = page.get_by_role("heading", name=re.compile("^(digits|curves)$"))
    expect(name).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/e/{name.inner_text()}\?v=1$"))
    expect(page).to_have_title(f"{name.inner_text()} · runfolio")
    expect(page.locator("main").get_by_text(re.compile("leads with"))).to_be_visible()
    expect(rail(page, "digits 8")).to_be_visible()
    expect(rail(page, re.compile("failed.*ValueError: bad shape"))).to_be_visible()


def test_letters_change_layout_rail_theme_and_density(open_page: OpenPage) -> None:
    page = open_page("/e/digits")
    root, charts, table = page.locator("html"), region(page, "Charts"), region(page, "Runs")
    expect(charts.or_(table)).to_have_count(2)

    page.keyboard.press("1")
    expect(charts).to_have_count(0)
    page.keyboard.press("3")
    expect(charts).to_have_count(1)
    expect(table).to_have_count(0)
    page.keyboard.press("2")
    expect(charts.or_(table)).to_have_count(2)
    page.keyboard.press("[")
    expect(page.get_by_role("navigation")).to_be_hidden()
    page.keyboard.press("t")
    expect(root).to_have_attribute("data-theme", "dark")
    page.keyboard.press("d")
    expect(root).to_have_attribute("data-density", "compact")

    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    expect(root).to_have_attribute("data-density", "compact")
    expect(page.get_by_role("navigation")).to_be_hidden()


def test_question_mark_lists_the_keys_and_escape_closes_the_list(open_page: OpenPage) -> None:
    page = open_page("/e/digits")
    expect(page.get_by_role("heading", name="digits")).to_be_visible()

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys that work here")
    expect(keys.get_by_text("Show the charts alone")).to_be_visible()
    page.keyboard.press("3")
    page.keyboard.press("Escape")

    expect(keys).to_be_hidden()
    expect(region(page, "Runs")).to_be_visible()


def test_rail_is_a_menu_on_a_narrow_page(open_page: OpenPage) -> None:
    page = open_page("/e/digits", width=NARROW, theme="dark")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("dialog").get_by_role("link", name="media").click()

    expect(page.get_by_role("heading", name="media")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
