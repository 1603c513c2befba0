"""Check whether a run was started by a command that can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runfolio.query.recorded_writers import read_writers
from runfolio.query.run_view import RunView
from runfolio.record.base.run_parts import StartedCode

_NOTEBOOK_PROGRAMS = ("ipykernel", "colab_kernel", "ipython", "jupyter")


def first_start(run: RunView) -> StartedCode:
    """Return the command and the repository state of the first attempt."""
    return (run.code.info.get("earlier") or [run.code.info])[0]


def refusal_reasons(run: RunView, start: StartedCode) -> Iterator[str]:
    """Yield the reasons why the run cannot be started again with a command."""
    command = tuple(map(str, start.get("command") or ()))
    if not command or not start.get("folder"):
        yield "its record does not contain the command, or the folder where it was started"
        return
    program = Path(command[0]).name.lower()
    notebook = any(file.why == "notebook" for file in run.code.files)
    if notebook or any(name in program for name in _NOTEBOOK_PROGRAMS):
        yield "it was started in a notebook, which has no command; `runfolio show RUN --code` lists the captured code"
    if command[0] in ("", "-", "-c"):
        yield "it was started at Python's prompt or by `python -c`; put the code into a script and run the script"
    size = str((run.document.environment.get("variables") or {}).get("WORLD_SIZE", "1"))
    ranks = {writer.rank for writer in read_writers(run.folder) if writer.rank is not None}
    if len(ranks) > 1 or (size.isdecimal() and int(size) > 1):
        yield (
            "several ranks wrote to it, and the record does not contain their launcher;"
            " launch them by hand, then compare the two runs with `runfolio compare`"
        )
