"""The run that `runfolio.log` speaks to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError
from runfolio.tracking.process import exit_hooks
from runfolio.tracking.run import Run


def current() -> Run:
    """The run opened last among those still open.

    Raises:
        ConfigError: None is open.
    """
    recorder = exit_hooks.newest_run()
    run = None if recorder is None else recorder.handle
    if not isinstance(run, Run):
        hint = ", or hand it the run: Process(target=work, args=(run,))" if _is_spawned() else ""
        raise ConfigError(f"no run is open; call runfolio.init() first{hint}")
    return run


def _is_spawned() -> bool:
    """Whether another Python process started this one by `multiprocessing`."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def log(values: Mapping[str, Any], step: int | None = None) -> None:
    """`Run.log` on the current run: the one opened last among those still open.

    Raises:
        ConfigError: No run is open.
    """
    current().log(values, step)
