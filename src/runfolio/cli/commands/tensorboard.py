"""`runfolio tensorboard`: show the store in TensorBoard."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.errors import MissingExtra, RunfolioError

if TYPE_CHECKING:
    from runfolio.query.store import Folio


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 6006, or the next free one]")
@click.option("--host", metavar="NAME", default="127.0.0.1", show_default=True, help="Address to listen on.")
@store_option
def tensorboard(port: int | None, host: str, store: Path | None) -> None:
    """Show the store in TensorBoard.

    Runs are named after their folders. If a run has ended and has no event files, they are first written from its
    record. Runs that are still running and have no event files are listed in a warning instead. Ctrl-C stops the
    server. With an address other than 127.0.0.1, other machines may be able to read the store.

    \b
    runfolio tensorboard
    runfolio tensorboard --store runs --port 6007
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "tensorboard", "runfolio tensorboard")
    from runfolio.tensorboard.server import serve

    folio = open_store(store)
    _make_missing_event_files(folio)

    def print_address(address: str) -> None:
        print_line(f"TensorBoard shows {folio.store} at {address}; Ctrl-C stops it")
        sys.stdout.flush()

    serve(folio.store, host, port, print_address)


def _make_missing_event_files(folio: Folio) -> None:
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
                print_warnings([f"{run.name} ({run.id}) is not shown: {error}"])
            progress.advance(bar)
    if running:
        names = ", ".join(f"{run.name} ({run.id})" for run in running)
        print_warnings(
            [f"not shown, because they are running and have no event files: {names}; try again after they have ended"]
        )
