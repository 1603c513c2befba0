"""Attempts of a run, and its relation to other runs, as data for a timeline."""

from __future__ import annotations

from typing import Any

from runfolio.board.query_args import key_text
from runfolio.board.state import BoardState
from runfolio.errors import NotFound, RunfolioError
from runfolio.query.durations import inherited_s
from runfolio.query.frames.points import open_points
from runfolio.query.recorded_writers import read_writers
from runfolio.query.run import RecordedRun
from runfolio.record.liveness.heartbeats import PRIMARY
from runfolio.record.points.metric_summary import is_watched_metric

_MOST_CHILDREN = 100


def attempts(run: RecordedRun) -> list[dict[str, Any]]:
    """Return the attempts of a run: when each ran, how it ended, its steps, and the steps that were abandoned later."""
    recorded = run.document.attempts
    ends = {writer.writer: writer.state for writer in read_writers(run.folder) if writer.role == PRIMARY}
    steps = _steps(run) if len(recorded) > 1 else {}
    described = []
    for attempt in recorded:
        is_newest = attempt is recorded[-1]
        first, last = steps.get(attempt.attempt, (None, None))
        described.append(
            {
                "attempt": attempt.attempt,
                "parent": attempt.parent,
                "started": attempt.started.timestamp(),
                "seconds": attempt.seconds,
                "state": run.state if is_newest else ends.get(attempt.writer),
                "purpose": attempt.purpose,
                "inherited": attempt.inherited,
                "first_step": first,
                "last_step": last,
                "abandoned_steps": 0,
            }
        )
    by_number = {attempt["attempt"]: attempt for attempt in described}
    for attempt in described:
        parent = by_number.get(attempt["parent"])
        if parent and None not in (parent["last_step"], attempt["first_step"]):
            parent["abandoned_steps"] = max(0, parent["last_step"] - attempt["first_step"] + 1)
    return described


def _steps(run: RecordedRun) -> dict[int, tuple[int, int]]:
    """Return the first and the last step of each attempt, abandoned points included."""
    import numpy as np

    logged = {name: summary.count for name, summary in run.metrics.items() if not is_watched_metric(name)}
    if not logged:
        return {}
    metric = max(logged, key=lambda name: logged[name])
    try:
        points = open_points(run.folder, run.document).read(metric, branch="all")
    except RunfolioError:
        return {}
    numbers = np.unique(points.attempts).tolist()
    by_attempt = {number: points.steps[points.attempts == number] for number in numbers}
    return {number: (int(steps.min()), int(steps.max())) for number, steps in by_attempt.items()}


def parent(board: BoardState, run: RecordedRun) -> dict[str, Any] | None:
    """Return the run from which this run was forked, or which it repeats; its key is None if it was deleted."""
    lineage = run.document.lineage
    if lineage is None:
        return None
    try:
        key = key_text(board.folio.run(lineage["run"]).row.key)
    except (NotFound, RunfolioError):
        key = None
    return {
        "key": key,
        "id": lineage["run"],
        "kind": lineage["kind"],
        "verdict": run.edits.verdict,
        "inherited_s": inherited_s(run),
        **{name: lineage.get(name) for name in ("name", "checkpoint", "step", "changed")},
    }


def children(board: BoardState, run: RecordedRun) -> list[dict[str, Any]]:
    """Return the forks and reproductions of a run, newest first."""
    described = []
    for child in board.folio.children(run)[:_MOST_CHILDREN]:
        lineage = child.document.lineage or {}
        verdict = child.edits.verdict or {}
        described.append(
            {
                "key": key_text(child.row.key),
                "id": child.id,
                "name": child.name,
                "state": child.state,
                "created": child.created.timestamp(),
                "kind": lineage.get("kind"),
                "step": lineage.get("step"),
                "verdict": {"word": verdict.get("word"), "sentence": verdict.get("sentence")} if verdict else None,
            }
        )
    return described
