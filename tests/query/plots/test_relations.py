"""Scatter plots and parallel coordinates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from runfolio.errors import NotFound
from runfolio.query.plots.relation_drawing import draw_parallel, draw_scatter
from runfolio.query.plots.relations import parallel, scatter
from runfolio.query.store import open_folio


@pytest.fixture
def runs(store, write):
    """Return four runs. The last one lacks a setting, and its loss is NaN."""
    for lr, model, loss in ((1e-4, "mlp", 0.8), (1e-3, "cnn", 0.4), (1e-1, "cnn", 0.6)):
        config = {"lr": lr, "model": model, "same": 1, "bias": model == "mlp"}
        write(f"{model}-{lr:g}", config=config, points={"val/loss": [2.0, loss, 1.0]}, summary={"size": lr * 10})
    write("odd", config={"model": "mlp", "same": 1}, points={"val/loss": [math.nan]}, summary={"size": 5})
    return open_folio(store).runs()


def test_scatter_plots_settings_results_and_best_metrics(runs):
    shown = scatter(runs, "lr", "val/loss", "model")

    assert sorted(zip(shown.x.positions, shown.y.positions, strict=True)) == [(1e-4, 0.8), (1e-3, 0.4), (1e-1, 0.6)]
    assert (shown.x.name, shown.y.name) == ("lr", "val/loss best")
    assert (shown.x.log, shown.y.log) == (True, False)
    assert shown.colour is not None
    assert shown.colour.categories == ["cnn", "mlp"]
    assert shown.notes[1:] == ["Left out: 1 of 4 runs, which lack one of the two values."]


def test_correlation_uses_the_scales_of_the_axes(store, write):
    for x, y in ((1, 1.0), (2, 4.0), (3, 9.0), (4, 16.0)):
        write(config={"x": x, "flat": 1.0}, summary={"y": y})
    runs = open_folio(store).runs()
    measured = scatter(runs, "x", "y").correlation

    assert measured is not None
    assert measured.pearson == pytest.approx(np.corrcoef([1, 2, 3, 4], [1, 4, 9, 16])[0, 1])
    assert (measured.spearman, measured.count) == (pytest.approx(1.0), 4)
    assert measured.sentence == "Pearson +0.98, Spearman +1.00 over 4 runs."
    flat = scatter(runs, "flat", "y").correlation
    assert flat is not None
    assert math.isnan(flat.pearson)


def test_equal_values_share_their_rank(store, write):
    for x, y in ((1, 1), (1, 2), (2, 3), (3, 3)):
        write(config={"x": x}, summary={"y": y})
    measured = scatter(open_folio(store).runs(), "x", "y").correlation

    assert measured is not None
    assert measured.spearman == pytest.approx(np.corrcoef([0.5, 0.5, 2, 3], [0, 1, 2.5, 2.5])[0, 1])


def test_categories_have_no_correlation(runs):
    assert scatter(runs, "model", "size").correlation is None


def test_scatter_without_a_complete_run_is_reported(runs):
    with pytest.raises(NotFound, match="no run here has both reason and lr"):
        scatter(runs, "reason", "lr")


def test_parallel_has_differing_settings_and_the_best_run_first(runs):
    shown = parallel(runs, "val/loss")

    assert [axis.name for axis in shown.settings] == ["lr", "model", "bias"]
    assert shown.labels == ["cnn-0.001", "cnn-0.1", "mlp-0.0001"]
    assert shown.metric.positions.tolist() == [0.4, 0.6, 0.8]
    assert shown.lower_is_better
    assert shown.settings[2].categories == ["false", "true"]
    assert shown.notes == ["Left out: 1 of 4 runs without val/loss."]


def test_equal_runs_have_no_parallel_coordinates(store, write):
    write("a", config={"lr": 1}, points={"val/acc": [1.0]})
    with pytest.raises(NotFound, match="no setting differs between these runs"):
        parallel(open_folio(store).runs(), "val/acc")


def test_parallel_coordinates_draw_the_best_run_on_top(runs):
    figure = draw_parallel(parallel(runs, "size"), title="Settings")
    drawn = [line for line in figure.axes[0].get_lines() if np.size(line.get_xdata()) > 2]
    said = {text.get_text() for text in figure.axes[0].texts}

    assert len(drawn) == 4
    assert max(drawn, key=lambda line: line.get_zorder()).get_linewidth() > 2
    assert {"lr", "model", "bias", "size", "none", "mlp", "cnn", "true", "0.001"} <= said


def test_missing_setting_crosses_below_the_axis(runs):
    figure = draw_parallel(parallel([run for run in runs if run.name != "cnn-0.1"], "size"))
    crossings = [
        np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].get_lines() if np.size(line.get_xdata()) > 2
    ]

    assert sorted(bool(min(crossing) < 0) for crossing in crossings) == [False, False, True]  # `odd` has no lr


@pytest.mark.parametrize("colour", [None, "model", "size", "lr"])
def test_scatter_plot_shows_its_correlation(runs, colour):
    figure = draw_scatter(scatter(runs, "lr", "val/loss", colour))
    figure.draw_without_rendering()

    assert figure.axes[0].get_xscale() == "log"
    assert sum(len(np.asarray(points.get_offsets())) for points in figure.axes[0].collections) == 3
    assert figure.get_supxlabel().startswith("Pearson")
    assert "(of logarithms)" in figure.get_supxlabel()
    assert "Left out: 1 of 4 runs" in figure.get_supxlabel()


def test_categories_are_labels_of_ticks(runs):
    figure = draw_scatter(scatter(runs, "model", "size"))

    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["cnn", "mlp"]
