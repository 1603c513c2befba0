"""`runfolio tensorboard`: show the store in TensorBoard."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.errors import MissingExtra


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 6006, or the next free one]")
@click.option("--host", metavar="NAME", default="127.0.0.1", show_default=True, help="Address to listen on.")
@store_option
def tensorboard(port: int | None, host: str, store: Path | None) -> None:
    """Show the store in TensorBoard.

    Runs are named after their folders. If a run has ended and has no event files, they are first written from its
    record. A run that is still running and has no event files is shown from a temporary copy, which follows the run.
    Ctrl-C stops the server. With an address other than 127.0.0.1, other machines may be able to read the store.

    \b
    runfolio tensorboard
    runfolio tensorboard --store runs --port 6007
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "tensorboard", "runfolio tensorboard")
    from runfolio.tensorboard.live_logdir import LiveLogdir
    from runfolio.tensorboard.server import serve

    folio = open_store(store)

    def print_address(address: str) -> None:
        print_line(f"TensorBoard shows {folio.store} at {address}; Ctrl-C stops it")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="runfolio-tensorboard-") as folder:
        logdir = LiveLogdir(folio, Path(folder), lambda text: print_warnings([text]))
        with progress_display() as progress:
            count = len(folio.runs())
            bar = progress.add_task("event files", total=count, visible=bool(count))
            logdir.update(lambda: progress.advance(bar))
        stop = logdir.follow()
        try:
            serve(Path(folder), host, port, print_address)
        finally:
            stop()
