"""Lines that a run prints to stderr: its folder at the start, and its state at the end unless the run finished."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.base.visible_text import visible_line
from runfolio.record.checkpoints import manifests
from runfolio.record.continue_command import continue_command

QUIET = "RUNFOLIO_QUIET"
_OFF = ("", "0", "false", "no", "off")


def print_start(folder: Path, document: RunDocument, last_step: int) -> None:
    """Print the name, id and folder of a run, and the step after which it continues."""
    step = f" after step {last_step}" if document.attempts[-1].parent is not None and last_step >= 0 else ""
    _print(f"{_label(document)}{step} -> {_short(folder)}")


def print_end(folder: Path, document: RunDocument) -> None:
    """Print how a run ended and how to resume it, unless the run finished."""
    state = document.status.state
    if state not in (RUNNING, "finished"):
        _print(f"{_label(document)} {state}{_continue_hint(folder, document)}")


def _continue_hint(folder: Path, document: RunDocument) -> str:
    """Return a hint on how to continue the run. Return an empty string if the run has no checkpoint."""
    if not manifests.names(folder):
        return ""
    command = continue_command(folder, document)
    return f"; continue it with: {command}" if command else f'; continue it with runfolio.init(resume="{document.id}")'


def _label(document: RunDocument) -> str:
    return f"runfolio: {document.name} {document.id}"


def _short(folder: Path) -> str:
    """Return the path of `folder` relative to the current folder. If `folder` is outside the current folder, return its
    absolute path."""
    with contextlib.suppress(OSError):
        if folder.is_relative_to(Path.cwd()):
            return os.fspath(folder.relative_to(Path.cwd()))
    return os.fspath(folder)


def _print(line: str) -> None:
    if os.environ.get(QUIET, "").lower() in _OFF:
        # stderr may be closed, or a signal handler may have interrupted a write to it.
        with contextlib.suppress(Exception):
            print(visible_line(line), file=sys.stderr, flush=True)  # noqa: T201
