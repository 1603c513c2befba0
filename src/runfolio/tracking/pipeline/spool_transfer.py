"""Spools of a running process, and the count of log calls that were lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runfolio.record.spool import Spool
from runfolio.tracking.pipeline.encoder import EncodedBatch, EncodedPoints
from runfolio.tracking.pipeline.outbox import Outbox

_SPOOL_BYTES = 1_000_000_000


class SpoolTransfer:
    """Manager of spools. It creates a spool if the store cannot be written, and moves the spool into the run later."""

    def __init__(self, folder: Path, run_id: str, writer: str, attempt: int, tail_numbers: Iterator[int]) -> None:
        self.lost = 0
        """Number of log calls that neither the store nor the spool could store."""
        self._folder = folder
        self._run_id = run_id
        self._writer = writer
        self._attempt = attempt
        self._tail_numbers = tail_numbers
        self._spools: list[Spool] = []
        """Spools that have not been moved into the run yet."""

    @property
    def folders(self) -> list[Path]:
        """Folders of spools with data that is not in the store."""
        return [spool.folder for spool in self._spools if spool.folder is not None and spool.folder.exists()]

    def new_spool(self) -> Spool:
        """Return an empty spool on a local disk."""
        return Spool(self._folder, self._run_id, self._writer, self._attempt, self._tail_numbers, _SPOOL_BYTES)

    def add(self, spool: Spool) -> None:
        """Schedule the move of a closed spool into the run."""
        self._spools.append(spool)

    def return_next(self) -> bool:
        """Move the next spool into the run; return False if no spool is left.

        Raises:
            OSError: A part of the data remains in the spool.
        """
        if not self._spools:
            return False
        self._spools[0].bring_back()
        self._spools.pop(0)
        return True

    def save_waiting(self, outbox: Outbox) -> None:
        """Copy the rest of the outbox to a spool, at the end of a run whose store cannot be written.

        This method is called on the store thread, or on a different thread if the store thread hangs. If both threads
        write a batch, readers still return the batch only once.

        Raises:
            OSError: The spool cannot be written.
        """
        batches = outbox.waiting_batches()
        spool = self.new_spool()
        for batch in batches:
            write_batch(spool, batch)
        spool.close()
        if batches:
            self._spools.append(spool)

    def describe_loss(self, failure: str) -> str:
        """Describe in one sentence which data is missing in the record."""
        if folders := self.folders:
            return f"its last points could not be written ({failure}); they are in {folders[0].parent}"
        if self.lost:
            return f"{self.lost} log calls were lost, since neither the store nor the local spool could store them"
        return f"its last points could not be written ({failure})"


def write_batch(spool: Spool, batch: EncodedBatch) -> None:
    """Write a batch to a spool.

    Raises:
        OSError: The batch was not written completely.
    """
    if isinstance(batch, EncodedPoints):
        spool.write_points(batch.lines)
    else:
        spool.write_medium(batch.line, batch.files)
