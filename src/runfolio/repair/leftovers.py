"""Files that processes left behind when they ended early. Cleaning up these files loses no data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import disk
from runfolio.record.base.layout import CHECKPOINTS, DAMAGED
from runfolio.record.base.plurals import counted
from runfolio.record.base.record_path import HIDDEN, RecordPath
from runfolio.record.checkpoints import manifests
from runfolio.repair.activity import heartbeat_by_writer
from runfolio.repair.census import Census
from runfolio.repair.findings import Finding, Severity
from runfolio.repair.run_folders import walk_files

STALE_S = 600.0
"""Minimum age of a leftover temporary file. A newer file may belong to a write in progress."""


def findings(folder: Path, census: Census) -> Iterator[Finding]:
    yield from _torn_findings(folder, census)
    if sealable_tails(census):
        yield Finding(
            "metrics", Severity.LEFTOVER, f"contains {counted(len(sealable_tails(census)), 'tail')} that can be sealed"
        )
    for path in stale_files(folder):
        yield Finding(path.relative, Severity.LEFTOVER, "is a leftover of a process that ended")
    if unnamed := _unnamed_tensors(folder):
        message = f"contains {counted(len(unnamed), 'tensor file')} that no checkpoint uses, such as {unnamed[0]}"
        yield Finding(CHECKPOINTS, Severity.LEFTOVER, message)
    if moved := len(list(RecordPath(folder, DAMAGED).walk())):
        yield Finding(
            DAMAGED, Severity.LEFTOVER, f"contains {counted(moved, 'damaged file')} that an earlier repair moved there"
        )


def _torn_findings(folder: Path, census: Census) -> Iterator[Finding]:
    """Yield findings for incomplete last lines.

    A process that is killed leaves an incomplete line. If the process ended normally, the rest of the line was lost
    later.
    """
    ended = {
        writer for writer, beat in heartbeat_by_writer(folder).items() if beat is not None and beat.end is not None
    }
    for lines in (*census.tails, *census.media):
        if lines.torn:
            severity = Severity.LOST if lines.writer in ended else Severity.LEFTOVER
            message = f"is cut off in its last line (after {lines.torn:,} bytes of that line)"
            yield Finding(lines.path.relative, severity, message)
    for path in census.empty_files:
        severity = Severity.LOST if any(f"-{writer}-" in path.name for writer in ended) else Severity.LEFTOVER
        yield Finding(path.relative, severity, "is empty")


def sealable_tails(census: Census) -> list[RecordPath]:
    """Return the tails (JSON Lines files of new points) that can be sealed, which means converted to a Parquet
    segment."""
    return [lines.path for lines in census.tails if lines.calls and lines.is_whole]


def stale_files(folder: Path) -> list[RecordPath]:
    """Return the temporary files and space reservations of processes that have ended."""
    paths = list(walk_files(folder))
    reserves = [path for path in paths if path.name.startswith(disk.RESERVE)]
    # The safetensors library names its temporary files `.tmpXXXX`.
    temporary = [path for path in paths if path.name.startswith(HIDDEN.rstrip("-")) and _age_s(path) > STALE_S]
    return sorted(reserves + temporary)


def _age_s(path: RecordPath) -> float:
    try:
        return time.time() - path.status().st_mtime
    except OSError:
        return 0.0


def _unnamed_tensors(folder: Path) -> list[str]:
    named: set[str] = set()
    for name in manifests.names(folder):
        try:
            named.update(manifests.read(folder, name).file_names)
        except (RunfolioError, OSError):
            return []  # it is unknown which files this checkpoint uses
    file_names = [path.name for path in RecordPath(folder, CHECKPOINTS).files() if path.name.endswith(".safetensors")]
    return sorted(name for name in file_names if not name.startswith(".") and name not in named)
