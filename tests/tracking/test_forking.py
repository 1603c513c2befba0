"""Forks: runs that start with the points of another run up to a checkpoint."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.query.durations import inherited_s
from runfolio.query.recorded_writers import read_writers
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.data_listings import Listing
from runfolio.repair.doctor import Doctor


def parent_of_ten_steps(store: Path, **arguments) -> runfolio.Run:
    """Record ten steps, with `last` of step 9, `best` of step 3, a text at each step and an image at step 2."""
    with runfolio.init("net", experiment="demo", config={"lr": 0.1, "seed": 1}, store=store, **arguments) as run:
        run.define_metric("loss", x="seen")
        for step in range(10):
            run.log({"loss": 10.0 - step, "seen": step * 32.0}, step=step)
            run.log_text("note", f"step {step}", step=step)
            if step == 2:
                run.log_image("picture", np.zeros((4, 4), np.uint8), step=step)
            run.checkpoint(step=step, metric=1.0 if step == 3 else 0.5, w=torch.full((2,), float(step)))
        run.log({"loss": -1.0}, step=10)
    return run


def recorded(run: runfolio.Run) -> runfolio.RecordedRun:
    return runfolio.open(run.folder.parent.parent).run(run.folder)


def findings(store: Path) -> list[list[str]]:
    doctor = Doctor(store)
    return [[str(finding) for finding in doctor.examine(folder).checkup.findings] for folder in doctor.folders]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_fork_has_the_points_of_its_parent_up_to_the_checkpoint(store: Path):
    parent = parent_of_ten_steps(store)
    before = files_of(parent.folder)

    with runfolio.fork(parent.id, checkpoint="best", config={"lr": 0.01}, store=store) as fork:
        assert fork.restore().state["w"].tolist() == [3.0, 3.0]
        fork.log({"loss": 100.0})
        fork.log_text("note", "another way")

    run = recorded(fork)
    assert (run.name, run.experiment, run.config) == ("net-fork", "demo", {"lr": 0.01, "seed": 1})
    assert run.metric("loss").values.tolist() == [10.0, 9.0, 8.0, 7.0, 100.0]
    assert run.metric("loss").steps.tolist() == [0, 1, 2, 3, 4]
    assert run.metric("loss").x_name == "seen"
    texts = [entry.content["text"] for entry in run.media("text")]
    assert texts == ["step 0", "step 1", "step 2", "step 3", "another way"]
    assert [entry.path.is_file() for entry in run.media("image") if entry.path] == [True]
    assert run.document.lineage == {"kind": "fork", "run": parent.id, "name": "net", "checkpoint": "best", "step": 3}
    assert files_of(parent.folder) == before


def test_inherited_points_keep_their_bits_times_and_writers(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.folder, store=store) as fork:
        pass
    ours, theirs = (recorded(run).metric("loss") for run in (fork, parent))
    assert np.array_equal(ours.times, theirs.times[:10])
    assert np.array_equal(ours.x, theirs.x[:10])


def test_inherited_attempts_are_marked_and_their_seconds_excluded(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 0.0})
    inherited, own = RunDocument.read(fork.folder).attempts
    assert (inherited.attempt, inherited.inherited, inherited.writer) == (1, parent.id, parent.recorder.writer)
    assert (own.attempt, own.parent, own.inherited, own.writer) == (2, 1, None, fork.recorder.writer)
    run = recorded(fork)
    assert inherited.seconds is not None
    assert own.seconds is not None
    assert inherited_s(run) == inherited.seconds
    assert 0 < inherited.seconds <= (recorded(parent).duration_s or 0)
    assert run.duration_s == own.seconds


def test_fork_of_a_step_uses_the_checkpoint_of_that_step(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, step=3, store=store) as fork:
        assert fork.restore().step == 3
    with pytest.raises(
        NotFound, match=r"no checkpoint of step 4 in .*; it has checkpoints of steps 3, .*9; the nearest is 3"
    ):
        runfolio.fork(parent.id, step=4, store=store)


def test_fork_inherits_the_best_value_so_far(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, checkpoint="last", store=store) as fork:
        assert fork.restore("best").step == 3
        assert not fork.checkpoint(step=10, metric=0.9, w=torch.zeros(2))
        assert fork.checkpoint(step=11, metric=1.1, w=torch.zeros(2))
    assert recorded(parent).checkpoint("best").metric == 1.0


def test_fork_stays_intact_after_its_parent_is_deleted(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 0.0})
    shutil.rmtree(parent.folder)
    assert fork.restore().state["w"].tolist() == [9.0, 9.0]
    assert recorded(fork).metric("loss").values.tolist() == [*(10.0 - step for step in range(10)), 0.0]
    assert findings(store) == [[]]


def test_fork_on_a_disk_without_hard_links_has_copies(store: Path, monkeypatch: pytest.MonkeyPatch):
    parent = parent_of_ten_steps(store)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refuse)
    with runfolio.fork(parent.id, store=store) as fork:
        shutil.rmtree(parent.folder)
        assert fork.restore().state["w"].tolist() == [9.0, 9.0]
    assert findings(store) == [[]]


def test_fork_inherits_the_data_of_its_points(store: Path):
    with runfolio.init("net", store=store) as parent:
        parent.log_data("train", np.arange(3))
        parent.log({"loss": 1.0})
        parent.checkpoint(step=0, w=torch.zeros(1))
    with runfolio.fork(parent.id, store=store) as fork:
        shutil.rmtree(parent.folder)
    fingerprint = RunDocument.read(fork.folder).data["train"]["fingerprint"]
    assert fingerprint is not None
    assert Listing.read(fork.folder, fingerprint).fingerprint == fingerprint
    assert findings(store) == [[]]


def test_fork_of_a_fork_names_both_parents(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 0.0})
        fork.checkpoint(step=10, w=torch.ones(2))
        fork.log({"loss": -5.0})
    with runfolio.fork(fork.id, name="grandchild", store=store) as second:
        second.log({"loss": 1.0})
    assert recorded(second).metric("loss").values.tolist() == [*(10.0 - step for step in range(10)), 0.0, 1.0]
    assert [entry.inherited for entry in RunDocument.read(second.folder).attempts] == [parent.id, fork.id, None]
    assert [child.name for child in runfolio.open(store).children(recorded(parent))] == ["net-fork"]


def test_fork_omits_abandoned_points_of_its_parent(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.resume(parent.id, checkpoint="best", store=store) as resumed:
        resumed.log({"loss": 50.0})
        resumed.checkpoint(step=4, w=torch.zeros(2))
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 60.0})
    assert recorded(fork).metric("loss").values.tolist() == [10.0, 9.0, 8.0, 7.0, 50.0, 60.0]
    assert findings(store) == [[], []]


def test_running_run_can_be_forked_and_continues(store: Path):
    with runfolio.init("net", store=store) as parent:
        parent.log({"loss": 1.0})
        parent.checkpoint(step=0, w=torch.zeros(1))
        parent.log({"loss": 2.0})
        parent.restore()  # waits until the fork is saved
        with runfolio.fork(parent.id, store=store) as fork:
            fork.log({"loss": 3.0})
        parent.log({"loss": 4.0})
    assert recorded(parent).metric("loss").values.tolist() == [1.0, 2.0, 4.0]
    assert recorded(fork).metric("loss").values.tolist() == [1.0, 3.0]
    assert {writer.state for writer in read_writers(recorded(fork).folder)} == {"finished"}


def test_run_that_saves_without_a_pause_can_be_forked(store: Path):
    over = threading.Event()
    with runfolio.init("net", store=store) as parent, contextlib.ExitStack() as opened:

        def train() -> None:
            step = 0
            while not over.is_set():
                parent.log({"loss": float(step)}, step=step)
                parent.checkpoint(step=step, metric=step, w=torch.full((100,), float(step)))
                step += 1

        parent.checkpoint(step=0, w=torch.zeros(100))
        parent.restore()  # waits until the fork is saved
        trainer = threading.Thread(target=train)
        trainer.start()
        try:
            forks = [opened.enter_context(runfolio.fork(parent.id, store=store)) for _ in range(5)]
        finally:
            over.set()
            trainer.join()
        for fork in forks:
            state = fork.restore()
            assert state.state["w"].tolist() == [float(state.step or 0)] * 100
            if state.step:
                assert recorded(fork).metric("loss").values.tolist()[-1] == state.step


def test_resumed_fork_keeps_inherited_points(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 0.0})
        fork.checkpoint(step=10, w=torch.zeros(2))
        fork.log({"loss": -7.0})
    with runfolio.init(resume=fork.id, store=store) as again:
        again.log({"loss": 5.0})
    assert recorded(again).metric("loss").values.tolist() == [*(10.0 - step for step in range(10)), 0.0, 5.0]


def test_fork_killed_before_its_first_step_can_be_resumed(store: Path, python):
    parent = parent_of_ten_steps(store)
    script = """
