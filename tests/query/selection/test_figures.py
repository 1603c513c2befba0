"""Figures of metrics, and their headings."""

from __future__ import annotations

import math

import pytest

from runfolio.query.run import RecordedRun
from runfolio.query.selection.figures import Figure, figure_heading, figure_of, has_metric
from runfolio.query.store import open_folio


@pytest.fixture
def run(store, write) -> RecordedRun:
    """Return a run whose metrics have all kinds of figures."""
    write(
        points={
            "val/acc": [0.5, 0.9, 0.6],
            "val/loss": [1.0, 0.2, 0.4],
            "mix": [3.0, 1.0, 2.0],
            "epoch": [1, 3, 2],
            "bad/loss": [math.inf, math.nan],
        },
        summary={"val/loss": 0.4, "test/acc": 0.7},
    )
    return open_folio(store).run("net")


@pytest.mark.parametrize(
    ("metric", "mode", "figure"),
    [
        ("val/acc", "max", Figure(0.9, 1, "best")),
        ("val/acc", "min", Figure(0.5, 0, "best")),
        ("metrics.val/acc", "max", Figure(0.9, 1, "best")),
        ("metrics.val/loss.best", "min", Figure(0.2, 1, "best")),
        ("val/loss", "min", Figure(0.4, 2, "as reported")),
        ("metrics.val/loss", "min", Figure(0.2, 1, "best")),
        ("summary.val/loss", "min", Figure(0.4, 2, "as reported")),
        ("test/acc", "max", Figure(0.7, None, "as reported")),
        ("mix", None, Figure(2.0, 2, "last")),
        ("epoch", None, Figure(3.0, 1, "last")),
        ("bad/loss", "min", None),
        ("summary.val/acc", "max", None),
        ("nothing", "max", None),
    ],
)
def test_figure_is_reported_else_best_else_last(run, metric, mode, figure):
    assert figure_of(run, metric, mode) == figure


@pytest.mark.parametrize(
    ("metric", "mode", "heading"),
    [
        ("val/acc", "max", "val/acc best"),
        ("val/loss", "min", "val/loss as reported"),
        ("test/acc", "max", "test/acc"),
        ("mix", None, "mix last"),
        ("epoch", None, "epoch"),
    ],
)
def test_heading_has_the_kind_of_figure(run, metric, mode, heading):
    assert figure_heading([run], metric, mode) == heading


def test_figure_is_at_the_chosen_epoch_if_the_run_names_its_metric(store, write):
    write("a", points={"val/acc": [0.5, 0.9]}, summary={"val/acc": 0.5, "chosen_by": "val/loss"})
    write("b", points={"val/acc": [0.6, 0.8]})
    runs = list(open_folio(store).runs())

    assert figure_heading(runs, "val/acc", "max") == "val/acc best or at the chosen epoch"
    assert figure_heading(runs[1:], "val/acc", "max") == "val/acc at the chosen epoch"


def test_metric_without_a_finite_value_is_still_a_metric(run):
    assert has_metric(run, "bad/loss")
    assert not has_metric(run, "summary.bad/loss")
