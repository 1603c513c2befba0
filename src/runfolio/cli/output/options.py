"""What several commands share: the store, `--debug`, output formats, and settings as flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from runfolio.cli.output import formatting
from runfolio.settings import Field, Settings, fields_of

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio, Runs

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds the runs.  [default: $RUNFOLIO_STORE, else ./runs]",
)
experiment_filter = click.option("--experiment", metavar="NAME", help="Only the runs of this experiment.")


def run_filters(command: Decorated) -> Decorated:
    """Options that choose runs of the store; the command gets what `filtered` takes."""
    state = click.option("--state", metavar="STATE", help="Only the runs in this state, such as finished or failed.")
    tags = click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only the runs with this tag; repeatable.")
    archived = click.option("--archived", is_flag=True, help="Also the archived runs.")
    return experiment_filter(state(tags(archived(command))))


class Filters(TypedDict):
    """What `run_filters` brings."""

    experiment: str | None
    state: str | None
    tags: tuple[str, ...]
    archived: bool


def filtered(folio: Folio, filters: Filters) -> tuple[Runs, int]:
    """The runs that the options choose, and how many archived ones they leave out."""
    every = folio.runs(filters["experiment"], filters["state"], tags=filters["tags"], archived=True)
    shown = every if filters["archived"] else every.without_archived()
    return shown, len(every) - len(shown)


BEST = "best"
"""Stands for the best run where a run is asked for."""
best_by_option = click.option("--metric", default="val/acc", show_default=True, help="What chooses the best run.")


def names_of(text: str | None) -> list[str]:
    """`a, b` as two names."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def mode_option(command: Decorated) -> Decorated:
    """`--min` and `--max`; the command gets `mode`, None where neither is given."""
    lowest = click.option("--min", "mode", flag_value="min", default=None, help="The lowest value is the best.")
    highest = click.option("--max", "mode", flag_value="max", help="The highest value is the best.")
    return lowest(highest(command))


def open_store(store: Path | None) -> Folio:
    """The store to read, imported only here: it brings SQLAlchemy and NumPy."""
    from runfolio.query.store import open_folio

    return open_folio(store)


def chosen_run(run: str, metric: str, experiment: str | None, store: Path | Folio | None) -> RecordedRun:
    """The run of that name, or the best by `metric` where `best` is asked for."""
    folio = open_store(store) if store is None or isinstance(store, Path) else store
    return folio.best(metric, experiment=experiment) if run == BEST else folio.run(run)


class Command(click.Command):
    """A command with `--debug`, and help in which settings stand in groups below the other options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [
            record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not isinstance(param, SettingOption)
            if (record := param.get_help_record(ctx)) is not None
        ]
        with formatter.section("Options"):
            formatter.write_dl(records)
        settings = [param.field for param in self.params if isinstance(param, SettingOption)]
        write_settings(formatter, settings, defaults=ctx.show_default is not False)


def debug_option() -> click.Option:
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")


class SettingOption(click.Option):
    """One setting as a flag. The setting itself converts the text: flags and YAML obey the same rules."""

    def __init__(self, *args: Any, field: Field, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field = field


def settings_options(settings: type[Settings], only: Sequence[str] | None = None) -> Callable[[Decorated], Decorated]:
    """The fields of a class of settings as flags, None where one is not given; all, or those of these names."""
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


def write_settings(formatter: click.HelpFormatter, fields: Sequence[Field], *, defaults: bool = True) -> None:
    """Help of settings, one section a group; without defaults where a setting that is not given has another value."""
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
    return "none" if field.default is None else formatting.value(field.default)
