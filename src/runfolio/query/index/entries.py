"""Content of a run as a scan reads it, and results of earlier scans."""

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
    """Values of edits, which take precedence over the document (see `run_edits`)."""
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Descriptions of unreadable parts, one line each."""


class ScannedRun(NamedTuple):
    """Run as found by one scan."""

    run_path: str
    """Folder relative to the store, with `/`."""
    folder: Path
    entry: Entry
    state: str
    signature: str
    """Digest that changes if a file of the run changes."""
    stamp: str
    """Times of the folders of an ended run; empty if its files must be compared in every scan."""
    reason: str | None = None
    """Reason of its end."""

    @property
    def document(self) -> RunDocument:
        """Content of `run.json`."""
        return self.entry.document


class Sighting(NamedTuple):
    """Result of the last scan of a run, for comparison."""

    signature: str
    stamp: str
    state: str
    reason: str | None


class SeenHeartbeat(NamedTuple):
    """Heartbeat that a reader on this machine saw."""

    beat: int
    seen_at: float
    """Time at which the beat was first seen, in seconds of the clock `steady`."""
