"""Command that continues a run of the user's own script."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import pytest

import runfolio
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.continue_command import continue_command

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
    command = continue_command(run.folder, run.document)
    assert command is not None
    assert command == f"cd {shlex.quote(str(folder))} && RUNFOLIO_RUN_ID={run.id} python train.py '0.1 or so'"

    assert start(command, tmp_path) == 0
    again = runfolio.open(folder / "runs").run("net")
    assert (again.id, again.state) == (run.id, "finished")
    assert again.metric("loss").steps.tolist() == [0, 1, 2, 3]


@pytest.fixture
def command_of(store: Path) -> Callable[..., str | None]:
    """Command that continues a failed run in the store, given what the run recorded about its start."""
    with pytest.raises(RuntimeError), runfolio.init("net", store=store) as run:
        raise RuntimeError
    document = RunDocument.read(run.folder)

    def command_of(**code: Unpack[StartedCode]) -> str | None:
        document.code = {"script": "/x/train.py", "folder": "/x", **code}
        return continue_command(run.folder, document)

    return command_of


def test_store_in_another_place_is_named(command_of, store: Path):
    assert f"RUNFOLIO_STORE={shlex.quote(str(store))} python train.py" in command_of(command=["train.py"])


@pytest.mark.parametrize("command", [[], [""], ["-c"], ["/x/ipykernel_launcher.py"], ["train.py", "\x1b[2J"]], ids=str)
def test_run_without_a_usable_command_has_none(command_of, command: list[str]):
    assert command_of(command=command) is None


def test_module_is_started_by_its_name(command_of):
    assert command_of(command=["/x/train.py", "--lr", "1"], module="my.__main__").endswith("python -m my --lr 1")
