"""Disks that fill, hang or turn read-only during a run: training continues with one warning, and no point is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.errors import StoreError
from runfolio.record.base.layout import find_runs
from runfolio.record.points.reader import PointFiles

from .tracer import injected

SCRIPT = """
import os, sys, runfolio
recording = runfolio.RecordingConfig(
    console=False, code=False, flush_s=0.02, system_s=0, heartbeat_s=0.1, patience_s=float(sys.argv[2])
)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
count = 0
def log(number):
    global count
    for _ in range(number):
        run.log({"loss": count + 0.5}, step=count)
        count += 1
log(10)
assert run.flush()
def turn(word):  # by calls that do not fail
    os.writev(1, [word + b"\\n"])
    os.readv(0, [bytearray(9)])
turn(b"ready")
log(1000)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", mount_point], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield mount_point
    subprocess.run(["umount", mount_point], check=True)


def steps(store: Path) -> list[int]:
    (folder,) = find_runs(store)
    files = PointFiles(folder)
    assert files.problems == []
    return files.read("loss").steps.tolist()


@pytest.fixture
def start(store: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a script that has logged 10 points, and logs 1,000 more when it receives a line."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str, patience_s: float = 0.1) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT + script, store, str(patience_s)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        assert said(process) == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def tail_of(store: Path) -> Path:
    (path,) = store.glob("*/*/metrics/tail-*")
    return path


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()


def test_a_disk_that_fills_and_has_room_again(disk: Path, caplog: pytest.LogCaptureFixture):
    store = disk / "runs"
    recording = runfolio.RecordingConfig(code=False, flush_s=0.02, system_s=0, heartbeat_s=0.1, patience_s=0.1)
    with runfolio.init("net", store=store, recording=recording) as run:
        run.log({"loss": 0.5}, step=0)
        assert run.flush()
        subprocess.run(["dd", "if=/dev/zero", f"of={disk / 'data'}", "bs=4096"], capture_output=True)
        for step in range(1, 20_000):
            run.log({"loss": step + 0.5}, step=step)
        assert not run.flush()
        (disk / "data").unlink()
        assert run.flush()
        run.log({"loss": 20_000.5}, step=20_000)
    assert steps(store) == list(range(20_001))
    assert sum("cannot write" in record.getMessage() for record in caplog.records) == 1
    assert "the store can be written again; nothing was lost" in caplog.text


@pytest.mark.parametrize("fault", ["write:error=EROFS", "write:error=ENOSPC", "write:error=ESTALE"])
def test_a_store_that_refuses_everything_for_a_while(store: Path, start: Callable, fault: str):
    # More patience than a busy machine takes for a call that is traced: it refuses, and does not hang.
    process = start("run.flush(); turn(b'refused'); log(10); assert run.flush(); run.finish()", patience_s=5)
    with injected(process.pid, fault, only=tail_of(store)):
        go_on(process)
        assert said(process) == b"refused\n"
    go_on(process)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, steps(store)) == (0, list(range(1020)))
    assert stderr.count(b"cannot write") == 1


def test_hanging_store_delays_no_exit_and_doctor_recovers_its_points(store: Path, start: Callable):
    """Each write takes a minute; the process ends without `finish`."""
    process = start("")
    with injected(process.pid, "write:delay_enter=60000000", only=tail_of(store)):
        go_on(process)
        assert process.stderr is not None
        while b"`runfolio doctor --repair` restores them" not in (line := process.stderr.readline()):
            assert line, "it ended without a word"
    process.communicate(timeout=30)
    assert process.returncode == 0
    CliRunner().invoke(main, ["doctor", "--repair", "--store", str(store)], catch_exceptions=False)
    assert steps(store) == list(range(1010))


def test_a_read_only_store_is_one_clear_error_and_can_be_read(store: Path, disk: Path):
    with runfolio.init("net", store=disk / "runs", recording=runfolio.RecordingConfig(system_s=0)) as run:
        run.log({"loss": 1.0})
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StoreError, match=r"cannot write to the store .*Read-only file system.*a different store"):
        runfolio.init("net", store=disk / "runs")
    assert runfolio.open(disk / "runs").run("net").metric("loss").values.tolist() == [1.0]


def test_run_folder_deleted_during_the_run_stays_deleted(store: Path, start: Callable):
    process = start("run.flush(); run.finish(); os.writev(1, [b'through'])")
    (folder,) = find_runs(store)
    subprocess.run(["rm", "-rf", folder], check=True)
    go_on(process)
    out, stderr = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"through")
    assert b"was deleted or moved" in stderr
    assert not folder.exists()


def test_a_write_that_is_interrupted_again_and_again_is_taken_up_again(store: Path, start: Callable):
    process = start("assert run.flush(); run.finish()")
    with injected(process.pid, "write:error=EINTR:when=1+2", only=tail_of(store)):
        go_on(process)
        process.communicate(timeout=60)
    assert (process.returncode, steps(store)) == (0, list(range(1010)))
