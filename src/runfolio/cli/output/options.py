"""Options that several commands share: the store, `--debug`, run filters, and flags for settings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import with_progress_bar
from runfolio.record.base.name_lookup import LAST
from runfolio.settings import COMMON, Field, Settings, fields_of

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio, Runs

HELP_FLAGS = ["-h", "--help"]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    type=PathParamType(file_okay=False),
    help="Folder that contains the runs.  [default: $RUNFOLIO_STORE, else ./runs]",
)
experiment_option = click.option("--experiment", metavar="NAME", help="Only the runs of this experiment.")


class _AliasedOption(click.Option):
    """Option with several spellings. The help text shows only the first spelling."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return record and (record[0].replace(", ".join(self.opts), self.opts[0]), record[1])


limit_option = click.option(
    *("--limit", "--last", "limit"),
    cls=_AliasedOption,
    type=click.IntRange(min=1),
    metavar="N",
    help="Only the N newest runs.",
)
changed_data_option = click.option(
    "--changed-data", is_flag=True, help="Continue even if images changed since the run; new images are not used."
)
seeds_option = click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run everything N times, with N consecutive seeds; report mean, spread and interval.",
)
folds_option = click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Cross-validate with K runs, each of which validates on a different part of the training images; with --seeds,"
    " K runs per seed.",
)


def run_filters(command: Decorated) -> Decorated:
    """Add options that select runs of the store. The command receives their values as the fields of `RunFilters`."""
    state = click.option("--state", metavar="STATE", help="Only the runs in this state, such as finished or failed.")
    tags = click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only the runs with this tag; repeatable.")
    where = click.option("--where", metavar="FILTER", help="Only the runs that match this filter, such as 'lr < 0.1'.")
    archived = click.option("--archived", is_flag=True, help="Include archived runs.")
    return experiment_option(state(tags(where(archived(command)))))


class RunFilters(TypedDict):
    """Values of the options that `run_filters` adds."""

    experiment: str | None
    state: str | None
    tags: tuple[str, ...]
    where: str | None
    archived: bool


class FilteredRuns(NamedTuple):
    """Runs that the options select, and the number of archived runs that were left out."""

    runs: Runs
    hidden: int


def has_filters(filters: RunFilters) -> bool:
    """Return whether at least one option selects runs. `--archived` selects nothing by itself."""
    return any((filters["experiment"], filters["state"], filters["tags"], filters["where"]))


def filter_runs(folio: Folio, filters: RunFilters, sort: str | None = None, *, reverse: bool = False) -> FilteredRuns:
    """Return the runs that the options select, sorted as in `Folio.runs`."""
    matches = folio.runs(
        filters["experiment"],
        filters["state"],
        tags=filters["tags"],
        where=filters["where"],
        sort=sort,
        reverse=reverse,
        archived=True,
    )
    shown = matches if filters["archived"] else matches.without_archived()
    return FilteredRuns(shown, len(matches) - len(shown))


def named_or_filtered_runs(folio: Folio, names: Sequence[str], filters: RunFilters) -> list[RecordedRun]:
    """Return the named runs, or the runs that the options select if no names are given.

    Raises:
        click.UsageError: Neither names nor options are given, or both are given.
    """
    if bool(names) == has_filters(filters):
        raise click.UsageError(
            "name the runs, or select them with --experiment, --state, --tag or --where"
            + ("; not both" if names else ""),
            click.get_current_context(),
        )
    return list(folio.runs_named(names) if names else filter_runs(folio, filters).runs)


BEST = "best"
"""Name that commands accept for the best run."""
best_metric_option = click.option(
    "--metric", default="val/acc", show_default=True, help="Metric that selects the best run."
)


def mode_option(command: Decorated) -> Decorated:
    """Add `--min` and `--max`. The command receives `mode`, which is None if neither option is given."""
    lowest = click.option("--min", "mode", flag_value="min", default=None, help="The lowest value is the best.")
    highest = click.option("--max", "mode", flag_value="max", help="The highest value is the best.")
    return lowest(highest(command))


explain_option = click.option(
    "--explain", is_flag=True, help="Also explain the marks and intervals, and say which runs were left out."
)


def store_flag(store: Path | None) -> str:
    """Return the `--store` flag that makes a suggested command use the same store, or "" if no flag is needed."""
    return "" if store is None else f" --store {shlex.quote(str(store))}"


def open_store(store: Path | None, *, refresh: bool = False) -> Folio:
    """Open the store for reading, with a progress bar if many runs must be read first.

    The import is inside the function because the imported module loads SQLite.

    Args:
        store: Folder of the store.
        refresh: Read all runs again.
    """
    from runfolio.query.store import Folio

    return Folio(store, refresh=refresh, progress=lambda folders: with_progress_bar(folders, "reading runs"))


