"""The example script is run as a user would, killed as a machine would, and its record is read back."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import torch

import runfolio

from ..forked import Forked, Process

SCRIPT = Path(__file__).parents[2] / "examples" / "plain_pytorch.py"


def test_the_plain_script_is_short_and_leaves_a_whole_record(tmp_path: Path):
    source = SCRIPT.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 100

    subprocess.run([sys.executable, SCRIPT, "--epochs", "3", "--hidden", "8"], cwd=tmp_path, check=True, timeout=120)

    folio = runfolio.open(tmp_path / "runs")
    run = folio.run("plain")
    assert run.state == "finished"
    settings = {"epochs": 3, "lr": 0.1, "batch_size": 32, "hidden": 8, "seed": 0, "workers": 0, "resume": None}
    assert run.config == settings
    assert run.metric("val/acc").steps.tolist() == [1, 2, 3]
    assert run.metric("val/acc").values[-1] > 0.9
    assert len(run.metric("train/loss").values) == 3 * 45
    names: dict = {"__name__": "example"}
    exec(compile(source, SCRIPT, "exec"), names)
    model = run.load_model(names["Net"](8))
    assert not model.training
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def started(forked: Forked, folder: Path, *arguments: object) -> Process:
    return forked.start(SCRIPT, "--epochs", 2, "--hidden", 4, *arguments, cwd=folder)


def kill_at(step: int, process: Process, folder: Path, attempt: int = 1) -> str:
    """Kill it in its attempt once that step, or a later one, is saved; the run's id."""
    while process.poll() is None:
        for manifest in folder.glob("runs/examples/*/checkpoints/last.json"):
            attempts = len(orjson.loads((manifest.parents[1] / "run.json").read_bytes())["attempts"])
            if attempts == attempt and orjson.loads(manifest.read_bytes())["step"] >= step:
                process.kill()
                process.wait()
                return manifest.parents[1].name.rpartition("-")[2]
        time.sleep(0.002)
    pytest.fail(f"it ended before step {step}")


@pytest.fixture(scope="module")
def straight(forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> runfolio.RecordedRun:
    """Trained without a stop."""
    folder = tmp_path_factory.mktemp("straight")
    assert started(forked, folder).wait() == 0
    return runfolio.open(folder / "runs").run("plain")


@pytest.mark.parametrize(("workers", "kills"), [(0, 2), (2, 1)])
def test_killed_at_any_step_and_resumed_it_ends_with_the_same_bits(
    forked: Forked, tmp_path: Path, straight: runfolio.RecordedRun, workers: int, kills: int
):
    steps = sorted(random.sample(range(1, 80), kills))
    run_id = kill_at(steps[0], started(forked, tmp_path, "--workers", workers), tmp_path)
    for attempt, step in enumerate(steps[1:], 2):
        kill_at(step, started(forked, tmp_path, "--workers", workers, "--resume", run_id), tmp_path, attempt)
    assert started(forked, tmp_path, "--workers", workers, "--resume", run_id).wait() == 0

    run = runfolio.open(tmp_path / "runs").run("plain")
    assert len(run.document.attempts) == 1 + kills
    for metric in ("train/loss", "val/acc"):
        ours, theirs = run.metric(metric), straight.metric(metric)
        assert ours.steps.tolist() == theirs.steps.tolist(), steps
        assert ours.values.tolist() == theirs.values.tolist(), steps
    for name in ("last", "best"):
        ours, theirs = run.checkpoint(name), straight.checkpoint(name)
        assert (ours.step, ours.metric) == (theirs.step, theirs.metric), steps
        assert same(ours.tensors("model"), theirs.tensors("model")), steps
        states = [entry.state["optimizer"]["state"] for entry in (ours, theirs)]
        assert all(same(one, other) for one, other in zip(*(entry.values() for entry in states), strict=True)), steps


def same(ours: dict, theirs: dict) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
