"""Damaged checkpoints: an intact one is used instead, before anything of the record is cut."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import runfolio
from runfolio import CheckpointPolicy
from runfolio.errors import DamagedFile, NewerFormat, NotFound
from runfolio.record.base.layout import FORMAT
from runfolio.record.checkpoints import manifests


@pytest.fixture
def run(store: Path) -> runfolio.Run:
    """Record a run with 30 points and checkpoints of steps 10 (the best), 20 (the previous one) and 30."""
    with runfolio.init(store=store) as run:
        for step in range(1, 31):
            run.log({"loss": float(step)}, step=step)
            if step % 10 == 0:
                run.checkpoint(step=step, metric=-step, w=torch.full((50,), float(step)))
                run.restore()
    return run


def manifest(run: runfolio.Run, name: str) -> Path:
    return run.folder / "checkpoints" / f"{name}.json"


def tensors(run: runfolio.Run, name: str) -> Path:
    (file,) = manifests.read(run.folder, name).file_names
    return run.folder / "checkpoints" / file


def flip(path: Path, offset: int = -5) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: dict[str, Callable[[runfolio.Run], object]] = {
    "a flipped bit": lambda run: flip(tensors(run, "last")),
    "a torn tensor file": lambda run: cut(tensors(run, "last")),
    "a missing tensor file": lambda run: tensors(run, "last").unlink(),
    "a torn manifest": lambda run: cut(manifest(run, "last")),
    "an empty manifest": lambda run: manifest(run, "last").write_bytes(b""),
    "a missing manifest": lambda run: manifest(run, "last").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_last_checkpoint_falls_back_to_previous(
    run: runfolio.Run, damage: str, caplog: pytest.LogCaptureFixture
):
    DAMAGES[damage](run)
    with runfolio.init(resume=run.folder) as again:
        restored = again.restore()
        assert (restored.name, restored.step, restored.state["w"][0]) == ("previous", 20, 20.0)
        again.log({"loss": -1.0})
        assert caplog.text.count("checkpoint 'last' cannot be used, so 'previous' (step 20) is used: ") == 1
        again.checkpoint(step=21, w=torch.zeros(1))
        assert (again.restore().step, again.restore("previous").step) == (21, 20)
    curve = runfolio.open(run.folder.parent.parent).run(run.id).metric("loss")
    assert curve.steps.tolist() == list(range(1, 22))
    assert curve.values[-1] == -1.0


def test_abandoned_branch_is_the_fallback_only_without_a_newer_one(store: Path):
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(keep_every=10)) as run:
        for step in (10, 20, 30):
            run.log({"loss": 1.0}, step=step)
            run.checkpoint(step=step)
            run.restore()
    with runfolio.resume(run.folder, checkpoint="step-10") as again:
        again.log({"loss": -1.0}, step=11)
        again.checkpoint(step=11)
    flip(tensors(run, "last"))
    with runfolio.init(resume=run.folder) as again:
        assert again.restore().step == 10
    for name in ("previous", "step-10"):
        manifest(run, name).unlink()
    with runfolio.init(resume=run.folder) as again:
        assert again.restore().step == 30


def test_restore_falls_back_in_a_running_training(store: Path, caplog: pytest.LogCaptureFixture):
    with runfolio.init(store=store) as run:
        for step in (1, 2):
            run.checkpoint(step=step, w=torch.zeros(3))
            run.restore()
        flip(tensors(run, "last"))
        assert run.restore().step == 1
    assert "SHA-256 has changed since it was saved" in caplog.text
    assert "checkpoint 'last' cannot be used, so 'previous' (step 1) is used: " in caplog.text


def test_resume_without_an_intact_checkpoint_is_refused(run: runfolio.Run):
    for path in (run.folder / "checkpoints").glob("*.safetensors"):
        flip(path)
    with pytest.raises(DamagedFile, match="no other checkpoint of the run is intact"):
        runfolio.init(resume=run.folder)
    assert len(runfolio.open(run.folder.parent.parent).run(run.id).document.attempts) == 1


def test_damaged_named_checkpoint_is_refused_and_intact_ones_are_listed(run: runfolio.Run):
    flip(tensors(run, "best"))
    with pytest.raises(DamagedFile, match=r"still intact: 'last' \(step 30\), 'previous' \(step 20\)"):
        runfolio.resume(run.folder, checkpoint="best")
    with pytest.raises(NotFound, match=r"no checkpoint 'step-5' in .*; it has best, last, previous"):
        runfolio.resume(run.folder, checkpoint="step-5")


def test_newer_format_is_not_damage(run: runfolio.Run):
    path = manifest(run, "last")
    path.write_text(json.dumps({**json.loads(path.read_text()), "runfolio": FORMAT + 1}))
    with pytest.raises(NewerFormat, match="written by a newer runfolio"):
        runfolio.init(resume=run.folder)


def test_run_of_an_earlier_version_is_read_and_continued(run: runfolio.Run):
    """The run has neither a checkpoint `previous` nor states of random generators."""
    manifest(run, "previous").unlink()
    path = manifest(run, "last")
    content = json.loads(path.read_text())
    del content["state"]["generators"]
    path.write_text(json.dumps(content))
    model = torch.nn.Linear(1, 1)
    with runfolio.init(resume=run.folder) as again:
        assert again.restore().step == 30
        again.checkpoint(step=31, model=model)
        assert (again.restore(model=model).step, again.restore("previous").step) == (31, 30)


def test_damage_anywhere_gives_an_intact_checkpoint_or_a_clear_error(store: Path, caplog: pytest.LogCaptureFixture):
    chance = random.Random(5)
    with runfolio.init(store=store, checkpoints=CheckpointPolicy(keep_every=1)) as run:
        for step in (1, 2, 3):
            run.checkpoint(step=step, w=torch.full((50,), float(step)))
    folder = run.folder / "checkpoints"
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    used: set[int | None] = set()
    for _ in range(300):
        for path in chance.sample(sorted(whole), chance.randrange(1, len(whole) + 1)):
            data = bytearray(whole[path])
            if chance.random() < 0.5:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            else:
                del data[chance.randrange(len(data)) :]
            path.write_bytes(data)
        try:
            checkpoint = manifests.read_intact(run.folder, "last", lambda message: None)
            assert checkpoint.tensors("state")
            assert set(checkpoint.state["w"].tolist()) <= {1.0, 2.0, 3.0}
            used.add(checkpoint.step)
        except (DamagedFile, NewerFormat):
            used.add(None)
        for path, data in whole.items():
            path.write_bytes(data)
    assert used >= {None, 1, 2, 3}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may write nowhere")
def test_read_only_folder_is_reported_in_one_line(store: Path, python: Callable):
    script = """
import os, sys, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
run.checkpoint(step=1)
run.restore()
(run.folder / "checkpoints").chmod(0o555)
os.setegid(64321); os.seteuid(64321)
run.checkpoint(step=2)
run.restore()
print(run.restore().step)
os.seteuid(0); os.setegid(0)
"""
    for folder in (store.parent, *store.parent.parents):
        folder.chmod(folder.stat().st_mode | 0o5)
    done = python(script, store)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "checkpoint at step 2 was not saved (Permission denied); the previous checkpoint is intact" in done.stderr