def run_or_best(run: str, metric: str, experiment: str | None, store: Path | Folio | None) -> RecordedRun:
    """Return the named run. `best` means the experiment's best run by `metric`, and `last` means its newest run."""
    folio = open_store(store) if store is None or isinstance(store, Path) else store
    if run == BEST:
        return folio.best(metric, experiment=experiment)
    if run == LAST and experiment and (runs := folio.runs(experiment) or folio.runs(experiment, archived=True)):
        return runs[0]
    return folio.run(run)


def module_option(command: Decorated) -> Decorated:
    """Add `--module`, which names the class of the network if the user's own script recorded the run."""
    return click.option(
        "--module",
        metavar="MODULE:NAME",
        help="Class of the network, or function that builds it, for a run of your own script. This code is executed.",
    )(command)


def load_run_classifier(run: RecordedRun, module: str | None) -> Any:
    """Load the run's best checkpoint as a classifier. If `--module` is given, it names the network to use."""
    from runfolio.query.model_loading import load_classifier
    from runfolio.series.targets import import_attribute

    return load_classifier(run.checkpoint(), None if module is None else import_attribute(module, "module"))


_COMMON_ORDER = ("data", "model", "epochs", "lr", "batch_size", "optimizer", "seed")
"""Order of common settings in the help text. Other settings follow in the order of their definition."""


class Command(click.Command):
    """Command with `--debug` and a grouped help text: common settings, options, then other settings by topic."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())
        self.context_settings.setdefault("help_option_names", HELP_FLAGS)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [
            record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not isinstance(param, SettingOption)
            if (record := param.get_help_record(ctx)) is not None
        ]
        defaults = ctx.show_default is not False
        settings = self.settings()
        common = sorted((field for field in settings if field.group == COMMON), key=_common_order)
        write_settings_help(formatter, common, defaults=defaults)
        with formatter.section("Options"):
            formatter.write_dl(records)
        write_settings_help(formatter, [field for field in settings if field.group != COMMON], defaults=defaults)

    def settings(self) -> list[Field]:
        """Return the settings that are flags of the command."""
        return [param.field for param in self.params if isinstance(param, SettingOption)]


def _common_order(field: Field) -> int:
    return _COMMON_ORDER.index(field.name) if field.name in _COMMON_ORDER else len(_COMMON_ORDER)


def debug_option() -> click.Option:
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")


class SettingOption(click.Option):
    """Flag for one setting. The settings class converts the string, so flags and YAML files follow the same rules."""

    def __init__(self, *args: Any, field: Field, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field = field


def settings_options(settings: type[Settings], only: Sequence[str] | None = None) -> Callable[[Decorated], Decorated]:
    """Add a flag for each field of a settings class, or only for the fields in `only`. An omitted flag is None."""
    fields = [field for field in fields_of(settings) if only is None or field.name in only]

    def decorate(command: Decorated) -> Decorated:
        for field in reversed(fields):
            switch = field.kind is bool
            spelling = f"--{field.key}/--no-{field.key}" if switch else f"--{field.key}"
            kind = bool if switch else str
            option = click.option(spelling, field.name, cls=SettingOption, field=field, default=None, type=kind)
            command = option(command)
        return command

    return decorate


def write_settings_help(formatter: click.HelpFormatter, fields: Sequence[Field], *, defaults: bool = True) -> None:
    """Write the help text for settings, with one section per group. If `defaults` is True, include default values."""
    for group in dict.fromkeys(field.group for field in fields):
        with formatter.section(group[:1].upper() + group[1:]):
            formatter.write_dl([_help_record(field, defaults) for field in fields if field.group == group])


def _help_record(field: Field, defaults: bool) -> tuple[str, str]:
    facts = [f"default: {_default(field)}"] if defaults else []
    if field.kind is bool:
        spelling = f"--{field.key} / --no-{field.key}"
    else:
        metavar = {int: "INTEGER", float: "NUMBER", str: "TEXT"}[field.kind]
        spelling = f"--{field.key} " + "|".join(field.choices or (metavar, *field.words))
        if bounds := field.allowed.partition("number ")[2]:
            facts.append(bounds)
    return spelling, field.help + (f"  [{'; '.join(facts)}]" if facts else "")


def _default(field: Field) -> str:
    if field.kind is bool:
        return "on" if field.default else "off"
    return "none" if field.default is None else formatting.setting_value(field.default)
