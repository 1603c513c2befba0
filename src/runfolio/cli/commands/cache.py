"""`runfolio cache`: list, limit and clear the cache."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.confirm import confirm, yes_option
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import Command, debug_option
from runfolio.cli.output.param_types import ByteSizeParamType
from runfolio.cli.pages.cache import cache_table
from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.cache_folder import KINDS, SPOOL, cache_entries, cache_folder

_CLEARABLE = [kind.name for kind in KINDS if kind.name != SPOOL]


@click.group(
    invoke_without_command=True,
    params=[debug_option()],
    short_help="List, limit or clear the cache.",
)
@click.option(
    "--budget",
    type=ByteSizeParamType(),
    metavar="SIZE",
    help="Set the size limit for features and pixels, such as 5GB.",
)
@output_format_options
@click.pass_context
def cache(context: click.Context, budget: int | None, output: OutputFormat) -> None:
    """List the contents of the cache: image features, decoded pixels, fetched data, checksums and indexes.

    The cache also contains the spool: points of runs whose store was not available. Everything else can be computed or
    fetched again. If features and pixels exceed the limit (10 GB, or $RUNFOLIO_CACHE_BUDGET), the least recently used
    entries are deleted. Entries that a training process is using are kept.

    \b
    runfolio cache
    runfolio cache --budget 5GB
    runfolio cache clear features
    """
    if context.invoked_subcommand is not None:
        if budget is not None or output != "table":
            raise click.UsageError("put the options of `clear` after the word clear", context)
        return
    if budget is not None:
        _set_budget(budget)
    _print_cache(output)


@cache.command(cls=Command)
@click.argument("kinds", nargs=-1, type=click.Choice(_CLEARABLE), metavar="[KIND]...")
@yes_option
def clear(kinds: tuple[str, ...], yes: bool) -> None:
    """Clear the given kinds of cached data, or all kinds.

    The kinds are features, pixels, images, digests, data and index. Files that a training process is using are kept.
    The spool is also kept, because it contains points of runs whose store was not available. `runfolio doctor --repair`
    moves these points to the store.

    \b
    runfolio cache clear features pixels
    """
    from runfolio.vision.batches.cache_removal import remove_entry

    doomed = [entry for kind in KINDS if kind.name in (kinds or _CLEARABLE) for entry in cache_entries(kind)]
    if not doomed:
        print_line("There is nothing to clear.")
        return
    if not yes:
        print_table(cache_table(doomed, [kind for kind in KINDS if any(entry.kind is kind for entry in doomed)]))
        if any(entry.kind.name == "data" for entry in doomed):
            print_line("data will be fetched or unpacked again when needed; a training process that reads it may fail")
        if not confirm("Remove all of this?"):
            return
    in_use = [entry for entry in doomed if not remove_entry(entry)]
    in_use_bytes = sum(entry.size for entry in in_use)
    print_line(f"cleared {formatting.byte_size(sum(entry.size for entry in doomed) - in_use_bytes)}")
    if in_use:
        print_line(f"kept {formatting.byte_size(in_use_bytes)} that a training process is using")


def _set_budget(size: int) -> None:
    from runfolio.vision.batches.cache_budget import evict_to_fit, set_budget

    try:
        set_budget(size)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename}: {error.strerror}; check its permissions") from None
    evict_to_fit(0)


def _print_cache(output: OutputFormat) -> None:
    from runfolio.vision.batches.cache_budget import cache_budget

    print_table(cache_table([entry for kind in KINDS for entry in cache_entries(kind)], KINDS), output)
    if output == "table":
        print_line("")
        print_line(f"in {_cache_path()}; limit for features and pixels: {formatting.byte_size(cache_budget())}")


def _cache_path() -> Path:
    path = cache_folder()
    if path is None:
        raise ConfigError("there is no cache folder; set RUNFOLIO_CACHE")
    return path
