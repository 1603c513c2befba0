"""Rows of the index that describe one run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from runfolio.query.index.run_index import Entry
from runfolio.query.index.tables import BOOLEAN, JSON, NULL, NUMBER, TEXT
from runfolio.record.base.flat_names import flatten
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.base.run_parts import Lineage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGERS = range(-(2**63), 2**63)
"""Integers that SQLite can store."""

Value = tuple[int, float | None, str | None]
"""Columns `kind`, `number` and `text` of a setting or result."""


class RunRows(NamedTuple):
    """Rows of one run in each table of `tables.TABLES`, without its key in all but the first."""

    run: tuple[Any, ...]
    """Row of `runs`."""
    params: list[tuple[str, *Value]]
    """Name, kind, number and text of each setting."""
    results: list[tuple[str, *Value]]
    """Name, kind, number and text of each result."""
    metrics: list[tuple[Any, ...]]
    """Name of each metric, followed by `tables.METRIC_COLUMNS`."""
    data: list[tuple[str, str | None]]
    """Name and fingerprint of each data set."""
    tags: list[str]


class WorkingTime(NamedTuple):
    """Working time of a run, without the pauses between attempts."""

    seconds: float | None
    """Seconds up to `since`, else up to the end; None if unknown."""
    since: datetime | None
    """Start of the current work of a running run; None if its time no longer grows."""


def rows_of(run_path: str, entry: Entry, state: str, *, reason: str | None, stamp: str = "") -> RunRows:
    """Return the rows of a run.

    Args:
        run_path: Folder relative to the store, with `/`.
        entry: Content of the run.
        state: State that readers derive.
        reason: Reason of the end, without the state (`RecordedRun.reason`).
        stamp: Value of the column `stamp`.
    """
    document, edits = entry.document, entry.edits
    tags = edits.get("tags", document.tags)
    worked_s, since = working_time(document, state)
    lineage = document.lineage
    run = (
        run_key(run_path),
        os.fsencode(run_path),
        stamp,
        entry.signature,
        document.id,
        edits.get("name", document.name),
        document.experiment,
        state,
        microseconds(document.created),
        None if document.status.ended is None else microseconds(document.status.ended),
        worked_s,
        None if since is None else microseconds(since),
        reason,
        orjson.dumps(tags).decode() if tags else None,
        edits.get("notes", document.notes),
        edits.get("archived", False),
        (document.series or {}).get("name"),
        None if lineage is None else origin_text(lineage),
        None if lineage is None else lineage["run"],
        document.environment.get("host"),
        document.environment.get("device"),
        document.code.get("commit"),
    )
    return RunRows(
        run,
        _values(document.config),
        _values(document.summary),
        [(name, *map(_without_nan, astuple(summary))) for name, summary in entry.metrics.items()],
        [(name, data.get("fingerprint")) for name, data in document.data.items()],
        list(dict.fromkeys(tags)),
    )


def run_key(run_path: str) -> int:
    """Return the key of a run in all tables: a digest of its folder in 64 bits."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(run_path), digest_size=8).digest(), signed=True)


def working_time(document: RunDocument, state: str) -> WorkingTime:
    """Return the working time of a run in a state that readers derive (see `RecordedRun.duration_s`)."""
    ended = document.status.ended
    if ended is None and state != RUNNING:
        return WorkingTime(None, None)
    attempts = [attempt for attempt in document.attempts if attempt.inherited is None]
    if document.attempts and not attempts:  # a fork without an attempt of its own
        return WorkingTime(0.0, None)
    earlier = sum(attempt.seconds or 0.0 for attempt in attempts[:-1])
    last = attempts[-1] if attempts else None
    if last is not None and last.seconds is not None:
        return WorkingTime(earlier + last.seconds, None)
    started = last.started if last is not None else document.created
    if ended is None:
        return WorkingTime(earlier, started)
    return WorkingTime(earlier + max(0.0, (ended - started).total_seconds()), None)


def origin_text(lineage: Lineage) -> str:
    """Return the origin of a run, such as `fork of net (k3f9x2ab)`."""
    return f"{lineage['kind']} of {lineage.get('name')} ({lineage['run']})"


def microseconds(moment: datetime) -> int:
    """Return a time in microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def stored_number(value: float) -> float | None:
    """Return a number as SQLite stores it: None for NaN, and the nearest float for an integer beyond 64 bits."""
    if isinstance(value, int):
        return value if value in _INTEGERS else _as_float(value)
    return _without_nan(value)


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _without_nan(number: float) -> float | None:
    return None if number != number else number


def _values(nested: Mapping[str, Any]) -> list[tuple[str, *Value]]:
    return [(name, *_value(value)) for name, value in flatten(nested).items()]


def _value(value: Any) -> Value:
    if value is None:
        return NULL, None, None
    if isinstance(value, bool):
        return BOOLEAN, int(value), None
    if isinstance(value, (int, float)):
        is_large = isinstance(value, int) and value not in _INTEGERS
        return NUMBER, stored_number(value), str(value) if is_large else None
    return (TEXT, None, value) if isinstance(value, str) else (JSON, None, orjson.dumps(value).decode())
