"""Deaths of training processes: `runfolio show` names the cause in one sentence. The scripts only call `init`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.record.base.layout import find_runs
from runfolio.record.liveness.process_exits import Death, death_path

SCRIPT = """
import argparse, ctypes, os, resource, signal, subprocess, sys, time
import runfolio

def train(args):
    run = runfolio.init("net", config=args)
    print("epoch 1", flush=True)
    BODY

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    train(parser.parse_args())
"""
LINE = SCRIPT.partition("BODY")[0].count("\n") + 1
"""Return the line number of the body's first line."""


@pytest.fixture(autouse=True)
def recorded(cache: Path, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.delenv("RUNFOLIO_CONSOLE")
    monkeypatch.setenv("RUNFOLIO_STORE", str(store))
    for name in ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., int]:
    """Run the script with a body in its own process group, as a shell does; return its exit status."""

    def train(body: str, *before: str) -> int:
        (tmp_path / "train.py").write_text(SCRIPT.replace("BODY", body.strip().replace("\n", "\n    ")))
        command = [*before, sys.executable, "train.py"]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, timeout=120, start_new_session=True
        ).returncode

    return train


def told(store: Path) -> str:
    """Return the second line of `runfolio show` without the duration, once the death is recorded."""
    deadline = time.monotonic() + 60
    (folder,) = find_runs(store)
    while runfolio.open(store).run("net").state == "crashed" and time.monotonic() < deadline:
        if list(folder.glob("alive/*.death.json")):
            break
        time.sleep(0.02)
    page = CliRunner().invoke(main, ["show", "net", "--store", str(store)]).stdout
    state, _, reason = page.splitlines()[1].partition(": ")
    return f"{state.partition(',')[0]}: {reason}" if reason else state.partition(",")[0]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("pass", "finished"),
        ("raise ValueError('bad shape')", f"failed: ValueError: bad shape in train.py line {LINE}"),
        ("import json; json.loads('[')", f" in train.py line {LINE}"),
        ("sys.exit(3)", "failed: exited with status 3"),
        ("raise SystemExit(3)", "failed: exited with status 3"),
        ("sys.exit('no data')", "failed: exited with message: no data"),
        ("exit('no data')", "failed: exited with status 1"),
        ("try: sys.exit(3)\nexcept SystemExit: print('not yet')", "finished"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "interrupted: interrupted from the keyboard (Ctrl-C)"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", "preempted: stopped by SIGTERM"),
        ("os.kill(0, signal.SIGTERM); time.sleep(9)", "preempted: stopped by SIGTERM from itself"),
        ("os.kill(os.getpid(), signal.SIGHUP); time.sleep(9)", "preempted: stopped by SIGHUP"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed: killed by SIGKILL"),
        ("os._exit(3)", "crashed: exited with status 3 without ending the run (os._exit, or C code)"),
        ("ctypes.string_at(0)", f"crashed: segmentation fault (SIGSEGV) in train.py line {LINE}"),
        ("os.abort()", f"crashed: aborted by its own C code (SIGABRT) in train.py line {LINE}"),
        ("bytearray(2**60)", "failed: out of memory: MemoryError"),
        ("import numpy; numpy.ones(2**50)", "failed: out of memory: numpy._core._exceptions._ArrayMemoryError"),
        ("open('/dev/full', 'wb', 0).write(b'x')", "failed: disk full: OSError: [Errno 28] No space left on device"),
        (
            "for n in range(6): run.log({'train/loss': 1.0 if n < 4 else float('nan')})",
            "finished: train/loss was NaN from step 4 on",
        ),
        (
            "run.log({'train/loss': float('inf')}); raise RuntimeError('diverged')",
            f"failed: RuntimeError: diverged in train.py line {LINE}; train/loss was infinite from step 0 on",
        ),
        (
            "note = run.recorder.note_trouble; note('first non-finite: output of fc at batch 7'); note('and so on')",
            "finished: first non-finite: output of fc at batch 7",
        ),
    ],
)
def test_death_is_named(store: Path, train: Callable, body: str, sentence: str):
    train(body)
    assert sentence in told(store)


def test_running_out_of_memory_is_named(store: Path, train: Callable):
    """Memory fills slowly, as with a leak, until there is none left for the traceback either."""
    train("""
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
kept = []
while True: kept.append(bytearray(10_000))
""")
    assert told(store).startswith("failed: out of memory: MemoryError in train.py")


