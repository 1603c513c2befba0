"""`runfolio logs`: show the output of a run, even while the run is running."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import click

from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.pages.console_log import ConsoleLogPrinter
from runfolio.errors import NotFound
from runfolio.record.base.name_lookup import LAST
from runfolio.record.base.run_document import RUNNING

_POLL_S = 0.5


@click.command(cls=Command, short_help="Show the output of a run.")
@click.argument("run", default=LAST, metavar="[RUN]")
@click.option("-f", "--follow", is_flag=True, help="Show new output until the run ends; Ctrl-C does not stop the run.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Number of lines to show from the end.")
@store_option
def logs(run: str, follow: bool, lines: int | None, store: Path | None) -> None:
    """Show the output of a run: stdout and stderr, including the output of C code and child processes.

    Only the last state of a progress bar is shown. RUN is an id, the start of an id, a name, or a run's folder. The
    default is the newest run.

    \b
    runfolio logs
    runfolio logs k3f9
    runfolio logs k3f9 -n 20
    runfolio logs k3f9 -f          from another terminal, while it trains
    """
    folio = open_store(store)
    recorded = folio.run(run)
    log = ConsoleLogPrinter(recorded.folder)
    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():
        if lines is None:
            log.print_new(recorded)
        else:
            log.print_newest(recorded, lines)
        while follow and recorded.state == RUNNING:
            time.sleep(_POLL_S)
            recorded = folio.run(recorded.folder)
            log.print_new(recorded)
    if not log.log_exists:
        raise NotFound(f"run {recorded.id} has no console log: it printed nothing, or recording was turned off")
