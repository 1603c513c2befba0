"""Names of columns, and the order in which bare names are looked up."""

from __future__ import annotations

import pytest

from runfolio.errors import NotFound
from runfolio.query.selection.columns import choice_note, find_column, find_metric
from runfolio.query.store import open_folio


@pytest.fixture
def runs(store, write):
    """Return two runs with settings, results and metrics of the same names."""
    for lr in (0.1, 0.01):
        write(
            config={"lr": lr, "loss": "mse", "batch_size": 8, "device": "cuda:1", "name": "mine"},
            points={"lr": [lr, lr / 10], "loss": [0.5, 0.2, 0.4], "val/acc": [0.5, 0.9, 0.6]},
            summary={"lr": 5.0, "val/acc": 0.6, "size": 3},
        )
    return open_folio(store).runs()


@pytest.mark.parametrize(
    ("name", "full_name", "value"),
    [
        ("lr", "params.lr", 0.1),
        ("params.lr", "params.lr", 0.1),
        ("config.lr", "params.lr", 0.1),
        ("summary.lr", "summary.lr", 5.0),
        ("metrics.lr", "metrics.lr", 0.01),
        ("batch-size", "params.batch_size", 8),
        ("config.batch-size", "params.batch_size", 8),
        ("val/acc", "summary.val/acc", 0.6),
        ("metrics.val/acc.best", "metrics.val/acc.best", 0.9),
        ("loss", "params.loss", "mse"),
        ("size", "summary.size", 3),
        ("name", "name", "net"),
        ("params.name", "params.name", "mine"),
        ("device", "params.device", "cuda:1"),
    ],
)
def test_each_name_finds_one_column(runs, name, full_name, value):
    column = find_column(name, runs)

    assert column.full_name == full_name
    assert column.value(runs[1]) == value
    assert find_column(full_name, runs).value(runs[1]) == value


def test_find_metric_ignores_settings(runs):
    column = find_metric("loss", runs)

    assert (column.full_name, column.value(runs[0])) == ("metrics.loss.best", 0.2)
    with pytest.raises(NotFound, match="no column 'batch_size'"):
        find_metric("batch_size", runs)


def test_note_names_the_other_meanings_of_a_bare_name(runs):
    columns = [find_column(name, runs) for name in ("lr", "val/acc", "size", "metrics.lr", "name")]

    assert choice_note(columns) == (
        "lr is the setting (not summary.lr or metrics.lr); val/acc is the result (not metrics.val/acc)."
    )
    assert choice_note(columns[2:]) == ""


def test_heading_of_mixed_figures_names_both_kinds(store, write):
    write(points={"val/acc": [0.5, 0.9]})
    write(points={"val/acc": [0.5, 0.8]}, summary={"val/acc": 0.7})
    column = find_column("val/acc", open_folio(store).runs())

    assert (column.heading, choice_note([column])) == ("val/acc best or as reported", "")


def test_metric_name_may_end_in_best(store, write):
    write("first", points={"acc": [0.5, 0.9], "acc.best": [0.1]})
    write("second", points={"acc": [0.5, 0.4]})
    runs = open_folio(store).runs()
    column = find_column("metrics.acc.best", runs)

    assert [column.value(run) for run in runs] == [None, 0.1]
