"""Curves of a run: the newest branch, and the branches that were abandoned when the run was resumed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from runfolio.board.curve_cache import CurveCache
from runfolio.errors import NotFound
from runfolio.query.frames.points import open_points
from runfolio.query.frames.x_axis import along
from runfolio.query.index.scan import signature_of
from runfolio.query.run_view import RunView
from runfolio.record.base.run_document import TEST
from runfolio.record.points.reader import PointFiles

Floats = NDArray[np.float64]
_MAX_ABANDONED = 20
"""Maximum number of abandoned branches of a run. Older ones are left out."""
_ENTRY_BYTES = 1_000
"""Approximate size of an entry of the cache without its arrays."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BranchCurve:
    """Points of one metric on one branch of a run. Both arrays have the shape [n], and `x` is finite and ascending."""

    attempt: int
    """Number of the attempt whose branch this is."""
    is_abandoned: bool
    x: Floats
    y: Floats
    """Logged values, including NaN and infinities."""
    shared: int
    """Number of leading points that belong to another curve: to the newest branch, or to the parent of a fork."""
    lost: int = 0
    """Number of points without an x value."""
    resumes: tuple[float, ...] = ()
    """Position of the last point before each resume."""


class BranchCurves(tuple[BranchCurve, ...]):
    """Branches of one run and metric, as an entry of the cache."""

    @property
    def nbytes(self) -> int:
        return _ENTRY_BYTES + sum(branch.x.nbytes + branch.y.nbytes for branch in self)


def read_branches(
    run: RunView, metrics: Sequence[str], x: str, cache: CurveCache[BranchCurves]
) -> dict[str, list[BranchCurve]]:
    """Return the branches of each metric that the run has, the newest branch first.

    Raises:
        NotFound: The run is gone.
        ConfigError: The run has no metric `x`.
    """
    files: PointFiles | None = None
    signature = curve_signature(run)
    branches: dict[str, list[BranchCurve]] = {}
    for metric in metrics:
        if metric not in run.metric_summaries:
            continue
        key: Hashable = (run.run_path, signature, metric, x)
        entry = cache.get(key)
        if entry is None:
            files = files or open_points(run.folder, run.document)
            entry = BranchCurves((_newest(run, files, metric, x), *_abandoned(run, files, metric, x)))
            cache.put(key, entry)
        branches[metric] = list(entry)
    return branches


def curve_signature(run: RunView) -> str:
    """Return a text that changes if the points of a run change.

    Raises:
        NotFound: The run is gone.
    """
    try:
        return signature_of(run.folder)
    except FileNotFoundError:
        raise NotFound(f"the run's folder {run.folder} is gone") from None


def _newest(run: RunView, files: PointFiles, metric: str, x: str) -> BranchCurve:
    points = files.read(metric)
    positions = along(run, files, metric, points, x)
    inherited = [entry.attempt for entry in files.attempts if entry.inherited is not None]
    return BranchCurve(
        attempt=files.attempts[-1].attempt if files.attempts else 1,
        is_abandoned=False,
        resumes=tuple(_resumes(files, positions, points.attempts)),
        **_sorted(positions, points.values, np.isin(points.attempts, inherited)),
    )


def _abandoned(run: RunView, files: PointFiles, metric: str, x: str) -> Iterator[BranchCurve]:
    own = [entry.attempt for entry in files.attempts[:-1] if entry.inherited is None]
    for attempt in own[-_MAX_ABANDONED:]:
        points = files.read(metric, attempt)
        is_shared = files.is_kept(metric, attempt) | (points.attempts != attempt)
        if not is_shared.all():
            positions = along(run, files, metric, points, x, branch=attempt)
            yield BranchCurve(attempt=attempt, is_abandoned=True, **_sorted(positions, points.values, is_shared))


def _resumes(files: PointFiles, positions: Floats, attempts: NDArray[np.int32]) -> Iterator[float]:
    tests = {entry.attempt for entry in files.attempts if entry.purpose == TEST}
    for first in (np.flatnonzero(np.diff(attempts)) + 1).tolist():
        if int(attempts[first]) not in tests and np.isfinite(positions[first - 1]):
            yield float(positions[first - 1])


def _sorted(positions: Floats, values: Floats, is_shared: NDArray[np.bool_]) -> _Arrays:
    """Return the points that have a position, in ascending order of position."""
    order = np.argsort(positions, kind="stable")
    order = order[np.isfinite(positions[order])]
    own = np.flatnonzero(~is_shared[order])
    return {
        "x": positions[order],
        "y": values[order],
        "shared": int(own[0]) if len(own) else len(order),
        "lost": len(positions) - len(order),
    }


class _Arrays(TypedDict):
    """Fields of `BranchCurve`."""

    x: Floats
    y: Floats
    shared: int
    lost: int
