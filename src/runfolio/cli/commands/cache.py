"""`runfolio cache`: what lies in the cache, how much of it may, and clearing it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from runfolio.cli.output import formatting
from runfolio.cli.output import output as out
from runfolio.cli.output.confirm import agreed, yes_option
from runfolio.cli.output.options import Command, debug_option
from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.cache_folder import KINDS, SPOOL, Entry, Kind, cache_folder, entries

_CLEARABLE = [kind.name for kind in KINDS if kind.name != SPOOL]


class Size(click.ParamType):
    """`5GB`: so many bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from runfolio.vision.batches.cache_budget import parse_size

        try:
            return value if isinstance(value, int) else parse_size(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


@click.group(invoke_without_command=True, params=[debug_option()])
@click.option("--budget", type=Size(), metavar="SIZE", help="Let features and pixels take so much from now on: 5GB.")
@out.format_options
@click.pass_context
def cache(context: click.Context, budget: int | None, output: out.Format) -> None:
    """What is kept to save time: features of images, decoded pixels, fetched data, what was found out about files.

    All but the spool can be made or fetched again. Of features and pixels, what was not used for longest goes first
    where they would take more than the budget (10 GB, or $RUNFOLIO_CACHE_BUDGET); never what a training has open.

    \b
    runfolio cache
    runfolio cache --budget 5GB
    runfolio cache clear features
    """
    if context.invoked_subcommand is not None:
        if budget is not None or output != "table":
            raise click.UsageError("clear takes its options behind itself", context)
        return
    if budget is not None:
        _set_budget(budget)
    _show(output)


@cache.command(cls=Command)
@click.argument("kinds", nargs=-1, type=click.Choice(_CLEARABLE), metavar="[KIND]...")
@yes_option
def clear(kinds: tuple[str, ...], yes: bool) -> None:
    """Remove what is kept: of these kinds (features, pixels, images, digests, data, index), else of all.

    What a training has open stays, and so does the spool: in it points of runs wait for their store
    (`runfolio doctor --repair` brings them back).

    \b
    runfolio cache clear features pixels
    """
    doomed = [entry for kind in KINDS if kind.name in (kinds or _CLEARABLE) for entry in entries(kind)]
    if not doomed:
        out.line("There is nothing to clear.")
        return
    if not yes:
        out.show_table(_table(doomed, [kind for kind in KINDS if any(entry.kind is kind for entry in doomed)]), "table")
        if any(entry.kind.name == "data" for entry in doomed):
            out.line("data is fetched or unpacked again when it is needed; a training that reads it now would fail")
        if not agreed("Remove all this?"):
            return
    left = [entry for entry in doomed if not _remove(entry)]
    freed = sum(entry.size for entry in doomed) - sum(entry.size for entry in left)
    out.line(f"cleared {formatting.size(freed)}")
    if left:
        out.line(f"left {formatting.size(sum(entry.size for entry in left))} that a training has open")


def _remove(entry: Entry) -> bool:
    """Whether it is gone."""
    from runfolio.vision.batches.cache_rows import is_row_store, remove_unused

    try:
        if is_row_store(entry.path):
            return remove_unused(entry.path)
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {error.filename}: {error.strerror}; check its permissions") from None
    return True


def _set_budget(size: int) -> None:
    from runfolio.vision.batches.cache_budget import evict_to_fit, set_budget

    try:
        set_budget(size)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename}: {error.strerror}; check its permissions") from None
    evict_to_fit(0)


def _show(output: out.Format) -> None:
    from runfolio.vision.batches.cache_budget import cache_budget

    out.show_table(_table([entry for kind in KINDS for entry in entries(kind)], KINDS), output)
    if output == "table":
        out.line(f"\nin {_folder()}; features and pixels may take {formatting.size(cache_budget())}")


def _folder() -> Path:
    folder = cache_folder()
    if folder is None:
        raise ConfigError("there is no folder for caches; set RUNFOLIO_CACHE to one")
    return folder


def _table(found: Sequence[Entry], kinds: Sequence[Kind]) -> out.Table:
    rows = []
    for kind in kinds:
        mine = [entry for entry in found if entry.kind is kind]
        used = max((entry.used for entry in mine), default=None)
        rows.append(
            {
                "kind": kind.name,
                "entries": len(mine),
                "bytes": sum(entry.size for entry in mine),
                "used": None if used is None else datetime.fromtimestamp(used, UTC),
                "what": kind.what,
            }
        )
    columns = [
        out.Column(key="kind", title="kind", show=formatting.each(str)),
        out.Column(key="entries", title="entries", show=formatting.each(formatting.count), number=True),
        out.Column(key="bytes", title="size", show=formatting.each(formatting.size), number=True),
        out.Column(key="used", title="last used", show=formatting.each(formatting.age)),
        out.Column(key="what", title="what it is", show=formatting.each(str), spare=True),
    ]
    return out.Table(columns=columns, rows=rows)
