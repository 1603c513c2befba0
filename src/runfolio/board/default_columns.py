"""Default columns of the table of runs, for requests that name no columns."""

from __future__ import annotations

import sqlite3

import orjson

from runfolio.board.run_selection import SelectedRuns
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import naming_settings

_SETTINGS = 6
"""Maximum number of columns with settings."""
_RESULTS = ("parameters", "epoch_seconds")
"""Results that get a column if they were recorded."""
_COMPARED, _SAMPLED = 1_000, 100
"""Maximum number of runs whose settings are compared, and maximum number of runs that are checked for settings that
only name a run. The newest runs are used. An output folder, for example, only names a run."""
_VARYING = """
    SELECT name FROM params JOIN names USING (name_id) WHERE run IN (SELECT value FROM json_each(?)) GROUP BY name_id
    HAVING count(*) < ? OR count(DISTINCT kind) > 1 OR count(DISTINCT number) > 1 OR count(DISTINCT text) > 1
        OR count(number) NOT IN (0, count(*))
    ORDER BY count(*) DESC, name_id"""


def default_columns(selected: SelectedRuns) -> list[str]:
    """Return the names of the default columns: the settings that vary, the most frequent first, and the usual
    results."""
    settings = selected.once("varying", lambda: _varying_settings(selected))
    results = [f"summary.{name}" for name in _RESULTS if name in selected.catalog.results]
    return [*(f"params.{name}" for name in settings[:_SETTINGS]), *results]


def _varying_settings(selected: SelectedRuns) -> list[str]:
    """Return the settings that vary, the most frequent first. Settings that only name a run are left out."""
    rows = selected.rows(limit=_COMPARED)
    keys = orjson.dumps([row.key for row in rows]).decode()

    def read(connection: sqlite3.Connection) -> list[str]:
        return [name for (name,) in connection.execute(_VARYING, [keys, len(rows)])]

    naming = naming_settings_of(selected)
    return [name for name in selected.board.folio.read_index(read) if name not in naming]


def naming_settings_of(selected: SelectedRuns) -> list[str]:
    """Return the settings that only name a run, judging by the newest of the selected runs."""
    return naming_settings(distinct_runs(selected.runs(limit=_SAMPLED)).runs)
