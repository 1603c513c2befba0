"""Helper processes that convert tails (JSON files with the newest points) to segments (Parquet files). This is called
sealing."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from runfolio.tracking.process import subprocesses


class SealingProcesses:
    """Group of helper processes that seal the tails of one training process (convert them to Parquet). Sealing in the
    training process would slow down training.

    A failure is harmless, because the tail is kept and can still be read.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._processes: list[subprocess.Popen[str]] = []

    def start_seal(self, number: int) -> None:
        """Start a process that converts one tail to a Parquet file."""
        self._start("seal", number)

    def start_compact(self, number: int) -> None:
        """Start a process that merges all points of the run into one Parquet file, the segment `number`."""
        self._start("compact", number)

    def compact_here(self, number: int) -> None:
        """Merge all points in this process. For a small run, this is faster than starting another process."""
        from runfolio.record.points import compaction  # imports Arrow; training has ended here

        compaction.compact(self._folder, self._writer, number)
        compaction.sweep(self._folder)

    def forget_ended(self) -> None:
        self._processes = [process for process in self._processes if process.poll() is None]

    def wait(self) -> None:
        """Wait until all processes have ended."""
        for process in self._processes:
            process.wait()

    def _start(self, task: str, number: int) -> None:
        arguments = (task, os.fspath(self._folder), self._writer, str(number))
        with contextlib.suppress(OSError):
            self._processes.append(subprocesses.start_module("runfolio.record.points.compaction", *arguments))
