"""Current run of a thread or asyncio task: the run that the thread or task opened last.

The run is stored in a context variable. Threads therefore have separate runs, and a new task inherits the run of the
task that created it. A notebook executes each cell in a new task and discards the context of cells with `await`.
Therefore all cells of a notebook share one list of runs.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from runfolio.tracking.process.outcome import RunOutcome

_NOTEBOOK_PACKAGES = ("ipykernel", "IPython", "tornado")


class CurrentRun(Protocol):
    """Attributes and methods of a run's recorder that this module uses."""

    is_in_with: bool

    @property
    def id(self) -> str: ...

    @property
    def handle(self) -> object:
        """`Run` object that was returned to the user."""
        ...

    @property
    def has_ended(self) -> bool: ...

    def end(self, outcome: RunOutcome, *, at_last_call: bool = False) -> None: ...

    def note_seeds(self, values: Mapping[str, Any]) -> None: ...


class _Entry(NamedTuple):
    run: CurrentRun
    owner: object
    """Process, thread and task that opened the run."""


_entries: ContextVar[tuple[_Entry, ...]] = ContextVar("runfolio_runs", default=())
_cell_entries: tuple[_Entry, ...] = ()
"""Entries that all cells of a notebook share."""


def enter(run: CurrentRun) -> None:
    """Make a run the current run of this thread or task."""
    global _cell_entries
    entries = (*(entry for entry in _context_entries() if not entry.run.has_ended), _Entry(run, _owner()))
    _entries.set(entries)
    if _is_cell():
        _cell_entries = entries


def current_run() -> CurrentRun | None:
    """Return the open run that this thread or task opened last. If all its runs have ended, return the last of them."""
    entries = _context_entries()
    for entry in reversed(entries):
        if not entry.run.has_ended:
            return entry.run
    return entries[-1].run if entries else None


def unattended_runs() -> list[CurrentRun]:
    """Return the open runs that this thread or task itself has opened, except those in a `with` block."""
    owner = _owner()
    return [
        entry.run
        for entry in _context_entries()
        if entry.owner == owner and not entry.run.has_ended and not entry.run.is_in_with
    ]


def _context_entries() -> tuple[_Entry, ...]:
    return _cell_entries if _is_cell() else _entries.get()


def ipython_shell() -> Any:
    """Return the shell that runs the cells of this process, or None outside of notebooks and IPython."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


def _owner() -> object:
    task = None if _is_cell() else _current_task()
    return os.getpid(), threading.get_ident(), None if task is None else weakref.ref(task)


def _is_cell() -> bool:
    """Return whether the calling code is a cell of a notebook or of IPython. Return False in a task that a cell
    created."""
    if ipython_shell() is None or threading.current_thread() is not threading.main_thread():
        return False
    task = _current_task()
    frame = getattr(task and task.get_coro(), "cr_frame", None)
    return task is None or (frame is not None and _package(frame.f_globals) in _NOTEBOOK_PACKAGES)


def _package(module: dict[str, object]) -> str:
    return str(module.get("__name__")).partition(".")[0]


def _current_task() -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop is running
        return None
