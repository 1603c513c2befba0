"""Signals and exits at awkward moments, and processes that lack resources: the run ends correctly and completely."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import runfolio
from runfolio.record.points.reader import PointFiles

START = """
import os, signal, sys, threading, time, runfolio
run = runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
run.log({"loss": 1.0})
def later(*numbers):
    for after, number in enumerate(numbers):
        timer = threading.Timer(0.2 + 0.1 * after, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()
"""
SLOW = """
from runfolio.tracking.pipeline.queue_items import Media
def slow():
    time.sleep(0.6)
    return {"text": "slow"}
run.recorder.record(Media(run.recorder.now(), None, "text", "slow", slow))
run.log({"loss": 2.0})
"""


def ending(store: Path) -> tuple[str, list[float]]:
    run = runfolio.open(store).run("net")
    files = PointFiles(run.folder)
    assert files.problems == []
    return run.state, files.read("loss").values.tolist()


@pytest.mark.parametrize(
    ("body", "state", "status"),
    [
        ("later(signal.SIGINT, signal.SIGINT); time.sleep(9)", "interrupted", -signal.SIGINT),
        ("later(signal.SIGINT, signal.SIGTERM); time.sleep(9)", "interrupted", -signal.SIGTERM),
        ("later(signal.SIGHUP); time.sleep(9)", "preempted", -signal.SIGHUP),
        ("later(signal.SIGTERM, signal.SIGTERM); time.sleep(9)", "preempted", -signal.SIGTERM),
        ("later(signal.SIGTERM); threading.Event().wait(9)", "preempted", -signal.SIGTERM),
        ("later(signal.SIGTERM); sys.path.insert(0, sys.argv[2]); import slow", "preempted", -signal.SIGTERM),
        ("later(signal.SIGINT); sys.path.insert(0, sys.argv[2]); import slow", "interrupted", -signal.SIGINT),
    ],
)
def test_a_signal_at_an_awkward_moment(
    store: Path, python: Callable, tmp_path: Path, body: str, state: str, status: int
):
    (tmp_path / "slow.py").write_text("import time; time.sleep(9)")
    done = python(START + body, store, tmp_path)
    assert (done.returncode, ending(store)) == (status, (state, [1.0]))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_during_finish_waits_for_it(store: Path, fresh_python: Callable, number: int):
    done = fresh_python(START + SLOW + f"later({int(number)}); run.finish()", store)
    assert (done.returncode, ending(store)) == (-number, ("finished", [1.0, 2.0]))


def test_a_signal_while_a_data_loader_waits(store: Path, python_torch: Callable):
    script = """
import torch
class Slow(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, index): time.sleep(2); return index
later(signal.SIGTERM)
for batch in torch.utils.data.DataLoader(Slow(), num_workers=1): pass
"""
    done = python_torch(START + script, store)
    assert (done.returncode, ending(store)) == (-signal.SIGTERM, ("preempted", [1.0]))


def test_daemon_threads_that_log_to_the_end_harm_nobody(store: Path, python: Callable):
    script = """
def go_on():
    while True: run.log({"more": 1.0}); time.sleep(0.0001)
for _ in range(4): threading.Thread(target=go_on, daemon=True).start()
time.sleep(0.2)
"""
    done = python(START + script, store)
    assert (done.returncode, ending(store)) == (0, ("finished", [1.0]))
    assert "Traceback" not in done.stderr


def test_threads_that_log_at_once_after_the_end_harm_nobody(store: Path, python: Callable):
    script = """
sys.setswitchinterval(1e-6)
quiet = runfolio.RecordingConfig(console=False)
run.finish()
runs = [run] + [runfolio.init(f"net-{number}", store=sys.argv[1], recording=quiet) for number in range(20)]
for run in runs:
    run.finish()
    everybody = threading.Barrier(8)
    def go_on():
        everybody.wait()
        run.log({"more": 1.0})
    threads = [threading.Thread(target=go_on) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    done = python(START + script, store)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_two_runs_one_after_the_other_and_at_once_in_one_process(store: Path, python: Callable):
    script = """
other = runfolio.init("other", store=sys.argv[1], keep_others=True)
other.log({"loss": 2.0}); run.log({"loss": 3.0})
run.finish()
other.log({"loss": 4.0})
third = runfolio.init("third", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
third.log({"loss": 5.0})
"""
    assert python(START + script, store).returncode == 0
    curves = {run.name: run.metric("loss").values.tolist() for run in runfolio.open(store).runs()}
    assert curves == {"net": [1.0, 3.0], "other": [2.0, 4.0], "third": [5.0]}


@pytest.mark.parametrize(
    "before",
    [
        "import os; os.close(0)",
        "import os; os.close(0); os.close(1); os.close(2)",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (600 * 2**20,) * 2)",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))",
        "import sys; sys.stdout = sys.stderr = None",
    ],
)
def test_a_process_that_lacks_something_records_all_the_same(store: Path, fresh_python: Callable, before: str):
    assert fresh_python(f"{before}\n{START}assert run.flush()", store).returncode == 0
    assert ending(store) == ("finished", [1.0])


@pytest.mark.parametrize("flags", [["-O"], ["-OO"], ["-W", "error"], ["-I"], ["-X", "dev"]])
def test_an_interpreter_with_other_flags_records_all_the_same(store: Path, flags: list[str]):
    script = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n{START}"
    done = subprocess.run([sys.executable, *flags, "-c", script, store], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert ending(store) == ("finished", [1.0])


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that any user can reach and write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may have no more threads")
def test_init_without_threads_fails_with_one_line(everybodys: Path, fresh_python: Callable):
    script = """
import encodings.ascii, os, psutil, resource, sys, runfolio
runfolio.init  # imported now, because the other user cannot read the modules
from runfolio.errors import StoreError
os.setuid(64_321)  # a user without any other process
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    runfolio.init("net", store=sys.argv[1], recording=runfolio.RecordingConfig(console=False))
except StoreError as error:
    print(error)
print(os.listdir(sys.argv[1] + "/default"))
"""
    done = fresh_python(script, everybodys)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot start its writer thread (can't start new thread); raise the limit on threads" in done.stdout
    assert done.stdout.endswith("\n[]\n")  # nothing is left of it


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become another user")
def test_permission_that_is_lost_and_given_again_costs_no_point(everybodys: Path, python: Callable):
    """Training runs as a user to whom the owner of the folders denies the right to write for a while."""
    script = """
import os, psutil, sys, threading, time, runfolio
recording = runfolio.RecordingConfig(console=False, flush_s=0.02, heartbeat_s=0.1, patience_s=0.2, system_s=0)
run = runfolio.init("net", store=sys.argv[1], recording=recording)
assert run.flush()
folders = [run.folder, *(path for path in run.folder.rglob("*") if path.is_dir())]
for folder in folders: folder.chmod(0o755)
os.seteuid(64_321)
count = 0
def log(number):
    global count
    for _ in range(number):
        run.log({"loss": float(count)}, step=count)
        count += 1
log(100)
while run.flush(): pass
log(100)
time.sleep(0.5)
log(100)
os.seteuid(0)
for folder in folders: folder.chmod(0o777)
os.seteuid(64_321)
while not run.flush(): time.sleep(0.05)
log(100)
run.finish()
"""
    cache = everybodys / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    done = python(script, everybodys / "runs", env={**os.environ, "RUNFOLIO_CACHE": str(cache)})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot write") == 1
    assert "Permission denied" in done.stderr
    run = runfolio.open(everybodys / "runs").run("net")
    assert run.metric("loss").values.tolist() == [float(n) for n in range(400)]
    assert run.state == "finished"


def test_a_generator_that_is_closed_finishes_the_run_in_it(store: Path, python: Callable):
    script = """
def training():
    with run:
        yield 1
steps = training()
next(steps)
steps.close()
"""
    assert python(START + script, store).returncode == 0
    assert ending(store) == ("finished", [1.0])


def test_a_signal_in_the_midst_of_a_log_line_costs_no_point(store: Path, python: Callable):
    """Training never releases the lock of its handler, while the writer has to log a warning."""
    script = """
import logging
class Handler(logging.StreamHandler):
    def emit(self, record):
        if record.name == "mine":
            run.log({"loss": "no number"})
            run.log({"loss": 2.0})
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
logging.getLogger().addHandler(Handler())
logging.getLogger("mine").warning("x")
"""
    assert python(START + script, store).returncode == -signal.SIGTERM
    assert ending(store) == ("preempted", [1.0, 2.0])
