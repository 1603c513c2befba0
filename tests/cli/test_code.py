"""`show --code`, `show --diff` and `diff` print the code that a run was started from."""

import json
import os
import subprocess
import sys
import time

import pytest

import runfolio as rf

SCRIPT = "import sys, time, runfolio\nwith runfolio.init('net', config={'lr': float(sys.argv[1])}):\n    pass\n"


@pytest.fixture
def two_runs(tmp_path):
    """Started from a repository, the second with a change that was not committed; their ids."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "notes.txt").write_text("bell \x07 and colour \x1b[31m\n")
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for words in (["init", "-q"], ["add", "train.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    env = {**os.environ, "RUNFOLIO_STORE": str(tmp_path / "runs")}
    ids = []
    for lr in ("0.1", "0.5"):
        subprocess.run([sys.executable, "train.py", lr], cwd=folder, env=env, check=True)
        (folder / "train.py").write_text(SCRIPT + "print('\x1b[2J done')\n")
        (new,) = {path.parent.name[-8:] for path in (tmp_path / "runs").glob("*/*/run.json")} - {*ids}
        ids.append(new)
    return ids


def test_page_shows_the_code_and_command_of_a_run(runfolio, two_runs):
    page = runfolio("show", two_runs[1]).stdout

    assert "train.py 0.5" in page
    assert "with uncommitted changes" in page
    assert "files    2 kept, 0 left out" in page
    assert "processors" in page


def test_load_is_shown_and_plotted_but_is_not_a_metric(runfolio, tmp_path):
    with rf.init("net", store=tmp_path / "runs", recording=rf.RecordingConfig(system_s=0.1)) as run:
        run.log({"loss": 1.0})
        time.sleep(0.4)

    page = runfolio("show", run.id).stdout
    assert page.partition("\nLoad\n")[2].startswith("CPU ")
    assert "system/" not in page
    assert "system/" not in runfolio("runs", "--json").stdout
    assert runfolio("plot", "system/cpu", run.id).stdout.startswith("system/cpu")


def test_the_files_that_were_kept_are_listed(runfolio, two_runs):
    listed = runfolio("show", two_runs[0], "--code").stdout

    assert [line.split() for line in listed.splitlines()[2:4]] == [
        ["train.py", str(len(SCRIPT)), "script"],
        ["notes.txt", "24", "untracked"],
    ]


def test_uncommitted_changes_are_printed_as_git_takes_them(runfolio, two_runs, tmp_path):
    assert "no uncommitted changes were stored" in runfolio("show", two_runs[0], "--diff").stderr

    diff = runfolio("show", two_runs[1], "--diff").stdout
    project = tmp_path / "project"
    changed = (project / "train.py").read_text()
    subprocess.run(["git", "checkout", "-q", "train.py"], cwd=project, check=True)
    subprocess.run(["git", "apply", "-"], cwd=project, input=diff, text=True, check=True)
    assert (project / "train.py").read_text() == changed


def test_diff_prints_the_summary_first(runfolio, two_runs):
    result = runfolio("diff", *two_runs)

    first, summary, *details = result.stdout.splitlines()
    assert first == "net lr=0.1 -> net lr=0.5"
    assert summary.startswith("2 files of the code differ; 1 setting differs.")
    assert "lr  0.1 -> 0.5" in details
    assert "+print('\\x1b[2J done')" in details
    assert "\x1b" not in result.stdout
    assert result.exit_code == 0


def test_differences_as_json(runfolio, two_runs):
    difference = json.loads(runfolio("diff", *two_runs, "--json").stdout)

    assert difference["config"] == [{"name": "lr", "kind": "changed", "before": 0.1, "after": 0.5}]
    assert [file["path"] for file in difference["files"]] == ["train.py", "uncommitted changes"]
    assert difference["summary"].startswith("2 files")
    assert difference["ids"] == list(two_runs)


def test_code_of_a_run_that_kept_none(runfolio, two_runs, tmp_path):
    for path in (tmp_path / "runs").rglob("code/*.json"):
        path.unlink()

    assert "No code was stored" in runfolio("show", two_runs[0], "--code").stdout
    assert runfolio("show", two_runs[0]).exit_code == 0
