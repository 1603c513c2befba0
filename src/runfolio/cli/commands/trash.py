"""Deleting runs, and taking it back: `delete`, `undelete`, `trash`, `purge`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from runfolio.cli.output import formatting
from runfolio.cli.output import output as out
from runfolio.cli.output.confirm import agreed, yes_option
from runfolio.cli.output.options import Command, Filters, filtered, open_store, run_filters, store_option

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio
    from runfolio.query.store_trash import TrashedRun

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType):
    """`30d`: so long ago."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        fits = re.fullmatch(r"(\d{1,6})([smhdw])", str(value))
        if fits is None:
            self.fail(f"{value!r} must be a number with s, m, h, d or w behind it, such as 12h or 30d", param, ctx)
        return timedelta(**{_UNITS[fits[2]]: int(fits[1])})


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@yes_option
@click.option("--force", is_flag=True, help="Also runs that are being written; their training goes on unrecorded.")
@store_option
def delete(runs: tuple[str, ...], yes: bool, force: bool, store: Path | None, **filters: Unpack[Filters]) -> None:
    """Delete runs: the ones named, or all that the filters choose.

    They move to the trash of the store and come back whole with `undelete`; `purge` frees the space.

    \b
    runfolio delete k3f9 a7x2
    runfolio delete --experiment digits --state failed
    """
    folio = open_store(store)
    chosen = _named_or_filtered(folio, runs, filters)
    if not chosen:
        out.line("No run is like that.")
        return
    bulk = not runs
    if not yes and (bulk or sys.stdin.isatty()):
        _list(chosen)
        if not agreed(f"Move {out.count(len(chosen), 'run')} to the trash?"):
            return
    folio.trash.put(*chosen, force=force)
    for run in chosen:
        out.line(f"deleted {run.name} ({run.id})")
    out.line(f"back again  runfolio undelete {' '.join(run.id for run in chosen[:5])}{out.store_flag(store)}")


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@store_option
def undelete(runs: tuple[str, ...], store: Path | None) -> None:
    """Bring deleted runs back to where they were; without a name, list those there are.

    \b
    runfolio undelete
    runfolio undelete k3f9
    """
    folio = open_store(store)
    if not runs:
        _show_trash(folio, "table")
    for run in [folio.trash.run(name) for name in runs]:
        out.line(f"{run.name} ({run.id}) is back in {folio.trash.restore(run)}")


@click.command(cls=Command)
@store_option
@out.format_options
def trash(store: Path | None, output: out.Format) -> None:
    """List the deleted runs, the latest first, and the space they take.

    \b
    runfolio trash
    """
    _show_trash(open_store(store), output)


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--older-than", type=Age(), metavar="AGE", help="Only those deleted so long ago: 12h, 30d, 2w.")
@yes_option
@store_option
def purge(runs: tuple[str, ...], older_than: timedelta | None, yes: bool, store: Path | None) -> None:
    """Remove deleted runs for good: those named, else all in the trash.

    \b
    runfolio purge k3f9
    runfolio purge --older-than 30d
    """
    folio = open_store(store)
    doomed = [folio.trash.run(name) for name in runs] or folio.trash.runs()
    if older_than is not None:
        doomed = [run for run in doomed if datetime.now(UTC) - run.deleted >= older_than]
    if doomed and not yes:
        out.show_table(_trash_table(doomed), "table")
        if not agreed(f"Remove {out.count(len(doomed), 'run')} for good?"):
            return
    freed = folio.trash.sweep() + sum(folio.trash.purge(run) for run in doomed)
    out.line(f"purged {out.count(len(doomed), 'run')}, {formatting.size(freed)} freed")


def _named_or_filtered(folio: Folio, names: Sequence[str], filters: Filters) -> list[RecordedRun]:
    given = any((filters["experiment"], filters["state"], filters["tags"]))
    if bool(names) == given:
        raise click.UsageError(
            "name the runs, or choose them by --experiment, --state or --tag" + ("; not both" if names else ""),
            click.get_current_context(),
        )
    return [folio.run(name) for name in dict.fromkeys(names)] or list(filtered(folio, filters)[0])


def _list(runs: Sequence[RecordedRun]) -> None:
    from runfolio.cli.output.tables import runs_table
    from runfolio.query.tables.runs_table import table

    columns = ["id", "name", "experiment", "state", "created"]
    out.show_table(runs_table(table(runs, columns), all_needed=True), "table")


def _show_trash(folio: Folio, output: out.Format) -> None:
    runs = folio.trash.runs()
    if runs or output != "table":
        out.show_table(_trash_table(runs), output)
    else:
        out.line(f"The trash of {folio.store} is empty.")


def _trash_table(runs: Sequence[TrashedRun]) -> out.Table:
    rows = [
        {"id": run.id, "name": run.name, "deleted": run.deleted, "bytes": run.size(), "place": run.place}
        for run in runs
    ]
    columns = [
        out.Column(key="id", title="id", show=formatting.each(str)),
        out.Column(key="name", title="name", show=formatting.each(str)),
        out.Column(key="deleted", title="deleted", show=formatting.each(formatting.age)),
        out.Column(key="bytes", title="size", show=formatting.each(formatting.size), number=True),
        out.Column(key="place", title="was in", show=formatting.each(str), spare=True),
    ]
    return out.Table(columns=columns, rows=rows)
