"""Columns of runs by name: facts, settings, metrics, results and data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from runfolio.errors import NotFound, did_you_mean
from runfolio.query.frames.points import import_pandas
from runfolio.query.run_view import RunView

if TYPE_CHECKING:
    import pandas as pd

FACTS: dict[str, Callable[[RunView], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "state": lambda run: run.state,
    "created": lambda run: run.created,
    "duration_s": lambda run: run.duration_s,
}
_MORE_FACTS: dict[str, Callable[[RunView], Any]] = {
    "ended": lambda run: run.document.status.ended,
    "reason": lambda run: run.reason,
    "tags": lambda run: ", ".join(run.tags) or None,
    "notes": lambda run: run.notes,
    "archived": lambda run: run.edits.archived,
    "series": lambda run: (run.document.series or {}).get("name"),
    "lineage": lambda run: _origin(run.document.lineage),
    "host": lambda run: run.document.environment.get("host"),
    "device": lambda run: run.document.environment.get("device"),
    "commit": lambda run: run.code.info.get("commit"),
    "folder": lambda run: run.run_path,
}


def _origin(lineage: dict[str, Any] | None) -> str | None:
    """`fork of net (k3f9x2ab)`."""
    return None if lineage is None else f"{lineage.get('kind')} of {lineage.get('name')} ({lineage.get('run')})"


def runs_frame(runs: Sequence[RunView]) -> pd.DataFrame:
    """One row a run with every column it could have (see `Runs.to_pandas`)."""
    pd = import_pandas()
    columns = [column for column in every_column(runs) if column not in _MORE_FACTS]
    return pd.DataFrame([[cell(run, column) for column in columns] for run in runs], columns=columns)


def every_column(runs: Iterable[RunView]) -> list[str]:
    """All columns the runs could fill, in the order of a wide table."""
    names_of: dict[str, dict[str, None]] = {"params": {}, "metrics": {}, "summary": {}}
    for run in runs:
        for kind, names in (("params", run.flat_config), ("metrics", run.metrics), ("summary", run.flat_summary)):
            names_of[kind].update(dict.fromkeys(names))
    values = [f"{kind}.{name}" for kind, names in names_of.items() for name in names]
    data = dict.fromkeys(f"data.{name}" for run in runs for name in run.data)
    return [*FACTS, *_MORE_FACTS, *data, *values]


def full_name(column: str, columns: Sequence[str]) -> str:
    """The column a user means, written in full.

    Raises:
        NotFound: There is none of that name.
    """
    spellings = (column, f"summary.{column}", f"metrics.{column}", f"params.{column}")
    spellings += tuple(spelling.replace("-", "_") for spelling in spellings[::3])  # as flags and YAML spell a setting
    for spelling in spellings:
        if spelling in columns:
            return spelling
    raise NotFound(
        f"no column {column!r}; {did_you_mean(column, {name.partition('.')[2] or name for name in columns})}"
    )


def cell(run: RunView, column: str) -> Any:
    """One value of the table; None where the run has none."""
    if fact := FACTS.get(column) or _MORE_FACTS.get(column):
        return fact(run)
    kind, _, name = column.partition(".")
    if kind == "data":
        return run.data[name].fingerprint if name in run.data else None
    if kind == "metrics":
        return run.metrics[name].last if name in run.metrics else None
    return (run.flat_config if kind == "params" else run.flat_summary).get(name)
