"""Memory limit for commands that only read. It prevents an untrusted file from exhausting the machine's memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from runfolio.errors import ConfigError
from runfolio.record.base.record_path import RecordPath

try:
    import resource
except ImportError:  # Windows does not have these limits
    resource = None

VARIABLE = "RUNFOLIO_MEMORY_LIMIT"
_GIGABYTE = 1e9
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def limit_memory() -> None:
    """Limit this process to half of the machine's or container's memory, or to `RUNFOLIO_MEMORY_LIMIT` gigabytes.

    The limit counts allocated memory (`RLIMIT_DATA`), not reserved address space.

    Raises:
        ConfigError: `RUNFOLIO_MEMORY_LIMIT` is neither a number above 0 nor `off`.
    """
    limit = _limit_bytes()
    if resource is None or limit is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [bound for bound in (limit, soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))


def memory_message(error: MemoryError) -> str:
    """Return a message for a command that ran out of memory. The message names the file that was being read, and a
    remedy."""
    path = _path_being_read(error.__traceback__)
    subject = "the command" if path is None else f"reading {path}"
    return (
        f"{subject} needs more memory than the limit allows; if you trust the data, set {VARIABLE} to a larger number"
        " of GB, or to off"
    )


def _limit_bytes() -> int | None:
    value = os.environ.get(VARIABLE, "").strip().lower()
    if not value:
        return _memory_bytes() // 2
    if value == "off":
        return None
    with contextlib.suppress(ValueError, OverflowError):
        if (limit := int(float(value) * _GIGABYTE)) > 0:
            return limit
    raise ConfigError(f"{VARIABLE} is {value!r}; it must be a number of GB above 0, or off")


def _memory_bytes() -> int:
    """Return the memory of the machine in bytes, or the memory of the container if it is smaller."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # `max` means no limit
            sizes.append(int(path.read_text()))
    return min(sizes)


def _path_being_read(trace: TracebackType | None) -> Path | RecordPath | None:
    """Return the value of the variable `path` in the innermost function that has such a variable."""
    path = None
    while trace is not None:
        value = trace.tb_frame.f_locals.get("path")
        path = value if isinstance(value, (Path, RecordPath)) else path
        trace = trace.tb_next
    return path
