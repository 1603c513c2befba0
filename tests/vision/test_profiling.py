"""Profiles of a few training steps."""

from __future__ import annotations

import gzip
import json

import pytest

import runfolio
from runfolio import RecordedRun
from runfolio.cli import main
from runfolio.vision import run_experiment

FAST = {"epochs": 1, "watch": 0, "tensorboard": False}


@pytest.fixture(scope="module")
def profiled(tiny, tmp_path_factory) -> RecordedRun:
    """Return a profiled run of four steps. Read only."""
    store = tmp_path_factory.mktemp("profiled")
    return runfolio.open(store).run(run_experiment(tiny(profile=True, **FAST), store=store))


def test_trace_has_the_steps_and_the_loading_of_batches(profiled):
    with gzip.open(profiled.folder / "artifacts" / "profile" / "trace.json.gz") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}

    assert {"ProfilerStep#1", "ProfilerStep#2", "ProfilerStep#3", "runfolio: next batch"} <= names


def test_slowest_operators_are_recorded(profiled):
    profile = json.loads((profiled.folder / "artifacts" / "profile" / "operators.json").read_text())

    names = [operator["name"] for operator in profile["operators"]]
    assert {"aten::mkldnn_convolution", "aten::addmm"} <= set(names)
    assert not any(name.startswith(("ProfilerStep", "runfolio")) for name in names)
    assert [operator["share"] for operator in profile["operators"]] == sorted(
        (operator["share"] for operator in profile["operators"]), reverse=True
    )
    assert sum(operator["share"] for operator in profile["operators"]) == pytest.approx(1, abs=0.02)
    assert profile["steps"] == 3
    assert 0 < profile["loading"] < 1
    assert all(operator["calls"] >= 1 for operator in profile["operators"])


def test_show_prints_the_profile(profiled, capsys):
    with pytest.raises(SystemExit):
        main(["show", profiled.id, "--store", str(profiled.folder.parent.parent)])

    output = capsys.readouterr().out
    assert "operator" in output
    assert "3 steps took" in output
    assert "waiting for the next batch" in output
    assert "trace.json.gz" in output


def test_profiling_does_not_change_the_results(profiled, tiny, tmp_path):
    store = tmp_path / "runs"
    folder = run_experiment(tiny(**FAST), store=store)

    other = runfolio.open(store).run(folder)
    assert profiled.metric("batch/loss").values.tolist() == other.metric("batch/loss").values.tolist()
    assert profiled.flat_summary["val/loss"] == other.flat_summary["val/loss"]


def test_epoch_too_short_for_the_profiler_is_reported(tiny, tmp_path):
    with pytest.warns(match="fewer than 2 steps is not profiled"):
        folder = run_experiment(tiny(profile=True, batch_size=128, model="mlp", **FAST), store=tmp_path / "runs")

    assert not (folder / "artifacts").exists()
