"""Command lines that continue a run of the user's own script, derived from the recorded command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from runfolio.record.base.layout import RUN_ID_VARIABLE, STORE_VARIABLE
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.base.visible_text import visible_line

_NO_PROGRAM = ("", "-", "-c")
_NOTEBOOKS = ("ipykernel", "colab_kernel", "ipython", "jupyter")


def continue_command(folder: Path, document: RunDocument) -> str | None:
    """Return the shell command that continues a run with its own script. Return None if the record does not contain
    such a command.

    The record of a notebook has no such command, and the launcher of several ranks is not recorded. A command with
    characters that a terminal does not show is not returned either. The variable `RUNFOLIO_RUN_ID` makes
    `runfolio.init` continue the run, unless the script itself recorded that the run has finished.
    """
    start, store = document.code, folder.parent.parent
    words = _program_words(start)
    size = str((document.environment.get("variables") or {}).get("WORLD_SIZE", "1"))
    if not words or size != "1" or document.status.state == "finished":
        return None
    start_folder = start.get("folder")
    needs_store = not start_folder or store != Path(start_folder, "runs")
    parts = [
        f"cd {shlex.quote(start_folder)} &&" if start_folder and not _is_current(start_folder) else "",
        f"{RUN_ID_VARIABLE}={shlex.quote(document.id)}",
        f"{STORE_VARIABLE}={shlex.quote(str(store))}" if needs_store else "",
        shlex.join(words),
    ]
    command = " ".join(filter(None, parts))
    return command if visible_line(command) == command else None


def _program_words(start: StartedCode) -> list[str]:
    """Return the recorded program and its arguments. The list is empty if no command can start the program again."""
    command = list(map(str, start.get("command") or ()))
    if not command or command[0] in _NO_PROGRAM or any(name in Path(command[0]).name.lower() for name in _NOTEBOOKS):
        return []
    if module := start.get("module"):
        return ["python", "-m", module.removesuffix(".__main__"), *command[1:]]
    if start.get("script"):
        return ["python", *command]
    return [Path(command[0]).name, *command[1:]]


def _is_current(folder: str) -> bool:
    try:
        return folder == os.getcwd()  # noqa: PTH109 - the record contains text
    except OSError:  # the current folder was deleted
        return False
