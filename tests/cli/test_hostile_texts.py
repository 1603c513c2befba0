"""A run whose every text is hostile: no command lets it steer the terminal, reorder a line or write one of its own."""

import ast
import csv
import io
import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orjson import dumps, loads

import runfolio as rf
from runfolio.cli.output import console
from runfolio.record.base.layout import CONSOLE

ESCAPES = "\x1b[31mred\x1b[2J\x1b]8;;http:evil\x1b\\link\x1b]8;;\x07\x9b2J"
CONTROLS = f"{ESCAPES}c1\x7f\r\b\0\u202eorder\u2066isolate\u200b\u200d\u2028"
FORGED = "FORGED"
LINE = f"a [red]b[/] {CONTROLS}\n{FORGED} line\n\n{FORGED}"
"""Value for fields of one line. It contains markup of rich, which must be printed as plain text."""
LINES = f"first\n\tsecond {CONTROLS}\n"
"""Value for fields that may have several lines."""
FILE_NAME = LINE.replace("/", "").replace("\0", "")
_STRUCTURE = {
    *("runfolio", "id", "created", "ended", "state", "cause", "attempt", "parent", "writer", "started", "kept"),
    *("fingerprint", "sha256", "diff", "saved", "position", "seq", "time_us", "kind", "file", "generators", "axes"),
}
"""Fields whose values are validated when they are read, so that they cannot contain arbitrary text."""


