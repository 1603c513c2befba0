"""`runfolio tensorboard` starts the real one on the store, with every run that has ended in it."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

import runfolio as rf
from runfolio.record.base.layout import event_files
from runfolio.tensorboard import server


@pytest.fixture
def served(in_a_shell, store: Path):
    """The program on `store`, and the address that it named."""
    started: list[subprocess.Popen[str]] = []

    def serve() -> tuple[subprocess.Popen[str], str]:
        program = in_a_shell("tensorboard", "--store", store, "--port", "0", start_new_session=True)
        started.append(program)
        said = program.stdout.readline()
        match = re.fullmatch(rf"TensorBoard shows {store} at (http://\S+); Ctrl-C stops it\n", said)
        assert match, said
        return program, match[1]

    yield serve
    for program in started:
        program.terminate()  # not kill, which TensorBoard would outlive
        program.communicate()


def runs_at(url: str, expected: int) -> list[str]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}data/runs", timeout=10) as answer:
            if len(runs := json.loads(answer.read())) >= expected:
                return runs
        time.sleep(0.05)
    return []


def test_lines_of_the_server_hold_no_control_characters(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(server, "sys", SimpleNamespace(executable=str(tmp_path / "python"), stderr=sys.stderr))
    (tmp_path / "python").write_text(
        "#!/bin/sh\n"
        "echo 'TensorBoard at http://127.0.0.1:6006/ (Press CTRL+C to quit)' >&2\n"
        "printf 'run \\033]0;owned\\007 \\033[31mred\\033[0m \\302\\23331m failed\\n' >&2\n"
    )
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    addresses: list[str] = []

    server.serve(tmp_path, "127.0.0.1", None, addresses.append)

    assert addresses == ["http://127.0.0.1:6006/"]
    assert capsys.readouterr().err == r"run \x1b]0;owned\x07 \x1b[31mred\x1b[0m \x9b31m failed" + "\n"


def ask(url: str, path: str, **query: str):
    with urllib.request.urlopen(f"{url}data/{path}?{urlencode(query)}", timeout=10) as answer:
        return json.loads(answer.read())


def test_runs_without_event_files_get_them_and_ctrl_c_ends_it(served, store: Path):
    for mirrored in (True, False):
        with rf.init("net", experiment="demo", store=store, tensorboard=mirrored) as run:
            run.log({"loss": 1.0})

    program, url = served()
    assert sorted(runs_at(url, 2)) == sorted(recorded.run_path for recorded in rf.open(store).runs())
    assert len(event_files(run.folder)) == 1
    program.send_signal(signal.SIGINT)  # as a terminal would, to TensorBoard as well: here it follows
    _, errors = program.communicate(timeout=20)
    assert "Traceback" not in errors
    assert program.returncode == 130


def test_running_run_without_event_files_is_followed(served, store: Path):
    run = rf.init("open", experiment="demo", store=store)
    run.log({"loss": 1.0}, step=0)
    run.flush()
    name = run.folder.relative_to(store).as_posix()
    _, url = served()
    assert runs_at(url, 1) == [name]

    run.log({"loss": 2.0}, step=1)
    run.finish()
    deadline = time.monotonic() + 60
    while len(points := ask(url, "plugin/scalars/scalars", run=name, tag="loss")) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)

    assert [(step, value) for _, step, value in points] == [(0, 1.0), (1, 2.0)]
    assert event_files(run.folder) == {}


def test_nothing_is_left_when_it_is_terminated(served, store: Path):
    with rf.init("net", store=store, tensorboard=True):
        pass
    program, url = served()
    program.terminate()
    program.wait(timeout=20)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_occupied_port_is_reported(served, in_a_shell, store: Path):
    with rf.init("net", store=store, tensorboard=True):
        pass
    _, url = served()
    port = re.search(r":(\d+)", url)
    assert port
    second = in_a_shell("tensorboard", "--store", store, "--port", port[1])
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 2
    assert errors.startswith("error: TensorBoard did not start")
    assert f"port {port[1]}" in errors
    assert "choose a different one with --port and --host" in errors
    assert len(errors.splitlines()) == 1


def test_show_names_the_event_file(runfolio, store: Path):
    with rf.init("net", store=store, tensorboard=True) as run:
        pass
    (path,) = event_files(run.folder).values()
    assert path.name in runfolio("show", run.id, "--store", store).output


def test_a_store_that_is_not_there(runfolio):
    assert "there is no store at" in runfolio("tensorboard", "--store", "nowhere").output
