"""A user's project that tests run, change and repeat: a script, a module, data and a package."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import runfolio
from runfolio.cli import main
from runfolio.query.run import RecordedRun

from ..forked import Forked

SCRIPT = """\
import argparse
import pathlib

import numpy as np
import stepping
from model import loss_of

import runfolio

flags = argparse.ArgumentParser()
flags.add_argument("--lr", type=float, default=0.1)
flags.add_argument("--momentum", type=float, default=0.5)
flags.add_argument("--data", default="photos")
flags.add_argument("--seed", type=int, default=None)
flags = flags.parse_args()

random = np.random.RandomState(flags.seed)
weights = random.randn(4)
velocity = np.zeros(4)
with runfolio.init("net", experiment="e", config=vars(flags)) as run:
    files = sorted(pathlib.Path(flags.data).iterdir())
    run.log_data("train", flags.data)
    for step in range(12):
        image = np.frombuffer(files[random.randint(len(files))].read_bytes(), np.uint8) / 255
        loss, gradient = loss_of(weights, image)
        velocity = flags.momentum * velocity + stepping.SCALE * gradient
        weights = weights - flags.lr * velocity
        run.log({"loss": loss, "epoch_seconds": 0.1 * random.rand()}, step=step)
"""
MODEL = """\
import numpy as np


def loss_of(weights, image):
    error = weights - image
    loss = float(np.square(error).mean())
    return loss, 2 * error
"""
IMAGES = 6


@dataclass
class Project:
    """A folder with a script, and the commands typed in it."""

    folder: Path
    store: Path
    libraries: Path
    """Folder on PYTHONPATH that contains the package `stepping` with its version."""
    server: Forked
    """Forks the processes of `start`."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of the start of a Python process."""

    @property
    def temporary(self) -> Path:
        """Folder in which the fresh folders of repetitions are created."""
        return self.store.parent / "temporary"

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        done = subprocess.run(["git", *identity, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self) -> None:
        if not (self.folder / ".git").exists():
            self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a state")

    @property
    def environment(self) -> dict[str, str]:
        # Written twice within a second, a module would be taken from the bytecode of the first.
        variables = {"RUNFOLIO_STORE": str(self.store), "PYTHONDONTWRITEBYTECODE": "1"}
        variables["TORCHINDUCTOR_CACHE_DIR"] = str(self.store.parent / "compiled")  # else in `temporary`
        return {**os.environ, **variables, **self.variables}

    def start(self, *words: object, cwd: Path | None = None) -> RecordedRun:
        """Run a command of Python, and return the run that it recorded."""
        before = self.runs()
        where: dict[str, Any] = {"cwd": cwd or self.folder, "env": self.environment}
        if self.variables:
            command = [sys.executable, *map(str, words)]
            done = subprocess.run(command, **where, capture_output=True, text=True, timeout=120)
        else:
            done = self.server.run(*words, **where)
        assert done.returncode == 0, done.stderr
        (new,) = self.runs() - before
        return runfolio.open(self.store).run(new)

    def runs(self) -> set[str]:
        return {run.id for run in runfolio.open(self.store).runs()} if self.store.exists() else set()

    def version(self, version: str, scale: float = 1.0) -> None:
        """Install a version of `stepping`, in the place of the one that is there."""
        self.libraries.mkdir(exist_ok=True)
        for old in self.libraries.glob("*.dist-info"):
            (old / "METADATA").unlink()
            old.rmdir()
        (self.libraries / "stepping.py").write_text(f"SCALE = {scale}\n")
        info = self.libraries / f"stepping-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stepping\nVersion: {version}\n")


@dataclass
class Reproduced:
    """Output of `runfolio reproduce --json`."""

    status: int
    stderr: str
    said: dict[str, Any]

    @property
    def word(self) -> str:
        return self.said["word"]

    @property
    def causes(self) -> list[tuple[str, str]]:
        return [(cause["kind"], cause["text"]) for cause in self.said["causes"]]


@pytest.fixture
def project(tmp_path: Path, store: Path, forked_runfolio: Forked, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "project", store, tmp_path / "libraries", forked_runfolio)
    # Only entries of the recorded path that the current shell also has are used.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(made.libraries), os.environ.get("PYTHONPATH")])))
    made.folder.mkdir()
    (made.folder / "train.py").write_text(SCRIPT)
    (made.folder / "model.py").write_text(MODEL)
    (made.folder / ".gitignore").write_text("photos/\n")
    (made.folder / "photos").mkdir()
    for number in range(IMAGES):
        (made.folder / "photos" / f"{number}.raw").write_bytes(bytes([17 * number + 1] * 4))
    made.version("1.0")
    made.temporary.mkdir()
    return made


def typed(project: Project, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `runfolio reproduce ...` outside of the project, in this process: starting Python costs more than the rest.

    The programs that it starts are processes of their own.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
    ):
        patch.chdir(project.store.parent)
        patch.setattr(tempfile, "tempdir", str(project.temporary))
        for name, value in {**project.environment, "TMPDIR": str(project.temporary)}.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), pytest.raises(SystemExit) as end:
            main(["reproduce", *map(str, words)])
        for output in (stdout, stderr):
            output.seek(0)
        return subprocess.CompletedProcess(
            list(map(str, words)), int(end.value.code or 0), stdout.read(), stderr.read()
        )


def typed_in_a_shell(project: Project, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `runfolio reproduce ...` as `typed` does, but in a process of its own that starts in the store's parent."""
    return subprocess.run(
        [sys.executable, "-m", "runfolio", "reproduce", *map(str, words)],
        cwd=project.store.parent,
        env={**project.environment, "TMPDIR": str(project.temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
    )


def reproduced(project: Project, run: RecordedRun, *words: object) -> Reproduced:
    """Repeat a run without a prompt, and check that nothing but the record remains."""
    done = typed(project, run.id, "--yes", "--json", *words)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    assert not list(project.temporary.iterdir())
    return Reproduced(done.returncode, done.stderr, json.loads(done.stdout))
