"""Position at which a run continues, determined from a checkpoint and the points in the run folder."""

from __future__ import annotations

from pathlib import Path

from runfolio.record import spool
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.liveness import heartbeats


def bring_back_spools(folder: Path) -> None:
    """Move points that are spooled on this machine into the run. `position_at` then includes these points."""
    for waiting in spool.spools_of(folder):
        if heartbeats.is_over(folder, waiting.writer):
            spool.bring_back(waiting)


def position_at(folder: Path, document: RunDocument, checkpoint: Checkpoint) -> dict[str, int]:
    """Return the last sequence number of each writer on the checkpoint's branch."""
    if not heartbeats.joined_heartbeats(folder, document):
        return checkpoint.position
    from runfolio.record.checkpoints import resume_points  # imports Arrow, which few runs need

    return {**resume_points.joined_last_seqs(folder, document, checkpoint), **checkpoint.position}
