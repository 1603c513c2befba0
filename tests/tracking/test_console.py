"""Recording of the console without user code, invisible to users of the terminal or the file."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.record.base.layout import find_runs
from runfolio.tracking.console.helper_program import Stream

START = """
import os, signal, subprocess, sys, time, runfolio
run = runfolio.init("net", store=sys.argv[1])
"""


@pytest.fixture(autouse=True)
def recorded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNFOLIO_CONSOLE")


def console(store: Path) -> str:
    """Return the console logs of all runs, oldest first."""
    logs = [log for folder in find_runs(store) for log in (folder / "console").glob("*.log")]
    return "".join(log.read_text() for log in sorted(logs, key=lambda log: log.stat().st_ctime_ns))


def wait_for(what: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def on_a_terminal(
    script: str,
    *arguments: object,
    size: tuple[int, int] = (24, 80),
    typed: bytes = b"",
) -> tuple[bytes, int]:
    """Return a script's output to a terminal of `size` (rows, columns), and its exit status. `typed` answers `?`."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        os.execve(
            sys.executable,
            [sys.executable, "-c", script, *map(str, arguments)],
            {**environment, "TERM": "xterm-256color"},
        )
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # the last writer has closed it
                break
            shown += data
            if typed and b"?" in shown:
                os.write(master, typed)
                typed = b""
    os.close(master)
    return shown, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_output_of_python_c_code_and_children_is_recorded_in_order(store: Path, python: Callable):
    script = """
print("python")
sys.stderr.write("error stream\\n")
os.write(1, b"descriptor\\n")
import ctypes; libc = ctypes.CDLL(None); libc.puts(b"c code"); libc.fflush(None)
subprocess.run(["sh", "-c", "echo child; echo child error >&2"], check=True)
child = os.fork()
if child == 0:
    os.write(1, b"forked\\n"); os._exit(0)
os.waitpid(child, 0)
print("no newline at the end", end="")
"""
    done = python(START + script.replace('print("python")', 'print("python", flush=True)'), store)
    assert done.returncode == 0
    assert done.stdout == "python\ndescriptor\nc code\nchild\nforked\nno newline at the end"
    assert done.stderr == "error stream\nchild error\n"
    assert sorted(console(store).splitlines()) == sorted((done.stdout + "\n" + done.stderr).splitlines())


def test_two_streams_to_one_file_keep_their_order(store: Path, tmp_path: Path):
    script = (
        START
        + """
for number in range(500):
    print(number, file=(sys.stdout, sys.stderr)[number % 2], flush=True)
run.finish()
print("after", flush=True)
"""
    )
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", script, store], stdout=out, stderr=subprocess.STDOUT, check=True)
    numbers = [*map(str, range(500))]
    assert (tmp_path / "out.txt").read_text().splitlines() == [*numbers, "after"]
    assert console(store).splitlines() == numbers


def test_terminal_gets_the_same_bytes_with_and_without_recording(store: Path):
    script = """
import os, sys, shutil
if sys.argv[2] == "on":
    import runfolio
    run = runfolio.init("net", store=sys.argv[1])
import rich.console, tqdm
print(sys.stdout.isatty(), sys.stderr.isatty(), shutil.get_terminal_size(), os.get_terminal_size(2))
for _ in tqdm.tqdm(range(3), mininterval=0, bar_format="{l_bar}{bar}|"): print("\\x1b[31mred\\x1b[0m", flush=True)
rich.console.Console().print("[bold]wide", justify="right")
"""
    plain, _ = on_a_terminal(script, store, "off", size=(30, 101))
    recorded, status = on_a_terminal(script, store, "on", size=(30, 101))
    assert recorded == plain
    assert status == 0
    assert b"True True os.terminal_size(columns=101, lines=30)" in recorded
    assert "wide" in console(store)
    assert "\x1b" not in console(store)


def test_question_can_be_answered(store: Path):
    script = START + "print('it is', input('how many? '))"
    shown, status = on_a_terminal(script, store, typed=b"twelve\n")
    assert (status, shown) == (0, b"how many? twelve\r\nit is twelve\r\n")
    assert "it is twelve" in console(store)


def test_change_of_window_size_is_passed_on(store: Path):
    script = (
        START
        + """
got = []
signal.signal(signal.SIGWINCH, lambda *_: got.append(1))
time.sleep(0.5)
import fcntl, struct, termios
fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 77, 0, 0))
deadline = time.time() + 10
while os.get_terminal_size(1).columns != 77 and time.time() < deadline: time.sleep(0.01)
print(os.get_terminal_size(1), bool(got))
"""
    )
    shown, _ = on_a_terminal(script, store)
    assert shown == b"os.terminal_size(columns=77, lines=11) True\r\n"


