"""Search for the last log call of each writer that remains valid when a run resumes (`docs/format.md`, Attempts).

A writer is a process that writes to the run. Each writer numbers its log calls, and the number of a call is called seq.
The newest branch consists of the log calls that no resume has discarded. An attempt is one start of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.content import media
from runfolio.record.liveness.heartbeats import joined_heartbeats
from runfolio.record.points.reader import Branch, PointFiles
from runfolio.record.points.row_merging import Rows

_COLUMNS: list[str] = ["attempt", "seq", "step", "time_us"]


@dataclass(frozen=True)
class _Calls:
    """Log calls of one writer (process), sorted by their numbers (seq), without calls for `system/` metrics.

    Each array has one int64 per call.
    """

    attempt: int
    seqs: NDArray[np.int64]
    steps: NDArray[np.int64]
    times_us: NDArray[np.int64]

    def count_until(self, column: NDArray[np.int64], limit: int) -> int:
        """Count the calls before the first call whose `column` (steps or times) exceeds `limit`."""
        later = np.flatnonzero(column > limit)
        return int(later[0]) if len(later) else len(column)


def last_seqs_at_step(folder: Path, document: RunDocument, step: int) -> tuple[dict[str, int], int]:
    """Return the last log calls that are kept if a run continues after `step`.

    For each writer, all calls before its first call with a later step are kept.

    If a writer logs both batch numbers and epoch numbers as steps, the first number of either kind above `step` ends
    the kept calls.

    Returns:
        The number (seq) of the last kept call of each writer (process), and the last kept step (-1 if nothing is kept).
    """
    seqs: dict[str, int] = {}
    last_step = -1
    for writer, calls in _calls(folder, document, "newest").items():
        if count := calls.count_until(calls.steps, step):
            seqs[writer] = int(calls.seqs[count - 1])
            last_step = max(last_step, int(calls.steps[:count].max()))
    return seqs, last_step


def last_seqs(folder: Path, document: RunDocument) -> dict[str, int]:
    """Return the number (seq) of each writer's last log call that no resume has discarded. Media count as log calls."""
    seqs = PointFiles(folder, document).last_seqs()
    for entry in media.read(folder)[0]:
        if media.is_on_newest_branch(entry, document):
            seqs[entry.writer] = max(entry.seq, seqs.get(entry.writer, 0))
    return seqs


def last_steps(folder: Path, document: RunDocument) -> dict[str, int]:
    """Return the last step of each metric and of each media name. Log calls that a resume has discarded are ignored."""
    steps = {name: summary.last_step for name, summary in PointFiles(folder, document).summaries().items()}
    for entry in media.read(folder)[0]:
        if media.is_on_newest_branch(entry, document):
            steps[entry.name] = max(entry.step, steps.get(entry.name, entry.step))
    return steps


def joined_last_seqs(folder: Path, document: RunDocument, checkpoint: Checkpoint) -> dict[str, int]:
    """Return the number (seq) of the last log call to keep for each writer (process) that had joined the attempt of
    `checkpoint`.

    The calls of such a writer, for example another rank, are kept up to the time of the checkpoint. Ranks reach a step
    at slightly different times. If the run's ranks count the same steps, their calls are therefore kept up to the
    checkpoint's step.
    """
    roles = {heartbeat.writer: heartbeat.role for heartbeat in joined_heartbeats(folder, document)}
    calls = _calls(folder, document, "all")
    counts_same_steps = checkpoint.step is not None and checkpoint.step in _last_steps(calls, checkpoint)
    seqs: dict[str, int] = {}
    for writer, writer_calls in calls.items():
        if writer in roles and writer_calls.attempt == checkpoint.attempt:
            if counts_same_steps and roles[writer] == "rank" and checkpoint.step is not None:
                count = writer_calls.count_until(writer_calls.steps, checkpoint.step)
            else:
                count = writer_calls.count_until(writer_calls.times_us, checkpoint.position_us)
            if count:
                seqs[writer] = int(writer_calls.seqs[count - 1])
    return seqs


def _last_steps(calls: dict[str, _Calls], checkpoint: Checkpoint) -> set[int]:
    """Return the last step that each writer (process) had logged when the checkpoint was saved."""
    counts = {
        writer: calls[writer].count_until(calls[writer].seqs, seq)
        for writer, seq in checkpoint.position.items()
        if writer in calls
    }
    return {int(calls[writer].steps[count - 1]) for writer, count in counts.items() if count}


def _calls(folder: Path, document: RunDocument, branch: Branch) -> dict[str, _Calls]:
    """Return the log calls of every writer (process), including media. The branch "all" includes discarded calls."""
    rows_by_writer = {writer: rows[_COLUMNS] for writer, rows in PointFiles(folder, document).calls(branch).items()}
    for entry in media.read(folder)[0]:
        if branch == "all" or media.is_on_newest_branch(entry, document):
            row = np.array(
                [tuple(getattr(entry, name) for name in _COLUMNS)], dtype=[(name, np.int64) for name in _COLUMNS]
            )
            rows_by_writer[entry.writer] = np.concatenate([rows_by_writer.get(entry.writer, row[:0]), row])
    return {writer: _sort_calls(rows) for writer, rows in rows_by_writer.items() if len(rows)}


def _sort_calls(rows: Rows) -> _Calls:
    attempts, *columns = (rows[name][np.argsort(rows["seq"], kind="stable")].astype(np.int64) for name in _COLUMNS)
    return _Calls(int(attempts[0]), *columns)
