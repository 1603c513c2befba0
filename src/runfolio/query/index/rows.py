"""Rows of the index for one run (see `tables`)."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import orjson

from runfolio.query.index.entries import Entry, ScannedRun
from runfolio.query.index.tables import BOOLEAN, JSON, METRIC_COLUMNS, NULL, NUMBER, TEXT
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.run_document import REPRODUCTION, RUNNING, RunDocument
from runfolio.record.base.run_parts import Lineage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGERS = range(-(2**63), 2**63)
_numbers = attrgetter(*METRIC_COLUMNS)  # `attrgetter` is 30 times faster than `dataclasses.astuple`

Row = tuple[Any, ...]


@dataclass(frozen=True)
class RunRows:
    """Rows of one run. In tables with names, each row starts with a name. `of_table` replaces the names with ids."""

    key: int
    run: Row
    tables: Mapping[str, list[Row]]
    """Rows of all tables with names. A row contains a name, followed by the columns after `run`."""
    tags: list[str]

    def names(self) -> Iterator[str]:
        """Yield the names of all rows."""
        return (row[0] for rows in self.tables.values() for row in rows)

    def of_table(self, table: str, ids: Mapping[str, int]) -> list[Row]:
        """Return the rows of a table, with each name replaced by its id."""
        if table == "tags":
            return [(tag, self.key) for tag in self.tags]
        return [(ids[name], self.key, *values) for name, *values in self.tables[table]]


def rows_of(run: ScannedRun) -> RunRows:
    """Return the rows of a run in all tables except `documents`."""
    document, key = run.entry.document, run_key(run.run_path)
    tags = run.entry.edits.get("tags", document.tags)
    tables = {
        "params": _value_rows(document.config),
        "results": _value_rows(document.summary),
        "metrics": metric_rows(run.entry),
        "sparklines": list(run.entry.sparklines.items()),
        "data": [
            (name, given.get("fingerprint"), orjson.dumps(given).decode()) for name, given in document.data.items()
        ],
    }
    return RunRows(key, _run_row(run, key, tags), tables, list(dict.fromkeys(tags)))


def run_key(run_path: str) -> int:
    """Return the key of a run: 63 bits of a digest of the run's path relative to the store."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(run_path), digest_size=8).digest(), "big") >> 1


def metric_rows(entry: Entry) -> list[Row]:
    """Return the rows of `metrics`. NaN is stored as NULL."""
    return [(metric, *map(_without_nan, _numbers(summary))) for metric, summary in entry.metrics.items()]


def microseconds(moment: datetime) -> int:
    """Return a time in microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(time_us: int) -> datetime:
    """Return the UTC time for a number of microseconds since 1970."""
    return _EPOCH + time_us * _MICROSECOND


def value_of(kind: int, number: float | None, text: str | None) -> Any:
    """Decode the value in a row of `params` or `results`."""
    if kind == NUMBER:
        return math.nan if number is None else number if text is None else int(text)
    if kind == TEXT:
        return text
    if kind == BOOLEAN:
        return bool(number)
    return None if text is None else orjson.loads(text)


def _run_row(run: ScannedRun, key: int, tags: list[str]) -> Row:
    document, edits = run.entry.document, run.entry.edits
    lineage = document.lineage or {}
    ended, environment = document.status.ended, document.environment
    worked_s, working_since = _work(document, run.state)
    return (
        key,
        os.fsencode(run.run_path),
        run.stamp,
        run.signature,
        document.id,
        edits.get("name", document.name),
        document.experiment,
        run.state,
        microseconds(document.created),
        None if ended is None else microseconds(ended),
        worked_s,
        working_since,
        run.reason,
        orjson.dumps(tags).decode(),
        edits.get("notes", document.notes),
        edits.get("archived", False),
        (document.series or {}).get("name"),
        _origin(document.lineage),
        lineage.get("run"),
        lineage.get("kind") == REPRODUCTION and not lineage.get("changed"),
        environment.get("host"),
        environment.get("device"),
        document.code.get("commit"),
    )


def _origin(lineage: Lineage | None) -> str | None:
    """Return the origin of a fork or a reproduction, such as `fork of net (k3f9x2ab)`."""
    return None if lineage is None else f"{lineage.get('kind')} of {lineage.get('name')} ({lineage.get('run')})"


def _work(document: RunDocument, state: str) -> tuple[float | None, int | None]:
    """Return the seconds of completed work, and the start of a run's current work in microseconds since 1970."""
    ended = document.status.ended
    if ended is None and state != RUNNING:
        return None, None
    own = [attempt for attempt in document.attempts if attempt.inherited is None]
    if document.attempts and not own:  # the run is a fork without its own attempt
        return 0.0, None
    earlier = sum(attempt.seconds or 0.0 for attempt in own[:-1])
    if own and own[-1].seconds is not None:
        return earlier + own[-1].seconds, None
    started = own[-1].started if own else document.created
    if ended is None:
        return earlier, microseconds(started)
    return earlier + max(0.0, (ended - started).total_seconds()), None


def _value_rows(nested: Mapping[str, Any]) -> list[Row]:
    return [(name, *_encode(value)) for name, value in flatten(nested).items()]


def _encode(value: Any) -> tuple[int, float | None, str | None]:
    if value is None:
        return NULL, None, None
    if isinstance(value, bool):
        return BOOLEAN, int(value), None
    if isinstance(value, (int, float)):
        is_large = isinstance(value, int) and value not in _INTEGERS
        return NUMBER, stored_number(value), str(value) if is_large else None
    return (TEXT, None, value) if isinstance(value, str) else (JSON, None, orjson.dumps(value).decode())


def stored_number(value: float) -> float | None:
    """Return a number as SQLite stores it: None for NaN, and the nearest float for an integer that exceeds 64 bits."""
    if isinstance(value, int):
        return value if value in _INTEGERS else _as_float(value)
    return _without_nan(value)


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _without_nan(number: float) -> float | None:
    return None if number != number else number


def is_encodable(text: str) -> bool:
    """Return whether a string can be looked up in the index. A string with an unpaired surrogate cannot be looked
    up."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
