"""Changes of runs in the table: names, tags, notes, archive, trash, and undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

import runfolio

from ..conftest import Board
from .conftest import OpenPage, check_look

StartBoard = Callable[..., Board]


def rows(page: Page) -> Locator:
    return page.get_by_role("grid", name="Runs").get_by_role("rowheader")


def test_run_is_renamed_tagged_and_noted_in_place(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path
) -> None:
    page = open_page("/e/digits?layout=table", board=board_server(changing_store))
    expect(rows(page)).to_have_count(8)

    page.keyboard.press("j")
    page.keyboard.press("F2")
    page.keyboard.type("the best")
    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text("the best")
    page.keyboard.press("e")
    page.keyboard.type("baseline, team=vision")
    check_look(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="team=vision")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("looks good")
    page.keyboard.press("Enter")
    expect(page.get_by_role("gridcell", name="looks good")).to_be_visible()
    [run] = runfolio.open(changing_store).runs(where="name = 'the best'")
    assert (sorted(run.tags), run.notes) == (["baseline", "team=vision"], "looks good")

    page.keyboard.press("Control+z")
    expect(page.get_by_role("gridcell", name="looks good")).to_have_count(0)
    page.keyboard.press("e")
    page.get_by_role("button", name="Remove tag baseline").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="baseline")).to_have_count(0)


def test_selected_runs_are_archived_and_deleted_with_undo(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path
) -> None:
    page = open_page("/e/digits?layout=table", board=board_server(changing_store))
    expect(rows(page)).to_have_count(8)
    selected = page.get_by_role("toolbar", name="Selected runs")

    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    selected.get_by_role("button", name="Archive").click()
    expect(rows(page)).to_have_count(6)
    expect(selected).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(rows(page)).to_have_count(8)

    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(selected).to_contain_text("2 runs selected")
    page.keyboard.press("Delete")
    expect(rows(page)).to_have_count(6)
    moved = page.locator(".toast", has_text="Moved 2 runs to the trash")
    moved.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(8)


def test_running_run_is_not_deleted(
    open_page: OpenPage, board_server: StartBoard, store: Path, live_run: Callable[..., runfolio.RecordedRun]
) -> None:
    live_run(store)
    page = open_page("/all?layout=table", board=board_server(store), expected_errors=("409",))
    expect(rows(page)).to_have_count(1, timeout=20_000)

    page.keyboard.press("j")
    page.keyboard.press("Delete")

    expect(page.locator(".toast.bad")).to_contain_text("was not deleted: it is running")
    expect(rows(page)).to_have_count(1)


def test_read_only_board_offers_no_changes(open_page: OpenPage, board_server: StartBoard, changing_store: Path) -> None:
    page = open_page("/e/digits?layout=table", board=board_server(changing_store, "--read-only"))
    expect(rows(page)).to_have_count(8)

    for key in ("j", "x", "F2"):
        page.keyboard.press(key)

    expect(page.get_by_role("toolbar", name="Selected runs")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
