"""Tree of all commands. The list starts with the commands that a new user needs."""

from __future__ import annotations

import click

from runfolio._version import __version__
from runfolio.cli.errors import CommandTree
from runfolio.cli.lazy_commands import LazyCommands
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

    Name a run by its id, the start of its id, or its name; `last` is the newest run, and `best` is the best run. Runs
    are plain files in ./runs, or in the folder that --store or RUNFOLIO_STORE names.
    """
    if context.invoked_subcommand in _READING:
        limit_memory()


_READING = ("runs", "show", "logs", "plot", "sql", "best", "compare", "diff", "export", "du")
"""Commands that only read records. `doctor` limits its memory itself unless `--repair` is given."""

_HEADINGS = {
    "Train": ("data", "train", "resume", "fork", "series"),
    "Look": ("board", "runs", "show", "logs", "plot", "sql", "tensorboard"),
    "Decide": ("best", "compare", "diff", "evaluate", "predict", "reproduce"),
    "Keep": ("rename", "tag", "note", "archive", "unarchive", "prune", "import", "export"),
    "House": ("du", "delete", "undelete", "trash", "purge", "doctor", "cache"),
}
_FUNCTIONS = {"runs": "list_runs", "sql": "run_sql", "import": "import_runs"}
"""Names of the functions that implement a command, if they differ from the command's name."""
_MODULES = {"import": "imports"}
"""Names of the modules of commands, if they differ from the command's name."""

main.headings = {heading: list(names) for heading, names in _HEADINGS.items()}
main.commands = LazyCommands(
    {
        name: f"runfolio.cli.commands.{_MODULES.get(name, name)}:{_FUNCTIONS.get(name, name)}"
        for names in _HEADINGS.values()
        for name in names
    }
)
