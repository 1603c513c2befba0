"""Working time of runs."""

from __future__ import annotations

from runfolio.query.index.rows import working_time
from runfolio.query.run_view import RunView
from runfolio.record.base.run_document import now


def worked_s(run: RunView) -> float | None:
    """Return the seconds of work, without the pauses between attempts (see `RecordedRun.duration_s`)."""
    seconds, since = working_time(run.document, run.state)
    if seconds is None or since is None:
        return seconds
    return seconds + max(0.0, (now() - since).total_seconds())


def inherited_s(run: RunView) -> float:
    """Return the seconds of work that a fork inherited from its parent; 0 for any other run."""
    return sum(attempt.seconds or 0.0 for attempt in run.document.attempts if attempt.inherited is not None)
