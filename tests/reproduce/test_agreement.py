"""Users agree to the program that is started: the printed plan shows its exact arguments for any record."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from orjson import dumps, loads

import runfolio
from runfolio.cli.pages.reproduce import print_plan
from runfolio.errors import RunfolioError
from runfolio.query.run import RecordedRun
from runfolio.reproduce.checkout import checked_out
from runfolio.reproduce.child import run_command
from runfolio.reproduce.plan import Plan, ReproduceOptions, make_plan

from .conftest import Project, typed

REPORTING = """\
import json, os, pathlib, sys

if "REPORT" in os.environ:
    environment = pathlib.Path("/proc/self/environ").read_bytes().split(b"\\0")[:-1]
    started = {"command": sys.orig_argv, "folder": os.getcwd(), "environment": [os.fsdecode(it) for it in environment]}
    pathlib.Path(os.environ["REPORT"]).write_text(json.dumps(started))
    sys.exit()

import runfolio

runfolio.init("net").finish()
"""
HIDDEN = ["a\nfolder   /home", "\x1b[2K", "\u202e", "a\u2066b", "\r", "\x9b1A", "\u200b", "\u2028set      A=1", "\x7f"]
FIELDS = ("code", "from", "changed", "kept", "link", "venv", "install", "folder", "command", "set", "unset", "note")
hostile_words = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.text(" '\"\\$`;&|-=~#*?[]{}é", max_size=12),
    st.sampled_from(
        [*HIDDEN, "", "-c", "--", "$(touch x)", "'; touch x; '", "set      LD_PRELOAD=x", " " * 70 + "kept"]
    ),
)
hostile_paths = st.lists(hostile_words, min_size=1, max_size=3).map("/".join)
hostile_variables = st.dictionaries(
    st.sampled_from(
        [
            *("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "TZ", "LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH"),
            *("BASH_ENV", "GIT_SSH_COMMAND", "HTTPS_PROXY", "PYTHONSTARTUP", "XLA_FLAGS", "NCCL_NET_PLUGIN", "a\nb"),
        ]
    ),
    hostile_words,
    max_size=4,
)
TAKEN = {"OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "TZ", "PYTHONPATH"}


@pytest.fixture
def sent(project: Project) -> RecordedRun:
    """A run without a repository, whose script reports how it was started."""
    (project.folder / "train.py").write_text(REPORTING)
    return project.start("train.py")


def edit(run: RecordedRun, **sections: dict[str, Any]) -> None:
    path = run.folder / "run.json"
    document = loads(path.read_bytes())
    for name, changes in sections.items():
        document[name] |= changes
    path.write_bytes(dumps(document))


def add_kept_files(run: RecordedRun, names: list[str]) -> None:
    """Set the names of the recorded files, in addition to the name of the script."""
    (path,) = (run.folder / "code").glob("*.json")
    document = loads(path.read_bytes())
    script = next(file for file in document["files"] if file["why"] == "script")
    document["files"] = [script, *({**script, "path": name, "why": "imported"} for name in names)]
    path.write_bytes(dumps(document))


def read_plan(plan: Plan) -> dict[str, list[str]]:
    """Return the strings of each field as a reader of the page sees them."""
    with contextlib.redirect_stdout(io.StringIO()) as page:
        print_plan(plan, [], None)
    text = page.getvalue()
    assert not {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")} - {"\n", "\u200d"}
    _, *lines = text.partition("\n\n")[0].split("\n")
    fields: dict[str, list[str]] = {name: [] for name in FIELDS}
    for line in lines:
        fields[line[:8].rstrip()].append(line[9:])
    return fields


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.lists(hostile_words, max_size=4),
    variables=hostile_variables,
    names=st.lists(hostile_paths, max_size=3, unique=True),
    subfolder=st.just("") | hostile_paths,
)
def test_the_printed_plan_is_what_is_started_set_and_written(
    sent: RecordedRun,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variables: dict[str, str],
    names: list[str],
    subfolder: str,
):
    report = project.store.parent / "report.json"
    report.unlink(missing_ok=True)
    monkeypatch.setenv("REPORT", str(report))
    edit(
        sent,
        code={"command": ["train.py", *arguments], "folder": f"{project.folder}/{subfolder}".rstrip("/")},
        environment={"variables": variables},
    )
    add_kept_files(sent, names)
    folder = project.temporary / "fresh"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run = runfolio.open(project.store).run(sent.id)
        plan = make_plan(run, ReproduceOptions(), fresh_folder=folder, store=project.store)
        with checked_out(plan, keep=False):
            written = {path.relative_to(plan.tree).as_posix() for path in plan.tree.rglob("*") if path.is_file()}
            fields = read_plan(plan)
            assert run_command(plan) == 0
    except RunfolioError as error:
        event(f"refused: {type(error).__name__}")
        assert not report.exists()
        return
    event("started")
    started = json.loads(report.read_text())
    words = {
        name: [shlex.split(text) for text in fields[name]] for name in ("command", "folder", "kept", "set", "unset")
    }
    assert words["command"] == [started["command"]]
    assert words["folder"] == [[started["folder"]]]
    assert {path for (path,) in words["kept"]} == written
    changed = dict(text.split("=", 1) for (text,) in words["set"])
    unset = {name for names in words["unset"] for name in names}
    expected = {name: value for name, value in os.environ.items() if name not in unset} | changed
    assert dict(text.split("=", 1) for text in started["environment"]) == expected
    assert not changed.keys() & (variables.keys() - TAKEN)


@pytest.mark.parametrize(
    ("field", "text", "hide"),
    [
        ("the command", "\x1b[1A\x1b[2K", lambda run, text: edit(run, code={"command": ["train.py", text]})),
        ("the command", "\u202eyp.tset\u202c", lambda run, text: edit(run, code={"command": ["train.py", text]})),
        ("a variable", "\nset      A=1", lambda run, text: edit(run, environment={"variables": {"TZ": text}})),
        ("the path of a captured file", "\nfolder   /home", lambda run, text: add_kept_files(run, [f"a{text}b.py"])),
        ("the folder", "\r", lambda run, text: edit(run, code={"folder": f"{run.code.info['folder']}/a{text}b"})),
    ],
)
def test_a_plan_with_hidden_characters_is_refused(
    sent: RecordedRun, project: Project, field: str, text: str, hide: Callable[[RecordedRun, str], None]
):
    hide(sent, text)
    done = typed(project, sent.id, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"is not repeated: {field} contains control or bidirectional characters" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(project.temporary.iterdir())


def test_variables_that_load_or_execute_are_not_taken_and_named(
    sent: RecordedRun, project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NCCL_NET_PLUGIN", "ours")
    loading = {"LD_PRELOAD": "evil.so", "NCCL_NET_PLUGIN": "evil.so", "XLA_FLAGS": "x", "PYTHONPATH": "/evil"}
    edit(sent, environment={"variables": {**loading, "OMP_NUM_THREADS": "3"}})
    done = typed(project, sent.id, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "set      OMP_NUM_THREADS=3\n" in done.stdout
    assert "evil.so" not in done.stdout
    assert (
        "note     these recorded variables are not set, for safety: LD_PRELOAD, NCCL_NET_PLUGIN, XLA_FLAGS,"
        " /evil of PYTHONPATH; set them yourself if the run needs them\n"
    ) in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("unset") and "NCCL_NET_PLUGIN" in line]


def test_uncommitted_changes_are_named_file_by_file(project: Project):
    project.commit()
    (project.folder / "model.py").write_text((project.folder / "model.py").read_text() + "# changed\n")
    run = project.start("train.py", "--seed", "7")
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("changed")] == ["changed  model.py"]


def test_a_patch_that_hides_a_file_names_it(project: Project):
    project.commit()
    (project.folder / "model.py").write_text((project.folder / "model.py").read_text() + "# changed\n")
    run = project.start("train.py", "--seed", "7")
    (path,) = (run.folder / "code").glob("*.json")
    document = loads(path.read_bytes())
    kept = run.folder / "code" / "files" / document["diff"]
    appended = "--- /dev/null\n+++ b/sitecustomize.py\n@@ -0,0 +1 @@\n+print('hidden')\n"
    patch = kept.read_bytes() + appended.encode()
    digest = subprocess.run(["sha256sum"], input=patch, capture_output=True, check=True).stdout.split()[0].decode()
    kept.with_name(digest).write_bytes(patch)
    path.write_bytes(dumps({**document, "diff": digest, "diff_bytes": len(patch)}))
    done = typed(project, run.id, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "changed  sitecustomize.py\n" in done.stdout


@pytest.mark.parametrize("section", ["folder", "script"])
def test_a_path_that_is_not_whole_is_refused(sent: RecordedRun, project: Project, section: str):
    for path in ("-c", "train.py", f"{project.folder}/../../etc"):
        edit(sent, code={section: path})
        done = typed(project, sent.id, "--dry-run")
        assert done.returncode == 2
        assert f"is damaged ({section} is" in done.stderr
