"""`runfolio export`: write runs and points as Parquet, CSV or JSON, or runs as event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Unpack

import click

from runfolio.cli.output.console import print_line, print_warnings, program_stdout
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    filter_runs,
    has_filters,
    open_store,
    run_filters,
    store_option,
)
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display
from runfolio.cli.output.table_files import FileFormat, check_free, new_file, write_table
from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from runfolio.query.store import Runs

_RUNS, _POINTS = "runs", "points"
_TENSORBOARD = "tensorboard"
_STDOUT = Path("-")


class _Export(NamedTuple):
    """Table to export."""

    name: str
    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    rows: int
    """Expected number of rows, for the progress bar."""


@click.command(cls=Command, short_help="Write runs as Parquet, CSV, JSON or event files.")
@click.argument(
    "file_format",
    type=click.Choice(["parquet", "csv", "json", _TENSORBOARD]),
    metavar="{parquet,csv,json,tensorboard}",
)
@click.argument("names", nargs=-1, metavar="[RUN]...")
@click.option("--out", "path", type=PathParamType(), required=True, help="A folder, a file, or - for stdout.")
@click.option("--table", type=click.Choice([_RUNS, _POINTS]), help="Only this table.  [default for a file: points]")
@click.option("--metrics", metavar="A,B,...", help="Only the points of these metrics.  [default: all]")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@run_filters
@store_option
def export(
    file_format: FileFormat | Literal["tensorboard"],
    names: tuple[str, ...],
    path: Path,
    table: str | None,
    metrics: str | None,
    overwrite: bool,
    store: Path | None,
    **filters: Unpack[RunFilters],
) -> None:
    """Write runs and points as Parquet, CSV or JSON, for other programs.

    Without a RUN, all runs that match the filters are written. If --out is a folder, runs.FORMAT (one row per run) and
    points.FORMAT (one row per point) are written to it. If --out is stdout (-) or a file name that ends in .FORMAT, one
    table is written.

    In CSV, an apostrophe is put before strings that a spreadsheet would execute as a formula. JSON has one object per
    line. Numbers that JSON cannot represent become the strings "NaN", "Infinity" and "-Infinity".

    With `tensorboard`, --out is a folder, which gets one folder of event files per run. --table and --metrics do not
    apply.

    \b
    runfolio export parquet --out exported
    runfolio export csv k3f9 a7x2 --metrics val/loss --out losses.csv
    runfolio export json --where "lr < 0.1" --table runs --out - | jq .
    runfolio export tensorboard best --out logdir
    """
    folio = open_store(store)
    if names and has_filters(filters):
        raise click.UsageError("name runs or select them with filters, but not both")
    runs = folio.runs_named(names) if names else filter_runs(folio, filters).runs
    if not runs:
        raise NotFound(f"no run in {folio.store} matches")
    if file_format == _TENSORBOARD:
        if table or metrics:
            raise click.UsageError("--table and --metrics do not apply to event files")
        _write_event_files(runs, path, overwrite=overwrite)
        print_warnings(folio.problems)
        return
    targets = _targets(path, file_format, table)
    chosen = [name.strip() for name in metrics.split(",")] if metrics else []
    exports = [(_export(name, runs, chosen), target) for name, target in targets.items()]
    for _, target in exports:
        if target != _STDOUT:
            check_free(target, overwrite=overwrite)
    for content, target in exports:
        _write(content, file_format, target, overwrite=overwrite)
    print_warnings(folio.problems)


def _write_event_files(runs: Runs, path: Path, *, overwrite: bool) -> None:
    from runfolio.events.run_follower import RunFollower

    if path == _STDOUT or path.is_file():
        raise ConfigError("event files cannot be written to stdout or a file; name a folder with --out")
    taken = [run for run in runs if any((path / run.run_path).glob("events.out.tfevents.*"))]
    if taken and not overwrite:
        raise StoreError(f"{path / taken[0].run_path} has event files already; add --overwrite to replace them")
    with progress_display() as progress:
        task = progress.add_task("event files", total=len(runs))
        for run in runs:
            try:
                RunFollower(run.folder, path / run.run_path).update()
            except OSError as error:
                raise StoreError(f"cannot write {path / run.run_path} ({error.strerror or error})") from None
            progress.advance(task)
    print_line(f"wrote {counted(len(runs), 'run')} to {path}")


def _targets(path: Path, file_format: FileFormat, table: str | None) -> dict[str, Path]:
    """Return the tables to write, each with the path of its file."""
    if path == _STDOUT and file_format == "parquet":
        raise ConfigError("Parquet cannot be written to stdout; name a file with --out, or export csv or json")
    if path == _STDOUT or path.suffix == f".{file_format}":
        return {table or _POINTS: path}
    if path.suffix in (".parquet", ".csv", ".json"):
        raise ConfigError(f"{path} does not end in .{file_format}; rename it, or export {path.suffix[1:]}")
    return {name: path / f"{name}.{file_format}" for name in ([table] if table else [_RUNS, _POINTS])}


def _export(name: str, runs: Runs, metrics: Sequence[str]) -> _Export:
    if name == _RUNS:
        frame = runs.to_arrow()
        return _Export(name, frame.schema, frame.to_batches(), frame.num_rows)
    points = runs.points(*metrics).batches()
    counts = [
        summary.count for run in runs for metric, summary in run.metrics.items() if not metrics or metric in metrics
    ]
    return _Export(name, points.schema, points, sum(counts))


def _write(content: _Export, file_format: FileFormat, path: Path, *, overwrite: bool) -> None:
    with progress_display() as progress:
        task = progress.add_task(content.name, total=content.rows)

        def advance(rows: int) -> None:
            progress.advance(task, rows)

        if path == _STDOUT:
            write_table(program_stdout(), file_format, content.schema, content.batches, advance)
            return
        with new_file(path, overwrite=overwrite) as file:
            write_table(file, file_format, content.schema, content.batches, advance)
        written = int(progress.tasks[0].completed)
    print_line(f"{counted(written, content.name.removesuffix('s'))}: {path}")
