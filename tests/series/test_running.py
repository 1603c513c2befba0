"""Execution of a series: each run once, also after failures and interruptions."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

import runfolio as rf
from runfolio.series import SeriesReport, execute, expand, load_target, read_series

TWO_MODELS = "series: walks\ngrid: {model: [mlp, tinyvgg], epochs: [1, 2]}"
ONE_MODEL = "series: walks\ngrid: {epochs: [2, 3]}"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def run_series(text: str, store: Path) -> SeriesReport:
    Path("walks.yaml").write_text(text)
    series = read_series(Path("walks.yaml"), default_target="walk:target")
    target = load_target("walk:target")
    planned = expand(series, target.settings)
    with Progress(disable=True) as progress:
        return execute(planned, target, name=series.name, experiment="hike", store=store, progress=progress)


def endings(report: SeriesReport) -> list[str]:
    return [outcome.ending for outcome in report.outcomes]


def test_every_run_of_a_series_is_recorded_with_its_fingerprint(store):
    report = run_series(ONE_MODEL, store)

    assert endings(report) == ["finished", "finished"]
    runs = rf.open(store).runs("hike")
    assert {run.document.series["fingerprint"] for run in runs if run.document.series} == {
        outcome.plan.fingerprint for outcome in report.outcomes
    }


def test_finished_runs_are_not_repeated(store):
    run_series(ONE_MODEL, store)

    report = run_series(ONE_MODEL.replace("[2, 3]", "[2, 3, 4]"), store)

    assert endings(report) == ["skipped", "skipped", "finished"]
    assert len(rf.open(store).runs()) == 3


def test_archived_run_counts_as_finished(store):
    run_series(ONE_MODEL, store)
    for run in rf.open(store).runs():
        run.edits.archive()

    assert endings(run_series(ONE_MODEL, store)) == ["skipped", "skipped"]


def test_failed_run_is_recorded_and_the_series_continues(store):
    report = run_series(TWO_MODELS.replace("[mlp, tinyvgg]", "[tinyvgg, mlp]"), store)

    assert endings(report) == ["finished", "failed", "finished", "finished"]
    (failed,) = report.failed
    assert failed.reason == "ArithmeticError: the ground is gone"
    assert failed.folder is not None
    recorded = rf.open(store).run(failed.folder)
    assert recorded.state == "failed"
    assert "the ground is gone" in (recorded.document.status.traceback or "")


def test_interrupted_series_resumes_its_unfinished_run(store):
    Path("power-cut").touch()
    interrupted = run_series(ONE_MODEL, store)
    Path("power-cut").unlink()

    report = run_series(ONE_MODEL, store)

    assert (interrupted.interrupted, endings(interrupted)) == (True, [])
    assert endings(report) == ["resumed", "finished"]
    first = rf.open(store).run("mlp-2")
    assert (first.state, len(first.document.attempts)) == ("finished", 2)
    assert first.metric("val/acc").steps.tolist() == [1, 2]


def test_target_checks_all_runs_before_the_first_starts(store):
    with pytest.raises(rf.ConfigError, match="nobody takes steps of 2"):
        run_series("grid: {lr: [0.1, 2]}", store)

    assert not store.exists()


def test_run_of_another_process_is_left_alone(store):
    planned = run_series(ONE_MODEL, store.parent / "elsewhere").outcomes[0].plan
    with rf.init(
        experiment="hike", store=store, series={"name": "walks", "fingerprint": planned.fingerprint}
    ) as theirs:
        report = run_series(ONE_MODEL, store)

    assert endings(report) == ["busy", "finished"]
    assert report.outcomes[0].folder == theirs.folder


@pytest.mark.parametrize(("damaged", "ending"), [("last.json", "resumed"), ("*.json", "finished")])
def test_run_with_damaged_checkpoint_resumes_from_another_or_restarts(store, damaged, ending):
    Path("power-cut").touch()
    run_series(ONE_MODEL, store)
    Path("power-cut").unlink()
    for manifest in store.rglob(f"checkpoints/{damaged}"):
        manifest.write_text("{")

    assert endings(run_series(ONE_MODEL, store)) == [ending, "finished"]


class Vanishing:
    """Target that removes the store after each run."""

    def __init__(self) -> None:
        self._walk = load_target("walk:target")
        self.settings = self._walk.settings

    def run(self, settings: Any, **options: Any) -> Path:
        folder = self._walk.run(settings, **options)
        shutil.rmtree(folder.parent.parent)
        return folder


def test_series_continues_if_the_store_disappears(store):
    Path("walks.yaml").write_text(ONE_MODEL)
    target = Vanishing()
    planned = expand(read_series(Path("walks.yaml"), default_target="walk:target"), target.settings)
    with Progress(disable=True) as progress:
        report = execute(planned, target, name="w", experiment="hike", store=store, progress=progress)
    assert endings(report) == ["finished", "finished"]
