"""Heartbeats: which process writes a run, whether it still lives, and so what state a run is in."""

from __future__ import annotations

import dataclasses
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runfolio.errors import RunfolioError
from runfolio.record import files
from runfolio.record.clock import steady
from runfolio.record.deaths import Death
from runfolio.record.document import ENDED, RUNNING, RunDocument
from runfolio.record.layout import ALIVE, FORMAT

CRASHED = "crashed"
SILENT_S = 60.0
"""A writer whose heartbeat has not changed for so long, by the reader's own clock, is dead."""


@dataclass
class Heartbeat:
    """`alive/<writer>.json`."""

    writer: str
    attempt: int
    host: str
    boot: str
    pid_namespace: str
    pid: int
    pid_started: float
    """When the process started, in seconds after `boot`; tells it from a later one of the same pid."""
    every_s: float
    beat: int = 0
    end: str | None = None
    """The state the process ended in, once it has."""

    @classmethod
    def of_this_process(cls, writer: str, attempt: int, every_s: float) -> Heartbeat:
        return cls(
            writer=writer,
            attempt=attempt,
            host=hostname(),
            boot=_boot(),
            pid_namespace=_pid_namespace(),
            pid=os.getpid(),
            pid_started=_process_start(os.getpid()) or 0.0,
            every_s=every_s,
        )

    @classmethod
    def read(cls, folder: Path, writer: str) -> Heartbeat | None:
        """The heartbeat of a writer; None where it left none that can be read."""
        try:
            value = files.read_json(folder / ALIVE / f"{writer}.json")
            found = cls(**{entry.name: value[entry.name] for entry in dataclasses.fields(cls)})
        except (FileNotFoundError, KeyError, RunfolioError):
            return None
        numbers = (found.pid, found.pid_started, found.beat)
        whole = all(isinstance(number, (int, float)) for number in numbers) and found.end in (None, *ENDED)
        return found if whole else None

    def write(self, folder: Path) -> None:
        files.write_json(folder / ALIVE / f"{self.writer}.json", {"runfolio": FORMAT, **dataclasses.asdict(self)})

    def process_is_gone(self) -> bool | None:
        """Whether the process has ended; None when it runs elsewhere and this machine cannot tell."""
        if (self.host, self.boot, self.pid_namespace) != (hostname(), _boot(), _pid_namespace()):
            return None
        started = _process_start(self.pid)
        return started is None or abs(started - self.pid_started) > 1.0


class BeatMemory(Protocol):
    """What a reader remembers of heartbeats from one look to the next."""

    def seen_at(self, key: str, beat: int) -> float:
        """When this reader first saw `key` at `beat`, by its own `clock.steady`."""
        ...


def derive_state(folder: Path, document: RunDocument, memory: BeatMemory) -> str:
    """The state of a run as a reader sees it: what `run.json` says, or `crashed` (`docs/format.md`, alive)."""
    state = document.status.state
    if not document.attempts or state not in (RUNNING, "finished"):
        return state
    if state == "finished":  # as far as the process knew: what it exits with is seen from outside alone
        death = Death.read(folder, document.attempts[-1].writer)
        return "failed" if death is not None and death.exit_code else state
    heartbeat = Heartbeat.read(folder, document.attempts[-1].writer)
    if heartbeat is None:
        return CRASHED  # it is written before run.json says "running"
    if heartbeat.end is not None:
        return heartbeat.end
    return CRASHED if is_gone(folder, heartbeat, memory) else RUNNING


def is_gone(folder: Path, heartbeat: Heartbeat, memory: BeatMemory) -> bool:
    """Whether a writer that left no end is dead: its process has vanished, or it has been silent for too long."""
    gone = heartbeat.process_is_gone()
    if gone is None:
        key = f"{folder}:{heartbeat.writer}:{_boot()}"  # the reader's: its clock begins anew with each
        gone = steady() - memory.seen_at(key, heartbeat.beat) > SILENT_S
    return gone


def hostname() -> str:
    return socket.gethostname() or "unknown"


def _boot() -> str:
    """Tells this boot of the machine from others; the same for every process on it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def _pid_namespace() -> str:
    """Containers share host and boot but count pids on their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _process_start(pid: int) -> float | None:
    """When the process started, seconds after the machine did; None if there is no such (living) process."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # Both move together when the clock is set; their difference stays.
        return process.create_time() - psutil.boot_time()
    except (psutil.NoSuchProcess, psutil.AccessDenied, TypeError, ValueError):
        return None
