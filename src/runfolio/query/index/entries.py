"""Content of a run, as a scan reads it, and results of earlier scans."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.run_edits import EditedValues
from runfolio.record.points.metric_summary import MetricSummary


@dataclass(frozen=True)
class Entry:
    """Content of one run."""

    document: RunDocument
    edits: EditedValues = field(default_factory=EditedValues)
    """Edited values, which take precedence over the values in `run.json` (see `run_edits`)."""
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    sparklines: dict[str, bytes] = field(default_factory=dict)
    """Sparklines (small versions of the curves) of the main metrics, keyed by metric (see `tables`)."""
    problems: tuple[str, ...] = ()
    """Descriptions of unreadable parts of the run, one line each."""


class ScannedRun(NamedTuple):
    """Run that a scan found."""

    run_path: str
    """Folder relative to the store, with `/` as the separator."""
    folder: Path
    entry: Entry
    state: str
    signature: str
    """Digest that changes if a file of the run changes."""
    stamp: str
    """Modification times of an ended run's folders. The string is empty if every scan must compare the run's files."""
    reason: str | None = None
    """Reason why the run ended."""

    @property
    def document(self) -> RunDocument:
        """Content of `run.json`."""
        return self.entry.document


class Sighting(NamedTuple):
    """Result of the last scan of a run. The next scan compares the run with this result."""

    signature: str
    stamp: str
    state: str
    reason: str | None


class SeenHeartbeat(NamedTuple):
    """Heartbeat of a process that writes to a run, as a reader on this machine saw it."""

    beat: int
    seen_at: float
    """Time at which the heartbeat was first seen, in seconds on the `steady` clock, which ignores changes of the system
    time."""
