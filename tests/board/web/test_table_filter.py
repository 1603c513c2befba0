"""Filter of the runs: completion, mistakes, and filters that match no run."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from .conftest import NARROW, OpenPage, check_look


def filter_box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter of the runs")


def rows(page: Page) -> Locator:
    return page.get_by_role("grid", name="Runs").get_by_role("rowheader")


def test_names_operators_and_values_are_completed(open_page: OpenPage) -> None:
    page = open_page("/e/digits?layout=table")
    expect(rows(page)).to_have_count(8)

    page.keyboard.press("/")
    page.keyboard.type("params.mo")
    expect(page.get_by_role("option", name="params.model setting, 2 values")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("option", name="= equals")).to_be_visible()
    page.keyboard.press("Tab")
    expect(filter_box(page)).to_have_value("params.model = ")
    expect(filter_box(page)).to_be_focused()
    expect(page.get_by_role("option", name="'tinyvgg' 4 runs")).to_be_visible()
    check_look(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(filter_box(page)).to_have_value("params.model = 'mlp' ")
    page.keyboard.press("Enter")

    expect(rows(page)).to_have_count(4)
    expect(page).to_have_url(re.compile("where=params.model"))
    page.go_back()
    expect(rows(page)).to_have_count(8)
    expect(filter_box(page)).to_have_value("")


def test_tab_leaves_a_filter_in_which_nothing_was_typed(open_page: OpenPage) -> None:
    page = open_page("/e/digits?layout=table&where=lr<1")
    expect(rows(page)).to_have_count(8)

    page.keyboard.press("/")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Tab")

    expect(filter_box(page)).not_to_be_focused()
    expect(filter_box(page)).to_have_value("lr<1")


def test_mistake_is_marked_and_the_rows_stay(open_page: OpenPage) -> None:
    page = open_page("/e/digits?layout=table", expected_errors=("400",))
    expect(rows(page)).to_have_count(8)

    filter_box(page).fill("lr < 1 AND modle = 'vit'")
    filter_box(page).press("Enter")

    mistake = page.get_by_role("alert").filter(has_text="did you mean model")
    expect(mistake.locator("u")).to_have_text("modle")
    expect(filter_box(page)).to_have_attribute("aria-invalid", "true")
    expect(rows(page)).to_have_count(8)


def test_filter_without_match_names_the_condition_that_excludes_most(open_page: OpenPage) -> None:
    page = open_page("/e/digits?layout=table", width=NARROW)
    expect(rows(page)).to_have_count(8)

    filter_box(page).fill("params.lr < 1 AND model = 'mlp' AND seed > 5")
    filter_box(page).press("Enter")
    expect(page.get_by_role("heading", name="No run matches the filter")).to_be_visible()
    expect(page.locator("main u")).to_have_text("seed > 5")
    expect(page.get_by_text("Without the underlined condition, the filter matches 4 runs.")).to_be_visible()

    page.get_by_role("button", name="Remove the condition").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name="Clear the filter").click()
    expect(rows(page)).to_have_count(8)