import os, sys
from pathlib import Path
from runfolio.record.base.layout import find_runs
from runfolio.tracking.checkpointing.fork_folder import make_fork_folder
folder = make_fork_folder(Path(sys.argv[1]), Path(sys.argv[2]), "best", None, None, None, {"lr": 0.5}, "abcdefgh")
os.kill(os.getpid(), 9)
"""
    python(script, store, parent.folder)
    run = runfolio.open(store).run("abcdefgh")
    assert run.state == "interrupted"
    assert run.reason == f"forked from net ({parent.id}) at checkpoint 'best' (step 3), and not continued"
    assert run.config == {"lr": 0.5, "seed": 1}
    assert (run.duration_s, run.metric("loss").values.tolist()) == (0.0, [10.0, 9.0, 8.0, 7.0])
    with runfolio.init(resume="abcdefgh", store=store) as fork:
        fork.log({"loss": 2.0})
    assert recorded(fork).metric("loss").values.tolist() == [10.0, 9.0, 8.0, 7.0, 2.0]


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_fork_killed_while_created_leaves_no_run_and_is_cleaned_up(store: Path, python, calls: int):
    parent = parent_of_ten_steps(store)
    script = """
import os, signal, sys
sync, left = os.fsync, int(sys.argv[3])
def killed(descriptor):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)
os.fsync = killed
import runfolio
runfolio.fork(sys.argv[2], store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
"""
    assert python(script, store, parent.folder, calls).returncode == -9
    assert len(runfolio.open(store).runs()) == 1
    (left,) = parent.folder.parent.glob(".tmp-*")
    os.utime(left, (0, 0))
    with runfolio.fork(parent.id, store=store):
        pass
    assert not left.exists()


def test_ranks_fork_one_run_together(store: Path, python):
    parent = parent_of_ten_steps(store)
    script = """
import sys, runfolio
with runfolio.fork(sys.argv[2], store=sys.argv[1], recording=runfolio.RecordingConfig(console=False)) as run:
    run.log({"loss": 100.0 + int(sys.argv[3])})
"""
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, str(store), str(parent.folder), str(rank)],
            env={**os.environ, "RUNFOLIO_RUN_ID": "together", "RANK": str(rank), "WORLD_SIZE": "2"},
        )
        for rank in range(2)
    ]
    assert [rank.wait(60) for rank in ranks] == [0, 0]
    run = runfolio.open(store).run("together")
    assert run.metric("loss").values.tolist()[-2:] == [1.0, 100.0]
    assert run.metric("loss", rank=1).values.tolist() == [101.0]


def test_event_file_of_a_fork_includes_its_parent(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, checkpoint="best", tensorboard=True, store=store) as fork:
        fork.log({"loss": 100.0})
    reader = EventAccumulator(str(fork.folder)).Reload()
    assert [event.value for event in reader.Scalars("loss")] == [10.0, 9.0, 8.0, 7.0, 100.0]


def test_fork_without_a_checkpoint_is_refused(store: Path):
    with runfolio.init("net", store=store) as parent:
        parent.log({"loss": 1.0})
    with pytest.raises(NotFound, match=r"no checkpoint 'last' in .*; it has none"):
        runfolio.fork(parent.id, store=store)
    with pytest.raises(NotFound, match="has no checkpoint with a step to fork from"):
        runfolio.fork(parent.id, step=3, store=store)
    assert len(runfolio.open(store).runs()) == 1


def test_fork_of_a_damaged_checkpoint_is_refused_and_leaves_no_run(store: Path):
    parent = parent_of_ten_steps(store)
    (tensors,) = {parent.restore().file_names[0]}
    path = parent.folder / "checkpoints" / tensors
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedFile, match=rf"{parent.folder}.*{tensors} is damaged \(its SHA-256"):
        runfolio.fork(parent.id, store=store)
    path.unlink()
    with pytest.raises(DamagedFile, match=rf"{parent.folder}.*{tensors} cannot be read"):
        runfolio.fork(parent.id, store=store)
    assert [path.name for path in parent.folder.parent.iterdir()] == [parent.folder.name]


def test_invalid_fork_is_refused(store: Path):
    parent = parent_of_ten_steps(store)
    with pytest.raises(ConfigError, match="a fork starts from a checkpoint: pass its name"):
        runfolio.fork(parent.id, checkpoint=None, store=store)
    with pytest.raises(NotFound, match="no run 'nowhere' in"):
        runfolio.fork("nowhere", store=store)


def test_fork_into_a_read_only_store_is_refused(store: Path, tmp_path: Path):
    parent = parent_of_ten_steps(store)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write to the store"):
        runfolio.fork(parent.folder, store=tmp_path / "file")


def test_run_of_the_former_kind_prefix_is_read_as_a_fork(store: Path):
    parent = parent_of_ten_steps(store)
    with runfolio.fork(parent.id, store=store) as fork:
        fork.log({"loss": 0.0}, step=10)
    lineage = recorded(fork).document.lineage
    path = fork.folder / "run.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"lineage": document["lineage"] | {"kind": "prefix"}}))

    assert recorded(fork).document.lineage == lineage == {**document["lineage"], "kind": "fork"}
    assert [child.id for child in runfolio.open(store).children(recorded(parent))] == [fork.id]
    with runfolio.init(resume=fork.id, store=store) as resumed:
        assert resumed.restore().state["w"].tolist() == [9.0, 9.0]
        resumed.log({"loss": 0.5}, step=10)
    assert recorded(fork).metric("loss").values.tolist()[-2:] == [1.0, 0.5]
    assert json.loads(path.read_text())["lineage"]["kind"] == "fork"
    assert findings(store) == [[], []]
