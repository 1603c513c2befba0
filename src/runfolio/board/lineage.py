"""Attempts of a run, its parent and its children, as data for the timeline of the run.

A run that resumes from a checkpoint starts a new attempt. The points that an earlier attempt logged after this
checkpoint are then abandoned. All other points form the newest branch.
"""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from runfolio.board.query_args import key_text
from runfolio.board.state import BoardState
from runfolio.errors import NotFound, RunfolioError
from runfolio.query.durations import inherited_s
from runfolio.query.frames.points import open_points
from runfolio.query.recorded_writers import read_writers
from runfolio.query.run import RecordedRun
from runfolio.record.base.run_document import RUNNING, TEST, Attempt
from runfolio.record.liveness.heartbeats import PRIMARY
from runfolio.record.points.metric_summary import is_watched_metric

_MOST_CHILDREN = 100


def attempts(run: RecordedRun) -> list[dict[str, Any]]:
    """Describe the attempts of a run: start, duration, state, checkpoint from which the attempt continued, and seconds
    of abandoned work."""
    recorded = run.document.attempts
    ends = {writer.writer: writer.state for writer in read_writers(run.folder) if writer.role == PRIMARY}
    times = _last_times(run.folder, len(recorded), _main_metric(run)) if len(recorded) > 1 else {}
    described = []
    for attempt in recorded:
        is_newest = attempt is recorded[-1]
        started = attempt.started.timestamp()
        last, last_kept = times.get(attempt.attempt, (started, started))
        described.append(
            {
                "attempt": attempt.attempt,
                "started": started,
                "seconds": _seconds(run, attempt, last) if is_newest else attempt.seconds or max(0.0, last - started),
                "lost_s": 0.0 if is_newest else max(0.0, last - last_kept),
                "state": run.state if is_newest else ends.get(attempt.writer),
                "purpose": attempt.purpose,
                "inherited": attempt.inherited,
                **_origin(run, attempt),
            }
        )
    return described


def _seconds(run: RecordedRun, newest: Attempt, last: float) -> float | None:
    if run.state == RUNNING:
        return max(0.0, time.time() - newest.started.timestamp())
    if newest.seconds is not None or last == newest.started.timestamp():
        return newest.seconds
    return last - newest.started.timestamp()


def _origin(run: RecordedRun, attempt: Attempt) -> dict[str, Any]:
    """Return the name and the step of the checkpoint from which an attempt continued. Both are None if unknown."""
    parents = {earlier.attempt: earlier for earlier in run.document.attempts}
    before = parents.get(attempt.parent or 0)
    if before is None or attempt.purpose == TEST:
        return {"checkpoint": None, "step": None}
    if before.inherited is not None and attempt.inherited is None:
        lineage = run.document.lineage or {}
        return {"checkpoint": lineage.get("checkpoint"), "step": lineage.get("step")}
    kept = attempt.kept.get(before.writer)
    for checkpoint in run.checkpoints:
        if checkpoint.attempt == before.attempt and checkpoint.position.get(before.writer) == kept:
            return {"checkpoint": checkpoint.name, "step": checkpoint.step}
    return {"checkpoint": None, "step": None}


def _main_metric(run: RecordedRun) -> str:
    """Return the metric with the most points, or an empty string if no metric was logged."""
    logged = {name: summary.count for name, summary in run.metrics.items() if not is_watched_metric(name)}
    return max(logged, key=lambda name: logged[name], default="")


@lru_cache(maxsize=64)
def _last_times(folder: Path, count: int, metric: str) -> dict[int, tuple[float, float]]:
    """Return, for each attempt, the time of its last point and the time of its last point on the newest branch.

    Args:
        count: Number of attempts. It is part of the cache key, because a new attempt may abandon points of earlier
            attempts.
    """
    try:
        files = open_points(folder)
        everything, newest = files.read(metric, branch="all"), files.read(metric)
    except RunfolioError:
        return {}
    times = {}
    for number in set(everything.attempts.tolist()):
        last = everything.times_us[everything.attempts == number].max()
        kept = newest.times_us[newest.attempts == number]
        first = everything.times_us[everything.attempts == number].min()
        times[number] = (last / 1e6, (kept.max() if len(kept) else first) / 1e6)
    return times


def parent(board: BoardState, run: RecordedRun) -> dict[str, Any] | None:
    """Describe the run that a run forks or reproduces. The field `key` is None if that run was deleted."""
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
    """Describe the forks and reproductions of a run, newest first."""
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