def test_second_run_of_a_process_has_its_own_log(store: Path, python: Callable):
    script = (
        START
        + """
print("first", flush=True)
run.finish()
print("between", flush=True)
with runfolio.init("other", store=sys.argv[1]):
    print("second")
print("after")
"""
    )
    done = python(script, store)
    assert done.stdout == "first\nbetween\nsecond\nafter\n"
    assert console(store) == "first\nsecond\n"


def test_runs_of_threads_that_start_at_once_share_one_helper(store: Path, python: Callable):
    script = """
import sys, threading, runfolio
together = threading.Barrier(4)
def fold(number):
    together.wait()
    with runfolio.init(f"fold{number}", store=sys.argv[1]):
        if together.wait() == 0:
            print("all are open", flush=True)
        together.wait()
threads = [threading.Thread(target=fold, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    assert python(script, store).stdout == "all are open\n"
    assert console(store).count("all are open") == 4


def test_last_output_of_a_killed_process_is_logged(store: Path, python: Callable):
    """The process prints 10,000 lines and is killed immediately after the last."""
    script = (
        START
        + """
for number in range(10_000): print("line", number)
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = python(script, store)
    lines = [f"line {number}" for number in range(10_000)]
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines() == lines
    wait_for(lambda: console(store).splitlines() == lines)


@pytest.fixture
def helpers(store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[psutil.Process]]:
    """Return the console helpers of this test's processes after they have become orphans."""
    monkeypatch.setenv("TEST_STORE", str(store))

    def helpers() -> list[psutil.Process]:
        scripts = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            environment = process.info["environ"] or {}
            if environment.get("TEST_STORE") == str(store) and "runfolio.tracking.console.helper_program" in (
                process.info["cmdline"] or []
            ):
                scripts.append(process)
        return scripts

    return helpers


def test_killed_helper_only_ends_the_log(store: Path, tmp_path: Path, helpers: Callable):
    script = (
        START
        + """
print("ready", flush=True)
child = subprocess.Popen(["sh", "-c", f"until test -e {sys.argv[2]}2; do sleep 0.1; done; seq 20000"])
while not os.path.exists(sys.argv[2]): time.sleep(0.01)
for number in range(20_000): os.write(1, b"line %d\\n" % number)
open(sys.argv[2] + "2", "w").close()
child.wait()
time.sleep(1)
print("still here")
"""
    )
    command = [sys.executable, "-c", script, str(store), str(tmp_path / "go")]
    training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: console(store) == "ready\n" and len(helpers()) == 1)
    (helper,) = helpers()
    helper.kill()
    helper.wait()
    (tmp_path / "go").touch()
    stdout, stderr = training.communicate(timeout=60)
    printed = stdout.splitlines()
    assert training.returncode == 0, stderr
    lines = [line for line in printed if line.startswith("line")]
    assert sorted(lines) == sorted(f"line {number}" for number in range(20_000))  # a few lines may change places
    assert [line for line in printed if line.isdigit()] == [f"{number}" for number in range(1, 20_001)]
    assert printed[-1] == "still here"
    assert stderr.count("the console is no longer recorded") == 1


def test_closed_reader_has_the_same_effect_as_without_recording(store: Path):
    script = (
        START
        + """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
while True: os.write(1, b"line\\n" * 100)
"""
    )
    command = f'"{sys.executable}" -c "$SCRIPT" "{store}" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "SCRIPT": script}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["line", str(128 + signal.SIGPIPE)]


def test_no_helper_outlives_its_training(store: Path, python: Callable, helpers: Callable):
    python(START + "print('hello')", store)
    wait_for(lambda: not helpers())


@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2"])
def test_closed_streams_leave_the_others_recorded(store: Path, closed: str):
    numbers = [number for number in (1, 2) if str(number) not in closed]
    script = START + f"for number in {numbers}: os.write(number, b'%d\\n' % number)"
    closing = " ".join(f"{number}>&-" for number in closed.split())
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$SCRIPT" "{store}" {closing}'],
        env={**os.environ, "SCRIPT": script},
        capture_output=True,
        text=True,
        timeout=60,
    )
    printed = "".join(f"{number}\n" for number in numbers)
    assert (done.returncode, done.stdout + done.stderr) == (0, printed)
    assert console(store) == printed
    assert len(list(find_runs(store))) == 1


@pytest.mark.parametrize("off", ["import os; os.environ['RUNFOLIO_CONSOLE'] = 'off'\n", ""])
def test_console_recording_can_be_turned_off(store: Path, python: Callable, off: str):
    script = (
        START
        if off
        else START.replace("sys.argv[1])", "sys.argv[1], recording=runfolio.RecordingConfig(console=False))")
    )
    done = python(off + script + "print('hello')", store)
    assert done.stdout == "hello\n"
    assert console(store) == ""
    assert len(list(find_runs(store))) == 1


