"""Working time of runs."""

from __future__ import annotations

from runfolio.query.run_view import RunView
from runfolio.record.base.run_document import RUNNING, now


def worked_s(run: RunView) -> float | None:
    """Return the seconds of work, without the pauses between attempts (see `RecordedRun.duration_s`)."""
    ended = run.document.status.ended
    if ended is None and run.state != RUNNING:
        return None
    attempts = run.document.attempts
    own_attempts = [attempt for attempt in attempts if attempt.inherited is None]
    if attempts and not own_attempts:  # a fork without an attempt of its own
        return 0.0
    earlier = sum(attempt.seconds or 0.0 for attempt in own_attempts[:-1])
    last = own_attempts[-1] if own_attempts else None
    if last is not None and last.seconds is not None:
        return earlier + last.seconds
    started = last.started if last is not None else run.created
    return earlier + max(0.0, ((ended or now()) - started).total_seconds())


def inherited_s(run: RunView) -> float:
    """Return the seconds of work that a fork inherited from its parent; 0 for any other run."""
    return sum(attempt.seconds or 0.0 for attempt in run.document.attempts if attempt.inherited is not None)
