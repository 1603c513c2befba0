"""Helper processes that seal tails into segments."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from runfolio.tracking.process import subprocesses


class SealingProcesses:
    """Sealer of one writer's tails. The sealer uses separate processes, because sealing would slow down the training
    process.

    A failure is harmless, because the tails remain and are readable.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._processes: list[subprocess.Popen[str]] = []

    def start_seal(self, number: int) -> None:
        """Start to seal one tail."""
        self._start("seal", number)

    def start_compact(self, number: int) -> None:
        """Start to seal all points into the single segment `number`."""
        self._start("compact", number)

    def compact_here(self, number: int) -> None:
        """Compact in this process. For a small run, this is faster than starting another process."""
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
