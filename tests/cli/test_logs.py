"""`runfolio logs` prints the console output of a run: all of it, its end, or live in a second terminal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import runfolio as rf
from runfolio.cli import main
from runfolio.record.content.console_log import log_path

TRAIN = """
import os, sys, time, runfolio
with runfolio.init("net", store=sys.argv[1]):
    for step in range(int(sys.argv[2])):
        print("step", step, flush=True)
    while len(sys.argv) > 3 and not os.path.exists(sys.argv[3]): time.sleep(0.05)
    print("done")
"""


@pytest.fixture
def train(store, monkeypatch):
    """Start a script that prints `steps` lines, and one more line when the file `until` exists."""
    monkeypatch.delenv("RUNFOLIO_CONSOLE")
    started = []

    def train(steps: int, *until: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", TRAIN, str(store), str(steps), *map(str, until)]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        return started[-1]

    yield train
    for process in started:
        process.kill()
        process.wait()


def logs(store, *words: str):
    return CliRunner().invoke(main, ["logs", *words, "--store", str(store)])


def test_all_that_a_run_printed_or_its_end(store, train):
    train(3).wait()
    assert logs(store, "net").stdout == "step 0\nstep 1\nstep 2\ndone\n"
    assert logs(store, "net", "-n", "2").stdout == "step 2\ndone\n"
    assert logs(store, "net", "-n", "0").stdout == ""
    assert logs(store, "net", "-n", "99").stdout == logs(store, "net", "--follow").stdout == logs(store, "net").stdout


def test_the_attempts_of_a_run_have_headings(store, train, python):
    train(0).wait()
    script = "import sys, runfolio\nwith runfolio.resume(sys.argv[2], store=sys.argv[1], checkpoint=None): print('on')"
    python(script, store, rf.open(store).run("net").id)
    shown = logs(store, "net").stdout.splitlines()
    assert shown[0].startswith("==> attempt 1, started ")
    assert shown[2].startswith("==> attempt 2, started ")
    assert [shown[1], shown[3]] == ["done", "on"]
    assert logs(store, "net", "-n", "1").stdout == "on\n"


@pytest.fixture
def follow(store):
    """Follow the run `net` from another process, as soon as it is there."""

    def follow() -> subprocess.Popen[str]:
        while not (store.is_dir() and rf.open(store).runs()):
            time.sleep(0.05)
        command = [sys.executable, "-m", "runfolio", "logs", "net", "-f", "--store", str(store)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return follow


def test_a_run_is_followed_until_it_ends(train, follow, tmp_path):
    train(1, tmp_path / "stop")
    with follow() as follower:
        assert follower.stdout.readline() == "step 0\n"
        (tmp_path / "stop").touch()
        assert follower.communicate(timeout=60) == ("done\n", "")
    assert follower.returncode == 0


def test_ctrl_c_leaves_the_follower_quietly_and_the_training_alone(train, follow, tmp_path):
    training = train(1, tmp_path / "stop")
    with follow() as follower:
        assert follower.stdout.readline() == "step 0\n"
        os.kill(follower.pid, signal.SIGINT)
        assert follower.communicate(timeout=60) == ("", "")
    assert follower.returncode == 0
    assert training.poll() is None


def test_run_without_a_log_is_reported(store):
    with rf.init("net", store=store) as run:
        pass
    done = logs(store, "net")
    assert done.exit_code == 2
    assert done.stderr == f"error: run {run.id} has no console log: it printed nothing, or recording was turned off\n"


def test_a_log_of_somebody_else_cannot_write_on_the_terminal(store):
    with rf.init("net", store=store) as run:
        pass
    path = log_path(run.folder, run.recorder.writer).path
    path.parent.mkdir()
    path.write_bytes(b"\x1b]0;owned\x07harmless\x1b[2J\n")
    assert logs(store, "net").stdout == logs(store, "net", "-n", "5").stdout == "\\x1b]0;owned\\x07harmless\\x1b[2J\n"
