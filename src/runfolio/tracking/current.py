"""The run that `runfolio.log` speaks to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError
from runfolio.tracking import exits
from runfolio.tracking.run import Run


def current() -> Run:
    """The run opened last among those still open.

    Raises:
        ConfigError: None is open.
    """
    run = exits.newest()
    if not isinstance(run, Run):
        raise ConfigError("no run is open; call runfolio.init() first")
    return run


def log(values: Mapping[str, Any], step: int | None = None) -> None:
    """`Run.log` on the current run: the one opened last among those still open.

    Raises:
        ConfigError: No run is open.
    """
    current().log(values, step)
