"""Working time and progress of runs."""

from __future__ import annotations

from runfolio.query.run_view import RunView
from runfolio.record.base.run_document import RUNNING, now
from runfolio.record.points.metric_summary import is_watched_metric


def inherited_s(run: RunView) -> float:
    """Return the seconds of work that a fork inherited from its parent. Return 0 for any other run."""
    return sum(attempt.seconds or 0.0 for attempt in run.document.attempts if attempt.inherited is not None)


def progress(run: RunView) -> float | None:
    """Return the fraction of the steps that are done (see `RecordedRun.progress`)."""
    total = run.document.total_steps
    if total is None:
        return None
    metric = most_advanced_metric(run)
    if metric is None:
        return 0.0
    counts_from_0 = any(run.metrics[name].first_step == 0 for name in _training_metrics(run))
    return min(max((run.metrics[metric].last_step + counts_from_0) / total, 0.0), 1.0)


def seconds_left(run: RunView) -> float | None:
    """Estimate the remaining seconds of a run from the speed of its newest attempt. Return None if the speed is
    unknown.

    Raises:
        NotFound: The run's folder no longer exists.
    """
    share, total, metric = progress(run), run.document.total_steps, most_advanced_metric(run)
    if share is None or total is None or metric is None or run.state != RUNNING or not run.document.attempts:
        return None
    curve = run.metric(metric)
    is_recent = curve.times >= run.document.attempts[-1].started.timestamp()
    steps, times = curve.steps[is_recent], curve.times[is_recent]
    if len(steps) < 2 or steps[-1] <= steps[0]:
        return None
    seconds_per_step = float(times[-1] - times[0]) / int(steps[-1] - steps[0])
    return max(0.0, total * (1 - share) * seconds_per_step - (now().timestamp() - float(times[-1])))


def most_advanced_metric(run: RunView) -> str | None:
    """Return the metric with the largest last step, or None if no metric was logged."""
    return max(_training_metrics(run), key=lambda name: run.metrics[name].last_step, default=None)


def _training_metrics(run: RunView) -> list[str]:
    """Return the metrics that use the steps of the script. The metrics of a watched model use the steps of the
    optimizer instead."""
    return [name for name in run.metrics if not is_watched_metric(name)]
