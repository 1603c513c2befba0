import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.store import open_folio


def test_run_is_read_as_written(store):
    config = {"lr": 0.1, "optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "seed": None}
    fingerprint = {"name": "night", "fingerprint": "6b1f"}
    before = time.time()
    with runfolio.init(
        "net", experiment="digits", config=config, tags=["a", "b"], notes="first try", series=fingerprint, store=store
    ) as written:
        written.log({"train/loss": 2.5})
        written.summary["test/acc"] = 0.75
    run = open_folio(store).run("net")

    assert (run.id, run.name, run.experiment, run.folder) == (written.id, "net", "digits", written.folder)
    assert run.config == config
    assert run.flat_config == {"lr": 0.1, "optimizer/name": "adam", "optimizer/betas": [0.9, 0.999], "seed": None}
    assert (run.summary, run.tags, run.notes, run.document.series) == (
        {"test/acc": 0.75},
        ["a", "b"],
        "first try",
        fingerprint,
    )
    assert (run.state, run.reason, run.document.status.traceback, run.problems) == ("finished", None, None, ())
    assert before - 1 < run.created.timestamp() < time.time()
    assert run.document.status.ended is not None
    assert (
        run.duration_s
        == run.document.attempts[0].seconds
        == pytest.approx((run.document.status.ended - run.created).total_seconds(), abs=1)
    )
    assert "python" in run.document.environment
    assert "command" in run.code.info


def test_failed_run_has_a_reason(store):
    with pytest.raises(ZeroDivisionError), runfolio.init("net", store=store):
        _ = 1 / 0
    run = open_folio(store).run("net")

    assert run.state == "failed"
    assert "division by zero" in (run.reason or "")
    assert run.ending == f"failed: {run.reason}"
    assert "ZeroDivisionError" in (run.document.status.traceback or "")


def test_curve_has_steps_times_and_values(store):
    before = time.time()
    with runfolio.init("net", store=store) as run:
        for step, value in [(0, 2.5), (10, math.nan), (20, math.inf), (5, 1.0)]:
            run.log({"loss": value}, step=step)
    curve = open_folio(store).run("net").metric("loss")

    assert len(curve) == 4
    assert curve.steps.tolist() == [0, 10, 20, 5]
    assert (curve.steps.dtype, curve.times.dtype, curve.values.dtype) == (np.int64, np.float64, np.float64)
    np.testing.assert_array_equal(curve.values, [2.5, math.nan, math.inf, 1.0])
    assert before - 1e-3 <= curve.times[0] <= curve.times[-1] <= time.time()


def test_metrics_have_summaries(store, write):
    write(points={"loss": [math.nan, 1.0, 0.5, 0.75], "broken": [math.nan]})
    loss, broken = (open_folio(store).runs()[0].metrics[name] for name in ("loss", "broken"))

    assert (loss.count, loss.last, loss.min, loss.min_step, loss.max, loss.max_step) == (4, 0.75, 0.5, 2, 1.0, 1)
    assert math.isnan(broken.last)
    assert math.isnan(broken.min)


def test_unknown_metric_is_refused_with_similar_names(store, write):
    write(points={"val/acc": [0.5]})

    with pytest.raises(NotFound, match=r"no metric 'val/accuracy'; did you mean val/acc\?"):
        open_folio(store).run("net").metric("val/accuracy")


def test_removed_run_is_reported(store, write):
    folder = write(points={"loss": [1.0]})
    run = open_folio(store).run("net")
    folder.rename(store / "moved")

    with pytest.raises(NotFound, match="is gone; call"):
        run.metric("loss")


def test_all_points_are_a_data_frame(store, write):
    write(points={"acc": [0.5, 0.75], "loss": [1.0, math.nan]})
    frame = open_folio(store).run("net").to_pandas()

    assert list(frame.columns) == ["metric", "step", "time", "value"]
    assert frame["metric"].tolist() == ["acc", "acc", "loss", "loss"]
    assert frame["step"].tolist() == [0, 1, 0, 1]
    assert str(frame["time"].dt.tz) == "UTC"
    wide = frame.pivot_table(index="step", columns="metric", values="value")
    assert wide.loc[1, "acc"] == 0.75


def test_a_run_without_points_is_an_empty_data_frame(store, write):
    write()
    frame = open_folio(store).run("net").to_pandas()

    assert (list(frame.columns), len(frame)) == (["metric", "step", "time", "value"], 0)


def test_system_metrics_are_in_the_data_frame_on_request(store, write):
    write(points={"acc": [0.5], "system/cpu": [0.9]})
    run = open_folio(store).run("net")

    assert set(run.to_pandas()["metric"]) == {"acc"}
    assert {"acc", "system/cpu"} <= set(run.points(system=True).to_pandas()["metric"])


def test_points_of_all_runs_are_a_data_frame(store, write):
    first, second = write("a", points={"acc": [0.5, 0.75]}), write("b", points={"loss": [2.0]})
    points = open_folio(store).runs().points().to_pandas()

    ids = [open_folio(store).run(folder).id for folder in (second, first)]
    assert points[["id", "name", "metric", "step", "value"]].values.tolist() == [
        [ids[0], "b", "loss", 0, 2.0],
        [ids[1], "a", "acc", 0, 0.5],
        [ids[1], "a", "acc", 1, 0.75],
    ]


def test_runs_are_a_table_in_a_notebook(store, write):
    write("<b>a</b>", config={"lr": 0.1}, points={"val/acc": [0.5, 0.75]})
    write("b", config={"lr": 0.01}, points={"val/acc": [0.5, 0.25]})
    html = open_folio(store).runs()._repr_html_()

    assert "<th>val/acc best</th>" in html
    assert "<td>&lt;b&gt;a&lt;/b&gt;</td>" in html
    assert html.index("<td>0.01</td>") < html.index("<td>0.1</td>") < html.index("<td>0.75</td>")


def test_all_runs_are_a_data_frame(store, write):
    write("a", config={"lr": 0.1}, points={"val/acc": [0.75, 0.7]}, summary={"test": {"acc": 0.7}})
    write("b", config={"optimizer": {"name": "sgd"}})
    frame = open_folio(store).runs().to_pandas()

    assert list(frame.columns) == [
        *("id", "name", "experiment", "state", "created", "duration_s"),
        *("params.optimizer/name", "params.lr", "metrics.val/acc", "metrics.val/acc.best", "summary.test/acc"),
    ]
    assert frame["name"].tolist() == ["b", "a"]
    assert (frame.loc[1, "metrics.val/acc"], frame.loc[1, "metrics.val/acc.best"]) == (0.7, 0.75)
    assert pd.isna(frame.loc[0, "params.lr"])
    assert isinstance(frame["created"].dtype, pd.DatetimeTZDtype)


def test_no_runs_are_an_empty_data_frame(store):
    store.mkdir()

    assert len(open_folio(store).runs().to_pandas()) == 0


def test_nan_and_infinity_are_read_as_floats(store, write):
    write(config={"clip": math.inf, "range": [-math.inf, 0]}, summary={"loss": math.nan})
    run = open_folio(store).run("net")

    assert run.config == {"clip": math.inf, "range": [-math.inf, 0]}
    assert math.isnan(run.summary["loss"])


def test_media_are_listed_in_order_and_by_kind(store):
    with runfolio.init("net", store=store) as run:
        run.log_text("note", "hello", step=1)
        run.log_image("photo", np.zeros((4, 4, 3), dtype=np.uint8), step=2)
    recorded = open_folio(store).run("net")

    assert [(entry.kind, entry.name, entry.step) for entry in recorded.media()] == [
        ("text", "note", 1),
        ("image", "photo", 2),
    ]
    assert [entry.path is not None and entry.path.is_file() for entry in recorded.media("image")] == [True]
    with pytest.raises(ConfigError, match=r"no kind of media 'images'; did you mean image or"):
        recorded.media("images")


def test_a_resumed_run_shows_its_newest_branch(store):
    with runfolio.init("net", store=store) as run:
        run.log({"loss": 3.0}, step=0)
        run.checkpoint(step=0)
        run.log({"loss": 9.0}, step=1)
    with runfolio.init(resume=run.folder, store=store) as run:
        run.log({"loss": 1.0}, step=1)
    recorded = open_folio(store).run("net")

    assert recorded.metric("loss").values.tolist() == [3.0, 1.0]
    assert recorded.metrics["loss"].max == 3.0
    assert len(recorded.document.attempts) == 2


def test_unknown_metric_between_two_sealed_ones_is_not_found(store):
    with runfolio.init("net", store=store) as run:
        run.log({"a": 1.0, "c": 2.0})

    with pytest.raises(NotFound, match="no metric 'b'"):
        runfolio.open(store).run(run.id).metric("b")


def test_own_metric_under_system_is_a_metric_of_the_run(store: Path):
    with runfolio.init("net", store=store) as run:
        run.log({"system/queue_length": 3.0, "system/cpu_mine": 1.0})
    recorded = runfolio.open(store).run("net")
    assert list(recorded.metrics) == ["system/cpu_mine", "system/queue_length"]
    assert recorded.system_metrics == {}
    assert runfolio.open(store).best("system/queue_length", "max").id == run.id


def test_frame_says_which_runs_are_reproductions_and_forks(store, write, edit):
    write("net")
    edit(write("again"), lineage={"kind": "reproduction", "run": "k3f9x2ab", "name": "net"})
    runs = open_folio(store).runs(sort="name")

    assert runs.to_arrow()["lineage"].to_pylist() == ["reproduction of net (k3f9x2ab)", None]
    assert "lineage" not in runs[1:].to_arrow().column_names
