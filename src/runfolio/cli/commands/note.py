"""`runfolio note`: read and write the notes of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runfolio.cli.output.console import print_line, print_lines
from runfolio.cli.output.options import Command, best_metric_option, experiment_option, run_or_best, store_option


@click.command(cls=Command)
@click.argument("run")
@click.argument("text", required=False)
@click.option("--append", is_flag=True, help="Add the text to the existing notes.")
@best_metric_option
@experiment_option
@store_option
def note(run: str, text: str | None, append: bool, metric: str, experiment: str | None, store: Path | None) -> None:
    """Read or write the notes of a run.

    Without TEXT, the notes are opened in $EDITOR or, if there is no terminal, printed. RUN may be `best`.

    \b
    runfolio note k3f9 "diverges after the warm-up"
    runfolio note k3f9 --append "gone with lr 1e-4"
    runfolio note k3f9
    """
    recorded = run_or_best(run, metric, experiment, store)
    if text is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        if append:
            raise click.UsageError("--append needs TEXT", click.get_current_context())
        print_lines(recorded.notes)
        return
    if text is None:
        text = click.edit(recorded.notes, extension=".md")
        if text is None or text.strip() == recorded.notes.strip():
            print_line("the notes are unchanged")
            return
        text = text.strip()
    elif append and recorded.notes:
        text = f"{recorded.notes}\n{text}"
    recorded.edits.note(text)
    print_line(f"saved the notes of {recorded.name} ({recorded.id})")