def test_torch_without_memory_is_named(store: Path, train: Callable):
    train("import torch; torch.ones(2**50)")
    assert told(store).startswith("failed: out of memory: RuntimeError: [enforce fail at alloc_cpu.cpp")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Create a control group with a limit of 200 MB."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    path = next((path for _, kind, path in own if kind == "memory"), "/nowhere")
    group = Path(f"/sys/fs/cgroup/memory{path}/runfolio-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(200 * 2**20))
    except OSError:
        pytest.skip("no control group with a limit of memory can be made here")
    yield group
    for process in (group / "cgroup.procs").read_text().split():  # a helper that is about to end
        (group.parent / "cgroup.procs").write_text(process)
    group.rmdir()


def test_out_of_memory_killer_of_the_kernel_is_named(store: Path, train: Callable, small_group: Path):
    # Not at once, since the helper needs some of that memory to start.
    body = "time.sleep(1)\nkept = []\nwhile True: kept.append(b'x' * 10_000_000)"
    train(body, "sh", "-c", f'echo $$ > {small_group / "cgroup.procs"}; exec "$@"', "sh")
    assert told(store).startswith("crashed: killed by the kernel's out-of-memory killer")


@pytest.mark.skipif(not Path("/usr/bin/timeout").exists(), reason="`timeout` is not installed")
def test_timeout_is_named_as_the_sender(store: Path, train: Callable):
    assert train("time.sleep(60)", "timeout", "4") == 124
    assert told(store).startswith("preempted: stopped by SIGTERM from timeout (process ")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SLURM_JOB_ID": "123"}, "stopped by SIGTERM, in Slurm job 123"),
        ({"SLURM_JOB_ID": "123", "SLURM_JOB_END_TIME": "9"}, "stopped by SIGTERM, in Slurm job 123 at its time limit"),
        ({"SLURM_JOB_ID": "123", "SLURM_JOB_END_TIME": "9999999999"}, "stopped by SIGTERM, in Slurm job 123"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "stopped by SIGTERM, in a Kubernetes pod"),
    ],
)
def test_place_of_a_preemption_is_named(
    store: Path, train: Callable, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert train("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)") == -signal.SIGTERM
    assert told(store) == f"preempted: {said}"


def test_warning_signal_of_slurm_is_a_preemption(store: Path, train: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert train("os.kill(os.getpid(), signal.SIGUSR1); time.sleep(9)") == -signal.SIGUSR1
    assert told(store) == "preempted: stopped by SIGUSR1, in Slurm job 7"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 2 MB."""
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", mount_point], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield mount_point
    subprocess.run(["umount", mount_point], check=True)


def test_full_disk_of_the_store_is_named(small_disk: Path, train: Callable, monkeypatch: pytest.MonkeyPatch):
    """The disk fills while the run is open, and has no room for any file at its end."""
    store = small_disk / "runs"
    monkeypatch.setenv("RUNFOLIO_STORE", str(store))
    train(f"""
run.flush()
with open({str(small_disk / "weights.pt")!r}, "wb", 0) as file:
    while True: file.write(bytes(4096))
""")
    assert told(store).startswith("failed: disk full: OSError: [Errno 28] No space left on device in train.py line")


def test_points_lost_on_a_full_disk_are_reported(small_disk: Path, train: Callable, monkeypatch: pytest.MonkeyPatch):
    store = small_disk / "runs"
    monkeypatch.setenv("RUNFOLIO_STORE", str(store))
    train(f"""
run.flush()
try:
    with open({str(small_disk / "data")!r}, "wb", 0) as file:
        while True: file.write(bytes(4096))
except OSError: pass
for step in range(100_000): run.log({{"loss": 1.0}})
""")
    lost = "its last points could not be written (No space left on device); they are in"
    assert told(store).startswith(f"finished: {lost}")


def test_page_has_the_last_lines_of_the_console(store: Path, train: Callable):
    train("for n in range(9): print('step', n)\nraise ValueError('bad')")
    page = CliRunner().invoke(main, ["show", "net", "--store", str(store)]).stdout
    words = page.partition("Last lines of the console")[2].splitlines()[1:6]
    assert words[-1] == "ValueError: bad"
    assert words[-2].strip() == "raise ValueError('bad')"


@pytest.mark.parametrize(
    ("death", "sentence"),
    [
        (None, "its process disappeared without reporting its end"),
        (Death(), "its process disappeared without reporting its end"),
        (Death(signal=9), "killed by SIGKILL"),
        (Death(signal=9, oom_kills=0), "killed by SIGKILL (the kernel reported no out-of-memory kill)"),
        (Death(signal=9, oom_kills=1), "killed by the kernel's out-of-memory killer"),
        (
            Death(signal=9, oom_kills=2, memory_bytes=3_140_000_000),
            "killed by the kernel's out-of-memory killer; it used 3,140 MB when last seen",
        ),
        (Death(signal=15), "killed by SIGTERM"),
        (Death(signal=77), "killed by signal 77"),
    ],
)
def test_only_observed_facts_of_a_vanished_process_are_reported(
    store: Path, train: Callable, monkeypatch: pytest.MonkeyPatch, death: Death | None, sentence: str
):
    monkeypatch.setenv("RUNFOLIO_CONSOLE", "off")
    train("run.flush(); os.kill(os.getpid(), signal.SIGKILL)")
    run = runfolio.open(store).run("net")
    if death:
        death.write(run.folder, run.document.attempts[-1].writer)
        run = runfolio.open(store).run("net")
    assert (run.ending, run.reason) == (f"crashed: {sentence}", sentence)


def test_damaged_exit_file_is_ignored(store: Path, train: Callable):
    train("run.finish()")
    run = runfolio.open(store).run("net")
    death_path(run.folder, run.document.attempts[-1].writer).path.write_text('{"runfolio": 0, "exit_code": "many"}')
    assert runfolio.open(store).run("net").ending == "finished"


def test_explicit_end_is_not_changed_by_later_events(store: Path, train: Callable):
    assert train("run.finish()\nraise SystemExit(3)") == 3
    time.sleep(0.3)
    assert told(store) == "finished"


def test_harmless_disk_failure_is_not_named_as_the_cause(store: Path, train: Callable):
    train("try: raise OSError(28, 'No space left on device')\nexcept OSError: pass\nraise KeyError('x')")
    assert told(store) == f"failed: KeyError: 'x' in train.py line {LINE + 2}"


def test_user_who_stopped_a_process_group_is_named(store: Path, tmp_path: Path):
    (tmp_path / "train.py").write_text(SCRIPT.replace("BODY", "print('ready', flush=True); time.sleep(30)"))
    process = subprocess.Popen(
        [sys.executable, "train.py"], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    while b"ready" not in process.stdout.readline():
        pass
    time.sleep(0.3)
    subprocess.run(["sh", "-c", f"kill -TERM -{process.pid}; sleep 1"], check=True)
    process.communicate(timeout=30)
    assert " from sh (process " in told(store)
    assert f"user {os.environ.get('USER') or 'root'}" in told(store)
