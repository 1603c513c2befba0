"""Groups of runs with equal settings."""

from __future__ import annotations

from collections.abc import Sequence

from runfolio.errors import ConfigError, NotFound
from runfolio.query.frames.columns import cell, every_column, full_name
from runfolio.query.run_view import RunT, RunView
from runfolio.record.base.flat_names import identity, short_texts


def group_runs(runs: Sequence[RunT], group_by: Sequence[str]) -> dict[str, list[RunT]]:
    """The runs by label, such as `model=mlp lr=0.1`.

    Args:
        group_by: Columns as a table of runs knows them, a setting by its name alone. With `-` before every one: by
            all settings in which the runs differ, but those.
    Raises:
        ConfigError: Some have a `-` and some not.
        NotFound: There is no such column; the message names the nearest.
    """
    every = every_column(runs)
    excluded = [name.startswith("-") for name in group_by]
    if any(excluded) and not all(excluded):
        raise ConfigError(f"group by {','.join(group_by)}: either all names have a - before them, or none")
    named = [_column(name.removeprefix("-"), every) for name in group_by]
    columns = [column for column in differing_settings(runs) if column not in named] if all(excluded) else named
    texts = {column: short_texts(cell(run, column) for run in runs) for column in columns}
    grouped: dict[str, list[RunT]] = {}
    for run in runs:
        settings = (f"{name.removeprefix('params.')}={texts[name][identity(cell(run, name))]}" for name in columns)
        grouped.setdefault(" ".join(settings) or "all runs", []).append(run)
    return grouped


def differing_settings(runs: Sequence[RunView]) -> list[str]:
    """The columns of the settings in which the runs differ, or which some of them lack."""
    settings = [column for column in every_column(runs) if column.startswith("params.")]
    return [column for column in settings if len({identity(cell(run, column)) for run in runs}) > 1]


def _column(name: str, columns: Sequence[str]) -> str:
    try:
        return full_name(f"params.{name}", columns)
    except NotFound:
        return full_name(name, columns)
