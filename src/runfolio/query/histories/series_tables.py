"""Long tables, with one row per value, and wide tables, with one column per metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runfolio.record.points import arrow_arrays


@dataclass(frozen=True, eq=False)
class MetricSeries:
    """Values of one metric for a run or a group of runs."""

    owner: str
    """Unique name of the run or the group."""
    labels: tuple[str, ...]
    """Strings that identify the run or group in the table."""
    metric: str
    x: NDArray[Any]
    """Positions in ascending order, shape [n]."""
    columns: dict[str, NDArray[Any]]
    """Columns by name, each of shape [n]. The first column contains the metric's values, and the other columns describe
    these values."""


def long_table(series: Sequence[MetricSeries], labels: Sequence[str], axis: str) -> pa.Table:
    """Return a table with one row per series and position. Its columns are the labels, `metric`, the position and the
    values.

    Args:
        labels: Names of the columns that contain the labels.
        axis: Name of the column that contains the positions.
    """
    lengths = [len(one.x) for one in series]
    texts = [
        *((name, [one.labels[number] for one in series]) for number, name in enumerate(labels)),
        ("metric", [one.metric for one in series]),
    ]
    columns = {name: arrow_arrays.repeated_texts(values, lengths) for name, values in texts}
    columns[axis] = _joined([one.x for one in series])
    for name in series[0].columns if series else ():
        columns[name] = _joined([one.columns[name] for one in series])
    return pa.table(columns)


def wide_table(series: Sequence[MetricSeries], labels: Sequence[str], axis: str) -> pa.Table:
    """Return a table with one row per run (or group) and position.

    Its columns are the labels, the position and the columns of each metric. The first column of a metric is named after
    the metric. The other columns are named `NAME.COLUMN`. If a metric has no value at a position, its columns are null
    there. If a metric has several values at a position, the last value is used.

    Args:
        labels: Names of the columns that contain the labels.
        axis: Name of the column that contains the positions.
    """
    by_owner: dict[str, list[MetricSeries]] = {}
    for one in series:
        by_owner.setdefault(one.owner, []).append(one)
    positions = [np.unique(np.concatenate([one.x for one in members])) for members in by_owner.values()]
    lengths = [len(x) for x in positions]
    columns: dict[str, pa.Array] = {
        name: arrow_arrays.repeated_texts([members[0].labels[number] for members in by_owner.values()], lengths)
        for number, name in enumerate(labels)
    }
    columns[axis] = _joined(positions)
    for metric in sorted({one.metric for one in series}):
        members = [next((one for one in members if one.metric == metric), None) for members in by_owner.values()]
        columns.update(_wide_columns(metric, members, positions))
    return pa.table(columns)


def _wide_columns(
    metric: str, members: Sequence[MetricSeries | None], positions: Sequence[NDArray[Any]]
) -> Iterator[tuple[str, pa.Array]]:
    """Yield the name and values of each column of one metric. An entry of `members` is None if the run or group lacks
    the metric."""
    offsets = np.cumsum([0, *map(len, positions)])
    rows = np.concatenate(
        [
            offset + np.searchsorted(x, one.x)
            for offset, x, one in zip(offsets, positions, members, strict=False)
            if one is not None
        ]
    )
    present = np.zeros(offsets[-1], bool)
    present[rows] = True
    existing = [one for one in members if one is not None]
    for number, name in enumerate(existing[0].columns):
        values = np.concatenate([one.columns[name] for one in existing])
        filled = np.zeros(offsets[-1], values.dtype)
        filled[rows] = values
        yield f"{metric}.{name}" if number else metric, arrow_arrays.with_missing(filled, present)


def _joined(arrays: Sequence[NDArray[Any]]) -> pa.Array:
    return arrow_arrays.from_numpy(np.concatenate(arrays) if arrays else np.empty(0))
