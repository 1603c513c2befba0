"""Recording settings that rarely need to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.writer_config import WriterConfig


@dataclass(frozen=True, kw_only=True)
class RecordingConfig(WriterConfig):
    """Settings for what a run records, how durable the record is, and how often it is written.

    Raises:
        ConfigError: `durability` is not `normal` or `full`.
    """

    console: bool = True
    """Record the output of the process, its children and notebook cells. `RUNFOLIO_CONSOLE=off` turns this off for all
    runs."""
    announce: bool = True
    """Print one line to stderr when the run starts, and one line when it ends in a state other than finished.
    `RUNFOLIO_QUIET=1` turns this off for all runs."""
    code: bool | None = None
    """Record the code of the run: the script, your own modules and uncommitted changes. Default: True, unless
    `RUNFOLIO_CODE` is off. Commit, branch and command are always recorded."""
    durability: Literal["normal", "full"] = "normal"
    """Protection of written points: `normal` or `full`. With `normal`, no written point is lost if the process is
    killed. If the machine crashes, points logged after the last checkpoint may be lost. With `full`, no written point
    is lost even if the machine crashes."""

    def __post_init__(self) -> None:
        if self.durability not in ("normal", "full"):
            raise ConfigError(f"durability is {self.durability!r}; it must be normal or full")
