"""Times and sizes that control the writing of a record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WriterConfig:
    """Intervals and limits of the threads that write a record."""

    flush_s: float = 0.5
    """Longest time that a logged point stays in memory."""
    heartbeat_s: float = 5.0
    system_s: float = 10.0
    """Interval between samples of machine load and training speed; 0 turns sampling off."""
    seal_bytes: int = 16 * 1024 * 1024
    """A tail of this size is sealed to Parquet by a helper process, and a new tail is started."""
    patience_s: float = 10.0
    """Longest time that a store may fail or hang before points go to the local spool instead."""
    join_s: float = 25.0
    """Longest time that a process waits for rank 0 to open their common run, before it opens the run itself."""
    memory_bytes: int = 32 * 1024 * 1024
    """Number of bytes that may be queued for the store before points go to the spool."""
    grace_s: float = 25.0
    """Longest time that a process that was asked to stop (SIGTERM) may continue until its next checkpoint."""
