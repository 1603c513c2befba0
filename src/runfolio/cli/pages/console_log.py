"""Print the part of a run's console log that has been written so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line, print_log
from runfolio.record.base import file_bounds
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content.console_log import log_path, read_last_lines

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

_CHUNK_BYTES = 1024 * 1024


class ConsoleLogPrinter:
    """Printer for the logs of a run's attempts. It remembers how much of each log it has already printed."""

    def __init__(self, run_path: Path) -> None:
        self._run_path = run_path
        self._printed_bytes: dict[str, int] = {}
        """Number of printed bytes of each log, keyed by the id of the process that wrote the log."""
        self.log_exists = False

    def print_new(self, run: RecordedRun) -> None:
        """Print all output that has not been printed yet, one attempt after another."""
        for attempt in run.document.attempts:
            path = log_path(self._run_path, attempt.writer)
            if not path.exists():
                continue
            self.log_exists = True
            if len(run.document.attempts) > 1 and attempt.writer not in self._printed_bytes:
                started = formatting.timestamp(attempt.started)
                print_line(f"==> attempt {attempt.attempt}, started {started} <==", style="bold")
            self._print_from_offset(path, attempt.writer)

    def print_newest(self, run: RecordedRun, count: int) -> None:
        """Print the last lines of the newest log, and mark all earlier lines as printed."""
        for attempt in reversed(run.document.attempts):
            path = log_path(self._run_path, attempt.writer)
            if path.exists():
                lines = [] if self.log_exists else read_last_lines(path, count)
                self.log_exists = True
                self._printed_bytes[attempt.writer] = path.status().st_size
                print_log("".join(f"{text}\n" for text in lines))

    def _print_from_offset(self, path: RecordPath, writer: str) -> None:
        with path.open(file_bounds.CONSOLE) as file:
            file.seek(self._printed_bytes.setdefault(writer, 0))
            while data := file.read(_CHUNK_BYTES):
                self._printed_bytes[writer] = file.tell()
                print_log(data.decode(errors="replace"))
