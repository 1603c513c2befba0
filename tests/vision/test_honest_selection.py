"""Selection of epoch and model by validation, and one test of the chosen run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.progress import Progress

import runfolio
from runfolio import RecordedRun
from runfolio.errors import StoreError
from runfolio.query.selection.data_match import match_data
from runfolio.query.selection.seed_groups import best_group, group_by_seed
from runfolio.query.selection.significance import wilson
from runfolio.series import Series, SeriesReport, execute, expand, load_target
from runfolio.settings import LocatedValue
from runfolio.tracking.process import reproduction
from runfolio.vision import TrainSettings, run_experiment

SMALL = {
    "model": "mlp",
    "hidden_units": 16,
    "data_fraction": 0.1,
    "device": "cpu",
    "lr": 0.01,
    "tensorboard": False,
    "watch": 0,
}

RunSeries = Callable[..., SeriesReport]


@pytest.fixture
def run_series(store: Path) -> RunSeries:
    """Run a series of small training runs. Lists are rows of the grid; other values are settings."""

    def run(folds: int | None = None, **settings) -> SeriesReport:
        given = {
            key.replace("_", "-"): LocatedValue(value, "") for key, value in {**SMALL, "epochs": 1, **settings}.items()
        }
        described = Series(
            name="small",
            target=LocatedValue("runfolio.vision:experiment", ""),
            settings={key: setting for key, setting in given.items() if not isinstance(setting.value, list)},
            grid={key: setting for key, setting in given.items() if isinstance(setting.value, list)},
        )
        if folds is not None:
            described = described.with_folds(folds, TrainSettings)
        planned = expand(described, TrainSettings)
        target = load_target(described.target.value)
        with Progress(disable=True) as progress:
            return execute(planned, target, name="small", experiment="digits", store=store, progress=progress)

    return run


def looked_at(store: Path) -> list[RecordedRun]:
    return [run for run in runfolio.open(store).runs() if "test/acc" in run.flat_summary]


def pictures(run: RecordedRun) -> set[str]:
    """Return the drawn figures by name and step, such as `confusion-2`."""
    return {path.name.rsplit("-", 2)[0] for path in (run.folder / "media").rglob("*.png")}


def test_only_the_run_chosen_by_validation_is_tested(run_series, store, tmp_path):
    report = run_series(epochs=[1, 2], ema=0.5)

    runs = list(runfolio.open(store).runs())
    (only,) = looked_at(store)
    assert [only.id] == [run.id for run in best_group(runs, "val/acc")]
    assert report.conclude_error is None
    assert (only.state, [attempt.purpose for attempt in only.document.attempts]) == ("finished", [None, "test"])

    settings = TrainSettings(**{**SMALL, "ema": 0.5, "epochs": only.config["epochs"], "test_at": "end"})
    folder = run_experiment(settings, store=tmp_path / "alone")
    alone = runfolio.open(tmp_path / "alone").run(folder)
    of_both = [
        {name: value for name, value in run.flat_summary.items() if name not in ("epoch_seconds", "predict_ms")}
        for run in (only, alone)
    ]
    assert of_both[0] == of_both[1]
    assert only.metric("test/acc").values.tolist() == alone.metric("test/acc").values.tolist()
    assert only.metric("test/acc").steps.tolist() == alone.metric("test/acc").steps.tolist()
    assert pictures(only) == pictures(alone) != set()

    again = run_series(epochs=[1, 2], ema=0.5)
    assert [outcome.ending for outcome in again.outcomes] == ["skipped", "skipped"]
    assert [len(run.document.attempts) for run in looked_at(store)] == [2]


def test_testing_all_runs_tests_earlier_runs_once(run_series, store):
    run_series(lr=[1e-3, 1e-2])
    assert len(looked_at(store)) == 1

    for asked in ("end", "chosen"):
        report = run_series(lr=[1e-3, 1e-2], test_at=asked)

        assert [outcome.ending for outcome in report.outcomes] == ["skipped", "skipped"]
        assert [len(run.document.attempts) for run in looked_at(store)] == [2, 2]


def test_repeated_run_is_tested_if_its_original_was(run_series, store, monkeypatch):
    run_series(lr=[1e-3, 1e-2])
    (tested,) = looked_at(store)
    for original in runfolio.open(store).runs():
        for name, value in reproduction.Reproduction(original.id, original.name, store).environment().items():
            monkeypatch.setenv(name, value)
        run_series(lr=[1e-3, 1e-2])

    repeated = {run.document.lineage["run"]: run for run in runfolio.open(store).runs() if run.document.lineage}
    assert len(repeated) == 2
    assert [
        run.document.lineage and run.document.lineage["run"] for run in looked_at(store) if run.document.lineage
    ] == [tested.id]
    assert repeated[tested.id].flat_summary["test/acc"] == tested.flat_summary["test/acc"]


def test_nothing_is_tested_while_another_process_trains_a_run(run_series, store):
    planned = run_series(lr=1e-2).outcomes[0].plan  # to get its fingerprint
    folder = looked_at(store)[0].folder
    with runfolio.resume(folder, checkpoint=None):
        report = run_series(lr=[1e-3, 1e-2])

    assert not report.is_settled
    assert planned.fingerprint in {outcome.plan.fingerprint for outcome in report.outcomes}
    assert [run.folder for run in looked_at(store)] == [folder]


def test_failed_test_is_reported_and_runs_remain(run_series, store, monkeypatch):
    def refuse(*args, **named):
        raise StoreError("the disk is full")

    monkeypatch.setattr("runfolio.vision.continuing.series_conclusion.record_test", refuse)
    report = run_series(lr=[1e-3, 1e-2])

    assert report.conclude_error == "the disk is full"
    assert len(report.completed) == 2
    monkeypatch.undo()

    again = run_series(lr=[1e-3, 1e-2])

    assert sorted(outcome.ending for outcome in again.outcomes) == ["resumed", "skipped"]
    assert (again.conclude_error, len(looked_at(store))) == (None, 1)


def test_cross_validation_tests_and_pools_all_folds_of_the_best(run_series, store):
    report = run_series(folds=2, lr=[1e-5, 1e-1])

    assert {(run.config["lr"], run.config["fold"]) for run in looked_at(store)} == {(1e-1, "1/2"), (1e-1, "2/2")}
    runs = [runfolio.open(store).run(outcome.folder) for outcome in report.outcomes if outcome.folder]
    assert len({run.data["val"].fingerprint for run in runs}) == 2
    assert {match_data(runs[0], run, "val/acc").relation for run in runs} == {"same", "divided"}

    pooled, mean, *_ = group_by_seed(runs).rows
    best = [run.flat_summary for run in looked_at(store)]
    right = sum(summary["val/acc"] * summary["val/images"] for summary in best)
    images = sum(summary["val/images"] for summary in best)
    assert (pooled.metric, pooled.images, pooled.mean) == ("val/acc, pooled", images, pytest.approx(right / images))
    assert (pooled.low, pooled.high) == wilson(pooled.mean, images)
    assert (mean.metric, mean.runs) == ("val/acc", 2)
