"""Related curves: in one panel, on one scale, and distinguishable if they coincide."""

from __future__ import annotations

import re

import numpy as np
import pytest

from runfolio.errors import ConfigError
from runfolio.query.plots.curve_drawing import draw_curves
from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
from runfolio.query.plots.overlay import kind_of, overlay
from runfolio.query.plots.relations import scatter
from runfolio.query.plots.terminal import Screen, curves_text, scatter_text
from runfolio.query.store import open_folio

SCREEN = Screen(60, 14, colour=False)


def panels(store, *metrics: str, **options):
    return curve_panels(metrics, open_folio(store).runs(), CurveOptions(**options))


def test_overlay_is_one_panel_with_a_line_per_metric(store, write):
    write("net", points={"train/loss": [2.0, 1.0], "test/loss": [2.0, 1.5]})
    picture = overlay(panels(store, "train/loss", "test/loss"))
    assert [(line.label, line.y.tolist()) for line in picture.lines] == [
        ("train/loss", [2.0, 1.0]),
        ("test/loss", [2.0, 1.5]),
    ]
    (axes,) = draw_curves([picture]).axes
    assert [line.get_label() for line in axes.lines] == ["train/loss", "test/loss"]


def test_overlay_names_run_and_metric_of_several_runs(store, write):
    write("a", points={"train/loss": [2.0], "test/loss": [2.5]})
    write("b", points={"train/loss": [1.0], "test/loss": [1.5]})
    labels = {line.label for line in overlay(panels(store, "train/loss", "test/loss")).lines}
    assert labels == {f"{run}  {metric}" for run in "ab" for metric in ("train/loss", "test/loss")}


def test_overlay_of_splits_has_a_colour_per_run_and_dashes_per_split(store, write):
    for number, name in enumerate("ab"):
        losses = {f"{split}/loss": [number + 1.0, number + 0.5] for split in ("train", "val", "test")}
        write(name, points={**losses, "lr": [0.1, 0.2]})
    picture = overlay(panels(store, "train/loss", "val/loss", "test/loss"))

    assert len({line.get_color() for line in draw_curves([picture]).axes[0].lines}) == 2
    dashes = {line.label.split()[1]: line.dash for line in picture.lines}
    assert len(set(dashes.values())) == 3
    assert dashes["val/loss"] is None
    mixed = draw_curves([overlay(panels(store, "train/loss", "lr"))]).axes[0].lines
    assert len({line.get_color() for line in mixed}) == 4


def test_overlay_names_run_and_metric_of_a_hiding_curve(store, write):
    for name in ("a", "b"):
        write(name, points={"train/loss": [2.0], "test/loss": [2.5]})
    lines = overlay(panels(store, "train/loss", "test/loss")).lines
    hiding = {line.label for line in lines if line.same_as is None}
    assert {line.same_as for line in lines} == {None, *hiding}


def test_overlay_of_different_axes_is_refused(store):
    import runfolio

    with runfolio.init("net", store=store) as run:
        run.define_metric("val/loss", x="epoch")
        run.log({"val/loss": 1.0, "train/loss": 2.0, "epoch": 1})
    with pytest.raises(ConfigError, match="have the x axes step and epoch; choose one with --x"):
        overlay(panels(store, "train/loss", "val/loss"))


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("train/loss", "loss"),
        ("Loss/test_loss", "loss"),
        ("val/acc", "acc"),
        ("loss", "loss"),
        ("val/Verluste in %", "in"),
        ("val/größe", "größe"),
        ("val/精度", "精度"),
        ("%", "%"),
    ],
)
def test_kind_of_a_metric_is_its_last_word(metric: str, kind: str):
    assert kind_of(metric) == kind


def test_panels_of_one_kind_share_the_range_of_y(store, write):
    write("net", points={"train/loss": [2.0, 0.0], "val/loss": [5.0, 1.0], "val/acc": [0.1, 0.2]})
    train, val, accuracy, _ = draw_curves(panels(store, "train/loss", "val/loss", "val/acc")).axes
    assert train.get_ylim() == val.get_ylim()
    assert accuracy.get_ylim() != val.get_ylim()
    given = draw_curves(panels(store, "train/loss", "val/loss"), y_range=(0.0, 9.0)).axes
    assert [axes.get_ylim() for axes in given] == [(0.0, 9.0)] * 2


def test_coincident_curve_is_dashed_on_top_and_named(store, write):
    write("long", points={"val/acc": [0.1, 0.2, 0.3]})
    write("short", points={"val/acc": [0.1, 0.2]})
    shown = panels(store, "val/acc")
    assert [line.same_as for line in shown[0].lines] == [None, "long"]
    (axes,) = draw_curves(shown).axes
    long, short = sorted(axes.lines, key=lambda line: np.size(line.get_xdata()), reverse=True)
    assert short.get_zorder() > long.get_zorder()
    assert short.get_linestyle() == "--"
    assert "b 0.2000  short = long" in curves_text(shown, SCREEN)
    (legend,) = draw_curves(shown).legends
    assert [text.get_text() for text in legend.get_texts()] == ["long   0.3000", "short = no. 1   0.2000"]


def test_legend_has_the_requested_position(store, write):
    write("net", points={"loss": [2.0, 1.0]})
    shown = panels(store, "loss")
    assert draw_curves(shown, legend="none").legends == []
    inside = draw_curves(shown, legend="inside")
    assert inside.axes[0].get_legend() is not None
    assert inside.legends == []
    assert len(draw_curves(shown, legend="below").legends) == 1
    assert "net" not in curves_text(shown, SCREEN, has_legend=False)


def test_band_of_a_mean_can_be_its_95_percent_interval(store, write):
    for value in (1.0, 2.0, 3.0):
        write("net", config={"seed": value}, points={"loss": [value]})
    (panel,) = panels(store, "loss", group_by=["-seed"], spread="ci")
    (line,) = panel.lines
    assert line.low is not None
    assert line.high is not None
    half = 4.302653 / 3**0.5  # quantile of t with 2 degrees of freedom; the standard deviation is 1
    assert (line.low[0], line.high[0]) == pytest.approx((2 - half, 2 + half), rel=1e-5)
    assert panel.shades == ["Band: 95 % interval of the mean (Student's t)."]


def test_points_that_coincide_are_counted_in_the_terminal(store, write):
    for lr, loss in ((0.1, 1.0), (0.1, 1.0), (0.3, 2.0)):
        write("net", config={"lr": lr}, points={"loss": [loss]})
    text = scatter_text(scatter(open_folio(store).runs(), "params.lr", "loss"), SCREEN)
    drawn = "".join(re.split("[│┤]", line, maxsplit=1)[-1] for line in text.splitlines() if re.search("[│┤]", line))
    assert drawn.count("2") == 1
    assert drawn.count("●") == 1
