"""Parts that surround every page: rail, keys, jump, theme, and the notice that the server stopped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import runfolio

from ..conftest import Board, start_board
from .conftest import NARROW, OpenPage, region

StartBoard = Callable[..., Board]


def rail(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("navigation").get_by_role("link", name=text)


def test_first_page_is_the_newest_experiment_with_its_sentence(open_page: OpenPage) -> None:
    page = open_page("/")

    # Both experiments are recorded at the same time, so either may be the newest.
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
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys.get_by_text("Show only the charts")).to_be_visible()
    page.keyboard.press("3")
    page.keyboard.press("Escape")

    expect(keys).to_be_hidden()
    expect(region(page, "Runs")).to_be_visible()


def test_jump_finds_experiments_runs_metrics_and_commands(open_page: OpenPage) -> None:
    page = open_page("/e/digits")
    expect(page.get_by_role("heading", name="digits")).to_be_visible()

    def jump(text: str, option: str) -> None:
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Jump to a run").fill(text)
        expect(page.get_by_role("option", name=option)).to_be_visible()
        page.get_by_role("option", name=option).click()

    jump("train/l", "metric train/loss")
    expect(page).to_have_url(re.compile("metric=train/loss"))
    jump("dark", "command Switch between light and dark theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    jump("med", "experiment media")
    expect(page).to_have_url(re.compile("/e/media"))
    jump("resum", "run resumed")
    expect(page).to_have_url(re.compile("/r/[0-9a-f]{16}"))


def test_rail_is_a_menu_on_a_narrow_page(open_page: OpenPage) -> None:
    page = open_page("/e/digits", width=NARROW, theme="dark")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("dialog").get_by_role("link", name="media").click()

    expect(page.get_by_role("heading", name="media")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_rail_shows_a_live_run_and_then_why_it_ended(
    open_page: OpenPage, board_server: StartBoard, store: Path
) -> None:
    run = runfolio.init("live", store=store)
    run.total_steps = 1000
    run.log({"train/loss": 0.5}, step=620)
    run.flush()
    page = open_page("/", board=board_server(store))
    expect(rail(page, re.compile(r"live\s*62 %\s*step 620 of 1,000"))).to_be_visible()

    with pytest.raises(ValueError, match="bad batch"), run:
        raise ValueError("bad batch")

    ended = page.get_by_role("navigation").locator("section", has_text="Ended since last visit")
    link = ended.get_by_role("link", name=re.compile("live.*failed.*bad batch"))
    expect(link).to_be_visible(timeout=20_000)
    link.click()
    expect(page.get_by_role("heading", name="live")).to_be_visible()
    expect(ended).to_be_hidden()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    expect(ended).to_be_hidden()


def test_store_without_runs_teaches_how_to_record_one(
    open_page: OpenPage, board_server: StartBoard, store: Path, live_run: Callable[..., runfolio.RecordedRun]
) -> None:
    store.mkdir()
    page = open_page("/", board=board_server(store))
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    expect(page.get_by_text('run.log({"train/loss": 0.5}, step=0)')).to_be_visible()

    live_run(store)

    expect(page.get_by_role("heading", name="live")).to_be_visible(timeout=20_000)


def test_page_says_that_the_server_stopped_and_continues_with_it(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path, tmp_path: Path
) -> None:
    board = board_server(changing_store, "--no-token")
    page = open_page("/e/digits", board=board, expected_errors=("ERR_", "Failed to load"))
    expect(page.get_by_role("heading", name="digits")).to_be_visible()

    board.process.terminate()
    board.process.wait(10)
    banner = page.get_by_text("The board's server does not answer.")
    expect(banner).to_be_visible(timeout=20_000)

    port = board.url.rpartition(":")[2]
    again = start_board(changing_store, tmp_path / "again.txt", "--no-token", "--port", port)
    try:
        expect(banner).to_be_hidden(timeout=20_000)
    finally:
        again.process.terminate()
        again.process.wait(10)
