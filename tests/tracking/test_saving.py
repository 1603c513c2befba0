"""Saving in the background: contents, names and retention of checkpoints, and the end of a preempted process."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import runfolio
from runfolio import CheckpointPolicy
from runfolio.record.base import files
from runfolio.record.base.record_path import RecordPath
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Snapshot
from runfolio.record.points.reader import PointFiles


def saved(run: runfolio.Run) -> dict[str, int | None]:
    """Return the step of each checkpoint, by name."""
    run.restore()
    return {name: run.restore(name).step for name in manifests.names(run.folder)}


class Gate:
    """Gate that blocks writing of tensor files until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        write = manifests.write_tensors

        def wait(path: Path, tensors: dict) -> None:
            self.reached.set()
            self.opened.wait()
            write(path, tensors)

        monkeypatch.setattr(manifests, "write_tensors", wait)


def test_checkpoint_has_the_state_at_the_call_despite_later_changes(store: Path, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(monkeypatch)
    model = torch.nn.Linear(2, 2)
    before = model.weight.detach().clone()
    counts = [1]
    with runfolio.init(store=store) as run:
        run.log({"loss": 1.0})
        run.checkpoint(model=model, step=1, counts=counts, view=model.weight.T)
        run.log({"loss": 2.0})
        torch.nn.init.zeros_(model.weight)
        counts.append(2)
        gate.opened.set()
        restored = run.restore()
    assert torch.equal(restored.tensors("model")["weight"], before)
    assert torch.equal(restored.state["view"], before.T)
    assert restored.state["counts"] == [1]
    assert restored.position == {run.recorder.writer: 1}


def test_newer_checkpoint_replaces_a_waiting_one_if_nothing_is_lost(store: Path, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(monkeypatch)
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1, w=torch.ones(2))
        gate.reached.wait()
        for step in range(2, 100):
            run.checkpoint(step=step, w=torch.ones(2))
        gate.opened.set()
        assert saved(run) == {"last": 99, "previous": 1}


def test_call_waits_if_a_queued_checkpoint_would_be_lost(store: Path):
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(keep_every=1)) as run:
        for step in range(1, 6):
            run.checkpoint(step=step, w=torch.ones(2))
        assert saved(run) == {"last": 5, "previous": 4, **{f"step-{step}": step for step in range(1, 6)}}


def test_nested_checkpoint_calls_of_signal_handlers_do_not_deadlock(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    copied = Snapshot.copy
    interruptions = iter((2, 3))

    def interrupted(snapshot: Snapshot, spare: Snapshot | None = None) -> Snapshot:
        if step := next(interruptions, None):
            run.checkpoint(step=step, w=torch.ones(2))
        return copied(snapshot, spare)

    monkeypatch.setattr(Snapshot, "copy", interrupted)
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1, w=torch.ones(2))
        assert saved(run) == {"last": 1, "previous": 2}
    assert "checkpoint at step 3 was not saved (the call interrupted other calls" in caplog.text


def test_best_checkpoints_are_kept_in_order(store: Path):
    policy = CheckpointPolicy(keep_best=3)
    with runfolio.init(store=store, checkpoints=policy) as run:
        verdicts = [run.checkpoint(step=step, metric=acc) for step, acc in enumerate([0.5, 0.4, 0.7, 0.5, 0.6, 0.1])]
        assert verdicts == [True, False, True, False, False, False]
        assert saved(run) == {"best": 2, "best-2": 4, "best-3": 0, "last": 5, "previous": 4}
    with runfolio.init(resume=run.folder, checkpoints=policy) as run:
        assert [run.checkpoint(step=step, metric=acc) for step, acc in ((6, 0.65), (7, 0.8))] == [False, True]
        assert saved(run) == {"best": 7, "best-2": 2, "best-3": 6, "last": 7, "previous": 6}
        assert (
            len(list((run.folder / "checkpoints").iterdir())) == 5 + 3
        )  # manifests, and one tensor file per checkpoint


def test_best_checkpoints_survive_a_full_disk_during_their_renaming(store: Path, monkeypatch: pytest.MonkeyPatch):
    write = files.write_json
    full_for: list[str] = []

    def write_json(path: RecordPath, value: Any, *, sync: bool = False) -> None:
        if path.name in full_for:
            full_for.clear()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, value, sync=sync)

    monkeypatch.setattr(files, "write_json", write_json)
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(keep_best=3)) as run:
        for step, acc in enumerate([0.1, 0.2, 0.3]):
            run.checkpoint(step=step, metric=acc)
        run.restore()
        full_for.append("best.json")
        run.checkpoint(step=3, metric=0.4)
        run.restore()
        run.checkpoint(step=4, metric=0.15)
        assert saved(run) == {"best": 2, "best-2": 1, "best-3": 4, "last": 4, "previous": 2}


