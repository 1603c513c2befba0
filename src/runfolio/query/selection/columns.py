"""Columns of runs that can be found by name: facts, settings, results, metrics and data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runfolio.errors import NotFound, did_you_mean
from runfolio.query.frames.value_arrays import value_array
from runfolio.query.run_view import RunView
from runfolio.query.selection.figures import BEST, any_figure_of, best_in_curve, figure_heading
from runfolio.query.selection.metric_names import guess_mode

if TYPE_CHECKING:
    import pyarrow as pa

FACTS: dict[str, Callable[[RunView], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "state": lambda run: run.state,
    "created": lambda run: run.created,
    "duration_s": lambda run: run.duration_s,
}
MORE_FACTS: dict[str, Callable[[RunView], Any]] = {
    "ended": lambda run: run.facts.ended,
    "reason": lambda run: run.reason,
    "tags": lambda run: ", ".join(run.tags) or None,
    "notes": lambda run: run.notes,
    "archived": lambda run: run.archived,
    "series": lambda run: run.facts.series,
    "lineage": lambda run: run.facts.lineage,
    "host": lambda run: run.facts.host,
    "device": lambda run: run.facts.device,
    "commit": lambda run: run.facts.commit,
    "folder": lambda run: run.run_path,
}
_LINEAGE = "lineage"
_MEANINGS = {"params": "setting", "summary": "result", "metrics": "metric"}
"""Words that messages use for the kinds of values. A name without a prefix is looked up among these kinds, in this
order."""

Kind = Literal["fact", "data", "params", "summary", "metrics", "best", "figure"]
"""Kind of a column. `metrics` means the last value of a curve, and `best` means the best value. `figure` means the
representative value of a metric (see `figures.figure_of`)."""


@dataclass(frozen=True)
class RunsColumn:
    """Column of a table of runs."""

    kind: Kind
    name: str
    """Name without the prefix of `full_name`, such as `lr` for `params.lr`."""
    heading: str = ""
    """Readable name. For a metric, it includes the kind of value, such as `best` in `val/acc best`."""
    shadowed: tuple[str, ...] = ()
    """Full names of other columns that have the same name after the prefix."""

    @property
    def full_name(self) -> str:
        """Unambiguous name of the column."""
        if self.kind in ("fact", "figure"):
            return self.name
        return f"metrics.{self.name}{BEST}" if self.kind == "best" else f"{self.kind}.{self.name}"

    @property
    def is_measured(self) -> bool:
        """True if the column contains results rather than facts or settings."""
        return self.kind in ("summary", "metrics", "best", "figure")

    def value(self, run: RunView) -> Any:
        """Return the value for one run, or None if the run has no value."""
        if self.kind == "fact":
            return (FACTS.get(self.name) or MORE_FACTS[self.name])(run)
        if self.kind == "data":
            return run.data[self.name].fingerprint if self.name in run.data else None
        if self.kind == "best":
            return best_in_curve(run, self.name)
        if self.kind == "metrics" and self.name not in run.metrics:
            return None
        if self.kind in ("metrics", "figure"):
            mode = guess_mode(self.name) if self.kind == "figure" else None
            figure = any_figure_of(run, self.full_name, mode)
            return figure.value if figure else None
        return (run.flat_config if self.kind == "params" else run.flat_summary).get(self.name)


def find_column(name: str, runs: Sequence[RunView]) -> RunsColumn:
    """Return the column that a name refers to.

    A name without a prefix is looked up in this order: basic facts (`FACTS`), settings, other facts, results and
    metrics. A column of a result or a metric contains the representative value of each run (see `figures.figure_of`).
    The full names `params.NAME` (or `config.NAME`), `summary.NAME`, `metrics.NAME`, `metrics.NAME.best` and `data.NAME`
    are unambiguous. `metrics.NAME` is the last value, but for `epoch` and `samples` it is the highest value.

    Raises:
        NotFound: The column does not exist. The message lists the most similar names.
    """
    return _find(name, runs, every_column(runs))


def find_metric(name: str, runs: Sequence[RunView]) -> RunsColumn:
    """Return the result or metric that a name refers to. Unlike `find_column`, this function ignores settings.

    Raises:
        NotFound: No result or metric has this name. The message lists the most similar names.
    """
    return _find(name, runs, [column for column in every_column(runs) if column.startswith(("summary.", "metrics."))])


def find_columns(names: Iterable[str], runs: Sequence[RunView]) -> list[RunsColumn]:
    """Return the columns that several names refer to (see `find_column`).

    Raises:
        NotFound: A column does not exist. The message lists the most similar names.
    """
    available = every_column(runs)
    return [_find(name, runs, available) for name in names]


def _find(name: str, runs: Sequence[RunView], available: Sequence[str]) -> RunsColumn:
    full_name = f"params.{name.removeprefix('config.')}" if name.startswith("config.") else name
    for spelling in dict.fromkeys((name, full_name, full_name.replace("-", "_"))):  # options have - instead of _
        is_shadowed = spelling in MORE_FACTS and f"params.{spelling}" in available
        if spelling in available and not is_shadowed:
            return _column(spelling, runs)
        if full_names := [f"{kind}.{spelling}" for kind in _MEANINGS if f"{kind}.{spelling}" in available]:
            return _column_of_bare_name(spelling, full_names, runs)
    raise NotFound(
        f"no column {name!r}; {did_you_mean(name, {column.partition('.')[2] or column for column in available})}"
    )


def choice_note(columns: Iterable[RunsColumn]) -> str:
    """Return a sentence that explains ambiguous names, or an empty string if no name is ambiguous."""
    choices = [
        f"{column.name} is the {_MEANINGS[column.kind]} (not {' or '.join(column.shadowed)})"
        for column in dict.fromkeys(columns)
        if column.shadowed
    ]
    return f"{'; '.join(choices)}." if choices else ""


def every_column(runs: Iterable[RunView]) -> list[str]:
    """Return the full names of all columns for which at least one run has a value. The names are in this order: facts,
    data, settings, metrics and results."""
    names_of: dict[str, dict[str, None]] = {"params": {}, "metrics": {}, "summary": {}}
    for run in runs:
        for kind, names in (("params", run.flat_config), ("metrics", run.metrics), ("summary", run.flat_summary)):
            names_of[kind].update(dict.fromkeys(names))
    data = [f"data.{name}" for run in runs for name in run.data]
    params, summary = ([f"{kind}.{name}" for name in names_of[kind]] for kind in ("params", "summary"))
    metrics = [
        column
        for name in names_of["metrics"]
        for column in (f"metrics.{name}", *([f"metrics.{name}{BEST}"] if guess_mode(name) else []))
    ]
    return list(dict.fromkeys([*FACTS, *MORE_FACTS, *data, *params, *metrics, *summary]))


def runs_frame(runs: Sequence[RunView]) -> pa.Table:
    """Return a table with one row per run and all columns (see `Runs.to_arrow`)."""
    import pyarrow as pa

    # The lineage shows which runs repeat or continue another run. A mean should not count such runs twice.
    left_out = MORE_FACTS.keys() - ({_LINEAGE} if any(run.facts.lineage for run in runs) else set())
    columns = [RunsColumn(*_parts(name, runs)) for name in every_column(runs) if name not in left_out]
    return pa.table({column.full_name: value_array([column.value(run) for run in runs]) for column in columns})


def _parts(full_name: str, runs: Sequence[RunView]) -> tuple[Kind, str]:
    """Return the kind and the name of a column."""
    if full_name in FACTS or full_name in MORE_FACTS:
        return "fact", full_name
    kind, _, name = full_name.partition(".")
    if kind == "metrics":
        is_best = name.endswith(BEST) and not any(name in run.metrics for run in runs)
        return ("best", name.removesuffix(BEST)) if is_best else ("metrics", name)
    return ("data", name) if kind == "data" else ("params", name) if kind == "params" else ("summary", name)


def _column(full_name: str, runs: Sequence[RunView], shadowed: Sequence[str] = ()) -> RunsColumn:
    kind, name = _parts(full_name, runs)
    headings = {"data": full_name, "best": f"{name} best"}
    heading = figure_heading(runs, full_name, None) if kind in ("summary", "metrics") else headings.get(kind, name)
    return RunsColumn(kind, name, heading, tuple(shadowed))


def _column_of_bare_name(name: str, full_names: Sequence[str], runs: Sequence[RunView]) -> RunsColumn:
    """Return the column for a name without a prefix that matches several full names."""
    if full_names[0].startswith("params."):
        return _column(full_names[0], runs, full_names[1:])
    mode = guess_mode(name)
    kinds = {figure.kind for run in runs if (figure := any_figure_of(run, name, mode))}
    if not kinds or kinds.isdisjoint(("best", "last")):
        return _column(full_names[0], runs, full_names[1:])
    if len(kinds) == 1:
        return _column(f"metrics.{name}{BEST}" if mode else f"metrics.{name}", runs)
    return RunsColumn("figure", name, figure_heading(runs, name, mode))
