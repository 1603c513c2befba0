"""`runfolio board`: show the store in the browser, live."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.logdirs import logdir_option, open_logdir
from runfolio.cli.output.options import Command, store_option
from runfolio.cli.output.param_types import PathParamType
from runfolio.record.base.layout import store_folder

if TYPE_CHECKING:
    from runfolio.board.running import RunningBoard
    from runfolio.tensorboard.logdir import Logdir


@click.command(cls=Command, short_help="Show the runs in the browser, live.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 6280, or the next free one]")
@click.option("--open/--no-open", "opens", default=True, show_default=True, help="Open the browser.")
@click.option("--host", metavar="NAME", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--uds", type=PathParamType(dir_okay=False), help="Unix socket to listen on instead of a port.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Additional host name of the board, such as the name of a proxy; repeatable.",
)
@click.option(
    "--frame-origin",
    "frame_origins",
    metavar="ORIGIN",
    multiple=True,
    help="Web page that may show the board in a frame, such as http://localhost:8888; repeatable.",
)
@click.option("--token/--no-token", default=True, show_default=True, help="Require the token that the link contains.")
@click.option("--read-only", is_flag=True, help="Refuse all changes.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
@store_option
@logdir_option
def board(
    port: int | None,
    opens: bool,
    host: str,
    uds: Path | None,
    allowed_hosts: tuple[str, ...],
    frame_origins: tuple[str, ...],
    token: bool,
    read_only: bool,
    until_stdin_closes: bool,
    store: Path | None,
    logdir: Path | None,
) -> None:
    """Show the runs of the store in the browser, live.

    The printed link contains a token, because every user of this machine can reach its ports. If the store already has
    a running board, this command opens it. On a remote machine, it also prints an ssh command, which makes the board
    reachable from your own computer. Ctrl-C stops the board.

    With --logdir, the board shows the runs of a TensorBoard log directory and follows its event files. The runs are
    imported into the cache; edits are stored there, too.

    \b
    runfolio board
    runfolio board --store runs --no-open
    runfolio board --logdir lightning_logs
    """
    from runfolio.board.launch import BoardOptions, serve
    from runfolio.board.running import find_board

    opened = None if logdir is None else open_logdir(logdir, store)
    folder = store_folder(store) if opened is None else opened.store
    options = BoardOptions(
        host=host,
        port=port,
        uds=uds,
        allowed_hosts=allowed_hosts,
        token=token,
        read_only=read_only,
        frame_origins=frame_origins,
    )
    if options.is_usual and (running := find_board(folder.resolve())) is not None:
        print_line(f"The board of {folder.resolve()} is already running (process {running.pid}).")
        _show(running, opens=opens)
        return

    def on_start(running: RunningBoard) -> None:
        print_line(f"The board shows {folder.resolve()}; Ctrl-C stops it.")
        _show(running, opens=opens)
        if not token:
            print_warnings(["without a token, every user of this machine can read the store and change it"])

    with _following(opened):
        serve(folder, options, on_start, sys.stdin.buffer.read if until_stdin_closes else None)


def _following(logdir: Logdir | None) -> AbstractContextManager[None]:
    if logdir is None:
        return nullcontext()
    from runfolio.tensorboard.logdir import followed

    return followed(logdir)


def _show(running: RunningBoard, *, opens: bool) -> None:
    from runfolio.board.launch import open_browser, ssh_line

    print_line(running.link)
    if line := ssh_line(running):
        print_line(f"On your own computer, first run: {line}")
    sys.stdout.flush()
    if opens:
        open_browser(running)
