"""Curves of a run: the points of a metric on the newest branch and on the abandoned branches of the run.

A run that resumes from a checkpoint starts a new attempt. The points that an earlier attempt logged after this
checkpoint are then abandoned. They form the end of an abandoned branch. The newest branch ends with the points of the
newest attempt. The position of a point is its value on the x axis.

While a run trains, most requests find new points. The cache appends new points to its curves, so a request reads only
these points.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from runfolio.board.curve_cache import CurveCache
from runfolio.board.time_limit import check_time
from runfolio.errors import NotFound
from runfolio.query.frames.new_points import read_new_points
from runfolio.query.frames.points import open_points
from runfolio.query.frames.x_axis import BUILT_IN, along, default_x
from runfolio.query.index.scan import signature_of
from runfolio.query.run_view import RunView
from runfolio.query.thinning import thinned_indices
from runfolio.record.base.run_document import TEST
from runfolio.record.points.reader import PointFiles, Points

Floats = NDArray[np.float64]
_MAX_ABANDONED = 20
"""Maximum number of abandoned branches of a run. Older branches are left out."""
_ENTRY_BYTES = 1_000
"""Approximate number of bytes of a cache entry without its arrays."""
_AXES_BYTES = 4_000_000
LONG = 2_000_000
"""Number of points above which a curve over `step` or `time` is thinned while it is read."""
_KEPT = 500_000
"""Approximate maximum number of points that remain in a thinned curve."""
_POINTS_PER_COLUMN = 4
_RELEASED_BYTES = 8_000_000
"""Minimum number of bytes that are read before freed memory is returned to the system."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BranchCurve:
    """Points of one metric on one branch of a run. Both arrays have the shape [n], and `x` is finite and ascending."""

    attempt: int
    """Number of the last attempt on the branch."""
    is_abandoned: bool
    x: Floats
    y: Floats
    """Logged values, including NaN and infinities."""
    shared: int
    """Number of leading points that another curve also contains. An abandoned branch shares points with the newest
    branch, and the newest branch of a fork shares points with the parent run."""
    lost: int = 0
    """Number of points that are left out because they have no x value."""
    left_out: int = 0
    """Number of points of a long curve that thinning left out when the curve was read."""
    parent: str | None = None
    """Id of the parent run whose points a fork inherited. It is None if the run is not a fork."""
    resumes: tuple[float, ...] = ()
    """Value on the x axis of the last point before each time that the run resumed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunCurves:
    """Cache entry with the branches of one run for one metric."""

    newest: BranchCurve
    abandoned: tuple[BranchCurve, ...]
    signature: str
    """Result of `curve_signature` before the points were read."""
    cursor: str
    """Cursor that marks the last point that was read. The next read starts after this point."""
    clock_offset: float | None
    """Value of a point on the x axis minus its clock time, in seconds. If the x axis is `time`, this difference
    converts the clock times of new points to x values. It is None if the newest attempt has no points yet."""

    @property
    def branches(self) -> tuple[BranchCurve, ...]:
        """Abandoned branches, followed by the newest branch."""
        return (*self.abandoned, self.newest)

    @property
    def nbytes(self) -> int:
        return _ENTRY_BYTES + sum(branch.x.nbytes + branch.y.nbytes for branch in self.branches)


@dataclass(frozen=True)
class _DefaultAxis:
    """Cache entry with the x axis that a run defined for a metric."""

    x: str
    signature: str
    nbytes: int = _ENTRY_BYTES


class BranchReader:
    """Reader of curves, with a cache. If the cache has earlier points of a curve, only newer points are read.

    Args:
        max_bytes: Maximum number of bytes in the cache.
    """

    def __init__(self, max_bytes: int) -> None:
        self._cache: CurveCache[RunCurves] = CurveCache(max_bytes)
        self._axes: CurveCache[_DefaultAxis] = CurveCache(_AXES_BYTES)
        self._unreleased = 0

    def default_x(self, run: RunView, metric: str, signature: str) -> str:
        """Return the x axis that a run defined for a metric: `step`, `time` or a metric."""
        axis = self._axes.get((run.run_path, metric))
        if axis is None or axis.signature != signature:
            axis = _DefaultAxis(default_x(run, metric), signature)
            self._axes.put((run.run_path, metric), axis)
        return axis.x

    def read(self, run: RunView, metrics: Iterable[str], x: str, signature: str) -> dict[str, RunCurves]:
        """Return the curves of a run, keyed by metric. Metrics that the run does not have are left out.

        Args:
            run: Run whose files are read.
            metrics: Names of the metrics.
            x: X axis: `step`, `time`, `epoch` or any metric.
            signature: Result of `curve_signature`, which must be called before this method.

        Raises:
            NotFound: The folder of the run no longer exists.
            ConfigError: The run has no metric `x`.
        """
        files: PointFiles | None = None
        curves: dict[str, RunCurves] = {}
        for metric in metrics:
            check_time()
            if metric not in run.metric_summaries:
                continue
            key = (run.run_path, metric, x)
            entry = self._cache.get(key)
            if entry is not None and entry.signature != signature:
                entry = _extended(run, metric, x, entry, signature)
            if entry is None:
                files = files or open_points(run.folder, run.document)
                entry = _whole(run, files, metric, x, signature)
                self._unreleased += entry.nbytes
            self._cache.put(key, entry)
            curves[metric] = entry
        return curves

    def release_memory(self) -> None:
        """Return freed memory to the system if many bytes were read.

        Otherwise, the memory allocators would keep the freed memory.
        """
        if self._unreleased >= _RELEASED_BYTES:
            self._unreleased = 0
            import pyarrow as pa

            pa.default_memory_pool().release_unused()
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # this function exists only in glibc
            if trim is not None:
                trim(0)


def curve_signature(run: RunView) -> str:
    """Return a string that changes if the points of a run change.

    Raises:
        NotFound: The folder of the run no longer exists.
    """
    try:
        return signature_of(run.folder)
    except FileNotFoundError:
        raise NotFound(f"the run's folder {run.folder} is gone") from None


def _whole(run: RunView, files: PointFiles, metric: str, x: str, signature: str) -> RunCurves:
    count = run.metric_summaries[metric].count
    is_long = count > LONG and x in BUILT_IN
    points = _thinned(files, metric, count) if is_long else files.read(metric)
    positions = along(run, files, metric, points, x)
    newest = files.attempts[-1].attempt if files.attempts else 0
    inherited = [entry for entry in files.attempts if entry.inherited is not None]
    is_inherited = np.isin(points.attempts, [entry.attempt for entry in inherited])
    has_points = len(points) > 0 and points.attempts[-1] == newest
    return RunCurves(
        newest=BranchCurve(
            attempt=newest,
            is_abandoned=False,
            parent=inherited[-1].inherited if inherited else None,
            left_out=max(0, count - len(points)) if is_long else 0,
            resumes=tuple(_resumes(files, positions, points.attempts)),
            **_sorted(positions, points.values, is_inherited),
        ),
        abandoned=tuple(_abandoned(run, files, metric, x)),
        signature=signature,
        cursor=files.cursor(),
        clock_offset=float(positions[-1] - points.times_us[-1] / 1e6) if has_points else None,
    )


def _thinned(files: PointFiles, metric: str, count: int) -> Points:
    """Return some points of a long metric, which is read in blocks. Every spike and every gap is kept.

    Args:
        count: Approximate number of points of the metric.
    """

    def reduce(block: Points) -> Points:
        check_time()
        size = len(block)
        columns = max(1, size * _KEPT // (count * _POINTS_PER_COLUMN))
        kept = thinned_indices(np.arange(size, dtype=np.float64), block.values, columns, (0.0, float(size)))
        return Points(*(column[kept] for column in block.columns))

    return files.read_reduced(metric, reduce)


def _extended(run: RunView, metric: str, x: str, entry: RunCurves, signature: str) -> RunCurves | None:
    """Append the points that were logged since the last read. Return None if all points must be read again."""
    if x not in BUILT_IN or entry.clock_offset is None:
        return None
    new = read_new_points(run.folder, run.document, [metric], entry.cursor)
    if new.is_complete:
        return None
    curve = entry.newest
    if metric in new.points:
        points = new.points[metric]
        positions = points.times_us / 1e6 + entry.clock_offset if x == "time" else points.steps.astype(np.float64)
        if len(curve.x) and positions.min() < curve.x[-1]:
            return None
        order = np.argsort(positions, kind="stable")
        x_values = np.concatenate([curve.x, positions[order]])
        curve = replace(curve, x=x_values, y=np.concatenate([curve.y, points.values[order]]))
    return replace(entry, newest=curve, signature=signature, cursor=new.cursor)


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
    """Fields of `BranchCurve` that depend on its points."""

    x: Floats
    y: Floats
    shared: int
    lost: int
