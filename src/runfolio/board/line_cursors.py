"""Cursors that let a client request only the points that were logged since its last request.

The cursor of a run has one part per requested metric. A part contains the number of the attempt, the number of points,
and a checksum of the last points. A part is valid if all new points come after the points that the client has.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

from runfolio.board.branches import BranchCurve, RunCurves

_CHECKED = 64
"""Number of last points that the checksum in a cursor covers."""
_PART = re.compile(r"(\d{1,9})-(\d{1,12})-([0-9a-f]{8})")


def cursors_of(curves: Mapping[int, Mapping[str, RunCurves]], metrics: Sequence[str]) -> dict[int, str]:
    """Return a cursor for each run. The cursor marks the end of the run's curves."""
    return {
        key: ".".join(_part(by_metric[metric].newest) if metric in by_metric else "" for metric in metrics)
        for key, by_metric in curves.items()
    }


def points_after(cursor: str, curves: Mapping[str, RunCurves], metrics: Sequence[str]) -> dict[str, int] | None:
    """Return, for each metric, the number of points that the client has.

    Return None if the client must read all points again.
    """
    parts = cursor.split(".") if cursor else [""] * len(metrics)
    if len(parts) != len(metrics):
        return None
    counts: dict[str, int] = {}
    for metric, part in zip(metrics, parts, strict=True):
        if metric not in curves:
            continue
        count = _count(part, curves[metric].newest)
        if count is None:
            return None
        counts[metric] = count
    return counts


def _count(part: str, curve: BranchCurve) -> int | None:
    if not part:
        return 0
    match = _PART.fullmatch(part)
    if match is None:
        return None
    attempt, count = int(match[1]), int(match[2])
    is_valid = attempt == curve.attempt and count <= len(curve.x) and _checksum(curve, count) == match[3]
    return count if is_valid else None


def _part(curve: BranchCurve) -> str:
    return f"{curve.attempt}-{len(curve.x)}-{_checksum(curve, len(curve.x))}"


def _checksum(curve: BranchCurve, count: int) -> str:
    last = slice(max(0, count - _CHECKED), count)
    return f"{zlib.crc32(curve.y[last].tobytes(), zlib.crc32(curve.x[last].tobytes())):08x}"
