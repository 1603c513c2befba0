"""Each disk call fails once: training continues, acknowledged data is stored, and losses are reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runfolio.record.base.layout import METRICS
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.reader import PointFiles

from .tracer import injected

CALLS = 60
TRAINER = """
import json, logging, os, sys
import runfolio
from runfolio.errors import StoreError

told = []
class Told(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())
logging.getLogger("runfolio").addHandler(Told())
logging.getLogger("runfolio").propagate = False

def train(store, seal_bytes=10**9):
    told.clear()
    try:
        recording = runfolio.RecordingConfig(
            console=False, code=False, flush_s=0.02, system_s=0, heartbeat_s=0.05, seal_bytes=seal_bytes
        )
        run = runfolio.init("net", store=store, recording=recording)
    except StoreError as error:
        return {"refused": str(error)}
    acknowledged = 0
    for step in range(60):
        run.log({"loss": step + 0.5}, step=step)
        if step % 20 == 9:
            run.log_text("note", str(step), step=step)
        if step % 10 == 9 and run.flush():
            acknowledged = step + 1
    run.finish()
    return {"folder": str(run.folder), "acknowledged": acknowledged, "told": told}

train(sys.argv[1])  # whatever is imported on the way has been
while True:
    # Neither read nor written by the calls that fail.
    os.writev(1, [b"ready\\n"])
    line = os.readv(0, [buffer := bytearray(4096)])
    if not line:
        break
    store, seal_bytes = buffer[:line].decode().split()
    answer = train(store, int(seal_bytes))
    os.writev(1, [json.dumps(answer).encode() + b"\\n"])
"""


class Trainer:
    """Start a process that trains once for each store that it receives."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAINER, folder / "warm"],
            cwd=folder,
            env={**os.environ, "RUNFOLIO_CACHE": str(folder / "cache")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._line() == b"ready\n"

    def train(self, store: Path, fault: str, *, seal_bytes: int = 10**9) -> tuple[dict, int]:
        """Return the result of a training run in `store`, and the number of calls that failed."""
        log = store.with_suffix(".strace")
        with injected(self.process.pid, fault, log):
            assert self.process.stdin is not None
            self.process.stdin.write(f"{store} {seal_bytes}\n".encode())
            self.process.stdin.flush()
            answer = self._line()
        assert self._line() == b"ready\n"
        return json.loads(answer), log.read_text(errors="replace").count("(INJECTED)")

    def end(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    started = Trainer(tmp_path_factory.mktemp("trainer"))
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate()


FAULTS = [
    ("write", "EIO"),
    ("write", "ENOSPC"),
    ("write", "EINTR"),
    ("openat", "EIO"),
    ("openat", "ENOSPC"),
    ("rename,renameat,renameat2", "EIO"),
    ("fsync", "EIO"),
    ("mkdir,mkdirat", "ENOSPC"),
    ("unlink,unlinkat", "EIO"),
    ("fallocate", "ENOSPC"),
]


def check(fault: str, answer: dict) -> None:
    if "refused" in answer:
        assert "cannot write to the store" in answer["refused"], fault
        return
    folder = Path(answer["folder"])
    files = PointFiles(folder)
    steps = files.read("loss").steps.tolist() if list((folder / METRICS).glob("[!.]*")) else []
    assert steps == sorted(set(steps)), fault
    assert set(range(answer["acknowledged"])) <= set(steps), fault
    assert files.problems == [], fault
    if len(steps) < CALLS:
        trouble = RunDocument.read(folder).status.trouble
        assert trouble or answer["told"], fault


@pytest.mark.parametrize(("calls", "error"), FAULTS)
def test_one_failed_system_call_loses_no_acknowledged_points(trainer: Trainer, tmp_path: Path, calls: str, error: str):
    """Some of the moments; `make soak` takes each."""
    failed = 0
    for number in (1, 2, 3, 5, 8, 13):
        fault = f"{calls}:error={error}:when={number}"
        answer, count = trainer.train(tmp_path / str(number), fault)
        check(fault, answer)
        failed += count
    assert failed


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("calls", "error"), FAULTS)
def test_every_single_call_that_fails_once(trainer: Trainer, tmp_path: Path, calls: str, error: str):
    for number in range(1, 120):
        fault = f"{calls}:error={error}:when={number}"
        answer, _ = trainer.train(tmp_path / str(number), fault, seal_bytes=1500)
        check(fault, answer)


def test_a_trainer_that_met_all_that_ends_with_status_0(trainer: Trainer):
    assert trainer.end() == 0
