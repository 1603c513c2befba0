"""TensorBoard log directories in the command line: the option `--logdir`, and the progress of an import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_warnings
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display

if TYPE_CHECKING:
    from runfolio.tensorboard.logdir import Logdir

_SHOWN = 5
"""Maximum number of problems of an import that are printed."""

logdir_option = click.option(
    "--logdir",
    type=PathParamType(),
    help="TensorBoard log directory whose runs are shown instead of the runs of a store.",
)


def open_logdir(path: Path, store: Path | None) -> Logdir:
    """Import the new values of a log directory into its store in the cache, with a progress bar.

    Raises:
        click.UsageError: A store is given in addition to a log directory.
    """
    from runfolio.tensorboard.logdir import cached_logdir

    if store is not None:
        raise click.UsageError("--logdir and --store cannot be combined", click.get_current_context())
    logdir = cached_logdir(path)
    with import_progress(path) as on_progress:
        logdir.update(on_progress)
    shown = [*logdir.problems, *(f"skipped: {sentence}" for sentence in logdir.report.skipped)]
    more = [f"{len(shown) - _SHOWN} more; `runfolio import tensorboard` prints all"] if len(shown) > _SHOWN else []
    print_warnings([*shown[:_SHOWN], *more])
    return logdir


@contextmanager
def import_progress(logdir: Path) -> Iterator[Callable[[str, int], object]]:
    """Yield a function that receives the name of a run and the number of bytes that were read."""
    with progress_display() as progress:
        task = progress.add_task(logdir.name or "import", total=None)

        def advance(name: str, size: int) -> None:
            progress.update(task, description=name, advance=size)

        yield advance
