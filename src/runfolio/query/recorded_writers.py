"""Which processes wrote a run, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runfolio.record.base.run_document import RUNNING
from runfolio.record.liveness.heartbeats import CRASHED, PRIMARY, SILENT_S, Heartbeat, Role, heartbeats


@dataclass(frozen=True)
class RecordedWriter:
    """One process that wrote a run."""

    writer: str
    """Its id in the run's record."""
    attempt: int
    role: Role
    """primary, rank, worker (of a DataLoader) or process (any other that joined)."""
    rank: int | None
    worker: int | None
    """Its number among a DataLoader's workers."""
    host: str
    pid: int
    state: str
    """running, as it ended, or crashed: it vanished without an end."""


def read_writers(folder: Path) -> list[RecordedWriter]:
    """Every process that has written a run: by attempt, the primary one first, then by rank and worker."""
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
    """How many processes wrote a run, and whose metrics are shown; None where it was one at a time."""
    joined = [writer for writer in writers if writer.role != PRIMARY]
    if not joined:
        return None
    ranks = sorted({writer.rank for writer in writers if writer.rank is not None and writer.role in (PRIMARY, "rank")})
    workers = sum(writer.role == "worker" for writer in joined)
    processes = sum(writer.role == "process" for writer in joined)
    parts = [
        f"rank{'s' * (len(ranks) > 1)} {_listed(ranks)}" if ranks else "",
        _counted(workers, "DataLoader worker"),
        _counted(processes, "other process", "es"),
    ]
    primary = next(
        (writer.rank for writer in reversed(writers) if writer.role == PRIMARY and writer.rank is not None), None
    )
    whose = "the primary one's" if primary is None else f"rank {primary}'s"
    hint = ", --rank N for another's" if len(ranks) > 1 else ""
    counted = ", ".join(part for part in parts if part)
    return f"{len(writers)} processes wrote it ({counted}); {whose} metrics are shown{hint}"


def describe_vanished(writers: list[RecordedWriter]) -> list[str]:
    """Each process that joined and vanished without an end, in short."""
    return [
        f"{_named(writer)} (process {writer.pid} on {writer.host}) vanished without an end"
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


def _named(writer: RecordedWriter) -> str:
    rank = "" if writer.rank is None else f"rank {writer.rank}"
    if writer.role == "rank" and rank:
        return rank
    kind = "a process" if writer.worker is None else f"DataLoader worker {writer.worker}"
    return f"{kind} of {rank}" if rank else kind


def _counted(count: int, name: str, plural: str = "s") -> str:
    return f"{count} {name}{plural * (count > 1)}" if count else ""


def _listed(numbers: list[int]) -> str:
    """Whole numbers in order: `0-3` where none lacks, else all of them."""
    if len(numbers) > 1 and numbers == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
