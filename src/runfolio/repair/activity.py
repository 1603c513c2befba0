"""Detection of processes that still write to a run, based on heartbeats and on recently modified files.

A writer is a process that records a run. While the process is alive, it keeps updating its heartbeat, which is a small
file.
"""

from __future__ import annotations

import time
from pathlib import Path

from runfolio.record.base.file_names import is_writer_id
from runfolio.record.base.layout import ALIVE, METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.liveness.heartbeats import SILENT_S, BeatHistory, Heartbeat, is_gone
from runfolio.record.liveness.process_exits import death_path


def heartbeat_by_writer(folder: Path) -> dict[str, Heartbeat | None]:
    """Return the heartbeat of each writer, or None for a writer whose heartbeat file is invalid."""
    names = [path.name for path in RecordPath(folder, ALIVE).files()]
    writers = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return {writer: Heartbeat.read(folder, writer) for writer in writers if is_writer_id(writer)}


def is_at_work(folder: Path, history: BeatHistory) -> bool:
    """Return whether a process may still be writing to the run.

    If there is no heartbeat, or a heartbeat is unreadable, a recently modified file is evidence of a running process.
    """
    beats = heartbeat_by_writer(folder)
    silent = [beat for beat in beats.values() if beat is not None and beat.end is None]
    if any(not death_path(folder, beat.writer).exists() and not is_gone(folder, beat, history) for beat in silent):
        return True
    return (not beats or None in beats.values()) and _is_fresh(folder)


def _is_fresh(folder: Path) -> bool:
    newest = 0.0
    for path in (*RecordPath(folder, ALIVE).files(), *RecordPath(folder, METRICS).files()):
        try:
            newest = max(newest, path.status().st_mtime)
        except OSError:
            continue
    return abs(time.time() - newest) < SILENT_S
