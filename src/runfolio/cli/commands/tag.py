"""`runfolio tag`: change the tags of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted


@click.command(
    cls=Command, context_settings={"ignore_unknown_options": True}, short_help="Add tags to runs and remove tags."
)
@click.argument("words", nargs=-1, metavar="[RUN]... [+TAG | -TAG]...")
@run_filters
@store_option
def tag(words: tuple[str, ...], store: Path | None, **filters: Unpack[RunFilters]) -> None:
    """Add and remove tags of the named runs, or of all runs that match the filters.

    Without tags, print the existing tags.

    `runfolio runs --tag NAME` lists the runs that have a tag.

    \b
    runfolio tag k3f9 +baseline
    runfolio tag k3f9 a7x2 +good -untested
    runfolio tag --where "val/acc > 0.9" +good
    runfolio tag k3f9
    """
    if unknown_options := [word for word in words if word.startswith("--")]:
        raise click.NoSuchOption(unknown_options[0], ctx=click.get_current_context())
    add = [word[1:] for word in words if word.startswith("+")]
    remove = [word[1:] for word in words if word.startswith("-")]
    folio = open_store(store)
    names = [word for word in words if word[:1] not in ("+", "-")]
    runs = named_or_filtered_runs(folio, names, filters)
    is_changed = bool(add or remove)
    if is_changed and not names:
        runs = [run for run in runs if not set(add) <= set(run.tags) or set(remove) & set(run.tags)]
    for run in runs:
        if is_changed:
            run.edits.tag(*add, remove=remove)
        if names or not is_changed:
            print_line(f"{run.name} ({run.id}): {', '.join(run.tags) or 'no tags'}")
    if not names and is_changed:
        print_line(f"{counted(len(runs), 'run')} changed")
