"""Position at which a run continues: its data, and the part of it that belongs to a checkpoint."""

from __future__ import annotations

from pathlib import Path

from runfolio.record import spool
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.liveness import heartbeats


def bring_back_spools(folder: Path) -> None:
    """Move spooled points of this machine into the run, before it is decided which points continue."""
    for waiting in spool.spools_of(folder):
        if heartbeats.is_over(folder, waiting.writer):
            spool.bring_back(waiting)


def position_at(folder: Path, document: RunDocument, checkpoint: Checkpoint) -> dict[str, int]:
    """Return the last seq of each writer that belongs to a checkpoint."""
    if not heartbeats.joined_heartbeats(folder, document):
        return checkpoint.position
    from runfolio.record.checkpoints import resume_points  # Arrow, which few runs need

    return {**resume_points.joined_last_seqs(folder, document, checkpoint), **checkpoint.position}
