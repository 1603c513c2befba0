"""Compare the metrics and checkpoints of a repeated run with those of the original."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import NotFound
from runfolio.query.curve import Curve
from runfolio.query.run import RecordedRun
from runfolio.record.base.plurals import counted
from runfolio.record.points.metric_summary import is_watched_metric
from runfolio.reproduce import weights

VerdictWord = Literal["bit-equal", "within tolerance", "parts"]
RTOL, ATOL = 1e-5, 1e-8
"""Default tolerances, which are those of `torch.allclose` and `numpy.allclose`."""
TIME_METRICS = (
    *("*second", "*seconds", "*seconds/*", "*_s", "*_ms", "*_per_s", "*per_sec*", "*per_minute", "*/s"),
    *("time", "time/*", "*/time", "*/time/*", "*_time", "*_times", "*elapsed*", "*duration*", "*throughput*"),
    *("*latency*", "*runtime*", "*speed*", "*fps", "eta", "*/eta", "*memory_mb*", "*memory_gb*", "predict_ms"),
)
"""Patterns of metrics that measure time, speed or load. Such metrics always differ."""


class Tolerance(NamedTuple):
    """Tolerance of a comparison: a number b may differ from the original a by at most `atol + rtol * |a|`."""

    rtol: float = RTOL
    atol: float = ATOL


@dataclass(frozen=True)
class ValueGap:
    """Difference between two points, or between two numbers in a tensor."""

    metric: str
    step: int | None
    before: float | None
    """Original value, or None if the original does not have this point."""
    after: float | None

    @property
    def size(self) -> float:
        if self.before is None or self.after is None:
            return math.inf
        size = abs(self.after - self.before)
        return math.inf if math.isnan(size) else size

    def __str__(self) -> str:
        return f"{self.metric} was {_value_text(self.before)} and is {_value_text(self.after)}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    word: VerdictWord
    first: ValueGap | None
    """First difference. If the runs part (differ by more than the tolerance), it is the first difference beyond the
    tolerance."""
    largest: ValueGap | None
    """Largest difference, or None if all points are bit-equal."""
    points: int
    """Number of compared points."""
    metrics: int
    tensors: int
    tolerance: Tolerance
    left_out: list[str] = field(default_factory=list)
    """Metrics that were not compared: measurements of time, and metrics that the user ignored."""
    remarks: list[str] = field(default_factory=list)
    """Parts that could not be compared, and the reasons."""
    failure: str | None = None
    """Reason why the repeated run failed, if all its points before the failure are within tolerance."""

    @property
    def sentence(self) -> str:
        return f"{self._head}{self._compared}."

    @property
    def _head(self) -> str:
        if self.word == "bit-equal":
            return "bit-equal: "
        first, largest = self.first, self.largest
        if self.failure is not None:
            return f"could not be repeated: {self.failure}; "
        if self.word == "parts" and first is not None:
            return f"parts{_step_text(first)}: {first}; "
        details = (
            f"the largest difference is {largest.size:.3g}, in {largest.metric}{_step_text(largest)}" if largest else ""
        )
        bounds = f"rtol {self.tolerance.rtol:g}, atol {self.tolerance.atol:g}"
        return f"within tolerance ({bounds}): {details}; "

    @property
    def _compared(self) -> str:
        tensors = f" and {counted(self.tensors, 'tensor')} of the checkpoints" if self.tensors else ""
        verb = "was" if self.points == 1 and not tensors else "were"
        return f"{counted(self.points, 'point')} of {counted(self.metrics, 'metric')}{tensors} {verb} compared"


class _Comparison(NamedTuple):
    """Result for one metric or one checkpoint."""

    points: int
    first: tuple[float, ValueGap] | None = None
    """Earliest difference and its time (Unix seconds)."""
    first_beyond: tuple[float, ValueGap] | None = None
    """Earliest difference beyond the tolerance, and its time."""
    largest: ValueGap | None = None


def compare_runs(
    original: RecordedRun,
    repeated: RecordedRun,
    *,
    tolerance: Tolerance | None = None,
    ignore: Sequence[str] = (),
    steps: int | None = None,
) -> Verdict:
    """Compare a repeated run with its original.

    Points are compared in logging order. Points that a later attempt abandoned are left out. NaN equals NaN, and -0
    differs from 0.

    Args:
        ignore: Patterns of metrics that are not compared, in addition to `TIME_METRICS`.
        steps: Last step of the repeated run. Later points of the original are ignored.
    Raises:
        NotFound: There is nothing to compare.
        DamagedFile: A record cannot be read.
    """
    tolerance = tolerance or Tolerance()
    patterns = (*TIME_METRICS, *ignore)
    names = sorted(original.metrics.keys() | repeated.metrics.keys())
    left_out = [name for name in names if any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)]
    names = [name for name in names if name not in left_out]
    before, after = ({name: _curve(run, name) for name in names} for run in (original, repeated))
    end_time = math.inf if steps is None else _time_of_later_step(before, steps)
    comparisons = [
        _compare_metric(
            name,
            _points_until(before[name], end_time, after[name], prefix=steps is not None and is_watched_metric(name)),
            after[name],
            tolerance,
            open_end=original.state != "finished",
        )
        for name in names
    ]
    tensors = weights.compare_weights(original, repeated, *tolerance, to_the_end=steps is None)
    comparisons += [_tensor_comparison(tensors)]
    if not names and not tensors.count:
        raise NotFound(
            f"nothing in run {original.name} ({original.id}) can be compared: all its metrics are ignored or measure"
            " time, and it has no checkpoint in common with the repeated run"
        )
    first = _earliest(comparison.first_beyond for comparison in comparisons) or _earliest(
        comparison.first for comparison in comparisons
    )
    is_cut_short = first is not None and first.after is None
    has_failed = repeated.state in ("failed", "crashed") and original.state == "finished"
    return Verdict(
        word=_word(comparisons),
        first=first,
        largest=max(
            (comparison.largest for comparison in comparisons if comparison.largest is not None),
            key=lambda gap: gap.size,
            default=None,
        ),
        points=sum(comparison.points for comparison in comparisons),
        metrics=len(names),
        tensors=tensors.count,
        tolerance=tolerance,
        left_out=left_out,
        remarks=[*tensors.remarks, *_endings(original, repeated)],
        failure=repeated.reason or repeated.state if has_failed and is_cut_short else None,
    )


def _endings(original: RecordedRun, repeated: RecordedRun) -> Iterator[str]:
    if original.state != "finished":
        yield f"the original run did not finish ({original.ending}); only its existing points are compared"
    if repeated.state != "finished":
        yield f"the repeated run did not finish: {repeated.ending}"


def _word(compared: Iterable[_Comparison]) -> VerdictWord:
    comparisons = list(compared)
    if any(comparison.first_beyond for comparison in comparisons):
        return "parts"
    return "within tolerance" if any(comparison.first for comparison in comparisons) else "bit-equal"


class _CurvePoints(NamedTuple):
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def _curve(run: RecordedRun, name: str) -> _CurvePoints:
    if name not in run.metrics:
        return _CurvePoints(np.empty(0, np.int64), np.empty(0), np.empty(0))
    curve: Curve = run.metric(name, x="step")
    return _CurvePoints(curve.steps, curve.times, curve.values)


def _time_of_later_step(curves: dict[str, _CurvePoints], steps: int) -> float:
    """Return the time at which the original first logged a step after `steps`, or infinity if it logged no such
    step."""
    later = [
        curve.times[curve.steps > steps].min()
        for name, curve in curves.items()
        if not is_watched_metric(name) and (curve.steps > steps).any()
    ]
    return min(later, default=math.inf)


def _points_until(curve: _CurvePoints, moment: float, after: _CurvePoints, *, prefix: bool) -> _CurvePoints:
    """Return the points before `moment`. If `prefix` is True, return the first points instead, at most as many as
    `after` contains."""
    count = min(len(after.steps), len(curve.steps)) if prefix else int((curve.times < moment).sum())
    return _CurvePoints(curve.steps[:count], curve.times[:count], curve.values[:count])


def _compare_metric(
    name: str, before: _CurvePoints, after: _CurvePoints, tolerance: Tolerance, *, open_end: bool
) -> _Comparison:
    """Compare the points of one metric in the original and in the repeated run.

    Args:
        open_end: True to accept additional points in the repeated run, because the original was cut short.
    """
    shared = min(len(before.steps), len(after.steps))
    old, new = before.values[:shared], after.values[:shared]
    same_step = before.steps[:shared] == after.steps[:shared]
    same = same_step & ((old.view(np.int64) == new.view(np.int64)) | (np.isnan(old) & np.isnan(new)))
    with np.errstate(over="ignore"):  # an overflow to infinity is also beyond the tolerance
        near = same_step & np.isclose(new, old, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True)

    def gap(index: int) -> tuple[float, ValueGap]:
        points = before if index < len(before.steps) else after
        original = float(before.values[index]) if index < len(before.steps) else None
        repeated = float(after.values[index]) if index < len(after.steps) else None
        if original is not None and repeated is not None and not same_step[index]:
            repeated = None  # the repeated point has a different step
        return float(before.times[index]) if points is before else math.inf, ValueGap(
            name, int(points.steps[index]), original, repeated
        )

    missing = len(before.steps) > shared or (len(after.steps) > shared and not open_end)
    unequal, far = (np.flatnonzero(~fits) for fits in (same, near))
    ends = [shared] if missing else []
    first, beyond = ([*map(int, indices[:1]), *ends][:1] for indices in (unequal, far))
    with np.errstate(invalid="ignore", over="ignore"):
        sizes = np.nan_to_num(np.abs(new - old), nan=math.inf)
    widest = int(unequal[np.argmax(sizes[unequal])]) if len(unequal) else None
    return _Comparison(
        points=shared,
        first=gap(first[0]) if first else None,
        first_beyond=gap(beyond[0]) if beyond else None,
        largest=None if widest is None else gap(widest)[1],
    )


def _tensor_comparison(weights_compared: weights.WeightComparison) -> _Comparison:
    """Return the result for the checkpoints. Differences between checkpoints count as later than all points."""
    first, beyond = (
        None if gap is None else (math.inf, ValueGap(gap.name, gap.step, gap.before, gap.after))
        for gap in (weights_compared.first, weights_compared.first_beyond)
    )
    return _Comparison(points=0, first=first, first_beyond=beyond, largest=first and first[1])


def _earliest(gaps: Iterable[tuple[float, ValueGap] | None]) -> ValueGap | None:
    """Return the earliest difference. Ties are broken by the lower step."""
    present = [gap for gap in gaps if gap is not None]
    return (
        min(present, key=lambda gap: (gap[0], math.inf if gap[1].step is None else gap[1].step, gap[1].metric))[1]
        if present
        else None
    )


def _step_text(gap: ValueGap) -> str:
    return "" if gap.step is None else f" at step {gap.step:,}"


def _value_text(value: float | None) -> str:
    return "missing" if value is None else repr(value)


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict in the form stored in the record (`docs/format.md`, Lineage)."""
    first = verdict.first
    return {
        "word": verdict.word,
        "sentence": verdict.sentence,
        "metric": first and first.metric,
        "step": first and first.step,
        "before": first and first.before,
        "after": first and first.after,
        "points": verdict.points,
        "tensors": verdict.tensors,
    }
