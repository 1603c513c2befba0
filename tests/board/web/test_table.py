"""Table of runs: values, columns, order, groups, rows of many runs, keys, and the narrow page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.store_generator import Shape, generate
from playwright.sync_api import Locator, Page, expect

from ..conftest import Board
from .conftest import NARROW, OpenPage, check_look

StartBoard = Callable[..., Board]


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Runs")


def row(page: Page, name: str | re.Pattern[str]) -> Locator:
    """Return the rows of the runs that have a name."""
    return grid(page).get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def headings(page: Page) -> list[str]:
    return grid(page).get_by_role("columnheader").locator(".heading").all_inner_texts()


def open_table(open_page: OpenPage, path: str, **options: object) -> Page:
    page = open_page(path, **options)
    expect(grid(page).get_by_role("rowheader").first).to_be_visible(timeout=20_000)
    return page


def test_best_run_is_first_with_its_interval_and_those_that_equal_it(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")

    expect(grid(page)).to_have_attribute("aria-rowcount", "9")
    first, second = (grid(page).locator(f"[aria-rowindex='{index}']") for index in (2, 3))
    expect(first.get_by_role("img", name=re.compile("95 % interval"))).to_be_visible()
    expect(first).to_contain_text("finished")
    expect(second.get_by_role("img", name=re.compile("cannot be distinguished from the best"))).to_be_visible()
    expect(page.get_by_text("= cannot be distinguished from the best")).to_be_visible()
    expect(page.get_by_text("interval of the best run")).to_be_visible()
    assert {"Run", "State", "val/acc", "95 % interval", "model", "lr"} <= set(headings(page))


def test_row_says_why_its_run_ended_and_which_tags_it_has(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/curves?layout=table")

    expect(row(page, "failed")).to_contain_text("ValueError: bad shape <b>(3, 4)</b>")
    expect(row(page, "killed")).to_contain_text("killed by SIGKILL")
    expect(row(page, "archived")).to_have_count(0)
    page.get_by_role("button", name="Include archived").click()
    expect(row(page, "archived").locator(".tag")).to_have_text("archived")
    row(page, "not a number").get_by_role("button", name="unstable").click()

    expect(grid(page).get_by_role("rowheader")).to_have_count(1)
    expect(page).to_have_url(re.compile("where=tags.unstable"))


def test_columns_and_order_are_chosen_and_survive_a_reload(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")

    page.get_by_role("button", name="Columns").click()
    page.keyboard.press("/")
    page.keyboard.type("val/l")
    page.get_by_role("group", name="Metrics").get_by_role("checkbox", name="val/loss").check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="val/loss best", exact=True).press("Enter")
    expect(grid(page).get_by_role("columnheader", name="val/loss best")).to_have_attribute("aria-sort", "ascending")
    menu = page.get_by_role("dialog", name="Column model")
    for choice in ("Move left", "Pin to the left"):
        grid(page).get_by_role("columnheader", name="model").click(button="right")
        menu.get_by_role("button", name=choice).click()
        expect(menu).to_be_hidden()
    grid(page).get_by_role("columnheader", name="seed").click(button="right")
    page.get_by_role("dialog", name="Column seed").get_by_role("button", name="Hide").click()
    expect(grid(page).get_by_role("columnheader", name="seed")).to_have_count(0)
    chosen = headings(page)
    assert chosen[:2] == ["Run", "model"]

    page.reload()
    expect(grid(page).get_by_role("columnheader", name="val/loss best")).to_have_attribute("aria-sort", "ascending")
    assert headings(page) == chosen
    page.go_back()
    expect(grid(page).get_by_role("columnheader", name="seed")).to_be_visible()


def test_width_of_a_column_is_dragged(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")
    name = grid(page).get_by_role("columnheader", name="Run")
    before = name.bounding_box()
    assert before is not None
    edge = before["x"] + before["width"]

    page.mouse.move(edge, before["y"] + 12)
    page.mouse.down()
    page.mouse.move(edge + 60, before["y"] + 12, steps=3)
    page.mouse.up()

    expect(page).to_have_url(re.compile(rf"columns=name~{before['width'] + 60:.0f}p"))


def test_groups_have_means_and_open_to_their_runs(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")

    page.get_by_role("button", name="Group the runs").click()
    page.get_by_role("button", name="All settings except the seed").click()
    expect(page.locator(".sentence")).to_contain_text(re.compile("leads with a mean val/acc of .* over 2 runs"))
    group = row(page, re.compile("model=tinyvgg lr=0.01"))
    expect(group).to_contain_text(re.compile(r"n=2.*±"))
    page.get_by_role("button", name="No groups").press("Escape")
    group.get_by_role("button", name=re.compile("^Open ")).click()

    expect(row(page, re.compile("tinyvgg-10pct-3ep"))).to_have_count(2)
    expect(page.get_by_text("half the width of the 95 % interval of the mean")).to_be_visible()
    check_look(page)
    page.set_viewport_size({"width": NARROW, "height": 900})
    expect(group).to_contain_text(re.compile(r"n=2.*0\.150 ± "))
    check_look(page)


def test_keys_move_select_and_open_rows(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")
    selected = grid(page).locator("[aria-selected='true']")

    for key in ("j", "j", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(selected).to_have_count(3)
    expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text("3 runs selected")
    check_look(page)
    page.reload()
    expect(selected).to_have_count(3)
    page.keyboard.press("Escape")
    expect(selected).to_have_count(0)

    grid(page).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "End", "Home"):
        page.keyboard.press(key)
    active = page.locator(f"#{grid(page).get_attribute('aria-activedescendant')}")
    expect(active).to_contain_text("mlp-10pct-3ep")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/r/[0-9a-f]{16}"))


def test_table_is_copied_with_the_columns_that_are_shown(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table&columns=name~p,@value,params.lr")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.get_by_role("button", name="Copy the table").click()
    page.get_by_role("button", name="CSV").click()
    expect(page.get_by_text("Copied 8 rows as CSV.")).to_be_visible()

    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0] == "Run,val/acc,mark,lr"
    assert len(lines) == 9
    assert re.fullmatch(r"mlp-10pct-3ep,0\.1\d{9,},=,0\.01", lines[2])


def test_only_rows_and_columns_on_screen_are_drawn(
    open_page: OpenPage, board_server: StartBoard, tmp_path: Path
) -> None:
    store = tmp_path / "many"
    generate(store, 400, Shape(settings=30, metrics=2, points=2), experiment="many")
    page = open_table(open_page, "/all?layout=table", board=board_server(store))
    expect(grid(page)).to_have_attribute("aria-rowcount", "401", timeout=20_000)
    assert grid(page).get_by_role("row").count() < 60

    scroller = page.locator(".table-scroll")
    scroller.evaluate("element => element.scrollTop = 250 * 30")
    expect(grid(page).locator("[aria-rowindex='252']").get_by_role("rowheader")).to_be_visible()
    expect(grid(page).locator("[aria-rowindex='2']")).to_have_count(0)
    grid(page).focus()
    page.keyboard.press("Control+End")
    expect(grid(page).locator("[aria-rowindex='401']").get_by_role("rowheader")).to_be_visible()

    grid(page).get_by_role("button", name="Run", exact=True).click()
    expect(grid(page).locator("[aria-rowindex='2']").get_by_role("rowheader")).to_be_visible()


def test_rows_stay_in_place_while_a_run_is_live(
    open_page: OpenPage, board_server: StartBoard, changing_store: Path, live_run: Callable[..., object]
) -> None:
    live_run(changing_store)
    page = open_table(open_page, "/all?layout=table&sort=name", board=board_server(changing_store))
    live = row(page, "live")
    expect(live).to_contain_text("running", timeout=20_000)
    scroller = page.locator(".table-scroll")
    scroller.evaluate("element => element.scrollTop = 90")

    before = live.inner_text()
    expect(live).not_to_have_text(before, timeout=20_000)

    assert scroller.evaluate("element => element.scrollTop") == 90


def test_checkboxes_and_menus_are_visible_without_a_pointer(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits?layout=table")

    for control in (row(page, "mlp").get_by_role("checkbox"), page.get_by_role("button", name="Column lr")):
        expect(control.first).to_have_css("opacity", "1")
        assert control.first.evaluate("element => element.parentElement.matches(':hover')") is False


@pytest.mark.parametrize("state", ["interrupted", "running 100 %"])
def test_longest_states_fit_into_their_column(open_page: OpenPage, state: str) -> None:
    page = open_table(open_page, "/e/digits?layout=table")

    cell = grid(page).locator("td.col-state").first
    cell.evaluate("(cell, text) => { cell.firstElementChild.innerHTML = `<i class=dot></i>${text}`; }", state)

    assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")


def test_narrow_page_begins_with_the_table(open_page: OpenPage) -> None:
    page = open_table(open_page, "/e/digits", width=NARROW)
    charts = page.get_by_role("region", name="Charts", exact=True)
    expect(charts).to_be_visible()

    top, below = (part.bounding_box() for part in (grid(page), charts))

    assert top is not None
    assert below is not None
    assert top["y"] < 400 < below["y"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_page_shows_the_figure_and_the_rest_by_a_tap(open_page: OpenPage, theme: str) -> None:
    page = open_table(open_page, "/e/digits?layout=table", width=NARROW, theme=theme)
    second = grid(page).locator("[aria-rowindex='3']")
    expect(second).to_contain_text(re.compile(r"mlp-10pct-3ep.*finished · lr=0.01 seed=0.*0\.167"))

    second.get_by_role("button", name=re.compile("mlp-10pct-3ep finished")).click()
    sheet = page.get_by_role("dialog", name="mlp-10pct-3ep")
    expect(sheet).to_contain_text(re.compile("95 % interval.*to.*model.*mlp"))
    check_look(page)
    page.keyboard.press("Escape")
    second.get_by_role("checkbox").check()

    expect(second).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text("1 run selected")
