"""Running the command of a plan, and finding the run that came of it."""

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

LINK_HINT = "data that git ignores, and that only the script itself names, is given by --link [NAME=]PATH"
_STOP_TIMEOUT_S = 15.0
"""How long an interrupted program may take to end by itself."""


def run_command(plan: Plan, output: IO[Any] | None = None) -> int:
    """Run the command; its exit status. What it prints goes where this process prints, or to `output`.

    Ctrl-C ends it, and SIGTERM; what was laid is then still taken away.

    Raises:
        NotFound: There is no such program.
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
        except KeyboardInterrupt:  # it got its own from the terminal, and has the time to close its record
            _stop(process, lambda: None, process.terminate, process.kill)
            raise
        except BaseException:
            _stop(process, process.terminate, process.kill)
            raise


def _stop(process: subprocess.Popen[bytes], *stops: Callable[[], None]) -> None:
    """One after another, until it has ended."""
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
    """The run that came of a command, and how many others did.

    Of several that one program opened, the one that was begun with the settings of the original.

    Args:
        earlier_folders: The folders of the runs that were there before.
        status: What the command exited with.
    Raises:
        NotFound: None did.
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
            f"the command exited with status {status} and opened no run in {folio.store}: it ended before"
            f" `runfolio.init`, or its runfolio cannot repeat runs; {LINK_HINT}"
        )
    candidates = sorted(
        opened,
        key=lambda run: (run.experiment == original.experiment, _count_equal_settings(run, original)),
        reverse=True,
    )
    return candidates[0], len(opened) - 1


def _count_equal_settings(run: RecordedRun, original: RecordedRun) -> int:
    """How many settings are the same."""
    return sum(identity(run.flat_config.get(name)) == identity(value) for name, value in original.flat_config.items())
