"""Page of a run: why it ended, its tabs, media by step, the console, and edits."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import runfolio
from runfolio.query.index.rows import run_key

from ..conftest import Board
from .conftest import NARROW, WIDE, OpenPage, check_look

StartBoard = Callable[..., Board]
TABS = ("Overview", "Curves", "Media", "Console", "Code", "System", "Files")


def address(store: Path, run: str) -> str:
    """Return the address of the page of a run, whose folder's name starts with `run`."""
    folder = min(path.parent for path in store.glob("*/*/run.json") if path.parent.name.startswith(f"{run}-"))
    return f"/r/{run_key(folder.relative_to(store).as_posix()):016x}"


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=name)


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_failed_run_leads_from_its_reason_to_the_line_of_the_console(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "failed"))
    expect(page.get_by_role("heading", name="failed", level=1)).to_be_visible()
    expect(page).to_have_title("failed · runfolio")
    expect(region(page, "Traceback")).to_contain_text("ValueError: bad shape <b>(3, 4)</b>")
    expect(region(page, "Settings").get_by_role("row", name="lr 0.3")).to_be_visible()

    page.get_by_role("link", name=re.compile("^ValueError: bad shape <b>.* line")).click()

    lines = region(page, "Console")
    expect(tab(page, "Console")).to_have_attribute("aria-selected", "true")
    expect(lines.get_by_text("ValueError: bad shape <b>(3, 4)</b>", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("tab=console.*line=21"))
    page.go_back()
    expect(region(page, "Traceback")).to_be_visible()


def test_traceback_leads_to_the_line_of_code_and_to_the_console(
    open_page: OpenPage, board_server: StartBoard, store: Path, cache: Path
) -> None:
    script = store.parent / "train.py"
    text = """
import sys, runfolio
with runfolio.init("broken", store=sys.argv[1]) as run:
    for step in range(9):
        run.log({"train/loss": 1.0, "objective": float("nan"), "val/acc": 0.5}, step=step)
    raise ValueError("bad batch")
"""
    script.write_text(text)
    subprocess.run([sys.executable, script, store], capture_output=True)
    page = open_page(address(store, "broken"), board=board_server(store))
    expect(page.get_by_text("Not finite at the end: objective (NaN)")).to_be_visible()

    page.get_by_role("link", name="Show in the code").click()

    expect(page.get_by_text("Line 6 raised the error that ended the run.")).to_be_visible()
    expect(page.locator(".line.is-error")).to_have_text('6    raise ValueError("bad batch")')
    page.go_back()
    page.get_by_role("link", name="Show in the console").click()
    expect(region(page, "Console").get_by_text("ValueError: bad batch", exact=True)).to_be_visible()
    expect(page.locator(".line.is-error").first).to_contain_text("Traceback (most recent call last):")


def test_run_is_archived_and_deleted_and_both_are_undone(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path
) -> None:
    page = open_page(address(changing_store, "killed"), board=board_server(changing_store), expected_errors=("404",))
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("button", name="Unarchive")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible()

    page.keyboard.press("Delete")

    expect(page).to_have_url(re.compile("/e/curves"))
    expect(page.get_by_text("Moved killed to the trash.")).to_be_visible()
    assert [run.name for run in runfolio.open(changing_store).trash.runs()] == ["killed"]
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Undone: Moved killed to the trash.")).to_be_visible()
    assert runfolio.open(changing_store).trash.runs() == []


def test_console_is_searched_with_the_keyboard(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "failed") + "?v=1&tab=console")
    lines, status = region(page, "Console"), page.get_by_role("search").get_by_role("status")
    expect(lines.get_by_text("step 0: loss 1.000")).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("STEP 1")
    expect(status).to_have_text("11 matches")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(status).to_have_text("2 of 11 matches")
    expect(page).to_have_url(re.compile("find=STEP.1.*line=11"))
    page.keyboard.press("Shift+Enter")
    expect(status).to_have_text("1 of 11 matches")
    page.get_by_role("searchbox").fill("nothing like this")
    expect(status).to_have_text("0 matches")


