"""Working time of runs."""

from __future__ import annotations

from runfolio.query.run_view import RunView


def inherited_s(run: RunView) -> float:
    """Return the seconds of work that a fork inherited from its parent; 0 for any other run."""
    return sum(attempt.seconds or 0.0 for attempt in run.document.attempts if attempt.inherited is not None)
