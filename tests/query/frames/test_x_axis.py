"""X axis of curves: the defined one, or the requested one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError
from runfolio.query.curve import Curve
from runfolio.query.frames.x_axis import default_x
from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
from runfolio.query.store import open_folio


def curve(store: Path, metric: str, x: str | None = None) -> Curve:
    return open_folio(store).runs()[0].metric(metric, x)


def test_x_metric_comes_from_the_same_or_an_earlier_log_call(store: Path):
    with runfolio.init(store=store) as run:
        run.define_metric("val/*", x="epoch")
        run.log({"val/acc": 0.1})
        run.log({"epoch": 1, "val/acc": 0.2})
        run.log({"val/acc": 0.3})
        run.log({"val/acc": 0.4, "epoch": 2.5})
        run.log({"loss": 1.0})
        run.flush()
        live = curve(store, "val/acc")
    for points in (live, curve(store, "val/acc")):
        assert points.x_name == "epoch"
        np.testing.assert_array_equal(points.x, [math.nan, 1, 1, 2.5])
    assert (curve(store, "loss").x_name, curve(store, "loss").x.tolist()) == ("step", [4.0])
    assert curve(store, "val/acc", "step").x.tolist() == [0, 1, 2, 3]
    assert (np.diff(curve(store, "val/acc", "time").x) > 0).all()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.sets(st.sampled_from(["y", "x", "other"])), min_size=1, max_size=30))
def test_x_of_a_point_is_never_from_a_later_log_call(tmp_path_factory, calls: list[set[str]]):
    store = tmp_path_factory.mktemp("runs")
    expected, last = [], math.nan
    with runfolio.init(store=store, recording=runfolio.RecordingConfig(console=False, code=False)) as run:
        for number, names in enumerate([{"y"}, *calls, {"x", "y"}]):
            last = number if "x" in names else last
            expected += [last] if "y" in names else []
            run.log(dict.fromkeys(names, number))
    np.testing.assert_array_equal(curve(store, "y", "x").x, expected)


def test_last_matching_pattern_defines_the_axis(store: Path):
    with runfolio.init(store=store) as run:
        for _ in range(3):
            run.define_metric("*", x="samples")
            run.define_metric("val/*", x="epoch")
            run.define_metric("val/time", x="relative time")
            run.define_metric("a[b]", x="step")
        run.log({"epoch": 1, "samples": 64, "val/acc": 1.0, "loss": 1.0, "val/time": 1.0, "a[b]": 1.0})
    read = open_folio(store).run(run.id)
    assert {name: default_x(read, name) for name in ("val/acc", "loss", "val/time", "a[b]")} == {
        "val/acc": "epoch",
        "loss": "samples",
        "val/time": "time",
        "a[b]": "step",
    }
    assert len(json.loads((run.folder / "run.json").read_text())["axes"]) == 4


def test_axis_that_was_never_logged_falls_back_to_step(store: Path):
    with runfolio.init(store=store) as run:
        run.define_metric("loss", x="epoch")
        run.log({"loss": 1.0}, step=7)
    assert (curve(store, "loss").x_name, curve(store, "loss").x.tolist()) == ("step", [7.0])
    with pytest.raises(ConfigError, match=r"has no metric 'epoch' for the x axis; log it"):
        curve(store, "loss", "epoch")


def test_resumed_run_keeps_its_axes_and_each_writer_its_x(store: Path):
    with runfolio.init(store=store) as run:
        run.define_metric("loss", x="epoch")
        run.log({"epoch": 1, "loss": 3.0})
    with runfolio.resume(run.id, store=store, checkpoint=None) as run:
        run.log({"loss": 2.0})
        run.log({"epoch": 2, "loss": 1.0})
    np.testing.assert_array_equal(curve(store, "loss").x, [1, math.nan, 2])


@pytest.mark.parametrize(("metric", "x"), [("", "epoch"), ("loss", ""), (None, "epoch"), ("loss", 3), ("\ud800", "x")])
def test_invalid_metric_name_is_refused(store: Path, metric, x):
    with runfolio.init(store=store, strict=True) as run, pytest.raises(ConfigError, match="name"):
        run.define_metric(metric, x=x)


def test_more_than_1000_axis_patterns_are_refused(store: Path):
    with runfolio.init(store=store, strict=True) as run:
        for number in range(1000):
            run.define_metric(f"m{number}", x="epoch")
        with pytest.raises(ConfigError, match="1,000 axes are defined already; use patterns"):
            run.define_metric("more", x="epoch")
        run.define_metric("m0", x="step")


def test_plots_use_the_axes_that_the_runs_defined(store: Path):
    for name, axis in (("a", "epoch"), ("b", "epoch"), ("c", "step")):
        with runfolio.init(name, store=store) as run:
            run.define_metric("acc", x=axis)
            run.log({"acc": 0.0})
            for epoch in (1, 2):
                run.log({"acc": epoch / 2, "epoch": epoch}, step=100 * epoch)
    runs = open_folio(store).runs()

    (panel,) = curve_panels(["acc"], [run for run in runs if run.name != "c"])
    assert panel.x_label == "epoch"
    assert [line.x.tolist() for line in panel.lines] == [[1, 2], [1, 2]]
    assert "Not shown: 2 points before the first epoch." in panel.notes

    (panel,) = curve_panels(["acc"], runs)
    assert (panel.x_label, panel.lines[0].x.tolist()) == ("step", [0, 100, 200])
    assert "Drawn over step, since the runs define several x axes for acc: epoch, step." in panel.notes

    (panel,) = curve_panels(["acc"], runs[1:], CurveOptions(x="epoch", group_by=["name"]))
    assert [line.x.tolist() for line in panel.lines] == [[1, 2], [1, 2]]
    runs.plot("acc", x="epoch")
