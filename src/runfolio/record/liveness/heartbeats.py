"""Heartbeats of the processes that write to a run. The state of the run is derived from these heartbeats.

A heartbeat is a small file that its process rewrites regularly.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from runfolio.errors import RunfolioError
from runfolio.record.base import files, schema
from runfolio.record.base.clock import steady
from runfolio.record.base.file_names import is_writer_id
from runfolio.record.base.layout import ALIVE, FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.base.schema import AttemptNumber, Count, Line, Pid, Seconds, Small, Writer
from runfolio.record.liveness.process_exits import Death

Role = Literal["primary", "rank", "worker", "process"]
"""Role of a writer in its run. `primary`: the process that opened the attempt and owns `run.json`. `rank`: a process
with another rank in the same job. `worker`: a DataLoader worker. `process`: any other process that joined the run."""
End = Literal["finished", "failed", "interrupted", "preempted"]
PRIMARY: Role = "primary"
CRASHED = "crashed"
SILENT_S = 60.0
"""Seconds without a new heartbeat after which a writer counts as dead. The time is measured with the reader's clock."""


@dataclass
class Heartbeat:
    """Content of `alive/<writer>.json`."""

    writer: Writer
    attempt: AttemptNumber
    host: Line
    boot: Line
    pid_namespace: Line
    pid: Pid
    pid_started: Seconds
    """Start time of the process in seconds after boot. The start time distinguishes the process from a later process
    with the same pid."""
    every_s: Seconds
    beat: Count = 0
    end: End | None = None
    """State in which the process ended, or None while it runs."""
    role: Role = PRIMARY
    rank: Small | None = None
    """Rank in a distributed job, or None for other processes."""
    worker: Small | None = None
    """Number of a DataLoader worker, or None for other processes."""

    @classmethod
    def of_this_process(
        cls, writer: str, attempt: int, every_s: float, role: Role = PRIMARY, rank: int | None = None
    ) -> Heartbeat:
        return cls(
            writer=writer,
            attempt=attempt,
            host=hostname(),
            boot=_boot(),
            pid_namespace=_pid_namespace(),
            pid=os.getpid(),
            pid_started=process_started(os.getpid()) or 0.0,
            every_s=every_s,
            role=role,
            rank=rank,
        )

    @classmethod
    def read(cls, folder: Path, writer: str) -> Heartbeat | None:
        """Return the heartbeat of a writer, or None if the writer has no valid heartbeat."""
        try:
            heartbeat = schema.decode_whole(cls, files.read_json(_path(folder, writer)))
        except (FileNotFoundError, ValueError, RunfolioError):
            return None
        return heartbeat if heartbeat.writer == writer else None

    def write(self, folder: Path) -> None:
        files.write_json(_path(folder, self.writer), {"runfolio": FORMAT, **dataclasses.asdict(self)})

    def remove(self, folder: Path) -> None:
        """Remove the heartbeat of a process that does not write to the run after all."""
        _path(folder, self.writer).unlink(missing_ok=True)

    def age_s(self, folder: Path) -> float:
        """Return the seconds since the heartbeat was written.

        This time is the difference between the clock of this machine and the timestamp of the file.
        """
        try:
            return max(0.0, time.time() - _path(folder, self.writer).status().st_mtime)
        except OSError:
            return 0.0

    def process_is_gone(self) -> bool | None:
        """Return whether the process has ended, or None if its pid is not visible to this process."""
        if (self.host, self.boot, self.pid_namespace) != (hostname(), _boot(), _pid_namespace()):
            return None
        started = process_started(self.pid)
        return started is None or abs(started - self.pid_started) > 1.0


def heartbeats(folder: Path) -> list[Heartbeat]:
    """Return all readable heartbeats of a run, sorted by attempt, rank and worker. Each writer has one heartbeat."""
    paths = RecordPath(folder, ALIVE).files()
    names = [path.stem for path in paths if path.suffix == ".json" and is_writer_id(path.stem)]
    readable = [heartbeat for name in names if (heartbeat := Heartbeat.read(folder, name)) is not None]
    return sorted(readable, key=_order)


def joined_heartbeats(folder: Path, document: RunDocument) -> list[Heartbeat]:
    """Return the heartbeats of the writers that joined the run but did not open an attempt."""
    primaries = {attempt.writer for attempt in document.attempts}
    return [
        heartbeat for heartbeat in heartbeats(folder) if heartbeat.writer not in primaries and heartbeat.role != PRIMARY
    ]


def _order(heartbeat: Heartbeat) -> tuple[int, bool, bool, int, bool, int]:
    rank, worker = heartbeat.rank, heartbeat.worker
    return (heartbeat.attempt, heartbeat.role != PRIMARY, rank is None, rank or 0, worker is not None, worker or 0)


class BeatHistory(Protocol):
    """History of the heartbeats that one reader has seen."""

    def seen_at(self, key: str, beat: int) -> float:
        """Return the time, by `clock.steady`, at which this reader first saw the heartbeat number `beat` for `key`."""
        ...


def is_over(folder: Path, writer: str) -> bool:
    """Return whether a writer (a process that writes to the run) has certainly ended.

    If the writer ran on a different machine, only its final heartbeat can prove this.
    """
    heartbeat = Heartbeat.read(folder, writer)
    return heartbeat is not None and (heartbeat.end is not None or heartbeat.process_is_gone() is True)


def derive_state(folder: Path, document: RunDocument, history: BeatHistory) -> str:
    """Return the state in `run.json`, corrected with the heartbeats and the recorded process exits of the run.

    The rules are specified in `docs/format.md`, alive.
    """
    state = document.status.state
    if not document.attempts or state not in (RUNNING, "finished"):
        return state
    if state == "finished":  # a process cannot know its exit status; a helper process records the status
        death = Death.read(folder, document.attempts[-1].writer)
        return "failed" if death is not None and death.exit_code else state
    heartbeat = Heartbeat.read(folder, document.attempts[-1].writer)
    if heartbeat is None:
        return CRASHED  # the heartbeat is written before `run.json`
    if heartbeat.end is not None:
        return heartbeat.end
    return CRASHED if is_gone(folder, heartbeat, history) else RUNNING


def is_gone(folder: Path, heartbeat: Heartbeat, history: BeatHistory) -> bool:
    """Return whether a writer that did not report its end is dead.

    A writer is dead if its process is gone or its last heartbeat is too old.
    """
    is_dead = heartbeat.process_is_gone()
    if is_dead is None:
        key = f"{folder}:{heartbeat.writer}:{_boot()}"  # the reader's steady clock restarts with each boot
        is_dead = steady() - history.seen_at(key, heartbeat.beat) > SILENT_S
    return is_dead


def _path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, ALIVE) / f"{writer}.json"


def hostname() -> str:
    return socket.gethostname() or "unknown"


def _boot() -> str:
    """Return an id of the machine's current boot. All processes of the machine get the same id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def _pid_namespace() -> str:
    """Return the pid namespace. Containers can share the host name and the boot id, but have separate pids."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def process_started(pid: int) -> float | None:
    """Return the start time of a process in seconds after boot.

    Return None if the process does not exist or is a zombie.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # A change of the system clock shifts both times, so their difference stays the same.
        return process.create_time() - psutil.boot_time()
    except (psutil.NoSuchProcess, psutil.AccessDenied, TypeError, ValueError):
        return None
