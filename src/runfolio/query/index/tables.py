"""Tables of the index, and the names stored in them.

`runs` has one row with few columns per run. Settings, results and metrics are in other tables, with one row per name
and run. A sort or filter by one name then reads neighbouring rows only. A wide table would need one column per name,
and JSON is 10 to 20 times slower.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from runfolio.record.points.metric_summary import MetricSummary

ValueTable = Literal["params", "results", "metrics", "data"]
"""Tables with one row per name and run. `params` contains the flattened settings, and `results` contains the flattened
summary."""

NULL, NUMBER, TEXT, BOOLEAN, JSON = range(5)
"""Values of `kind` in `params` and `results`. NUMBER and BOOLEAN (0 or 1) are stored in `number`. TEXT and JSON (lists
and empty mappings) are stored in `text`. A NaN is a `NUMBER` whose `number` is NULL, since SQLite has no NaN. An
integer that exceeds 64 bits is a `NUMBER` whose digits are also in `text`."""

TABLES_OF_RUN = ("params", "results", "metrics", "sparklines", "data", "tags")
"""Tables that have rows for a run, in addition to `runs` and `documents`."""
METRIC_COLUMNS = [entry.name for entry in fields(MetricSummary)]
_RUN_COLUMNS = {
    "run": "INTEGER PRIMARY KEY",
    "folder": "BLOB NOT NULL UNIQUE",
    "stamp": "TEXT NOT NULL",
    "signature": "TEXT NOT NULL",
    "id": "TEXT NOT NULL",
    "name": "TEXT NOT NULL",
    "experiment": "TEXT NOT NULL",
    "state": "TEXT NOT NULL",
    "created": "INTEGER NOT NULL",
    "ended": "INTEGER",
    "worked_s": "REAL",
    "working_since": "INTEGER",
    "reason": "TEXT",
    "tags": "TEXT NOT NULL",
    "notes": "TEXT NOT NULL",
    "archived": "INTEGER NOT NULL",
    "series": "TEXT",
    "lineage": "TEXT",
    "parent": "TEXT",
    "is_reproduction": "INTEGER NOT NULL",
    "host": "TEXT",
    "device": "TEXT",
    "commit": "TEXT",
}
RUN_COLUMNS = list(_RUN_COLUMNS)

# `sparklines` contains small versions of the curves of a few main metrics per run. It is separate from `metrics`,
# because sorting by a metric then reads fewer bytes. `buckets` are 64 little-endian float32 numbers, one for each of 64
# equal parts of the metric's range of steps. Each number is the last finite value in its part of the range, or NaN if
# there is none.
#
# A run's key is a digest of its folder's path, so a new index has the same keys. Folders are stored as bytes, since
# file names need not be UTF-8. Times are stored as integers, in microseconds since 1970 UTC.
TABLES = (
    f"""CREATE TABLE runs ({", ".join(f'"{name}" {kind}' for name, kind in _RUN_COLUMNS.items())})""",
    "CREATE INDEX runs_by_creation ON runs (created, folder)",
    """CREATE TABLE documents (
        run INTEGER PRIMARY KEY, document BLOB NOT NULL, edits BLOB NOT NULL, problems BLOB NOT NULL,
        checksum INTEGER NOT NULL)""",
    "CREATE TABLE names (name_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    *(
        statement
        for table in ("params", "results")
        for statement in (
            f"""CREATE TABLE {table} (
                name_id INTEGER NOT NULL, run INTEGER NOT NULL, kind INTEGER NOT NULL, number, text TEXT,
                PRIMARY KEY (name_id, run)) WITHOUT ROWID""",
            f"CREATE INDEX {table}_of_run ON {table} (run)",
        )
    ),
    f"""CREATE TABLE metrics (
        name_id INTEGER NOT NULL, run INTEGER NOT NULL, {", ".join(METRIC_COLUMNS)},
        PRIMARY KEY (name_id, run)) WITHOUT ROWID""",
    "CREATE INDEX metrics_of_run ON metrics (run)",
    """CREATE TABLE sparklines (
        name_id INTEGER NOT NULL, run INTEGER NOT NULL, buckets BLOB NOT NULL,
        PRIMARY KEY (name_id, run)) WITHOUT ROWID""",
    "CREATE INDEX sparklines_of_run ON sparklines (run)",
    """CREATE TABLE data (
        name_id INTEGER NOT NULL, run INTEGER NOT NULL, fingerprint TEXT, facts TEXT NOT NULL,
        PRIMARY KEY (name_id, run)) WITHOUT ROWID""",
    "CREATE INDEX data_of_run ON data (run)",
    "CREATE TABLE tags (tag TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (tag, run)) WITHOUT ROWID",
    "CREATE INDEX tags_of_run ON tags (run)",
    "CREATE TABLE beats (writer BLOB PRIMARY KEY, beat INTEGER NOT NULL, seen_at REAL NOT NULL)",
)


@dataclass(frozen=True)
class Catalog:
    """Names that the selected runs use, grouped by table. Each name is mapped to its `name_id`."""

    params: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    data: dict[str, int] = field(default_factory=dict)
