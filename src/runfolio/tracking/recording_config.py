"""Recording settings that rarely need to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.writer_config import WriterConfig


@dataclass(frozen=True, kw_only=True)
class RecordingConfig(WriterConfig):
    """Sources, durability and intervals of a recording.

    Raises:
        ConfigError: `durability` is not `normal` or `full`.
    """

    console: bool = True
    """Record the output of the process, of its children and of notebook cells.
    `RUNFOLIO_CONSOLE=off` turns this off for all runs."""
    announce: bool = True
    """Print one line to stderr when the run starts, and one line when it ends in a state other than finished.
    `RUNFOLIO_QUIET=1` turns this off for all runs."""
    code: bool | None = None
    """Record the code of the run: the script, your own modules and uncommitted changes. Default: True, unless
    `RUNFOLIO_CODE` is off. Commit, branch and command are always recorded."""
    durability: Literal["normal", "full"] = "normal"
    """Failures that a flushed point survives. With `normal`, a point survives if the process is killed. The point also
    survives a crash of the machine if it was sealed, or if a checkpoint or the run's end was recorded after it. With
    `full`, a point survives a crash of the machine at any time."""

    def __post_init__(self) -> None:
        if self.durability not in ("normal", "full"):
            raise ConfigError(f"durability is {self.durability!r}; it must be normal or full")
