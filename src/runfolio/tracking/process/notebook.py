"""Outcomes of runs in notebooks. The cells determine the outcome, because the kernel always exits with status 0."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import takewhile
from types import TracebackType
from typing import Any, NamedTuple

from runfolio.tracking.process import exit_hooks
from runfolio.tracking.process.exit_hooks import OpenRun
from runfolio.tracking.process.outcome import RunOutcome

_INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


class _CellError(NamedTuple):
    outcome: RunOutcome
    is_used: bool
    """True if the cell used the run."""


class CellWatcher:
    """Watcher that tracks the outcomes of cells while a run is open.

    A run ends with the outcome of the last cell that used the run. Errors of later cells also count, until a later cell
    succeeds.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._started_at: dict[OpenRun, float] = {}
        """Start time of the current cell, keyed by the run whose clock measured it. Runs that were opened later are
        missing."""
        self._errors: dict[OpenRun, _CellError] = {}
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)

    def _before_cell(self, info: Any) -> None:
        self._started_at = {run: run.now() for run in exit_hooks.open_runs()}
        for run in self._started_at:
            run.is_idle = False

    def _after_cell(self, result: Any) -> None:
        runs = exit_hooks.open_runs()
        self._errors = {run: error for run, error in self._errors.items() if run in runs}
        outcome = self._outcome(result)
        for run in runs:
            is_used = (run.called_at() or 0.0) >= self._started_at[run] if run in self._started_at else True
            earlier = self._errors.get(run)
            if is_used or earlier is None or not earlier.is_used:
                self._errors.pop(run, None)
                if outcome.state != "finished":
                    self._errors[run] = _CellError(outcome, is_used)
            run.is_idle = True
            run.ends_as = self._errors[run].outcome if run in self._errors else RunOutcome()

    def _outcome(self, result: Any) -> RunOutcome:
        error = result.error_before_exec or result.error_in_exec
        outcome = RunOutcome.from_exception(error)
        if outcome.state == "finished":
            return outcome
        line = error.lineno if isinstance(error, SyntaxError) else self._line(error.__traceback__)
        cell = f"cell {result.execution_count}"
        if line is not None:
            cell += f", line {line + _leading_blank_lines(result.info.raw_cell)}"
        if isinstance(error, _INTERRUPTS):
            return RunOutcome("interrupted", f"interrupted in {cell}", None, outcome.traceback, "interrupt")
        return replace(outcome, reason=f"{outcome.reason} in {cell}", exit_code=None)

    def _line(self, trace: TracebackType | None) -> int | None:
        """Return the number of the last line in a traceback that belongs to the cell itself. Lines in functions of
        other cells do not count."""
        path = line = None
        while trace is not None:
            code = trace.tb_frame.f_code
            if trace.tb_frame.f_globals is self._shell.user_ns and path in (None, code.co_filename):
                path, line = code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        return line


def _leading_blank_lines(cell: str) -> int:
    """Return the number of leading lines that IPython removes before it runs a cell."""
    return len(list(takewhile(lambda line: not line.strip(), cell.splitlines())))


_watchers: dict[int, CellWatcher] = {}
"""Watcher of each shell, keyed by the `id` of the shell."""


def watch_cells(shell: Any) -> None:
    """Watch the cells of an IPython shell. Repeated calls with the same shell have no effect."""
    if id(shell) not in _watchers:
        _watchers[id(shell)] = CellWatcher(shell)
