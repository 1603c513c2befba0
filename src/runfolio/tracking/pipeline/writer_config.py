"""Times and sizes that control the writing of a record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WriterConfig:
    """Intervals and limits of the threads that write a record."""

    flush_s: float = 0.5
    """Maximum time for which a logged point stays in memory."""
    heartbeat_s: float = 5.0
    system_s: float = 10.0
    """Interval between samples of machine load and training speed. The value 0 turns sampling off."""
    seal_bytes: int = 16 * 1024 * 1024
    """Size in bytes at which a tail (a JSON file with the newest points) is full. A helper process converts a full tail
    to Parquet, and a new tail is started."""
    patience_s: float = 10.0
    """Maximum time for which a store may fail or hang before points are written to a spool, a folder on a local
    disk."""
    join_s: float = 25.0
    """Maximum time for which a process waits until rank 0 opens the common run. After this time, the process opens the
    run itself."""
    memory_bytes: int = 32 * 1024 * 1024
    """Number of bytes that may be queued for the store before points are written to a spool."""
    grace_s: float = 25.0
    """Maximum time for which a process may keep running after SIGTERM to reach its next checkpoint."""