def hostile(value: Any) -> Any:
    """Return a document of a record with `LINE` added to each string and name."""
    if isinstance(value, dict):
        return {
            key: entry if key in _STRUCTURE else LINES if key in ("notes", "traceback") else hostile(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [hostile(entry) for entry in value]
    return value + LINE if isinstance(value, str) else value


def named_hostile(names: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}{LINE}": value for name, value in names.items()}


def make_hostile(folder: Path, *, reason: str | None) -> None:
    """Rewrite the record of a run, and give its folder such a name too."""
    document = hostile(loads((folder / "run.json").read_bytes()))
    document["status"] |= {"reason": reason, "state": "failed" if reason else "finished"}
    document["status"]["traceback"] = reason and f"Traceback:\n{LINES}ValueError: {CONTROLS}"
    document["code"] |= dict.fromkeys(("remote", "branch", "git_problem", "module"), LINE) | {"commit": LINE}
    document["environment"] |= {"host": LINE, "device": LINE, "driver": LINE, "container": {"kind": LINE}}
    document["series"] = {"name": LINE}
    document["lineage"] = {"kind": "fork", "run": LINE, "name": LINE, "checkpoint": LINE, "step": 3}
    for names in ("config", "summary", "data", "refused"):
        document[names] |= named_hostile(document[names])
    document["refused"] |= {LINE: 2}
    (folder / "run.json").write_bytes(dumps(document))
    for path in (*folder.glob("code/*.json"), *folder.glob("artifacts/*.json")):
        path.write_bytes(dumps(hostile(loads(path.read_bytes()))))
    for path in folder.glob("media/*.jsonl"):
        head, *lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(head + b"".join(dumps(hostile(loads(line))) + b"\n" for line in lines))
    for path in folder.glob("checkpoints/best.json"):
        path.rename(path.with_name(f"{FILE_NAME}.json"))
    (folder / CONSOLE).mkdir(exist_ok=True)
    (folder / CONSOLE / f"{document['attempts'][-1]['writer']}.log").write_text(LINES * 3)
    folder.rename(folder.with_name(f"{folder.name}{FILE_NAME}"))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two hostile runs, one that finished and one that failed; only the last test may write to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNFOLIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RUNFOLIO_CONSOLE", "off")
        store = tmp_path_factory.mktemp("sent") / "runs"
        for lr, reason in ((0.1, None), (0.2, f"boom {LINE}")):
            with rf.init("net", config={"lr": lr, "deep": {"word": "x"}}, tags=["t"], notes="n", store=store) as run:
                for step in range(2):
                    run.log({"val/acc": step * lr, f"val/{LINE}": step * lr, f"{LINE}/acc": 0.5}, step=step)
                run.log_histogram(f"weights {LINE}", np.arange(9.0))
                run.log_text("architecture", LINES)
                run.log_data("train", np.zeros(4), source="source")
                run.checkpoint(step=1, metric=0.5)
                run.summary["word"] = "w"
            make_hostile(run.folder, reason=reason)
    return store


READING = [
    *(["runs"], ["runs", "--columns", "name,notes,reason,folder,tags,series,lineage,host,device,commit,word"]),
    *(["runs", "--archived", "--state", LINE], ["runs", "--sort", LINE], ["trash"], ["undelete"], ["doctor"]),
    *(
        ["show", "{0}"],
        ["show", "{1}"],
        ["show", "{0}", "--all"],
        ["show", "{0}", "--code"],
        ["show", "{0}", "--rank", "1"],
    ),
    *(["show", f"net{LINE}"], ["show", LINE], ["show", "best", "--metric", LINE], ["runs", "--no-such" + LINE]),
    *(["logs", "{1}"], ["logs", "{1}", "-n", "2"], ["note", "{0}"], ["tag", "{0}"], ["best", "val/acc"]),
    *(["best", f"val/{LINE}"], ["compare", "{0}", "{1}"], ["compare", "{0}", "{1}", "--all"]),
    *(["compare", "--experiment", f"default{LINE}", "--group-by", "lr"], ["diff", "{0}", "{1}"]),
    *(["plot", "val/acc"], ["plot", f"val/{LINE}", "{0}"], ["plot", "--title", LINE, "val/acc", "--x", f"val/{LINE}"]),
    *(["plot", "--scatter", "lr", f"val/{LINE}", "--color", "name"], ["plot", "--parallel", f"val/{LINE}"]),
    *(["plot", "--histogram", f"weights {LINE}", "{0}"], ["plot", LINE]),
    *(["reproduce", "{0}", "--dry-run"], ["resume", "{1}"], ["fork", "{0}"], ["--debug", "resume", LINE]),
    *(["evaluate", "{0}"], ["predict", "{0}", "--sample", "2"], ["purge", LINE], ["delete", LINE]),
]


def assert_harmless(text: str) -> None:
    hidden = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}
    assert not hidden, text
    assert not [line for line in text.split("\n") if line.strip().startswith(FORGED)], text


def run_ids(store: Path) -> list[str]:
    """Return the id of the run that finished, then that of the one that failed."""
    return [run.id for run in sorted(rf.open(store).runs(archived=True), key=lambda run: run.state, reverse=True)]


def words(store: Path, command: list[str]) -> list[str]:
    """Return a command with the ids of the two runs in the place of {0} and {1}."""
    ids: dict[str, str] = dict(zip(("{0}", "{1}"), run_ids(store), strict=True))
    return [ids.get(word, word) for word in command]


@pytest.mark.parametrize("command", READING, ids=lambda command: ascii(" ".join(command))[1:30])
def test_a_command_prints_hostile_texts_harmlessly(runfolio, record: Path, command: list[str]):
    done = runfolio(*words(record, command), "--store", record)
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    assert done.exit_code in (0, 1, 2)
    assert done.stdout or done.stderr


def test_a_picture_of_hostile_names_holds_no_controls(runfolio, record: Path, tmp_path: Path):
    done = runfolio("plot", "val/acc", f"val/{LINE}", "--out", tmp_path / "curves.svg", "--store", record)
    assert done.exit_code == 0, done.output
    assert_harmless((tmp_path / "curves.svg").read_text())


@pytest.mark.parametrize("command", [["runs"], ["show", "{0}"], ["show", "{1}"], ["compare", "{0}", "{1}"]])
def test_json_says_exactly_what_the_record_says(runfolio, record: Path, command: list[str]):
    done = runfolio(*words(record, command), "--json", "--store", record)
    assert_harmless(done.stdout)
    texts = json.dumps(json.loads(done.stdout), ensure_ascii=False)
    assert json.dumps(LINE, ensure_ascii=False)[1:-1] in texts


def test_csv_cells_hold_no_control_characters_but_newlines(runfolio, record: Path):
    done = runfolio("runs", "--csv", "--store", record)
    raw = {char for char in done.stdout if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert raw <= {"\n", "\t"}
    names, *rows = csv.reader(io.StringIO(done.stdout))
    assert len(rows) == 2
    assert {len(row) for row in rows} == {len(names)}
    assert any(FORGED in cell for cell in rows[0])


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+2", "'=1+2"),
        ("+1", "'+1"),
        ("-cmd", "'-cmd"),
        ("@sum", "'@sum"),
        ("\t=1", "'\t=1"),
        ("\r=1", r"'\r=1"),
        (-0.5, "-0.5"),
        ("a=1", "a=1"),
        ('say "a"\nb', 'say "a"\nb'),
    ],
)
def test_a_csv_cell_of_text_is_never_a_formula(runfolio, store: Path, text: str | float, cell: str):
    with rf.init("net", config={"word": text}, store=store):
        pass
    _, (value,) = csv.reader(io.StringIO(runfolio("runs", "--columns", "word", "--csv", "--store", store).stdout))
    assert value == cell


