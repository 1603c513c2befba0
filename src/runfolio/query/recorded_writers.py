"""Processes that wrote to a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runfolio.record.base.run_document import RUNNING
from runfolio.record.liveness.heartbeats import CRASHED, PRIMARY, SILENT_S, Heartbeat, Role, heartbeats


@dataclass(frozen=True)
class RecordedWriter:
    """Process that wrote to a run."""

    writer: str
    """Id of the process in the record."""
    attempt: int
    role: Role
    """Role of the process: `primary`, `rank`, `worker` (of a DataLoader) or `process` (any other)."""
    rank: int | None
    worker: int | None
    """Number of the worker within its DataLoader."""
    host: str
    pid: int
    state: str
    """State of the process: `running`, `crashed` (the process disappeared), or the recorded end, such as `finished`."""


def read_writers(folder: Path) -> list[RecordedWriter]:
    """Return the processes that wrote to a run, ordered by attempt. In each attempt, the primary process comes first.
    The others are ordered by rank and worker."""
    return [
        RecordedWriter(
            heartbeat.writer,
            heartbeat.attempt,
            heartbeat.role,
            heartbeat.rank,
            heartbeat.worker,
            heartbeat.host,
            heartbeat.pid,
            _state(folder, heartbeat),
        )
        for heartbeat in heartbeats(folder)
    ]


def describe_writers(writers: list[RecordedWriter]) -> str | None:
    """Describe how many processes wrote to a run and whose metrics are shown. Return None if only primary processes
    wrote."""
    joined = [writer for writer in writers if writer.role != PRIMARY]
    if not joined:
        return None
    ranks = sorted({writer.rank for writer in writers if writer.rank is not None and writer.role in (PRIMARY, "rank")})
    workers = sum(writer.role == "worker" for writer in joined)
    processes = sum(writer.role == "process" for writer in joined)
    parts = [
        f"rank{'s' * (len(ranks) > 1)} {_number_ranges(ranks)}" if ranks else "",
        _counted(workers, "DataLoader worker"),
        _counted(processes, "other process", "es"),
    ]
    primary = next(
        (writer.rank for writer in reversed(writers) if writer.role == PRIMARY and writer.rank is not None), None
    )
    shown = "the primary process" if primary is None else f"rank {primary}"
    hint = " (--rank N for another)" if len(ranks) > 1 else ""
    counted = ", ".join(part for part in parts if part)
    return f"{len(writers)} processes wrote to it ({counted}); metrics of {shown} are shown{hint}"


def describe_vanished(writers: list[RecordedWriter]) -> list[str]:
    """Describe each process that disappeared without reporting its end. Primary processes are omitted."""
    return [
        f"{_process_name(writer)} (process {writer.pid} on {writer.host}) disappeared without reporting its end"
        for writer in writers
        if writer.role != PRIMARY and writer.state == CRASHED
    ]


def _state(folder: Path, heartbeat: Heartbeat) -> str:
    if heartbeat.end is not None:
        return heartbeat.end
    is_gone = heartbeat.process_is_gone()
    if is_gone is None:
        is_gone = heartbeat.age_s(folder) > SILENT_S
    return CRASHED if is_gone else RUNNING


def _process_name(writer: RecordedWriter) -> str:
    rank = "" if writer.rank is None else f"rank {writer.rank}"
    if writer.role == "rank" and rank:
        return rank
    kind = "a process" if writer.worker is None else f"DataLoader worker {writer.worker}"
    return f"{kind} of {rank}" if rank else kind


def _counted(count: int, name: str, plural: str = "s") -> str:
    return f"{count} {name}{plural * (count > 1)}" if count else ""


def _number_ranges(numbers: list[int]) -> str:
    """Return ascending integers as a string: a range such as `0-3` if they are consecutive, else a list."""
    if len(numbers) > 1 and numbers == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
