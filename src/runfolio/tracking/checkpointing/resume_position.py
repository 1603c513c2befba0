"""Functions that determine the log calls after which a resumed run continues."""

from __future__ import annotations

from pathlib import Path

from runfolio.record import spool
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.liveness import heartbeats


def bring_back_spools(folder: Path) -> None:
    """Move points from spools on this machine into the run. A spool is a folder on a local disk that stores points
    while the run's folder cannot be written. `position_at` then includes these points."""
    for waiting in spool.spools_of(folder):
        if heartbeats.is_over(folder, waiting.writer):
            spool.bring_back(waiting)


def position_at(folder: Path, document: RunDocument, checkpoint: Checkpoint) -> dict[str, int]:
    """Return the number of each writer's last log call before the checkpoint. A writer is a process that writes to the
    run and numbers its log calls."""
    if not heartbeats.joined_heartbeats(folder, document):
        return checkpoint.position
    from runfolio.record.checkpoints import resume_points  # imports Arrow, which few runs need

    return {**resume_points.joined_last_seqs(folder, document, checkpoint), **checkpoint.position}
