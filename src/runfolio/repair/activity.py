"""Who still writes a run, and which attempts it had, as far as files beside `run.json` tell."""

from __future__ import annotations

import time
from pathlib import Path

from runfolio.record.base.file_names import is_writer_id
from runfolio.record.base.layout import ALIVE, METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.liveness.heartbeats import SILENT_S, BeatHistory, Heartbeat, is_gone
from runfolio.record.liveness.process_exits import death_path


def heartbeat_by_writer(folder: Path) -> dict[str, Heartbeat | None]:
    """By writer; None where the file cannot be read as what it should be."""
    names = [path.name for path in RecordPath(folder, ALIVE).files()]
    writers = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return {writer: Heartbeat.read(folder, writer) for writer in writers if is_writer_id(writer)}


def is_at_work(folder: Path, history: BeatHistory) -> bool:
    """Whether some process may still be writing the run; where a heartbeat cannot be read, fresh files say so."""
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
