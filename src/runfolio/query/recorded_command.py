"""Command lines that continue a run of the user's own script, derived from the recorded command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from runfolio.query.run_view import RunView
from runfolio.record.base.layout import RUN_ID_VARIABLE, STORE_VARIABLE
from runfolio.record.base.run_parts import StartedCode
from runfolio.record.base.visible_text import visible_line

_NO_PROGRAM = ("", "-", "-c")
_NOTEBOOKS = ("ipykernel", "colab_kernel", "ipython", "jupyter")


def continue_command(run: RunView) -> str | None:
    """Return the shell command that continues a run with its own script, or None if the record does not contain it.

    A notebook has no such command. The launcher of several ranks is not recorded. A command with characters that a
    terminal does not show is not returned either. The variable `RUNFOLIO_RUN_ID` makes `runfolio.init` continue the
    run, unless the script itself recorded that the run has finished.
    """
    start = run.code.info
    words = _program_words(start)
    size = str((run.document.environment.get("variables") or {}).get("WORLD_SIZE", "1"))
    if not words or size != "1" or run.document.status.state == "finished":
        return None
    folder = start.get("folder")
    store = run.folder.parent.parent
    parts = [
        f"cd {shlex.quote(folder)} &&" if folder and folder != os.getcwd() else "",  # noqa: PTH109 - compared as text
        f"{RUN_ID_VARIABLE}={shlex.quote(run.id)}",
        f"{STORE_VARIABLE}={shlex.quote(str(store))}" if not folder or store != Path(folder, "runs") else "",
        shlex.join(words),
    ]
    command = " ".join(filter(None, parts))
    return command if visible_line(command) == command else None


def _program_words(start: StartedCode) -> list[str]:
    """Return the recorded program and its arguments; empty if no command can start the program again."""
    command = list(map(str, start.get("command") or ()))
    if not command or command[0] in _NO_PROGRAM or any(name in Path(command[0]).name.lower() for name in _NOTEBOOKS):
        return []
    if module := start.get("module"):
        return ["python", "-m", module.removesuffix(".__main__"), *command[1:]]
    if start.get("script"):
        return ["python", *command]
    return [Path(command[0]).name, *command[1:]]
