"""Observation of a process from a helper process: its memory, its exit status, and the senders of signals."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import signal
import struct
import time
from dataclasses import dataclass
from pathlib import Path

_PIDFD_GET_INFO = 0xC040FF0B
"""Value of `_IOWR(0xFF, 11, struct pidfd_info)` in linux/pidfd.h, which was added in Linux 6.13. The structure has 64
bytes."""
_PIDFD_INFO_EXIT = 1 << 3
"""Flag that requests the exit status of a process after `waitpid` has returned for the process. It was added in Linux
6.15."""
_STATUS_TRIES = 20
_STATUS_FIELD = 51
"""Index (from 0) of the `waitpid` status in /proc/PID/stat. The field is valid until `waitpid` has returned for the
process."""


@dataclass(frozen=True)
class Sender:
    """Sender of a signal."""

    signal: int
    pid: int
    """Id of the sending process. The value 0 stands for the kernel (after a key press or a hang-up) or a process
    outside this container."""
    name: str | None
    user: str | None

    @classmethod
    def from_siginfo(cls, info: signal.struct_siginfo) -> Sender:
        name = user = None
        with contextlib.suppress(OSError):
            if info.si_pid:
                name = Path(f"/proc/{info.si_pid}/comm").read_text(errors="replace").strip()
        with contextlib.suppress(KeyError):
            if info.si_pid:
                user = pwd.getpwuid(info.si_uid).pw_name
        return cls(info.si_signo, info.si_pid, name, user)


@dataclass(frozen=True)
class OomKills:
    """Counter of the out-of-memory kills in a control group. `parse` reads the string that `str` returns."""

    counter: Path
    before: int

    @classmethod
    def of_this_process(cls) -> OomKills | None:
        """Start to count the kills in this process's control group. Return None if the kernel does not count such
        kills."""
        for counter in _counter_paths():
            if (count := _read_count(counter)) is not None:
                return cls(counter, count)
        return None

    @classmethod
    def parse(cls, text: str) -> OomKills | None:
        before, _, counter = text.partition(" ")
        return cls(Path(counter), int(before)) if counter else None

    def __str__(self) -> str:
        return f"{self.before} {self.counter}"

    def since(self) -> int | None:
        now = _read_count(self.counter)
        return None if now is None else now - self.before


class ProcessObserver:
    """Observer of a process on the same machine."""

    def __init__(self, pid: int, descriptor: int | None, oom_kills: OomKills | None = None) -> None:
        """Create an observer.

        Args:
            descriptor: File descriptor of the process (a pidfd), which becomes readable when the process ends. Pass
                None if the kernel does not support pidfds.
            oom_kills: Number of out-of-memory kills in the control group since the process started.
        """
        self._pid = pid
        self._oom_kills = oom_kills
        self.descriptor = descriptor
        self.memory_bytes: int | None = None
        """Resident memory at the last sample, in bytes."""

    def sample_memory(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
            if pages:
                self.memory_bytes = pages * os.sysconf("SC_PAGE_SIZE")

    def oom_kills(self) -> int | None:
        """Return the number of out-of-memory kills in the process's control group, or None if the number is unknown."""
        return None if self._oom_kills is None else self._oom_kills.since()

    def exit_code(self) -> int | None:
        """Return the exit status, or the negative number of the signal that killed the process. Return None if the
        status is unknown."""
        for _ in range(_STATUS_TRIES):
            status = self._status_before_wait()
            status = self._status_after_wait() if status is None else status
            if status is not None:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        return None

    def _status_before_wait(self) -> int | None:
        try:
            stat = Path(f"/proc/{self._pid}/stat").read_text(errors="replace")
        except OSError:
            return None
        # The process name, which is in parentheses, may contain any character.
        fields = ["", "", *stat.rpartition(")")[2].split()]
        return int(fields[_STATUS_FIELD]) if fields[2] in "ZX" and len(fields) > _STATUS_FIELD else None

    def _status_after_wait(self) -> int | None:
        if self.descriptor is None:
            return None
        info = bytearray(struct.pack("Q56x", _PIDFD_INFO_EXIT))
        try:
            fcntl.ioctl(self.descriptor, _PIDFD_GET_INFO, info)
        except OSError:
            return None
        mask, status = struct.unpack("Q52xi", info)
        return status if mask & _PIDFD_INFO_EXIT else None


def _read_count(counter: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in counter.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _counter_paths() -> list[Path]:
    """Return the files in which the kernel may count out-of-memory kills of this process's control group.

    Source: `memory.events` of cgroup v2, `memory.oom_control` of v1 (Linux's Documentation/admin-guide).
    """
    paths = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, cgroup_path = line.split(":", 2)
            relative_path = cgroup_path.lstrip("/")
            if not controllers:
                paths.append(Path("/sys/fs/cgroup", relative_path, "memory.events"))
            elif "memory" in controllers.split(","):
                # In a container, the control group of the container is often mounted as the root.
                paths += [Path("/sys/fs/cgroup/memory", part, "memory.oom_control") for part in (relative_path, "")]
    return paths
