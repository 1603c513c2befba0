"""Command that continues a run of the user's own script."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import runfolio
from runfolio.query.recorded_command import continue_command

SCRIPT = """
import os, sys, runfolio, torch
with runfolio.init("net", config={"lr": sys.argv[1]}, store=None) as run:
    model = torch.nn.Linear(1, 1)
    first = run.restore(model=model).step + 1 if run.resumed else 0
    for step in range(first, 4):
        run.log({"loss": float(step)}, step=step)
        run.checkpoint(model=model, step=step)
        if step == 1 and not run.resumed:
            raise RuntimeError("power cut")
"""


def start(command: str, folder: Path) -> int:
    words = command.replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    return subprocess.run(words, shell=True, cwd=folder, capture_output=True, check=False).returncode


def test_printed_command_continues_a_crashed_run(tmp_path: Path):
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    assert start("python train.py '0.1 or so'", folder) == 1
    run = runfolio.open(folder / "runs").run("net")
    command = continue_command(run)
    assert command is not None
    assert command == f"cd {shlex.quote(str(folder))} && RUNFOLIO_RUN_ID={run.id} python train.py '0.1 or so'"

    assert start(command, tmp_path) == 0
    again = runfolio.open(folder / "runs").run("net")
    assert (again.id, again.state) == (run.id, "finished")
    assert again.metric("loss").steps.tolist() == [0, 1, 2, 3]


def test_store_in_another_place_is_named(store: Path, write, edit):
    folder = write("net", state="failed", reason="x")
    edit(folder, code={"command": ["train.py"], "script": "/x/train.py", "folder": "/x"})
    run = runfolio.open(store).run(folder)

    assert f"RUNFOLIO_STORE={shlex.quote(str(store))} " in (continue_command(run) or "")


@pytest.mark.parametrize("command", [[], [""], ["-c"], ["/x/ipykernel_launcher.py"], ["train.py", "\x1b[2J"]], ids=str)
def test_run_without_a_usable_command_has_none(store: Path, write, edit, command: list[str]):
    folder = write("net", state="failed", reason="x")
    edit(folder, code={"command": command, "script": "/x/train.py", "folder": "/x"})

    assert continue_command(runfolio.open(store).run(folder)) is None


def test_module_is_started_by_its_name(store: Path, write, edit):
    folder = write("net", state="failed", reason="x")
    edit(folder, code={"command": ["/x/train.py", "--lr", "1"], "module": "my.__main__", "folder": "/x"})

    assert (continue_command(runfolio.open(store).run(folder)) or "").endswith("python -m my --lr 1")
