"""Page of the trash: restore, undo, and permanent removal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

import runfolio

from ..conftest import Board
from .conftest import NARROW, OpenPage


def test_deleted_run_is_restored_and_the_restore_is_undone(
    open_page: OpenPage, board_server: Callable[..., Board], changing_store: Path
) -> None:
    folio = runfolio.open(changing_store)
    folio.trash.put(folio.run("failed"))
    page = open_page("/trash", board=board_server(changing_store))
    restore = page.get_by_role("button", name="Restore")
    expect(restore).to_be_disabled()

    page.get_by_role("checkbox", name="Select failed").check()
    restore.click()

    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    expect(page.get_by_text("Restored failed.", exact=True)).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("checkbox", name="Select failed")).to_be_visible()


def test_run_is_removed_for_good_only_after_its_name_is_typed(
    open_page: OpenPage, board_server: Callable[..., Board], changing_store: Path
) -> None:
    folio = runfolio.open(changing_store)
    folio.trash.put(folio.run("failed"), folio.run("killed"))
    page = open_page("/trash", width=NARROW, theme="dark", board=board_server(changing_store))
    page.get_by_role("row", name="failed").click()
    page.get_by_role("button", name="Remove permanently").click()
    dialog = page.get_by_role("dialog", name="Remove this run permanently?")
    remove = dialog.get_by_role("button", name="Remove permanently")

    dialog.get_by_label("Type the name of the run").fill("faile")
    expect(remove).to_be_disabled()
    dialog.get_by_label("Type the name of the run").fill("failed")
    remove.click()

    expect(page.get_by_text("Permanently removed 1 run")).to_be_visible()
    expect(page.get_by_role("row", name="failed")).to_have_count(0)
    assert [run.name for run in runfolio.open(changing_store).trash.runs()] == ["killed"]


def test_read_only_board_offers_no_changes(
    open_page: OpenPage, board_server: Callable[..., Board], changing_store: Path
) -> None:
    folio = runfolio.open(changing_store)
    folio.trash.put(folio.run("failed"))
    page = open_page("/trash", board=board_server(changing_store, "--read-only"))

    page.get_by_role("checkbox", name="Select failed").check()

    expect(page.get_by_text("read only")).to_be_visible()
    expect(page.get_by_role("button", name="Restore")).to_be_disabled()
    expect(page.get_by_role("button", name="Remove permanently")).to_be_disabled()
