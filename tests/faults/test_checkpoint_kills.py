"""A process that is killed at any system call of saving a checkpoint leaves a whole one: the old or the new."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runfolio
from runfolio.record.base.layout import find_runs
from runfolio.record.checkpoints import manifests

from .tracer import injected

CALLS = ("openat", "write", "fsync", "renameat", "unlinkat", "chmod", "close", "newfstatat")
SAVER = """
import os, sys, torch, runfolio, runfolio.tracking.init, safetensors.torch
from runfolio import CheckpointPolicy

def train(store):
    recording = runfolio.RecordingConfig(console=False, code=False, flush_s=60, system_s=0, heartbeat_s=60)
    run = runfolio.init("net", store=store, checkpoints=CheckpointPolicy(keep_best=2), recording=recording)
    def save(step):
        run.log({"loss": 1.0}, step=step)
        run.checkpoint(step=step, metric=step % 3, weights=torch.full((20_000,), float(step)), more=step)
        run.restore()
    save(1); save(2); save(3)
    say(f"ready {os.getpid()}")
    os.read(0, 1)
    save(4); save(5)
    say("done")
    os.read(0, 1)

def say(line):
    os.writev(1, [line.encode() + b"\\n"])  # which is not among the calls that kill

while line := os.read(0, 4096):
    if (child := os.fork()) == 0:
        train(line.decode().strip())
        os._exit(0)
    say(f"killed by {-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")
"""


class Saver:
    """Start a process that has imported everything, and forks a child that saves for each store it receives."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SAVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "RUNFOLIO_CACHE": str(path / "cache")},
            text=True,
            bufsize=1,
        )

    def is_killed_at(self, call: str, number: int, store: Path) -> bool:
        """Return whether the saving process was killed at a thread's `number`-th call of this kind after the third
        checkpoint."""
        self._tell(f"{store}\n")
        child = int(self._line().removeprefix("ready "))
        with injected(child, f"{call}:signal=KILL:when={number}"):
            self._tell("\n")
            line = self._line()
        is_done = line == "done"
        if is_done:
            os.kill(child, signal.SIGKILL)
            line = self._line()
        assert line == "killed by 9"
        return not is_done

    def _tell(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def saver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saver]:
    started = Saver(tmp_path_factory.mktemp("saver"))
    yield started
    started.process.kill()
    started.process.communicate()


def check(store: Path) -> None:
    (folder,) = find_runs(store)
    checkpoint = manifests.read_intact(folder, "last", pytest.fail)
    assert checkpoint.step in (3, 4, 5)
    assert set(checkpoint.state["weights"].tolist()) == {float(checkpoint.step or 0)}
    for name in manifests.names(folder):
        manifests.read_intact(folder, name, pytest.fail)
    best = manifests.read_intact(folder, "best", pytest.fail)
    second = manifests.read_intact(folder, "best-2", pytest.fail)
    assert (best.metric, best.step) in ((2.0, 2), (2.0, 5))
    # Between two renames one has both names; one that is among the best two is never lost.
    assert second.metric in (1.0, 2.0)

    with runfolio.init(resume=folder, recording=runfolio.RecordingConfig(console=False, code=False)) as run:
        assert run.restore().step == checkpoint.step
        run.checkpoint(step=6)
    left = {path.name for path in (folder / "checkpoints").iterdir()}
    named = {file for name in manifests.names(folder) for file in manifests.read(folder, name).file_names}
    assert left == named | {f"{name}.json" for name in manifests.names(folder)}


def test_a_process_killed_in_the_midst_of_saving_leaves_a_whole_checkpoint(saver: Saver, tmp_path: Path):
    """Kill the process at random calls; `make soak` kills it at every call."""
    chance = random.Random(7)
    killed = 0
    for call in CALLS:
        number = chance.randrange(1, 12)
        killed += saver.is_killed_at(call, number, store := tmp_path / call)
        check(store)
    assert killed >= 6


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_kill_at_any_call_of_saving_leaves_a_whole_checkpoint(saver: Saver, tmp_path: Path, call: str):
    number = 1
    while saver.is_killed_at(call, number, store := tmp_path / str(number)):
        check(store)
        number += 1
    assert number > 2
