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
        RecordedWriter(it.writer, it.attempt, it.role, it.rank, it.worker, it.host, it.pid, _state(folder, it))
        for it in heartbeats(folder)
    ]


def described(found: list[RecordedWriter]) -> str | None:
    """How many processes wrote a run, and whose metrics are shown; None where it was one at a time."""
    joined = [it for it in found if it.role != PRIMARY]
    if not joined:
        return None
    ranks = sorted({it.rank for it in found if it.rank is not None and it.role in (PRIMARY, "rank")})
    workers = sum(it.role == "worker" for it in joined)
    others = sum(it.role == "process" for it in joined)
    parts = [
        f"rank{'s' * (len(ranks) > 1)} {_listed(ranks)}" if ranks else "",
        _counted(workers, "DataLoader worker"),
        _counted(others, "other process", "es"),
    ]
    primary = next((it.rank for it in reversed(found) if it.role == PRIMARY and it.rank is not None), None)
    whose = "the primary one's" if primary is None else f"rank {primary}'s"
    hint = ", --rank N for another's" if len(ranks) > 1 else ""
    said = ", ".join(part for part in parts if part)
    return f"{len(found)} processes wrote it ({said}); {whose} metrics are shown{hint}"


def vanished(found: list[RecordedWriter]) -> list[str]:
    """Each process that joined and vanished without an end, in short."""
    return [
        f"{_named(it)} (process {it.pid} on {it.host}) vanished without an end"
        for it in found
        if it.role != PRIMARY and it.state == CRASHED
    ]


def _state(folder: Path, heartbeat: Heartbeat) -> str:
    if heartbeat.end is not None:
        return heartbeat.end
    gone = heartbeat.process_is_gone()
    if gone is None:
        gone = heartbeat.age_s(folder) > SILENT_S
    return CRASHED if gone else RUNNING


def _named(writer: RecordedWriter) -> str:
    rank = "" if writer.rank is None else f"rank {writer.rank}"
    if writer.role == "rank" and rank:
        return rank
    what = "a process" if writer.worker is None else f"DataLoader worker {writer.worker}"
    return f"{what} of {rank}" if rank else what


def _counted(count: int, name: str, plural: str = "s") -> str:
    return f"{count} {name}{plural * (count > 1)}" if count else ""


def _listed(numbers: list[int]) -> str:
    """Whole numbers in order: `0-3` where none lacks, else all of them."""
    if len(numbers) > 1 and numbers == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
