"""Several tabs at once: a browser keeps six connections per host, so one tab receives the events for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

import runfolio

from ..conftest import Board
from .conftest import OpenPage

TABS = 7


def open_tabs(open_page: OpenPage, board: Board) -> list[Page]:
    first = open_page("/all", board=board)
    return [first, *(open_page("/all", board=board, context=first.context) for _ in range(TABS - 1))]


def test_seven_tabs_load_and_stay_live(open_page: OpenPage, board_server: Callable[..., Board], store: Path) -> None:
    with runfolio.init("first", store=store) as run:
        run.log({"val/acc": 0.5}, step=1)
    tabs = open_tabs(open_page, board_server(store))
    for tab in tabs:
        expect(tab.get_by_role("row", name="first")).to_be_visible(timeout=15_000)

    with runfolio.init("second", store=store) as run:
        run.log({"val/acc": 0.6}, step=1)

    for tab in tabs:
        expect(tab.get_by_role("row", name="second")).to_be_visible(timeout=15_000)


def test_another_tab_receives_the_events_when_the_first_is_closed(
    open_page: OpenPage, board_server: Callable[..., Board], store: Path
) -> None:
    with runfolio.init("first", store=store) as run:
        run.log({"val/acc": 0.5}, step=1)
    board = board_server(store)
    first = open_page("/all", board=board)
    other = open_page("/all", board=board, context=first.context)
    expect(first.get_by_role("row", name="first")).to_be_visible()
    expect(other.get_by_role("row", name="first")).to_be_visible()
    first.close()

    with runfolio.init("second", store=store) as run:
        run.log({"val/acc": 0.6}, step=1)

    expect(other.get_by_role("row", name="second")).to_be_visible(timeout=15_000)
