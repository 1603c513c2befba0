"""Charts of the experiment page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

import runfolio

from ..conftest import Board
from .conftest import NARROW, WIDE, OpenPage

CURVES = "/e/curves?v=1&layout=charts"
FIRST_ANSWER_MS = 20_000
"""The first request for curves loads the modules that read them."""


def panel(page: Page, quantity: str) -> Locator:
    return page.get_by_role("region", name=quantity, exact=True)


def chart(page: Page, quantity: str) -> Locator:
    """Wait until a panel has lines, and return its drawing."""
    drawing = panel(page, quantity).get_by_role("img")
    expect(drawing).to_have_attribute("aria-label", re.compile(r"\d lines?, from"), timeout=FIRST_ANSWER_MS)
    return drawing


def plot_box(page: Page, quantity: str) -> dict[str, float]:
    """Return the position of a plot on the page, without its axes."""
    chart(page, quantity).scroll_into_view_if_needed()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = panel(page, quantity).locator(".u-over").bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def drag(page: Page, quantity: str, start: float, end: float) -> None:
    """Drag over a plot, between two fractions of its width."""
    box = plot_box(page, quantity)
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], middle, steps=4)
    page.mouse.up()


def view(page: Page) -> dict[str, str]:
    """Return the view that is stored in the URL."""
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_view(page: Page, **expected: str | None) -> None:
    def holds(url: str) -> bool:
        query = parse_qs(urlsplit(url).query)
        return all(query.get(key, [None])[0] == value for key, value in expected.items())

    page.wait_for_url(holds)


@pytest.mark.parametrize(("width", "theme"), [(WIDE, "light"), (NARROW, "dark")])
def test_quantity_has_one_panel_with_train_and_val_by_dash(open_page: OpenPage, width: int, theme: str) -> None:
    page = open_page(CURVES, width=width, theme=theme)

    sentence = re.compile(r"^loss over step: 9 lines, from 0\.\d+ to 2\. failed train ends lowest, with 0\.\d+\.$")
    expect(chart(page, "loss")).to_have_attribute("aria-label", sentence)
    expect(panel(page, "loss")).to_contain_text("train dashed, val solid")
    expect(panel(page, "loss")).to_contain_text(re.compile(r"\d+ points"))
    expect(page.get_by_role("toolbar", name="Charts")).to_contain_text("5 runs.")


def test_chart_is_also_a_table(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "acc")

    panel(page, "acc").get_by_role("button", name="Table of acc").click()

    row = panel(page, "acc").get_by_role("row", name="forked")
    expect(row.get_by_role("cell").nth(4)).to_have_text("299")
    expect(panel(page, "acc").get_by_role("columnheader", name="at step")).to_be_visible()


def test_search_finds_panels_and_says_if_there_is_none(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    search = page.get_by_role("searchbox", name="Find a chart")

    search.fill("val loss")
    expect(page.locator("[data-panel]")).to_have_count(1)
    search.fill("nothing")
    expect(page.get_by_text("No chart matches “nothing”.")).to_be_visible()


def test_panel_has_settings_of_its_own_and_those_of_all(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "loss")

    page.get_by_role("group", name="x axis").get_by_role("button", name="time").click()
    expect(chart(page, "loss")).to_have_attribute("aria-label", re.compile("^loss over time"))
    panel(page, "loss").get_by_role("button", name="x axis of loss").click()
    panel(page, "loss").get_by_role("button", name="epoch", exact=True).click()
    expect(chart(page, "loss")).to_have_attribute("aria-label", re.compile("^loss over epoch"))
    expect(chart(page, "acc")).to_have_attribute("aria-label", re.compile("^acc over time"))
    page.keyboard.press("s")
    page.keyboard.press("l")
    expect(panel(page, "loss").get_by_role("button", name="Smoothing of loss")).to_have_text("smooth 0.30")
    expect(panel(page, "loss").get_by_role("button", name="Scale of the axes of loss")).to_have_text("log y")
    wait_for_view(page, x="time", smooth="0.3", log="y")
    assert '"loss":{"x":"epoch"}' in view(page)["panels"]


def test_points_outside_typed_limits_are_counted(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "loss")
    panel(page, "loss").get_by_role("button", name="Limits of the y axis of loss").click()
    lowest, highest = page.get_by_label("Lowest y"), page.get_by_label("Highest y")

    lowest.fill("2")
    highest.fill("1")
    expect(page.get_by_text("The lowest y must be less than the highest.")).to_be_visible()
    lowest.fill("0.1")
    page.keyboard.press("Enter")

    expect(panel(page, "loss")).to_contain_text(re.compile(r"▲ \d+ points above"))
    expect(panel(page, "loss")).to_contain_text(re.compile(r"▼ \d+ points below"))
    expect(panel(page, "loss").get_by_role("button", name="Limits of the y axis of loss")).to_have_text("0.1 to 1")


def test_zoom_is_shared_and_released_and_in_the_history(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "acc")

    drag(page, "loss", 0.25, 0.5)

    for quantity in ("loss", "acc"):
        expect(panel(page, quantity)).to_contain_text(re.compile(r"7\d(\.\d)? to 1[45]\d: show all"))
    page.wait_for_url(re.compile("from=7"))
    page.go_back()
    expect(panel(page, "loss")).not_to_contain_text("show all")
    page.go_forward()
    expect(panel(page, "loss")).to_contain_text("show all")
    page.keyboard.press("Escape")
    wait_for_view(page, **{"from": None, "to": None})


def test_wheel_and_fingers_zoom_and_pan(open_page: OpenPage) -> None:
    page = open_page(CURVES, width=NARROW)
    box = plot_box(page, "loss")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_url(re.compile("from="))
    wide = float(view(page)["to"]) - float(view(page)["from"])
    pinch(page, x, y)
    page.wait_for_function(
        "width => { const q = new URL(location).searchParams; return q.get('to') - q.get('from') < width }",
        arg=wide * 0.8,
    )
    start = float(view(page)["from"])
    swipe(page, x, y)
    page.wait_for_function("start => new URL(location).searchParams.get('from') > start", arg=start)


def pinch(page: Page, x: float, y: float) -> None:
    """Move two fingers apart."""
    places = [[(x - distance, y), (x + distance, y)] for distance in (30, 40, 50, 60)]
    touch(page, places)


def swipe(page: Page, x: float, y: float) -> None:
    """Move one finger to the left."""
    touch(page, [[(x - distance, y)] for distance in (0, 10, 20, 30)])


def touch(page: Page, places: list[list[tuple[float, float]]]) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for number, fingers in enumerate([*places, []]):
        kind = "touchStart" if number == 0 else "touchMove" if fingers else "touchEnd"
        points = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(fingers)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(30)
    session.detach()


def test_hovered_line_has_a_tip_and_a_click_pins_its_step(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    box = plot_box(page, "acc")

    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.35 * box["height"])
    expect(page.locator(".chart-tip")).to_contain_text("resumed")
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.35 * box["height"])

    page.wait_for_url(re.compile("at=1[45]"))
    for quantity in ("acc", "loss"):
        expect(panel(page, quantity)).to_contain_text(f"step {view(page)['at']}")
    page.get_by_role("button", name="Unpin").click()
    wait_for_view(page, at=None)


def test_tip_follows_the_axis_under_a_still_pointer(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "acc")

    drag(page, "loss", 0.25, 0.5)
    page.wait_for_url(re.compile("from=7"))

    # The pointer is still in the middle of the plot, which now shows the second quarter of the 300 steps.
    expect(page.locator(".chart-tip tbody td:last-child").first).to_have_text(re.compile(r"^1[01]\d$"))


def test_tip_shows_smoothed_and_logged_values_and_the_step_of_each(open_page: OpenPage) -> None:
    page = open_page(f"{CURVES}&smooth=0.9")
    box = plot_box(page, "loss")

    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.35 * box["height"])

    heads = page.locator(".chart-tip th")
    expect(heads).to_have_text(["nearest points", "smoothed", "logged", "at step"])
    rows = [row.split("\t")[1:] for row in page.locator(".chart-tip tbody").inner_text().splitlines() if "\t" in row]
    values = {tuple(row[:2]) for row in rows if len(row) == 3}
    assert any(smoothed != logged for smoothed, logged in values)


def test_smoothing_form_stays_in_place_while_its_slider_moves(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    chart(page, "loss")
    panel(page, "loss").get_by_role("button", name="Smoothing of loss").click()
    slider = panel(page, "loss").get_by_role("slider", name="Smoothing")
    before = slider.bounding_box()

    for value in ("0.01", "0.35", "0.99"):
        slider.fill(value)
        expect(panel(page, "loss").get_by_role("button", name="Smoothing of loss")).to_have_text(f"smooth {value}")
        assert slider.bounding_box() == before


def test_groups_have_a_mean_and_a_band(open_page: OpenPage) -> None:
    page = open_page("/e/digits?v=1&layout=charts&group=-seed")

    expect(chart(page, "acc")).to_have_attribute("aria-label", re.compile("^acc over epoch: 12 lines"))
    expect(page.get_by_role("toolbar", name="Charts")).to_contain_text("Groups by all but seed: 4 of 4 are in colour.")
    expect(panel(page, "acc")).to_contain_text("Bars: number of runs at each epoch")


def test_full_screen_and_wide_panels(open_page: OpenPage) -> None:
    page = open_page(CURVES)
    box = plot_box(page, "loss")
    page.mouse.move(box["x"] + 50, box["y"] + 50)

    page.keyboard.press("f")
    expect(panel(page, "loss").get_by_role("button", name="Full screen loss")).to_have_text("close")
    page.wait_for_function("() => document.querySelector('[data-panel=loss] .u-over').clientHeight > 600")
    page.keyboard.press("Escape")
    panel(page, "loss").get_by_role("button", name="Wide loss").click()
    page.wait_for_function("() => document.querySelector('[data-panel=loss] .u-over').clientWidth > 1000")


def test_what_is_seen_can_be_saved(open_page: OpenPage) -> None:
    page = open_page(f"{CURVES}&from=50&to=100&smooth=0.6")
    chart(page, "loss")
    panel(page, "loss").get_by_role("button", name="Save loss").click()

    for kind in ("CSV", "SVG", "PDF", "PNG"):
        link = panel(page, "loss").get_by_role("link", name=kind)
        query = parse_qs(urlsplit(link.get_attribute("href") or "").query)
        assert [query[key] for key in ("from", "to", "smooth", "metrics")] == [
            ["50"],
            ["100"],
            ["0.6"],
            ["train/loss,val/loss"],
        ]
    with page.expect_download() as download:
        panel(page, "loss").get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "curves-loss.csv"
    expect(panel(page, "loss").get_by_label("plot command", exact=True)).to_contain_text("runfolio plot")


def test_live_points_extend_the_lines_and_keep_the_zoom(
    open_page: OpenPage,
    changing_store: Path,
    board_server: Callable[..., Board],
    live_run: Callable[..., runfolio.RecordedRun],
) -> None:
    live_run(changing_store)
    page = open_page("/e/live?v=1&layout=charts", board=board_server(changing_store))
    chart(page, "loss")
    drag(page, "loss", 0.2, 0.6)
    page.wait_for_url(re.compile("from="))
    zoom = view(page)

    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(1500)

    assert view(page) == zoom
    page.keyboard.press("Escape")
    count = re.compile(r"\d+ points")
    expect(panel(page, "loss")).to_contain_text(count)
    before = panel(page, "loss").inner_text()
    page.wait_for_function("before => document.querySelector('[data-panel=loss]').innerText !== before", arg=before)
    assert any("after=" in url for url in requests)


def test_live_run_grows_in_a_zoomed_chart_that_another_run_fills(
    open_page: OpenPage,
    changing_store: Path,
    board_server: Callable[..., Board],
    live_run: Callable[..., runfolio.RecordedRun],
) -> None:
    with runfolio.init("long", experiment="live", store=changing_store) as run:
        for step in range(3000):
            run.log({"loss": 1.0}, step=step)
    live_run(changing_store)
    page = open_page("/e/live?v=1&layout=charts&from=0&to=2000", board=board_server(changing_store))
    chart(page, "loss")

    before = panel(page, "loss").inner_text()
    page.wait_for_function("before => document.querySelector('[data-panel=loss]').innerText !== before", arg=before)
    middle = panel(page, "loss").inner_text()
    page.wait_for_function("before => document.querySelector('[data-panel=loss]').innerText !== before", arg=middle)
