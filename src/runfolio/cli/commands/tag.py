"""`runfolio tag`: change the tags of runs."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option


@click.command(
    cls=Command, context_settings={"ignore_unknown_options": True}, short_help="Add tags to runs and remove tags."
)
@click.argument("words", nargs=-1, required=True, metavar="RUN... [+TAG | -TAG]...")
@store_option
def tag(words: tuple[str, ...], store: Path | None) -> None:
    """Add tags to runs and remove tags. Without tags, print the existing tags.

    `runfolio runs --tag NAME` lists the runs with a tag.

    \b
    runfolio tag k3f9 +baseline
    runfolio tag k3f9 a7x2 +good -untested
    runfolio tag k3f9
    """
    if unknown_options := [word for word in words if word.startswith("--")]:
        raise click.NoSuchOption(unknown_options[0], ctx=click.get_current_context())
    add = [word[1:] for word in words if word.startswith("+")]
    remove = [word[1:] for word in words if word.startswith("-")]
    folio = open_store(store)
    runs = [folio.run(word) for word in words if word[:1] not in ("+", "-")]
    if not runs:
        raise click.UsageError("name a run before its tags", click.get_current_context())
    for run in runs:
        if add or remove:
            run.edits.tag(*add, remove=remove)
        print_line(f"{run.name} ({run.id}): {', '.join(run.tags) or 'no tags'}")