def test_missing_helper_process_only_prevents_the_log(store: Path, python: Callable):
    done = python(
        "import sys; sys.executable = '/nowhere/python'" + START + "run.log({'loss': 1.0}); print('trained')", store
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.count("console is not recorded") == 1


def test_many_runs_leak_no_descriptors(store: Path, python: Callable):
    script = (
        START
        + """
count = lambda: len(os.listdir("/proc/self/fd"))
run.finish()
before = count()
for _ in range(5): runfolio.init(store=sys.argv[1]).finish()
print(count() - before)
"""
    )
    assert python(script, store).stdout == "0\n"


@pytest.mark.parametrize("within", ["pass", "runfolio.init(store=sys.argv[1]).finish()"], ids=["one by one", "nested"])
def test_repeated_redirection_of_streams_leaks_no_descriptors(store: Path, python: Callable, within: str):
    script = (
        START
        + f"""
def lead(name):
    file = os.open(name, os.O_CREAT | os.O_WRONLY)
    os.dup2(file, 1)
    os.close(file)
count = lambda: len(os.listdir("/proc/self/fd"))
run.finish()
before = count()
for number in range(3):
    with runfolio.init(store=sys.argv[1]):
        lead(f"elsewhere{{number}}")
        {within}
until = time.monotonic() + 20
most = before + 2  # nested, the last one's stderr leads through the one before
while count() > most and time.monotonic() < until: time.sleep(0.05)
print(count() <= most, file=sys.stderr)
"""
    )
    assert python(script, store).stderr == "True\n"


def test_streams_redirected_during_or_between_runs_stay_redirected(store: Path, tmp_path: Path, python: Callable):
    script = (
        START
        + """
def lead(name): os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY), 1)
print("first", flush=True)
run.finish()
lead("elsewhere")
with runfolio.init(store=sys.argv[1]):
    print("second", flush=True)
    lead("further")
print("third", flush=True)
"""
    )
    done = python(script, store)
    assert (done.stdout, console(store)) == ("first\n", "first\nsecond\n")
    assert (tmp_path / "elsewhere").read_text() == "second\n"
    assert (tmp_path / "further").read_text() == "third\n"


def test_last_flush_without_a_reader_is_not_a_failure(store: Path):
    script = START + "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\nprint('x' * 200_000)"
    command = f'"{sys.executable}" -c "$SCRIPT" "{store}" | true; echo "${{PIPESTATUS[0]}}"'
    environment = {**os.environ, "SCRIPT": script, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout in ("120\n", "1\n")
    time.sleep(0.3)
    assert runfolio.open(store).run("net").state == ("finished" if done.stdout == "120\n" else "failed")


@given(st.lists(st.sampled_from([b"\x1b", b"_", b"mark", b"\x1b_", b"text"]), max_size=8), st.data())
def test_marks_are_removed_even_if_split_into_pieces(before: list[bytes], data: st.DataObject):
    marks = [b"\x1b_mark1\x1b\\", b"\x1b_mark2\x1b\\"]  # of two runs that two threads end at once
    printed = b"".join(before)
    first, second = data.draw(st.permutations(marks))
    whole = printed + first + b"between" + second + b"after"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    source, sink = os.pipe()
    stream = Stream(source, sink)
    for mark in marks:
        stream.expect(mark)
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert b"".join(map(stream.without_marks, pieces)) == printed + b"betweenafter"
    assert not any(map(stream.expects, marks))
    os.close(source)
    os.close(sink)


def test_workers_of_a_data_loader_are_recorded(store: Path, python_torch: Callable):
    script = (
        START
        + """
import torch
from torch.utils.data import DataLoader, Dataset
class Data(Dataset):
    def __len__(self): return 4
    def __getitem__(self, index):
        os.write(1, b"item %d\\n" % index)
        return index
for batch in DataLoader(Data(), num_workers=2): pass
"""
    )
    done = python_torch(script, store)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(console(store).splitlines()) == [f"item {index}" for index in range(4)]


def test_lines_are_added_to_the_log_of_one_run_and_not_printed(store: Path, python):
    script = (
        START
        + """
other = runfolio.init("other", store=sys.argv[1], keep_others=True)
print("printed", flush=True)
run.log_console("epoch 1\\nepoch 2 " + "\N{GRINNING FACE}" * 9000)
run.finish()
run.log_console("too late")
other.finish()
"""
    )
    done = python(script, store)

    assert done.stdout == "printed\n"
    logs = {folder.name.partition("-")[0]: folder / "console" for folder in find_runs(store)}
    net, other = ("".join(path.read_text() for path in logs[name].glob("*.log")) for name in ("net", "other"))
    assert {line[:9] for line in net.splitlines()} == {"printed", "epoch 1", "epoch 2 \N{GRINNING FACE}"}
    assert other == "printed\n"