def test_a_terminal_gets_no_control_characters(record: Path, tmp_path: Path):
    ours, theirs = pty.openpty()
    ids = run_ids(record)
    command = [sys.executable, "-m", "runfolio", "show", ids[1], "--all", "--store", str(record)]
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0, output
    assert_harmless(output.replace(b"\r\n", b"\n").decode())
    assert rb"\u202eorder" in output


def test_runs_at_a_python_prompt_are_harmless(record: Path):
    runs = rf.open(record).runs()
    for text in (repr(runs), *map(repr, runs)):
        assert_harmless(text)
        assert "\\x1b[2J" in text


def test_the_lines_of_a_run_on_stderr_are_harmless(store: Path, capsys, caplog, monkeypatch):
    monkeypatch.setenv("RUNFOLIO_QUIET", "0")
    folder = store.parent / f"sent {FILE_NAME}"
    with rf.init("net", store=folder) as run:
        run.log({LINE: object()})
    printed = capsys.readouterr().err
    assert "runfolio: net" in printed
    assert_harmless(printed)
    assert_harmless(caplog.text)
    assert caplog.text


def test_writing_commands_print_hostile_texts_harmlessly(runfolio, record: Path):
    first, second = run_ids(record)
    for command in (
        ["archive", first],
        ["unarchive", first],
        ["rename", first, "better"],
        ["tag", first, "+good"],
        ["delete", second, "--yes"],
        ["trash"],
        ["undelete"],
        ["undelete", second],
        ["doctor", "--repair"],
        ["delete", second, "--yes"],
        ["purge", "--yes"],
    ):
        done = runfolio(*command, "--store", record)
        assert_harmless(done.stdout)
        assert_harmless(done.stderr)
        assert done.stdout or done.stderr


_PRINTING = {"print", "echo", "secho", "echo_via_pager", "confirm", "prompt", "Console", "print_exc", "print_exception"}
_READING_STREAMS = (".isatty()", ".flush()", ".fileno()", "output = sys.stderr if as_json")
"""Uses of a stream that print nothing: it is asked about, flushed, or given to the program that is repeated."""


def test_commands_print_by_one_module_alone():
    assert console.__file__
    module = Path(console.__file__)
    paths = [path for path in module.parents[1].rglob("*.py") if path != module]
    assert len(paths) > 50
    for path in paths:
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                is_own = name == "confirm" and isinstance(node.func, ast.Name)  # of output/confirm.py
                assert name not in _PRINTING or is_own, f"{path.name}:{node.lineno} prints by itself"
            elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"):
                is_read = any(use in lines[node.lineno - 1] for use in _READING_STREAMS)
                assert is_read, f"{path.name}:{node.lineno} writes to a stream"
