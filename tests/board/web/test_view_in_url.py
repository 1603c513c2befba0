"""View in the URL: links, back and forward, old links, and the last view of an experiment."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import OpenPage, region

OLD_LINKS = (
    "/e/digits?v=1&layout=charts",
    "/e/digits?v=1&where=val/acc+%3E+0.1&sort=-val/acc.best&columns=params.lr,val/acc.last&metric=val/acc",
    "/all?v=1&group=-seed&x=epoch&smooth=0.6&log=xy&from=1&to=100&at=10",
    "/e/digits?v=1&show=0000000000000001&only=0000000000000002&baseline=0000000000000003&archived=1&theme=dark",
    "/e/digits?v=1&panels=%7B%22loss%22:%7B%22log%22:%22y%22,%22ylim%22:%5B0,1%5D%7D%7D&tab=x&unknown=1",
)
"""Links that users may have saved. Keep all of them as long as `v=1` is supported."""


def test_back_and_forward_walk_through_the_views(open_page: OpenPage) -> None:
    page = open_page("/e/digits?v=1")
    charts, table = region(page, "Charts"), region(page, "Runs")
    expect(table).to_be_visible()

    page.keyboard.press("1")
    page.keyboard.press("3")
    page.get_by_role("navigation").get_by_role("link", name="media").click()
    expect(page.get_by_role("heading", name="media")).to_be_visible()

    page.go_back()
    expect(page).to_have_url(re.compile(r"/e/digits\?v=1&layout=charts$"))
    expect(table).to_have_count(0)
    page.go_back()
    expect(charts).to_have_count(0)
    page.go_forward()
    expect(table).to_have_count(0)


def test_last_view_of_an_experiment_comes_back_without_a_query(open_page: OpenPage) -> None:
    page = open_page("/e/digits?v=1&layout=table")
    expect(region(page, "Runs")).to_be_visible()

    page.goto("/e/media?v=1")
    expect(region(page, "Charts")).to_have_count(1)
    page.goto("/e/digits")

    expect(page).to_have_url(re.compile(r"\?v=1&layout=table$"))
    expect(region(page, "Charts")).to_have_count(0)


def test_link_with_a_query_counts_more_than_the_last_view(open_page: OpenPage) -> None:
    page = open_page("/e/digits?v=1&layout=table")
    expect(region(page, "Runs")).to_be_visible()

    page.goto("/e/digits?v=1")

    expect(region(page, "Charts")).to_have_count(1)


@pytest.mark.parametrize("link", OLD_LINKS)
def test_old_link_opens(open_page: OpenPage, link: str) -> None:
    page = open_page(link)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("main .failure")).to_have_count(0)
