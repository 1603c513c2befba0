"""`runfolio logs`: what a run printed, also while it prints."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output import formatting
from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.errors import NotFound
from runfolio.record.base.run_document import RUNNING
from runfolio.record.content.console_log import last_lines, log_path, printable

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

_LOOK_S = 0.5
_CHUNK_BYTES = 1024 * 1024


@click.command(cls=Command)
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints until it ends; Ctrl-C leaves it alone.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the newest lines.")
@store_option
def logs(run: str, follow: bool, lines: int | None, store: Path | None) -> None:
    """Show what a run printed: stdout and stderr, of C code and child processes too.

    Progress bars are folded to their last state. RUN is an id, the beginning of one, a name, or a run's folder.

    \b
    runfolio logs k3f9
    runfolio logs k3f9 -n 20
    runfolio logs k3f9 -f          from another terminal, while it trains
    """
    folio = open_store(store)
    found = folio.run(run)
    reader = _Reader(found.folder)
    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():
        if lines is None:
            reader.show_all(found)
        else:
            reader.show_newest(found, lines)
        while follow and found.state == RUNNING:
            time.sleep(_LOOK_S)
            found = folio.run(found.folder)
            reader.show_all(found)
    if not reader.seen:
        raise NotFound(f"run {found.id} has no console log: it printed nothing, or was not to record it")


class _Reader:
    """How far each attempt's log has been shown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: dict[str, int] = {}
        """Bytes, by writer."""
        self.seen = False

    def show_all(self, run: RecordedRun) -> None:
        """What has not been shown yet, attempt after attempt."""
        for attempt in run.document.attempts:
            path = log_path(self._folder, attempt.writer)
            if not path.exists():
                continue
            self.seen = True
            if len(run.document.attempts) > 1 and attempt.writer not in self._shown:
                out.line(f"==> attempt {attempt.attempt}, begun {formatting.moment(attempt.started)} <==", style="bold")
            self._show(path, attempt.writer)

    def show_newest(self, run: RecordedRun, count: int) -> None:
        """The newest lines of the newest log; all before them counts as shown."""
        for attempt in reversed(run.document.attempts):
            path = log_path(self._folder, attempt.writer)
            if path.exists():
                lines = [] if self.seen else last_lines(path, count)
                self.seen = True
                self._shown[attempt.writer] = path.stat().st_size
                for text in lines:
                    click.echo(text)

    def _show(self, path: Path, writer: str) -> None:
        with path.open("rb") as file:
            file.seek(self._shown.setdefault(writer, 0))
            while data := file.read(_CHUNK_BYTES):
                self._shown[writer] = file.tell()
                click.echo(printable(data.decode(errors="replace")), nl=False)
