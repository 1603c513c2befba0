"""Content of plots of curves, before drawing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.histories.mean_curve import mean
from runfolio.query.plots.curve_drawing import draw_curves
from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
from runfolio.query.plots.smoothing import exponential_smoothing, metric_weight
from runfolio.query.plots.terminal import Screen, curves_text
from runfolio.query.store import open_folio

numbers = st.floats(-1e6, 1e6)
gappy = st.lists(st.one_of(numbers, st.just(math.nan), st.just(math.inf)), min_size=1, max_size=60)


def tensorboards(values: list[float], weight: float) -> list[float]:
    """Smooth like the source code of TensorBoard, line by line."""
    last, count, averages = 0.0, 0, []
    for value in values:
        if not math.isfinite(value):
            averages.append(value)
            continue
        last = last * weight + (1 - weight) * value
        count += 1
        averages.append(last / (1 - weight**count))
    return averages


@given(values=gappy, weight=st.floats(0.01, 0.99))
def test_smoothing_equals_that_of_tensorboard(values: list[float], weight: float):
    np.testing.assert_allclose(
        exponential_smoothing(np.array(values), weight), tensorboards(values, weight), rtol=1e-9, atol=1e-9
    )


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value():
    np.testing.assert_allclose(exponential_smoothing(np.full(50, 3.0), 0.99), 3.0)
    assert exponential_smoothing(np.array([8.0, 0.0]), 0.9)[0] == pytest.approx(8.0)
    assert exponential_smoothing(np.array([1.0, math.nan]), 0.0)[0] == 1.0


def lines(store, *metrics: str, **options):
    panels = curve_panels(metrics, open_folio(store).runs(), CurveOptions(**options))
    return [line for panel in panels for line in panel.lines]


def test_points_are_sorted_and_non_finite_ranges_are_recorded(store):
    with runfolio.init("net", store=store) as run:
        for step, value in [(3, 0.3), (0, 0.0), (1, math.nan), (2, -math.inf), (4, math.nan)]:
            run.log({"loss": value}, step=step)
    (line,) = lines(store, "loss")

    assert line.x.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(line.y, [0.0, math.nan, math.nan, 0.3, math.nan])
    assert line.broken == [(1.0, 2.0), (4.0, 4.0)]


def test_lines_are_sorted_best_first_with_one_position_in_all_panels(store, write):
    write("worse", points={"val/acc": [0.5], "loss": [1.0]})
    write("better", points={"val/acc": [0.9], "loss": [9.0]})
    write("other", points={"loss": [5.0]})
    acc, loss = curve_panels(["val/acc", "loss"], open_folio(store).runs())

    assert [(line.label, line.position, line.best) for line in acc.lines] == [("better", 0, 0.9), ("worse", 1, 0.5)]
    assert [(line.label, line.position) for line in loss.lines] == [("better", 0), ("worse", 1), ("other", 2)]
    assert (acc.heading, loss.heading) == ("highest val/acc", "lowest loss")


def test_time_since_the_start_has_a_suitable_unit(store, write, edit):
    folder = write("net", points={"loss": [1.0, 0.5]})
    with (folder / "run.json").open() as file:
        (attempt,) = json.load(file)["attempts"]
    edit(folder, attempts=[attempt | {"started": attempt["started"].replace("2026", "2025")}])
    (panel,) = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(x="time"))

    assert panel.x_label == "time since the start (days)"
    assert panel.lines[0].x[0] == pytest.approx(365, abs=1.5)


def test_time_does_not_count_the_pause_before_a_resume(store):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 3.0}, step=0)
        run.checkpoint(step=0)
    with runfolio.init(resume=run.folder, store=store) as run:
        run.log({"loss": 2.0}, step=1)
    resumed = open_folio(store).run("net")
    first, second = resumed.metric("loss").times
    x = lines(store, "loss", x="time")[0].x

    assert x[0] == pytest.approx(first - resumed.created.timestamp(), abs=1e-5)
    assert x[1] == pytest.approx(x[0] + second - resumed.document.attempts[1].started.timestamp(), abs=1e-5)


def test_logged_epochs_are_the_axis_and_are_extrapolated(store):
    with runfolio.init("net", store=store) as run:
        for step in range(8):
            run.log({"loss": 1.0}, step=step)
            if step in (3, 5):
                run.log({"epoch": (step - 1) // 2}, step=step)
    (line,) = lines(store, "loss", x="epoch")

    assert line.x.tolist() == [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_run_without_epochs_gets_advice_to_log_them(store, write):
    write("net", points={"loss": [1.0]})

    with pytest.raises(ConfigError, match=r"net \(.*\) has no metric 'epoch' for the x axis; log it \(run.log"):
        lines(store, "loss", x="epoch")


@pytest.fixture
def seeds(store, write):
    """Return two models with three seeds each; one run ended early."""
    for model, value in (("mlp", 1.0), ("cnn", 2.0)):
        for seed in (0, 1, 2):
            values = [value + seed, value, value] if (model, seed) != ("cnn", 2) else [value + seed]
            write(model, config={"model": model, "seed": seed, "lr": 0.1}, points={"loss": values})
    return store


@pytest.mark.parametrize("group_by", [["model"], ["-seed"], ["params.model"]])
def test_runs_that_differ_only_in_seed_are_averaged(seeds, group_by):
    mlp, cnn = lines(seeds, "loss", group_by=group_by)

    assert (mlp.label, cnn.label) == ("model=mlp  n=3", "model=cnn  n=3")
    np.testing.assert_allclose(mlp.y, [2.0, 1.0, 1.0])
    assert mlp.low is not None
    assert mlp.high is not None
    np.testing.assert_allclose([mlp.low, mlp.high], [[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    np.testing.assert_allclose(cnn.y, [3.0, 2.0, 2.0])


def test_notes_explain_the_mean(seeds):
    (panel,) = curve_panels(["loss"], open_folio(seeds).runs(), CurveOptions(group_by=["model"], spread="std"))

    assert panel.notes == [
        "Each curve is the mean of n runs.",
        "Curves of runs that logged at different positions are interpolated linearly.",
        "If some runs of a group have no points, the mean covers only the other runs.",
    ]
    assert panel.shades == ["Band: ± 1 standard deviation."]
    assert panel.lines[0].high is not None
    np.testing.assert_allclose(panel.lines[0].high - panel.lines[0].y, [1.0, 0.0, 0.0])


def test_grouping_by_an_unknown_column_is_refused(seeds):
    with pytest.raises(NotFound, match=r"no column 'modle'; did you mean"):
        lines(seeds, "loss", group_by=["modle"])
    with pytest.raises(ConfigError, match="either all names or no name must start with -"):
        lines(seeds, "loss", group_by=["model", "-seed"])


def test_mean_curve_interpolates_linearly_and_skips_non_finite_values():
    together = mean(
        [
            (np.array([0.0, 2.0]), np.array([0.0, 2.0])),
            (np.array([0.0, 1.0, 2.0]), np.array([4.0, math.nan, 4.0])),
        ],
        "minmax",
    )
    assert together.x.tolist() == [0.0, 2.0]
    assert together.y.tolist() == [2.0, 3.0]

    apart = mean([(np.array([0.0, 1.0]), np.array([1.0, 1.0])), (np.array([5.0]), np.array([2.0]))], "std")
    assert (apart.y.tolist(), apart.count.tolist(), apart.interpolated) == ([1.0, 1.0, 2.0], [1, 1, 1], True)
    assert apart.low.tolist() == apart.high.tolist() == apart.y.tolist()
    assert len(mean([(np.array([0.0]), np.array([math.nan]))], "std").x) == 0


# Positions are multiples of a microsecond, since closer ones would have unbounded slopes.
coordinates = numbers.map(lambda x: round(x, 6))


@given(st.lists(st.lists(st.tuples(coordinates, numbers), min_size=1, max_size=10), min_size=1, max_size=5))
def test_mean_is_between_minimum_and_maximum(curves):
    prepared = [
        (np.unique([x for x, _ in curve]), np.array([y for _, y in curve][: len({x for x, _ in curve})]))
        for curve in curves
    ]
    together = mean(prepared, "minmax")
    covered = together.count > 0
    slack = 1e-6 * (1 + np.abs(together.y[covered]))

    assert (together.low[covered] <= together.y[covered] + slack).all()
    assert (together.y[covered] <= together.high[covered] + slack).all()


def test_values_missing_from_a_log_axis_are_counted(store, write):
    write("net", points={"loss": [1.0, 0.0, -1.0]})
    (panel,) = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(log="y"))
    np.testing.assert_array_equal(panel.lines[0].y, [1.0, math.nan, math.nan])
    assert panel.notes == ["2 points at 0 or below are not on the log axis."]

    (panel,) = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(log="x"))
    assert panel.notes == ["1 point at 0 or below is not on the log axis."]


def test_log_axis_without_positive_values_is_refused(store, write):
    write("net", points={"loss": [0.0, -1.0]})

    with pytest.raises(ConfigError, match="loss has no value above 0 for a log axis"):
        lines(store, "loss", log="y")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smooth": 1.0}, "smooth is 1; it must be at least 0 and below 1"),
        ({"smooth": math.nan}, "smooth is nan"),
        ({"log": "z"}, "the log axes are 'z'; allowed are x, y and xy"),
        ({"spread": "range"}, "the spread is 'range'; it must be one of minmax, std"),
    ],
)
def test_invalid_option_is_refused(options, message: str):
    with pytest.raises(ConfigError, match=message):
        CurveOptions(**options)


def test_numbered_names_are_followed_by_the_differing_settings(store, write):
    for number, lr in ((1, 0.1), (2, 0.01)):
        write(f"train-{number}", config={"lr": lr, "depth": 3}, points={"loss": [1.0]})
    write("baseline", config={"lr": 0.1, "depth": 3}, points={"loss": [1.0]})
    (panel,) = curve_panels(["loss"], open_folio(store).runs())

    assert {line.label for line in panel.lines} == {"train-1 lr=0.1", "train-2 lr=0.01", "baseline"}


def test_single_numbered_name_stays_alone(store, write):
    write("train-1", config={"lr": 0.1}, points={"loss": [1.0]})
    write("other", config={"lr": 0.2}, points={"loss": [1.0]})
    (panel,) = curve_panels(["loss"], open_folio(store).runs())

    assert {line.label for line in panel.lines} == {"train-1", "other"}


def test_range_of_x_is_cut_after_smoothing(store, write):
    values = [0.0, 8.0, 1.0, 5.0, math.nan, 2.0, 3.0]
    write("net", points={"loss": values})
    (panel,) = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(smooth=0.5, x_range=(1.5, 4.5)))
    (line,) = panel.lines

    assert line.x.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(line.y, exponential_smoothing(np.array(values), 0.5)[1:6])
    assert line.broken == [(4.0, 4.0)]


def test_figure_of_a_range_fits_the_visible_points(store, write):
    write("net", points={"loss": [100.0, 1.0, 2.0, 3.0, -100.0]})
    panels = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(x_range=(1, 3)))
    (axes,) = draw_curves(panels).axes

    assert axes.get_xlim() == (1, 3)
    assert axes.get_ylim() == pytest.approx((0.9, 3.1))
    assert "100" not in curves_text(panels, Screen(60, 14, colour=False)).split("lowest loss")[0]


def test_range_of_a_time_axis_is_in_seconds(store, write):
    write("net", points={"loss": [1.0, 2.0]})
    (panel,) = curve_panels(["loss"], open_folio(store).runs(), CurveOptions(x="time", x_range=(0, 7200)))

    assert panel.x_range == (0, 7200)
    assert panel.x_label == "time since the start (s)"


def test_rare_validation_metric_is_smoothed_over_the_same_steps(store):
    with runfolio.init("a", store=store) as run:
        for step in range(100):
            run.log({"train/loss": float(step % 2)}, step=step)
            if step % 50 == 0:
                run.log({"val/loss": float(step)}, step=step)
    (recorded,) = runfolio.open(store).runs()
    summaries = recorded.metric_summaries

    assert metric_weight(0.9, summaries, "train/loss") == 0.9
    assert metric_weight(0.9, summaries, "val/loss") == pytest.approx(0.9**50)
    assert metric_weight(0.0, summaries, "val/loss") == 0.0