def test_tabs_open_by_arrows_and_numbers_and_each_is_in_the_address(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "resumed"))
    tab(page, "Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(tab(page, "Curves")).to_be_focused()
    expect(page).to_have_url(re.compile("tab=curves"))
    expect(page.get_by_role("region", name="loss")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(tab(page, "Files")).to_be_focused()
    page.keyboard.press("1")
    timeline = region(page, "Attempts and related runs")
    expect(timeline.get_by_role("listitem")).to_have_count(3)
    expect(timeline.get_by_role("listitem").first).to_contain_text(
        re.compile("interrupted .*the last .* s were not continued")
    )
    expect(timeline.get_by_role("listitem").nth(1)).to_contain_text("of step 59")
    timeline.get_by_role("link", name="forked").click()
    expect(page.get_by_role("heading", name="forked", level=1)).to_be_visible()
    expect(page.get_by_text("forked from resumed at step 199")).to_be_visible()


def test_media_follow_one_slider_over_the_steps(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "media") + "?v=1&tab=media")
    samples, answer = region(page, "samples"), region(page, "answer").first
    expect(samples.get_by_text("step 40; 1 box: dog 0.9")).to_be_visible()
    expect(samples.get_by_text("dog 0.9", exact=True).first).to_be_visible()
    newest = samples.get_by_role("img").first.get_attribute("src")

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")

    expect(answer).to_contain_text("The answer at step 20.")
    expect(samples.get_by_text("step 20; 1 box: dog 0.9")).to_be_visible()
    expect(region(page, "figure")).to_contain_text("from step 40")
    expect(page).to_have_url(re.compile("at=20"))
    assert samples.get_by_role("img").first.get_attribute("src") != newest
    samples.get_by_role("checkbox", name="boxes").uncheck()
    expect(samples.get_by_text("dog 0.9", exact=True).first).to_be_hidden()
    page.get_by_label("Media to show").select_option("table/errors")
    expect(region(page, "Rows of errors").get_by_role("row", name="b.png NaN")).to_be_visible()
    expect(samples).to_have_count(0)


@pytest.mark.parametrize(("theme", "width"), [("light", WIDE), ("dark", NARROW)])
def test_every_tab_is_accessible_and_nothing_is_cut_or_overlaps(
    open_page: OpenPage, recorded_store: Path, theme: str, width: int
) -> None:
    page = open_page(address(recorded_store, "tinyvgg-10pct-3ep"), theme=theme, width=width)
    for name in TABS:
        tab(page, name).click()
        expect(page.get_by_role("tabpanel", name=name)).not_to_be_empty()
        page.wait_for_load_state("networkidle")
        check_look(page)
    for run, part in (("media", "media"), ("naughty-0", ""), ("failed", "console"), ("forked", "")):
        page.goto(address(recorded_store, run) + f"?v=1&tab={part}")
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        check_look(page)


def test_hostile_notes_are_text(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "naughty-0"))
    notes = region(page, "Notes")
    expect(page.get_by_role("heading", name="<script>alert(1)</script>", level=1)).to_be_visible()
    expect(notes).to_contain_text("[click](javascript:alert(4)) <iframe src=//example.org></iframe>")
    expect(notes.get_by_role("link")).to_have_count(0)
    expect(notes.get_by_role("img")).to_have_count(0)


def test_empty_tabs_show_the_line_of_python_that_fills_them(open_page: OpenPage, recorded_store: Path) -> None:
    page = open_page(address(recorded_store, "killed") + "?v=1&tab=media")
    expect(page.get_by_role("heading", name="No images, figures or texts")).to_be_visible()
    expect(page.get_by_text('run.log_image("samples", image, step=step)')).to_be_visible()
    tab(page, "Console").click()
    expect(page.get_by_role("heading", name="No console")).to_be_visible()
    tab(page, "Overview").click()
    expect(region(page, "Checkpoints").get_by_text("run.checkpoint(model=model")).to_be_visible()


def test_unknown_run_is_explained(open_page: OpenPage) -> None:
    page = open_page("/r/0000000000000000", expected_errors=("404",))
    expect(page.get_by_role("alert")).to_contain_text("There is no run 0000000000000000.")


def test_name_tags_and_notes_are_edited_and_the_edit_is_undone(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path
) -> None:
    page = open_page(address(changing_store, "killed"), board=board_server(changing_store))
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the run").fill("renamed <i>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="renamed <i>", level=1)).to_be_visible()

    page.keyboard.press("e")
    page.keyboard.type("first, second")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove tag second")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name="Remove tag second")).to_have_count(0)

    page.keyboard.press("n")
    page.keyboard.type("# Tried\n\na **larger** rate")
    page.keyboard.press("Control+Enter")
    expect(region(page, "Notes").get_by_role("heading", name="Tried")).to_be_visible()

    run = next(run for run in runfolio.open(changing_store).runs() if run.name == "renamed <i>")
    assert run.tags == []
    assert run.notes == "# Tried\n\na **larger** rate"


def test_console_of_a_running_run_follows_its_output(
    open_page: OpenPage, board_server: StartBoard, live_run: Callable[..., runfolio.RecordedRun], store: Path
) -> None:
    run = live_run(store, pause_s=0.02)
    page = open_page(f"/r/{run.row.key:016x}?v=1&tab=console", board=board_server(store))
    lines = region(page, "Console")
    expect(page.get_by_text(re.compile("^running for .*: step .* of 1,000,000"))).to_be_visible()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    expect(lines.get_by_text(re.compile(r"^step \d{3}$")).first).to_be_visible(timeout=15_000)

    lines.evaluate("element => element.scrollTop = 0")

    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()
    expect(lines.get_by_text("step 0", exact=True)).to_be_visible()
