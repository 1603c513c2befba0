"""Run a plan's command, and find the run that the command opened."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from runfolio.errors import NotFound
from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio
from runfolio.record.base.flat_names import identity
from runfolio.record.base.run_document import REPRODUCTION
from runfolio.reproduce.plan import Plan

LINK_HINT = "if the script reads data that git ignores, pass that data with --link [NAME=]PATH"
_STOP_TIMEOUT_S = 15.0
"""Maximum time that an interrupted program may take to end by itself."""


def run_command(plan: Plan, output: IO[Any] | None = None) -> int:
    """Run the command and return its exit status.

    Ctrl-C and SIGTERM end the command, and the checkout is still removed.

    Args:
        output: Target of the command's output. None means the output of this process.

    Raises:
        NotFound: The program does not exist.
    """
    environment = plan.environment(os.environ)
    with _ended_by_sigterm():
        try:
            process = subprocess.Popen(
                plan.command, cwd=plan.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output
            )
        except OSError as error:
            raise NotFound(f"cannot start {plan.command[0]} in {plan.folder}: {error.strerror}") from None
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal also sends Ctrl-C to the program; wait until it has closed its run
            _stop(process, lambda: None, process.terminate, process.kill)
            raise
        except BaseException:
            _stop(process, process.terminate, process.kill)
            raise


def _stop(process: subprocess.Popen[bytes], *stops: Callable[[], None]) -> None:
    """Call the functions in `stops` one after another until the process has ended."""
    for stop in stops:
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_TIMEOUT_S)
            return


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    def end(*_: Any) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def find_repeated_run(folio: Folio, plan: Plan, earlier_folders: set[Path], status: int) -> tuple[RecordedRun, int]:
    """Return the run that the command opened, and the number of other runs that it opened.

    If the command opened several runs, return the run with the settings most similar to those of the original.

    Args:
        earlier_folders: Folders of the runs that existed before the command.
        status: Exit status of the command.
    Raises:
        NotFound: The command opened no run.
    """
    original = plan.run
    opened = [
        run
        for run in reversed(folio.runs(archived=True))
        if run.folder not in earlier_folders and run.document.lineage is not None
        if (run.document.lineage.get("kind"), run.document.lineage.get("run")) == (REPRODUCTION, original.id)
    ]
    if not opened:
        raise NotFound(
            f"the command exited with status {status} and opened no run in {folio.store}, because it ended before"
            f" `runfolio.init` or uses a version of runfolio that cannot repeat runs; {LINK_HINT}"
        )
    candidates = sorted(
        opened,
        key=lambda run: (run.experiment == original.experiment, _count_equal_settings(run, original)),
        reverse=True,
    )
    return candidates[0], len(opened) - 1


def _count_equal_settings(run: RecordedRun, original: RecordedRun) -> int:
    """Return the number of settings that have the same value in both runs."""
    return sum(identity(run.flat_config.get(name)) == identity(value) for name, value in original.flat_config.items())
