"""Execution of a reproduction: the prompt, termination, cleanup, and the record afterwards."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import runfolio

from .conftest import SCRIPT, Project, reproduced, typed

SLOW = SCRIPT.replace("    for step in range(12):", "    for step in range(12 if flags.lr < 1 else 100_000):")
SLOW = SLOW.replace("        image =", "        import time; time.sleep(0.02 if flags.lr >= 1 else 0)\n        image =")


def test_nothing_is_executed_without_consent(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    before = project.runs()
    done = typed(project, run.id)
    assert done.returncode == 2
    assert "command" in done.stdout
    assert done.stderr == (
        "error: no terminal to confirm the execution; add --yes, or --dry-run to only print the plan\n"
    )
    dry = typed(project, run.id, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert project.runs() == before
    assert not list(project.temporary.iterdir())
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_plan_is_shown_before_execution(project: Project):
    project.commit()
    project.variables = {"PYTHONHASHSEED": "3"}
    run = project.start("train.py", "--seed", "7")
    project.version("1.1")
    said = typed(project, run.id, "--dry-run", "--steps", "3", "--", "--lr", "0.3").stdout
    shown = dict(line.split(maxsplit=1) for line in said.splitlines() if " " in line)
    assert shown["command"].endswith("project/train.py --seed 7 --lr 0.3")
    assert shown["code"].startswith(f"commit {project.git('rev-parse', 'HEAD')[:12]}, ")
    assert shown["from"] == str(project.folder)
    assert "set      PYTHONHASHSEED=3\n" in said
    assert "set      RUNFOLIO_STOP_AFTER=3\n" in said
    assert shown["link"].endswith(f"project/photos {project.folder / 'photos'}")
    assert shown["flag"] == "--lr: (none) -> 0.3"
    assert shown["package"] == "stepping: 1.0 -> 1.1"


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 130)])
def test_somebody_at_a_terminal_is_asked(project: Project, answer: bytes, status: int):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = subprocess.run(
        [sys.executable, "-m", "runfolio", "reproduce", run.id],
        cwd=project.store.parent,
        env={**project.environment, "TMPDIR": str(project.temporary)},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=100,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == status, done.stderr
    assert "Execute this? [y/N]" in done.stderr
    assert ("bit-equal: 12 points" in done.stdout) == (status == 0)


def _training(project: Project) -> set[str]:
    """The runs that have logged something."""
    return {run.id for run in runfolio.open(project.store).runs() if run.metrics}


@pytest.mark.parametrize(
    ("number", "to_all", "state"), [(signal.SIGINT, True, "interrupted"), (signal.SIGTERM, False, "preempted")]
)
def test_interrupted_reproduction_is_ended_and_cleaned_up(
    project: Project, number: signal.Signals, to_all: bool, state: str
):
    (project.folder / "train.py").write_text(SLOW)
    project.commit()
    run = project.start("train.py", "--seed", "7")
    process = subprocess.Popen(
        [sys.executable, "-m", "runfolio", "reproduce", run.id, "--yes", "--", "--lr", "1"],
        cwd=project.store.parent,
        env={**project.environment, "TMPDIR": str(project.temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (begun := _training(project) - {run.id}) and time.monotonic() < deadline:
        time.sleep(0.1)
    (new,) = begun
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (130 if to_all else 128 + number), stderr
    assert runfolio.open(project.store).run(new).state == state
    assert not list(project.temporary.iterdir())
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_a_command_that_opens_no_run(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    (project.folder / "train.py").write_text("raise SystemExit(5)")
    done = typed(project, run.id, "--yes", "--here")
    assert done.returncode == 2
    assert "the command exited with status 5 and opened no run" in done.stderr
    assert not list(project.temporary.iterdir())


def test_a_run_that_fails_on_the_way_parts_there(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    script = project.folder / "train.py"
    script.write_text(SCRIPT.replace("        run.log(", "        assert step < 5, 'too far'\n        run.log("))
    again = reproduced(project, run, "--here")
    assert (again.word, again.said["step"], again.said["after"]) == ("parts", 5, None)
    assert any(
        "the repeated run did not finish: failed: AssertionError: too far" in remark for remark in again.said["remarks"]
    )
    assert again.causes[0][0] == "code"


def test_a_link_in_the_repository_leads_nothing_out_of_the_fresh_folder(project: Project):
    outside = project.store.parent / "outside"
    outside.mkdir()
    (project.folder / "out").symlink_to(outside)
    project.commit()
    run = project.start("train.py", "--seed", "7")
    (listing,) = (run.folder / "code").glob("*.json")
    code = json.loads(listing.read_text())
    code["files"].append({**code["files"][0], "path": "out/evil.py", "why": "untracked"})
    listing.write_text(json.dumps(code))
    done = typed(project, run.id, "--yes")
    assert done.returncode == 2
    assert "so out/evil.py would be written elsewhere" in done.stderr
    assert "a link in its repository leads out of the fresh folder" in done.stderr
    assert not list(outside.iterdir())


def test_no_hook_of_the_repository_runs(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    hook = project.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {project.store.parent}/hooked\n")
    hook.chmod(0o755)
    assert reproduced(project, run).word == "bit-equal"
    assert not (project.store.parent / "hooked").exists()


def test_the_verdict_is_kept_and_shown_with_both_runs(project: Project):
    project.commit()
    run = project.start("train.py", "--seed", "7")
    again = reproduced(project, run, "--", "--lr", "0.2")
    folio = runfolio.open(project.store)
    repeated = folio.run(again.said["id"])
    assert repeated.edits.verdict is not None
    assert repeated.edits.verdict["sentence"] == again.said["sentence"]
    assert repeated.edits.verdict["causes"][0] == {"kind": "flag", "text": "--lr: (none) -> 0.2"}
    assert repeated.document.lineage == {"kind": "reproduction", "run": run.id, "name": "net", "changed": ["--lr"]}
    assert folio.run("net").id == run.id  # its name still means the original alone
    pages = {
        name: subprocess.run(
            [sys.executable, "-m", "runfolio", "show", name, "--store", project.store],
            env=project.environment, capture_output=True, text=True, check=True,
        ).stdout
        for name in (run.id, repeated.id)
    }  # fmt: skip
    assert f"reproduction of net ({run.id}), with a different --lr: parts at step 1: loss was" in pages[repeated.id]
    assert f"reproductions: net-reproduced ({repeated.id}): parts" in pages[run.id]


def test_of_a_series_the_one_run_is_repeated(project: Project):
    shutil.copy(Path(__file__).parent.parent / "series" / "walk.py", project.folder)
    (project.folder / "walks.yaml").write_text("target: walk:target\ngrid:\n  epochs: [2, 3]\n  lr: [0.1, 0.2]\n")
    project.commit()
    project.variables = {"PYTHONPATH": os.pathsep.join([str(project.folder), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "runfolio", "series", "walks.yaml"]
    subprocess.run(command, cwd=project.folder, env=project.environment, check=True, capture_output=True)
    runs = runfolio.open(project.store).runs()
    run = next(run for run in runs if run.flat_config["epochs"] == 3 and run.flat_config["lr"] == 0.2)
    again = reproduced(project, run)
    assert (again.word, again.said["points"]) == ("bit-equal", 3)
    assert len(project.runs()) == len(runs) + 1


def test_of_several_runs_of_one_program_the_right_one_is_compared(project: Project):
    (project.folder / "three.py").write_text(
        "import runfolio\n"
        "for seed in range(3):\n"
        "    with runfolio.init('net', config={'seed': seed}) as run:\n"
        "        run.log({'loss': 1 / (seed + 1)})\n"
    )
    subprocess.run([sys.executable, "three.py"], cwd=project.folder, env=project.environment, check=True)
    run = next(run for run in runfolio.open(project.store).runs() if run.flat_config["seed"] == 1)
    again = reproduced(project, run)
    assert again.word == "bit-equal"
    assert again.said["remarks"] == ["the command opened 3 runs; the one most similar to the original is compared"]
