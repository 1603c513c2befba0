"""`runfolio tensorboard`: TensorBoard itself on the store."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.errors import MissingExtra, RunfolioError, StoreError

if TYPE_CHECKING:
    from runfolio.query.store import Folio

_ENDS_S = 10.0


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 6006, or the next free one]")
@click.option("--host", metavar="NAME", default="127.0.0.1", show_default=True, help="Address to listen on.")
@store_option
def tensorboard(port: int | None, host: str, store: Path | None) -> None:
    """Show the store in TensorBoard.

    Runs are named after their folders. Those that were recorded without event files get them first, made from the
    record; one that is still running without is told of. Ctrl-C ends it. Any other address than 127.0.0.1 shows the
    store to whoever can reach it.

    \b
    runfolio tensorboard
    runfolio tensorboard --store runs --port 6007
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "tensorboard", "runfolio tensorboard")
    folio = open_store(store)
    _make_missing(folio)
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--logdir", str(folio.store), "--host", host]
    _serve(command if port is None else [*command, "--port", str(port)], folio.store)


def _make_missing(folio: Folio) -> None:
    from runfolio.events.rebuild import make_event_files
    from runfolio.record.base.layout import event_files

    without = [run for run in folio.runs() if not event_files(run.folder)]
    running = [run for run in without if run.state == "running"]
    ended = [run for run in without if run.state != "running"]
    with progress_display() as progress:
        bar = progress.add_task("event files", total=len(ended), visible=bool(ended))
        for run in ended:
            try:
                make_event_files(run.folder)
            except (RunfolioError, OSError) as error:
                out.warn([f"{run.name} ({run.id}) is not shown: {error}"])
            progress.advance(bar)
    if running:
        names = ", ".join(f"{run.name} ({run.id})" for run in running)
        out.warn([f"still running without event files, so not shown: {names}; start this again when they have ended"])


def _serve(command: list[str], store: Path) -> None:
    """Run TensorBoard until it ends or is ended. What it says before its address is shown only where none comes.

    Raises:
        StoreError: It did not start; with its reason.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Ctrl-C goes to the whole terminal, TensorBoard too.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = _serving(server, store)
            status = server.wait()
        except BaseException:
            _end(server)
            raise
    if said:
        reason = next((line for line in said if "ERROR" in line), said[-1]).removeprefix("ERROR: ").strip()
        raise StoreError(
            f"TensorBoard did not start (exit status {status}): {reason};"
            " --port and --host name another address, if that is it"
        )


def _serving(server: subprocess.Popen[str], store: Path) -> list[str]:
    """Name the address and hand on what is said afterwards; where no address came, what was said instead."""
    said: list[str] = []
    for line in server.stderr or ():
        said.append(line)
        if found := re.search(r"http://\S+(?= \(Press)", line):
            out.line(f"TensorBoard shows {store} at {found[0]}; Ctrl-C ends it")
            sys.stdout.flush()
            sys.stderr.writelines(server.stderr or ())
            return []
    return said or ["it said nothing"]


def _end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        server.kill()
