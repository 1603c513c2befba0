"""Ends of a process: the run records how it ended, with all points."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import runfolio
from runfolio.record.base.layout import find_runs
from runfolio.record.base.run_document import RunDocument, Status
from runfolio.record.liveness.heartbeats import derive_state
from runfolio.record.points.reader import PointFiles

START = """
import os, signal, sys, time, threading, runfolio
run = runfolio.init("net", store=sys.argv[1])
run.log({"loss": 1.0})
"""


class NoMemory:
    def seen_at(self, key: str, beat: int) -> float:
        raise AssertionError("on its own machine a reader asks for the process")


def ending(store: Path) -> tuple[str, Status, list[float]]:
    (folder,) = find_runs(store)
    document = RunDocument.read(folder)
    return derive_state(folder, document, NoMemory()), document.status, PointFiles(folder).read("loss").values.tolist()


@pytest.mark.parametrize(
    ("last_words", "state", "reason"),
    [
        ("", "finished", None),
        ("sys.exit(3)", "failed", "exited with status 3"),
        ("raise ValueError('later')", "failed", "ValueError: later"),
    ],
)
def test_an_error_caught_at_an_embedded_prompt_is_not_the_end(
    store: Path, python: Callable, last_words: str, state: str, reason: str | None
):
    script = """
import code, io
sys.stdin = io.StringIO("1 / 0\\n")
code.interact()
assert isinstance(sys.last_value, ZeroDivisionError)
del sys.ps1  # as newer versions of Python do
"""
    assert "ZeroDivisionError" in python(f"{START}{script}{last_words}", store).stderr
    run, status, _ = ending(store)
    assert (run, status.reason) == (state, reason)


def test_an_error_caught_in_an_embedded_ipython_is_not_the_end(store: Path, fresh_python: Callable):
    script = START + "import IPython; IPython.embed(colors='nocolor')\nassert sys.last_value; sys.exit(3)"
    done = fresh_python(script, store, input="1 / 0\nexit()\n")
    assert "ZeroDivisionError" in done.stdout
    assert ending(store)[1].reason == "exited with status 3", done.stderr


@pytest.mark.parametrize(
    ("last_words", "state", "exit_code", "reason"),
    [
        ("", "finished", 0, None),
        ("run.finish()", "finished", 0, None),
        ("sys.exit(0)", "finished", 0, None),
        ("sys.exit(3)", "failed", 3, "exited with status 3"),
        ("sys.exit('no data')", "failed", 1, "exited with message: no data"),
        ("raise ValueError('bad shape')", "failed", 1, "ValueError: bad shape"),
        ("raise KeyboardInterrupt", "interrupted", -signal.SIGINT, "interrupted from the keyboard (Ctrl-C)"),
        ("with run: raise MemoryError('cuda')", "failed", 1, "MemoryError: cuda"),
        ("with run: sys.exit(4)", "failed", 4, "exited with status 4"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", "preempted", -signal.SIGTERM, "stopped by SIGTERM"),
        ("run.finish('failed', 'gave up')", "failed", 0, "gave up"),
    ],
)
def test_every_ending_is_recorded_and_reaches_the_shell_unchanged(
    store: Path, python: Callable, last_words: str, state: str, exit_code: int, reason: str | None
):
    done = python(START + last_words, store)
    run, status, values = ending(store)
    assert (run, status.reason, values) == (state, reason, [1.0])
    assert done.returncode == exit_code
    if "raise" in last_words:
        assert status.traceback is not None
        assert last_words.partition("raise ")[2].partition("(")[0] in status.traceback
        assert done.stderr.count("Traceback") == 1


@pytest.mark.parametrize("last_words", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
def test_killed_process_leaves_a_crashed_run_with_all_flushed_points(store: Path, python: Callable, last_words: str):
    python(START + "run.flush()\n" + last_words, store)
    run, status, values = ending(store)
    assert (run, status.state, values) == ("crashed", "running", [1.0])


def test_points_older_than_the_flush_interval_survive_kill_9(store: Path):
    script = START + "\nfor n in range(10**9):\n    run.log({'n': n}); print(n, flush=True); time.sleep(0.001)"
    process = subprocess.Popen([sys.executable, "-c", script, str(store)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged: list[int] = []
    reader = threading.Thread(target=lambda: acknowledged.extend(map(int, process.stdout)))  # type: ignore[arg-type]
    reader.start()
    while len(acknowledged) <= 100 and process.poll() is None:
        threading.Event().wait(0.1)
    before = len(acknowledged)
    threading.Event().wait(0.8)
    process.kill()
    process.wait()
    reader.join()
    process.stdout.close()

    (folder,) = find_runs(store)
    stored = PointFiles(folder).read("n").values.tolist()

    assert len(stored) >= before > 100
    assert stored == list(range(len(stored)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_finish_still_writes_everything(store: Path, fresh_python: Callable, number: int):
    """A text keeps the encoder thread busy, and the signal arrives in the meantime."""
    script = """
from runfolio.tracking.pipeline.queue_items import Media
def slow():
    time.sleep(0.8)
    return {"text": "slow"}
