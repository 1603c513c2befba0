"""Functions that find the current run and write to it (`runfolio.log`)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, cast

from runfolio.errors import ConfigError
from runfolio.tracking.process import exit_hooks, run_context
from runfolio.tracking.run import Run

logger = logging.getLogger("runfolio")
AMBIGUOUS = "several runs are open and none of them was opened in this thread or asyncio task"
_is_ambiguity_logged = False


def current() -> Run:
    """Return the open run that this thread or asyncio task opened last. If it has opened none, return the only open
    run.

    Raises:
        ConfigError: No run is open, or several runs are open and none of them belongs to this thread or task.
    """
    run = _find()
    if run is None:
        raise ConfigError(f"{AMBIGUOUS}; use the run itself, such as run.log(...)")
    if run.recorder.has_ended:
        raise _no_run()
    return run


def log(values: Mapping[str, Any], step: int | None = None) -> None:
    """Call `Run.log` on the current run (see `current`).

    If the run of this thread or task has ended, nothing is written and one warning is logged. The same happens if
    several runs are open and none of them belongs to this thread or task.

    Raises:
        ConfigError: No run is open.
    """
    global _is_ambiguity_logged
    run = _find()
    if run is not None:
        run.log(values, step)
    elif not _is_ambiguity_logged:
        _is_ambiguity_logged = True
        logger.warning("runfolio.log: %s, so nothing is written; call the log method of a run instead", AMBIGUOUS)


def _find() -> Run | None:
    """Return the last run of this thread or task, even if the run has ended. Otherwise return the only open run, or
    None if several runs are open.

    Raises:
        ConfigError: No run is open, and this thread or task never had a run.
    """
    run = run_context.current_run()
    if run is None:
        open_runs = exit_hooks.open_runs()
        if not open_runs:
            raise _no_run()
        run = open_runs[0] if len(open_runs) == 1 else None
    return None if run is None else cast("Run", run.handle)


def _no_run() -> ConfigError:
    hint = ", or pass the run to the process: Process(target=work, args=(run,))" if _is_spawned() else ""
    return ConfigError(f"no run is open; call runfolio.init() first{hint}")


def _is_spawned() -> bool:
    """Return whether another Python process started this process with `multiprocessing`."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None
