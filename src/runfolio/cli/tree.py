"""Tree of all commands. Commands that a new user needs first come first."""

from __future__ import annotations

import click

from runfolio._version import __version__
from runfolio.cli.commands.archive import archive
from runfolio.cli.commands.best import best
from runfolio.cli.commands.board import board
from runfolio.cli.commands.cache import cache
from runfolio.cli.commands.compare import compare
from runfolio.cli.commands.data import data
from runfolio.cli.commands.delete import delete
from runfolio.cli.commands.diff import diff
from runfolio.cli.commands.doctor import doctor
from runfolio.cli.commands.du import du
from runfolio.cli.commands.evaluate import evaluate
from runfolio.cli.commands.export import export
from runfolio.cli.commands.fork import fork
from runfolio.cli.commands.logs import logs
from runfolio.cli.commands.note import note
from runfolio.cli.commands.plot import plot
from runfolio.cli.commands.predict import predict
from runfolio.cli.commands.prune import prune
from runfolio.cli.commands.purge import purge
from runfolio.cli.commands.rename import rename
from runfolio.cli.commands.reproduce import reproduce
from runfolio.cli.commands.resume import resume
from runfolio.cli.commands.runs import list_runs
from runfolio.cli.commands.series import series
from runfolio.cli.commands.show import show
from runfolio.cli.commands.sql import run_sql
from runfolio.cli.commands.tag import tag
from runfolio.cli.commands.tensorboard import tensorboard
from runfolio.cli.commands.train import train
from runfolio.cli.commands.trash import trash
from runfolio.cli.commands.unarchive import unarchive
from runfolio.cli.commands.undelete import undelete
from runfolio.cli.errors import CommandTree
from runfolio.cli.memory_limit import limit_memory
from runfolio.cli.output.options import HELP_FLAGS, debug_option

CONTEXT = {"max_content_width": 110, "help_option_names": HELP_FLAGS}


@click.group(cls=CommandTree, params=[debug_option()], context_settings=CONTEXT)
@click.version_option(__version__, message="runfolio %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """The experiment tracker for PyTorch: it runs experiments, records them, and shows which run is best.

    \b
    runfolio train --data digits --model tinyvgg     one tracked run
    runfolio series series/digits.yaml               a run for every combination of settings
    runfolio runs                                    the recorded runs
    runfolio predict best photo.png                  the prediction of the best model

    Name a run by its id, the start of its id, or its name; `last` is the newest run and `best` the best one. Runs are
    plain files in ./runs, or in the folder that --store or RUNFOLIO_STORE names.
    """
    if context.invoked_subcommand in {command.name for command in _READING}:
        limit_memory()


_READING = (list_runs, show, logs, plot, run_sql, best, compare, diff, export, du)
"""Commands that only read records. `doctor` limits its memory itself unless `--repair` is given."""

_HEADINGS: dict[str, tuple[click.Command, ...]] = {
    "Train": (data, train, resume, fork, series),
    "Look": (board, list_runs, show, logs, plot, run_sql, tensorboard),
    "Decide": (best, compare, diff, evaluate, predict, reproduce),
    "Keep": (rename, tag, note, archive, unarchive, prune, export),
    "House": (du, delete, undelete, trash, purge, doctor, cache),
}

for heading, commands in _HEADINGS.items():
    for command in commands:
        main.add_command(command)
    main.headings[heading] = [command.name or "" for command in commands]
