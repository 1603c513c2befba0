"""What people add to a run later: `rename`, `tag`, `note`, `archive`, `unarchive`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, best_by_option, chosen_run, experiment_filter, open_store, store_option

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun


@click.command(cls=Command)
@click.argument("run")
@click.argument("name")
@best_by_option
@experiment_filter
@store_option
def rename(run: str, name: str, metric: str, experiment: str | None, store: Path | None) -> None:
    """Give a run another name.

    Its id and its folder stay, so nothing that refers to them breaks. RUN may be `best`.

    \b
    runfolio rename k3f9 baseline
    """
    found = chosen_run(run, metric, experiment, store)
    before = found.name
    found.edits.rename(name)
    out.line(f"{before} ({found.id}) is now {found.name}")


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="RUN... [+TAG | -TAG]...")
@store_option
def tag(words: tuple[str, ...], store: Path | None) -> None:
    """Add tags to runs and take tags away; without tags, print those they have.

    `runfolio runs --tag NAME` finds the runs again.

    \b
    runfolio tag k3f9 +baseline
    runfolio tag k3f9 a7x2 +good -untested
    runfolio tag k3f9
    """
    if wrong := [word for word in words if word.startswith("--")]:
        raise click.NoSuchOption(wrong[0], ctx=click.get_current_context())
    add = [word[1:] for word in words if word.startswith("+")]
    remove = [word[1:] for word in words if word.startswith("-")]
    folio = open_store(store)
    runs = [folio.run(word) for word in words if word[:1] not in ("+", "-")]
    if not runs:
        raise click.UsageError("name a run before its tags", click.get_current_context())
    for run in runs:
        if add or remove:
            run.edits.tag(*add, remove=remove)
        out.line(f"{_named(run)}: {', '.join(run.tags) or 'no tags'}")


@click.command(cls=Command)
@click.argument("run")
@click.argument("text", required=False)
@click.option("--append", is_flag=True, help="Add the text below what is there.")
@best_by_option
@experiment_filter
@store_option
def note(run: str, text: str | None, append: bool, metric: str, experiment: str | None, store: Path | None) -> None:
    """Write down what you think of a run.

    Without TEXT the notes open in $EDITOR; where no terminal is there to edit in, they are printed. RUN may be `best`.

    \b
    runfolio note k3f9 "diverges after the warm-up"
    runfolio note k3f9 --append "gone with lr 1e-4"
    runfolio note k3f9
    """
    found = chosen_run(run, metric, experiment, store)
    if text is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        if append:
            raise click.UsageError("--append needs a text", click.get_current_context())
        out.line(found.notes)
        return
    if text is None:
        text = click.edit(found.notes, extension=".md")
        if text is None or text.strip() == found.notes.strip():
            out.line("nothing was changed")
            return
        text = text.strip()
    elif append and found.notes:
        text = f"{found.notes}\n{text}"
    found.edits.note(text)
    out.line(f"noted at {_named(found)}")


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def archive(runs: tuple[str, ...], store: Path | None) -> None:
    """Put runs aside: kept whole, but left out of tables, choices and pictures.

    `runs`, `best` and `plot` show them with --archived; by name every command still finds them.

    \b
    runfolio archive k3f9 a7x2
    runfolio runs --archived
    """
    _set_archived(runs, store, archived=True)


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def unarchive(runs: tuple[str, ...], store: Path | None) -> None:
    """Take archived runs back among the others.

    \b
    runfolio unarchive k3f9
    """
    _set_archived(runs, store, archived=False)


def _set_archived(names: tuple[str, ...], store: Path | None, *, archived: bool) -> None:
    folio = open_store(store)
    for run in [folio.run(name) for name in names]:  # a wrong name changes nothing
        run.edits.archive(archived)
        out.line(f"{_named(run)} is {'archived' if archived else 'no longer archived'}")


def _named(run: RecordedRun) -> str:
    return f"{run.name} ({run.id})"