def test_best_of_an_abandoned_branch_no_longer_counts(store: Path):
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(keep_every=1)) as run:
        for step, acc in ((1, 0.5), (2, 0.9)):
            run.log({"acc": acc}, step=step)
            run.checkpoint(step=step, metric=acc)
    with runfolio.resume(run.folder, checkpoint="step-1") as run:
        assert run.restore().step == 1
        run.log({"acc": 0.7}, step=2)
        assert run.checkpoint(step=2, metric=0.7)
        assert (run.restore("best").metric, run.restore("previous").step) == (0.7, 1)


def test_disk_budget_removes_oldest_first_and_warns_once(store: Path, caplog: pytest.LogCaptureFixture):
    policy = CheckpointPolicy(keep_every=1, keep_best=2, budget_mb=0.42)
    with runfolio.init(store=store, checkpoints=policy) as run:
        for step in range(1, 7):
            run.checkpoint(step=step, metric=step, w=torch.zeros(25_000))
        assert saved(run) == {"last": 6, "best": 6, "best-2": 5, "previous": 5, "step-4": 4, "step-5": 5, "step-6": 6}
        assert sum(path.stat().st_size for path in (run.folder / "checkpoints").glob("*.safetensors")) < 420_000
    assert (
        caplog.text.count("the budget of its checkpoints is 0.42 MB; step-1 had to be removed, and others will follow")
        == 1
    )


def test_last_and_best_stay_however_small_the_budget(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(budget_mb=0.001)) as run:
        for step, acc in ((1, 0.9), (2, 0.1), (3, 0.1)):
            run.checkpoint(step=step, metric=acc, w=torch.zeros(1000))
        assert saved(run) == {"last": 3, "best": 1}
    assert "`last` and `best` alone exceed the budget" in caplog.text


def test_ended_run_saves_no_checkpoints(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        run.checkpoint(step=1)
    assert run.checkpoint(step=2, metric=1.0) is False
    assert run.restore().step == 1
    assert "has ended and saves no more checkpoints" in caplog.text


def test_flush_waits_for_checkpoints(store: Path):
    with runfolio.init(store=store) as run:
        run.checkpoint(step=0, counts=[1])
        assert run.flush()
        assert manifests.names(run.folder) == ["last"]


def test_finish_waits_for_the_running_save(store: Path, python_torch: Callable):
    script = """
import sys, torch, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
run.checkpoint(step=1, weights=torch.zeros(5_000_000))
"""
    assert python_torch(script, store).returncode == 0
    assert runfolio.open(store).run("net").checkpoint("last").state["weights"].shape == (5_000_000,)


LOOP = """
import os, signal, sys, time, runfolio
from runfolio import CheckpointPolicy
recording = runfolio.RecordingConfig(console=False, grace_s=float(sys.argv[2]))
run = runfolio.init("net", store=sys.argv[1], checkpoints=CheckpointPolicy(every_steps=1000), recording=recording)
def told(number):
    os.kill(os.getpid(), number)
    print(run.id, flush=True)
for step in range(1, 10**9):
    run.log({"loss": float(step)}, step=step)
    if step == 50:
        told(getattr(signal, sys.argv[3]))
        if "fast" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        if "twice" in sys.argv:
            time.sleep(1.1)
            os.kill(os.getpid(), signal.SIGTERM)
        if "slow" in sys.argv:
            time.sleep(60)
    run.checkpoint(step=step, done=step)
    if step == 49:
        run.checkpoint(step=step, metric=0.0, done=step)
        run.restore()
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_terminated_process_saves_once_more_and_ends_by_the_signal(store: Path, python: Callable, number: str):
    done = python(LOOP, store, 25, number)
    assert done.returncode == -getattr(signal, number)
    run = runfolio.open(store).run("net")
    assert (run.state, run.checkpoint("last").step, run.checkpoint("last").state["done"]) == ("preempted", 50, 50)
    assert run.metric("loss").steps.tolist() == list(range(1, 51))
    assert f"stopped by {number}" in (run.reason or "")


@pytest.mark.parametrize(
    ("how", "status"), [("fast", -signal.SIGKILL), ("slow", -signal.SIGTERM), ("twice", -signal.SIGTERM)]
)
def test_short_notice_leaves_periodic_checkpoint_and_preempted_run(
    store: Path, python: Callable, how: str, status: int
):
    """A kill right after the signal, no checkpoint within the grace period, or a second signal."""
    done = python(LOOP, store, 0.5 if how == "slow" else 25, "SIGTERM", how)
    assert done.returncode == status
    run = runfolio.open(store).run("net")
    checkpoint = manifests.read_intact(run.folder, "last", pytest.fail)
    assert (run.state, checkpoint.state["done"]) == ("preempted", 49)
    assert set(range(1, 51)) <= set(PointFiles(run.folder).read("loss").steps.tolist())
