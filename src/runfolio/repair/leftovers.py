"""What processes that ended early left behind: no data is missing, but something may be tidied up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import disk, files
from runfolio.record.base.layout import CHECKPOINTS, DAMAGED
from runfolio.record.base.plurals import counted
from runfolio.record.checkpoints import manifests
from runfolio.repair.activity import heartbeats
from runfolio.repair.census import Census
from runfolio.repair.findings import Finding, Severity
from runfolio.repair.run_folders import listed, relative, walked

STALE_S = 600.0
"""So long ago must a temporary file have changed last: a note may be written, or a run sealed, at this moment."""


def findings(folder: Path, census: Census) -> Iterator[Finding]:
    yield from _torn(folder, census)
    if sealable(census):
        yield Finding(
            "metrics", Severity.LEFTOVER, f"holds {counted(len(sealable(census)), 'tail')} that nobody sealed"
        )
    for path in stale(folder):
        yield Finding(relative(path, folder), Severity.LEFTOVER, "was left behind by a process that ended")
    if unnamed := _unnamed_tensors(folder):
        what = f"holds {counted(len(unnamed), 'tensor file')} that no checkpoint names, such as {unnamed[0]}"
        yield Finding(CHECKPOINTS, Severity.LEFTOVER, what)
    if aside := sum(1 for path in (folder / DAMAGED).rglob("*") if path.is_file()):
        yield Finding(
            DAMAGED, Severity.LEFTOVER, f"holds {counted(aside, 'damaged file')} that an earlier repair set aside"
        )


def _torn(folder: Path, census: Census) -> Iterator[Finding]:
    """Ends of files as a killed process leaves them; of one that ended in order, something was lost since."""
    ended = {writer for writer, beat in heartbeats(folder).items() if beat is not None and beat.end is not None}
    for lines in (*census.tails, *census.media):
        if lines.torn:
            severity = Severity.LOST if lines.writer in ended else Severity.LEFTOVER
            what = f"is cut off in its last line ({lines.torn:,} bytes of that are there)"
            yield Finding(relative(lines.path, folder), severity, what)
    for path in census.begun:
        severity = Severity.LOST if any(f"-{writer}-" in path.name for writer in ended) else Severity.LEFTOVER
        yield Finding(relative(path, folder), severity, "is empty")


def sealable(census: Census) -> list[Path]:
    """Tails whose log calls could stand in a segment."""
    return [lines.path for lines in census.tails if lines.calls and lines.is_whole]


def stale(folder: Path) -> list[Path]:
    """Temporary files, and room kept for last words, of processes that ended."""
    found = list(walked(folder))
    reserves = [path for path in found if path.name.startswith(disk.RESERVE)]
    # The safetensors library names its own `.tmpXXXX`.
    temporary = [path for path in found if path.name.startswith(files.HIDDEN.rstrip("-")) and _age_s(path) > STALE_S]
    return sorted(reserves + temporary)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _unnamed_tensors(folder: Path) -> list[str]:
    named: set[str] = set()
    for name in manifests.names(folder):
        try:
            named.update(manifests.read(folder, name).file_names)
        except (RunfolioError, OSError):
            return []  # which ones it names is not known
    found = [path.name for path in listed(folder / CHECKPOINTS) if path.name.endswith(".safetensors")]
    return sorted(name for name in found if not name.startswith(".") and name not in named)