run.recorder.record(Media(run.recorder.now(), None, "text", "slow", slow))
run.log({"loss": 2.0})
threading.Timer(0.3, lambda: os.kill(os.getpid(), int(sys.argv[2]))).start()
run.finish()
"""
    done = fresh_python(START + script, store, int(number))
    assert done.returncode == -number
    assert ending(store)[::2] == ("finished", [1.0, 2.0])


def test_sigterm_is_handled_if_another_thread_opened_the_first_run(store: Path, python: Callable):
    script = """
import os, signal, sys, threading, time, runfolio
first = threading.Thread(target=lambda: runfolio.init(store=sys.argv[1]).finish())
first.start()
first.join()
runfolio.init("net", store=sys.argv[2]).log({"loss": 1.0})
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(9)
"""
    python(script, store.with_name("other"), store)
    assert ending(store)[::2] == ("preempted", [1.0])


def test_slow_git_delays_neither_points_nor_the_end(store: Path, python: Callable, tmp_path: Path):
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 50\n")
    (tmp_path / "git").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    began = time.monotonic()
    script = START + "assert run.flush()\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(9)"
    python(script, store, env={**os.environ, "PATH": path})
    assert ending(store)[::2] == ("preempted", [1.0])
    assert time.monotonic() - began < 40


def test_exception_is_named_by_its_first_line(store: Path):
    error = ValueError("bad shape\nmore of it")
    error.add_note("a hint")
    with pytest.raises(ValueError, match="bad"), runfolio.init(store=store) as run:
        raise error
    assert RunDocument.read(run.folder).status.reason == "ValueError: bad shape"


def test_command_line_that_is_not_unicode_is_recorded(store: Path, fresh_python: Callable):
    assert fresh_python(START, store, os.fsdecode(b"\xff")).returncode == 0
    assert ending(store)[0] == "finished"


def test_environment_is_recorded_while_torch_is_imported(store: Path, fresh_python: Callable):
    done = fresh_python(START + "import torch", store)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = find_runs(store)
    assert "torch" in RunDocument.read(folder).environment["packages"]


def test_sigterm_handler_of_the_user_still_runs(store: Path, python: Callable):
    script = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: (print("mine"), sys.exit(7)))
"""
    done = python(script + START + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", store)
    assert (done.stdout, done.returncode) == ("mine\n", 7)
    assert ending(store)[0] == "preempted"


def test_with_block_passes_exceptions_on_unchanged(store: Path):
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, runfolio.init(store=store):
        raise error
    assert caught.value is error
    assert error.__context__ is None


def test_forked_child_does_not_end_its_parents_run(store: Path, python: Callable):
    script = (
        START
        + """
child = os.fork()
if child == 0:
    run.log({"loss": 2.0})
    run.log({"loss": 3.0})
    run.finish()
    sys.exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
run.log({"loss": 4.0})
"""
    )
    done = python(script, store)
    assert done.stdout == "5\n"
    assert done.stderr == ""
    assert ending(store)[::2] == ("finished", [1.0, 4.0])


def test_all_open_runs_end_with_the_process(store: Path, python: Callable):
    script = """
other = runfolio.init('second', store=sys.argv[1], keep_others=True)
other.log({'loss': 2.0})
raise OSError('x')
"""
    python(START + script, store)
    documents = [RunDocument.read(folder) for folder in find_runs(store)]
    assert sorted((document.name, document.status.state) for document in documents) == [
        ("net", "failed"),
        ("second", "failed"),
    ]


@pytest.mark.parametrize(
    "world",
    [
        {"HOME": ""},
        {"LC_ALL": "C", "LANG": "C"},
        {"PATH": ""},
        {"TMPDIR": "/nowhere"},
    ],
    ids=lambda world: next(iter(world)),
)
def test_odd_environment_does_not_stop_a_run(store: Path, fresh_python: Callable, world: dict):
    environment = {key: value for key, value in os.environ.items() if key != "HOME"} | world
    done = fresh_python(START, store, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert ending(store)[0] == "finished"


@pytest.mark.parametrize("before", ["os.close(1)", "os.close(2)", "os.chdir(sys.argv[2]); os.rmdir(sys.argv[2])"])
def test_closed_streams_and_a_vanished_folder_do_not_stop_a_run(
    store: Path, python: Callable, tmp_path: Path, before: str
):
    (tmp_path / "gone").mkdir()
    done = python("import os, sys\n" + before + START, store.absolute(), tmp_path / "gone")
    assert done.returncode == 0
    assert ending(store)[0] == "finished"


def test_few_open_files_are_enough(store: Path, fresh_python: Callable):
    script = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n" + START
    assert fresh_python(script, store).returncode == 0
    assert ending(store)[0] == "finished"


def test_import_creates_no_thread_file_or_socket_and_loads_nothing_heavy(tmp_path: Path, fresh_python: Callable):
    script = """
import sys, threading, os
before = set(os.listdir("/proc/self/fd"))
import runfolio
from runfolio.tracking import current, opening
heavy = [name for name in ("torch", "numpy", "pyarrow", "rich", "click", "PIL") if name in sys.modules]
print(heavy, threading.active_count(), len(set(os.listdir("/proc/self/fd")) - before))
"""
    done = fresh_python(script)
    assert done.stdout == "[] 1 0\n"
    assert list(tmp_path.iterdir()) == []
