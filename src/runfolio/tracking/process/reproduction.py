"""What `runfolio reproduce` tells the program it starts, by environment variables.

They go before what the program itself says: whatever store it names, its run belongs beside the one it repeats.
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
    """The run to repeat."""

    run: str
    name: str
    store: Path
    """Where the new run goes; absolute."""
    changed: tuple[str, ...] = ()
    """Flags that are given other values than in the run to repeat."""

    @property
    def lineage(self) -> dict[str, Any]:
        changed = {"changed": list(self.changed)} if self.changed else {}
        return {"kind": REPRODUCTION, "run": self.run, "name": self.name, **changed}

    def environment(self) -> dict[str, str]:
        """The variables from which `requested_reproduction` reads it."""
        return {
            RUN: self.run,
            NAME: self.name,
            STORE: os.fspath(self.store),
            **({CHANGED: " ".join(self.changed)} if self.changed else {}),
        }


def requested_reproduction() -> Reproduction | None:
    """What this process is to repeat; None where it was not started by `runfolio reproduce`.

    Raises:
        ConfigError: It was told a run, but no store.
    """
    run, store = os.environ.get(RUN), os.environ.get(STORE)
    if not run:
        return None
    if not store or not Path(store).is_absolute():
        raise ConfigError(f"{RUN} is set, so {STORE} must name a store by its absolute path, not {store!r}")
    return Reproduction(run, os.environ.get(NAME) or run, Path(store), tuple(os.environ.get(CHANGED, "").split()))


def stop_after() -> int | None:
    """The last step that is to be recorded; None where the run goes on to its end.

    Raises:
        ConfigError: It is no whole number.
    """
    value = os.environ.get(STOP_AFTER)
    if not value:
        return None
    if not value.isdecimal():
        raise ConfigError(f"{STOP_AFTER} is {value!r}; it must be a step, a whole number such as 100")
    return int(value)
