"""Drawing of curves: styles, notes and files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runfolio
from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.query.plots.style import save
from runfolio.query.store import open_folio


def plot(store, *metrics: str, **options):
    return open_folio(store).runs().plot(*metrics, **options)


def texts(figure) -> str:
    strings = [figure.get_supxlabel(), figure.get_suptitle()]
    return "\n".join([*strings, *(text.get_text() for legend in figure.legends for text in legend.get_texts())])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_curves_are_drawn_into_a_file(store, write, tmp_path: Path, ending: str):
    write("a", points={"loss": [2.0, 1.0]})
    path = tmp_path / "new folder" / f"curves.{ending}"
    save(plot(store, "loss"), path)

    assert path.stat().st_size > 2000
    if ending == "png":
        with Image.open(path) as picture:
            assert picture.width > 1000


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_equal_figures_give_equal_files(store, write, tmp_path: Path, ending: str):
    write("a", points={"loss": [2.0, math.nan, 1.0]})
    for name in ("first", "second"):
        save(plot(store, "loss", title="Twice"), tmp_path / f"{name}.{ending}")

    assert (tmp_path / f"first.{ending}").read_bytes() == (tmp_path / f"second.{ending}").read_bytes()


def test_text_in_an_svg_stays_text(store, write, tmp_path: Path):
    write("a <run> & co", points={"loss": [2.0, 1.0]})
    save(plot(store, "loss", title="A title"), tmp_path / "x.svg")
    svg = (tmp_path / "x.svg").read_text()

    assert ">A title</text>" in svg
    assert "a &lt;run&gt; &amp; co" in svg


def test_the_legend_names_the_runs_best_first(store, write):
    write("worse", points={"val/loss": [2.0, 1.5]})
    write("better", points={"val/loss": [2.0, 0.5]})
    write("broken", points={"val/loss": [math.nan]})
    figure = plot(store, "val/loss")

    (legend,) = figure.legends
    assert legend.get_title().get_text() == "lowest val/loss"
    assert [text.get_text() for text in legend.get_texts()] == [
        "better   0.5000",
        "worse   1.500",
        "broken   (no number)",
    ]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("step", "val/loss")


def test_ten_curves_all_look_different(store, write):
    for number in range(10):
        write(f"run-{number}", points={"loss": [1.0, number]})
    drawn = plot(store, "loss").axes[0].get_lines()

    assert len({(line.get_color(), str(line.get_linestyle())) for line in drawn}) == 10


def test_best_of_too_many_curves_are_highlighted(store, write, copy, edit):
    first = write("run-0", points={"loss": [1.0, 0.5]})
    for number in range(1, 30):
        edit(copy(first, store / "digits" / f"run-{number}"), id=f"run{number:05}", name=f"run-{number}")
    figure = plot(store, "loss")

    assert len(figure.axes[0].get_lines()) == 30
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "22 others"
    assert len(figure.legends[0].get_texts()) == 9


def test_several_metrics_are_panels_with_one_legend(store, write):
    write("a", points={"loss": [2.0], "acc": [0.5], "lr": [0.1]})
    write("b", points={"loss": [1.0], "acc": [0.6]})
    figure = plot(store, "loss", "acc", "lr", title="Three")

    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["loss", "acc", "lr"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "a"]
    assert figure.get_suptitle() == "Three"
    colours = [{line.get_label(): line.get_color() for line in axes.get_lines()} for axes in shown]
    assert colours[0] == colours[1]
    assert colours[2] == {"a": colours[0]["a"]}


def test_non_finite_values_are_marked_gaps_and_single_points_are_dots(store):
    values = np.linspace(0, 1, 100)
    values[[40, 42, 60]] = [math.nan, math.inf, -math.inf]
    with runfolio.init("net", store=store) as run:
        for step, value in enumerate(values):
            run.log({"value": float(value)}, step=step)
    figure = plot(store, "value")
    line, *marks = figure.axes[0].get_lines()

    drawn = np.asarray(line.get_ydata(), dtype=float)
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [40, 42, 60]
    assert line.get_markevery() == [41]
    assert [np.asarray(mark.get_xdata()).tolist() for mark in marks] == [[40, 40], [42, 42], [60, 60]]
    assert "Marks at the bottom: NaN or infinite values." in texts(figure)


def test_run_of_only_nan_values_is_noted(store, write):
    write(points={"loss": [math.nan, math.nan]})

    assert "no finite value" in [text.get_text() for text in plot(store, "loss").axes[0].texts]


def test_a_single_point_is_visible(store, write):
    write(points={"loss": [1.0]})
    (line,) = plot(store, "loss").axes[0].get_lines()

    assert (line.get_marker(), line.get_markevery()) == ("o", [0])


def test_downsampled_curve_keeps_its_spikes_and_gaps(store):
    with runfolio.init("net", store=store) as run:
        for step in range(20_000):
            run.log({"loss": {7_777: 100.0, 12_345: math.nan}.get(step, 1.0)}, step=step)
    line, _ = plot(store, "loss").axes[0].get_lines()
    steps, values = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())

    assert len(steps) < 5_000
    assert values[list(steps).index(7_777)] == 100.0
    assert math.isnan(values[list(steps).index(12_345)])


def test_smoothed_curve_is_drawn_over_the_pale_raw_values(store, write):
    write(points={"loss": [1.0, 0.0, 1.0]})
    figure = plot(store, "loss", smooth=0.5)
    pale, curve = figure.axes[0].get_lines()

    assert np.asarray(pale.get_ydata()).tolist() == [1.0, 0.0, 1.0]
    assert np.asarray(curve.get_ydata()).tolist() == pytest.approx([1.0, 1 / 3, 5 / 7])
    assert pale.get_color() == curve.get_color()
    assert "Smoothed by 0.5.\nPale: logged values." in texts(figure)


def test_a_mean_has_a_band_that_is_explained(store, write):
    for seed in (0, 1):
        write(config={"seed": seed}, points={"loss": [1.0 + seed, 0.5]})
    figure = plot(store, "loss", group_by=["-seed"])

    assert len(figure.axes[0].collections) == 1
    assert "all runs  n=2" in texts(figure)
    assert "Band: lowest to highest." in texts(figure)


def test_log_options_make_axes_logarithmic(store, write):
    write(points={"loss": [1.0, 0.1, 0.01]})
    axes = plot(store, "loss", log="xy").axes[0]

    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_special_characters_in_names_are_drawn_literally(store, write, tmp_path):
    write("_$x^2$_", points={"$loss$": [1.0]})
    write("<&>" + "long" * 40, points={"$loss$": [2.0]})
    figure = plot(store, "$loss$", title="$")
    save(figure, tmp_path / "x.svg")

    assert len(figure.legends[0].get_texts()) == 2
    assert "_$x^2$_" in (tmp_path / "x.svg").read_text()


def test_unknown_metric_is_refused_with_similar_names(store, write):
    write(points={"val/loss": [1.0]})

    with pytest.raises(NotFound, match=r"no run here has a metric 'val/los'; did you mean val/loss\?"):
        plot(store, "val/los")


def test_unknown_suffix_of_a_figure_is_refused(store, write, tmp_path):
    write(points={"loss": [1.0]})
    figure = plot(store, "loss")

    with pytest.raises(ConfigError, match=r"must end in .png, .svg or .pdf"):
        save(figure, tmp_path / "curves.jpeg")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        save(figure, tmp_path / "file" / "curves.png")
