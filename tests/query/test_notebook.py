"""Representations of stores, runs and curves in notebooks."""

from __future__ import annotations

import re

import pytest
from benchmarks.store_generator import Shape, generate

import runfolio
from runfolio.query.store import open_folio

EVIL = '"><img src=x onerror=alert(1)><svg/onload=alert(2)></script><script>alert(3)</script>javascript:'


@pytest.fixture
def evil(store):
    """A store with a run whose every text would be HTML."""
    with runfolio.init(EVIL, experiment=EVIL, store=store, config={EVIL: EVIL}, tags=[EVIL]) as run:
        for step in range(5):
            run.log({EVIL: step / 2, "val/acc": step / 5}, step=step)
        run.summary[EVIL] = 1.5
    return open_folio(store)


def tags(html: str) -> set[str]:
    return set(re.findall(r"<\s*([^\s>/]+)", html))


def test_every_text_in_a_notebook_is_escaped(evil):
    run = evil.runs()[0]
    query = evil.sql('SELECT name, experiment AS "<b>" FROM runs')
    pages = [shown._repr_html_() for shown in (evil, evil.runs(), run, run.metric(EVIL), query)]

    for page in pages:
        assert tags(page) <= {"table", "thead", "tbody", "tr", "th", "td", "p", "b", "div", "br", "svg", "path"}
        assert not re.search(r"<[^>]*\bon\w+\s*=", page)
        assert "&lt;img" in page or "&lt;b&gt;" in page


def test_folio_shows_its_experiments_with_numbers_of_runs(store, write):
    write("a", experiment="digits")
    write("b", experiment="digits", state="failed")
    write("c", experiment="photos")
    html = open_folio(store)._repr_html_()

    assert "<td>digits</td><td>2</td><td>1 failed, 1 finished</td>" in html
    assert "<td>photos</td><td>1</td>" in html


def test_run_shows_state_settings_results_and_a_curve(store, write):
    write("net", config={"lr": 0.1}, points={"val/acc": [0.5, 0.75, 0.7]}, state="failed", reason="no luck")
    html = open_folio(store).run("net")._repr_html_()

    assert "failed: no luck" in html
    assert "<th>lr</th><td>0.1</td>" in html
    assert "<th>val/acc</th><td>0.75</td>" in html
    assert html.count("<svg") == 1


def test_long_lists_of_runs_show_the_newest_and_a_number(store):
    generate(store, 52, Shape(settings=8, metrics=1, points=2))
    html = open_folio(store).runs()._repr_html_()

    assert html.count("<tr>") == 51
    assert open_folio(store).runs()[0].name in html
    assert "<p>2 more</p>" in html


def test_sparkline_of_a_curve_with_gaps_has_no_bad_numbers(store, write):
    write("net", points={"loss": [1.0, float("nan"), 3.0, float("inf"), 2.0], "flat": [1.0], "nan": [float("nan")]})
    run = open_folio(store).run("net")

    for name in ("loss", "flat"):
        path = re.search(r' d="([^"]+)"', run.metric(name)._repr_html_())
        assert path
        assert re.fullmatch(r"[MLh0-9. ]+", path[1])
    assert "<svg" not in run.metric("nan")._repr_html_()
