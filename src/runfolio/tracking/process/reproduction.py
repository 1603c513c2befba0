"""Environment variables that `runfolio reproduce` sets for the program that it starts.

The variables take precedence over the program's arguments. The new run must be in the same store as the run that it
repeats.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from runfolio.errors import ConfigError
from runfolio.record.base.run_document import REPRODUCTION

RUN, NAME = "RUNFOLIO_REPRODUCES", "RUNFOLIO_REPRODUCES_NAME"
STORE = "RUNFOLIO_REPRODUCE_STORE"
CHANGED = "RUNFOLIO_REPRODUCES_CHANGED"
STOP_AFTER = "RUNFOLIO_STOP_AFTER"


class Reproduction(NamedTuple):
    """Request to repeat a run."""

    run: str
    name: str
    store: Path
    """Absolute path of the store for the new run."""
    changed: tuple[str, ...] = ()
    """Flags that have a different value than in the repeated run."""

    @property
    def lineage(self) -> dict[str, Any]:
        changed = {"changed": list(self.changed)} if self.changed else {}
        return {"kind": REPRODUCTION, "run": self.run, "name": self.name, **changed}

    def environment(self) -> dict[str, str]:
        """Return the variables that `requested_reproduction` reads."""
        return {
            RUN: self.run,
            NAME: self.name,
            STORE: os.fspath(self.store),
            **({CHANGED: " ".join(self.changed)} if self.changed else {}),
        }


def requested_reproduction() -> Reproduction | None:
    """Return the run that this process repeats, or None if `runfolio reproduce` did not start it.

    Raises:
        ConfigError: The variables name a run, but not the absolute path of a store.
    """
    run, store = os.environ.get(RUN), os.environ.get(STORE)
    if not run:
        return None
    if not store or not Path(store).is_absolute():
        raise ConfigError(f"{RUN} is set, so {STORE} must name a store by its absolute path, not {store!r}")
    return Reproduction(run, os.environ.get(NAME) or run, Path(store), tuple(os.environ.get(CHANGED, "").split()))


def stop_after() -> int | None:
    """Return the last step to record, or None if the run is not limited.

    Raises:
        ConfigError: The variable is not an integer.
    """
    value = os.environ.get(STOP_AFTER)
    if not value:
        return None
    if not value.isdecimal():
        raise ConfigError(f"{STOP_AFTER} is {value!r}; it must be a step, an integer such as 100")
    return int(value)
