import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runfolio
from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.query.folio import open_folio
from runfolio.query.plot import plot, save_plot


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_curves_are_drawn_into_a_file(store, write, tmp_path: Path, ending: str):
    write("a", points={"loss": [2.0, 1.0]})
    write("b", points={"loss": [3.0, 2.0]})
    path = tmp_path / "new folder" / f"curves.{ending}"

    assert save_plot("loss", open_folio(store).runs(), path) == []
    assert path.stat().st_size > 2000
    if ending == "png":
        with Image.open(path) as picture:
            assert picture.width > 1000


def test_the_legend_names_the_runs_best_first(store, write):
    write("worse", points={"val/loss": [2.0, 1.5]})
    write("better", points={"val/loss": [2.0, 0.5]})
    write("broken", points={"val/loss": [math.nan]})
    figure = plot("val/loss", open_folio(store).runs())

    (legend,) = figure.legends
    assert legend.get_title().get_text() == "lowest val/loss"
    assert [text.get_text() for text in legend.get_texts()] == [
        "better   0.5000",
        "worse   1.500",
        "broken   (no number)",
    ]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("step", "val/loss")


def test_every_one_of_ten_curves_looks_different(store, write):
    for number in range(10):
        write(f"run-{number}", points={"loss": [1.0, number]})
    lines = plot("loss", open_folio(store).runs()).axes[0].get_lines()

    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines}) == 10


def test_what_is_not_finite_is_a_gap_and_a_lone_point_a_dot(store):
    values = np.linspace(0, 1, 100)
    values[[40, 42, 60]] = [math.nan, math.inf, -math.inf]
    with runfolio.init("net", store=store) as run:
        for step, value in enumerate(values):
            run.log({"value": float(value)}, step=step)
    (line,) = plot("value", open_folio(store).runs()).axes[0].get_lines()

    drawn = np.asarray(line.get_ydata(), dtype=float)
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [40, 42, 60]
    assert line.get_markevery() == [41]


def test_a_single_point_is_visible(store, write):
    write(points={"loss": [1.0]})
    (line,) = plot("loss", open_folio(store).runs()).axes[0].get_lines()

    assert (line.get_marker(), line.get_markevery()) == ("o", [0])


def test_a_long_curve_is_thinned_and_keeps_its_spikes_and_gaps(store):
    with runfolio.init("net", store=store) as run:
        for step in range(20_000):
            run.log({"loss": {7_777: 100.0, 12_345: math.nan}.get(step, 1.0)}, step=step)
    (line,) = plot("loss", open_folio(store).runs()).axes[0].get_lines()
    steps, values = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())

    assert len(steps) < 5_000
    assert values[list(steps).index(7_777)] == 100.0
    assert math.isnan(values[list(steps).index(12_345)])


def test_runs_without_the_metric_are_left_out_and_named(store, write, tmp_path):
    write("with", points={"loss": [1.0]})
    write("without", points={"acc": [1.0]})

    assert save_plot("loss", open_folio(store).runs(), tmp_path / "x.png") == ["without"]


def test_names_are_drawn_as_they_are(store, write, tmp_path):
    write("_$x^2$_", points={"$loss$": [1.0]})
    write("<&>", points={"$loss$": [2.0]})
    path = tmp_path / "x.svg"
    save_plot("$loss$", open_folio(store).runs(), path)

    assert len(plot("$loss$", open_folio(store).runs()).legends[0].get_texts()) == 2


def test_an_unknown_metric_names_the_nearest(store, write):
    write(points={"val/loss": [1.0]})

    with pytest.raises(NotFound, match=r"no run here has a metric 'val/los'; did you mean val/loss\?"):
        plot("val/los", open_folio(store).runs())


def test_a_file_it_cannot_draw_into_is_refused(store, write, tmp_path):
    write(points={"loss": [1.0]})
    runs = open_folio(store).runs()

    with pytest.raises(ConfigError, match=r"must end in .png, .svg or .pdf"):
        save_plot("loss", runs, tmp_path / "curves.jpeg")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        save_plot("loss", runs, tmp_path / "file" / "curves.png")
