"""Interface of monitors, which record something during training, such as the console output or the machine's load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from runfolio.tracking.pipeline.queue_items import Item
from runfolio.tracking.process.exit_hooks import Ending


class MonitoredRun(Protocol):
    """Attributes and methods of a run that monitors use."""

    folder: Path
    add_console_lines: Callable[[str], None]
    """Function that adds lines to the console log, set by the monitor that records the console."""

    @property
    def id(self) -> str: ...

    @property
    def writer(self) -> str:
        """Id of this process in the run's record."""
        ...

    @property
    def last_step(self) -> int:
        """Step of the last call of `Run.log` that the encoder thread has processed, or -1 before the first call."""
        ...

    def now(self) -> float:
        """Return the current time by the run's clock, in seconds since 1970."""
        ...

    def record(self, item: Item) -> None:
        """Queue an item for the record."""
        ...

    def log_system(self, values: Mapping[str, float]) -> None:
        """Record system metrics."""
        ...

    def note_trouble(self, text: str) -> None:
        """Record the first problem that training has, such as the layer in which NaN first occurred."""
        ...


class Monitor(Protocol):
    """Interface of a monitor, which records something while a run is open."""

    def start(self, run: MonitoredRun) -> None:
        """Start monitoring. The training thread calls this method once, after the run's folder was created. The method
        must be fast."""
        ...

    def stop(self, ending: Ending) -> None:
        """Record the remaining values, and stop within about a second. If the process is being killed, stop at once."""
        ...
