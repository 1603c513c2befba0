"""Manager of a process's spools: folders on a local disk that store points while the run's folder cannot be written.
The outbox is the queue of data that is not in the store yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runfolio.record.spool import Spool
from runfolio.tracking.pipeline.encoder import EncodedBatch, EncodedPoints
from runfolio.tracking.pipeline.outbox import Outbox

_SPOOL_BYTES = 1_000_000_000


class SpoolTransfer:
    """Manager that creates spools, moves their data into the run later, and counts log calls that were lost."""

    def __init__(self, folder: Path, run_id: str, writer: str, attempt: int, tail_numbers: Iterator[int]) -> None:
        self.lost = 0
        """Number of log calls that neither the store nor the spool could store."""
        self._folder = folder
        self._run_id = run_id
        self._writer = writer
        self._attempt = attempt
        self._tail_numbers = tail_numbers
        self._spools: list[Spool] = []
        """Spools whose data has not been moved into the run yet."""

    @property
    def folders(self) -> list[Path]:
        """Folders of spools (on local disks) with data that is not in the store."""
        return [spool.folder for spool in self._spools if spool.folder is not None and spool.folder.exists()]

    def new_spool(self) -> Spool:
        """Return an empty spool on a local disk."""
        return Spool(self._folder, self._run_id, self._writer, self._attempt, self._tail_numbers, _SPOOL_BYTES)

    def add(self, spool: Spool) -> None:
        """Add a closed spool, whose data `return_next` moves into the run."""
        self._spools.append(spool)

    def return_next(self) -> bool:
        """Move the data of the next spool into the run. Return False if no spool is left.

        Raises:
            OSError: Some of the data could not be moved and remains in the spool.
        """
        if not self._spools:
            return False
        self._spools[0].bring_back()
        self._spools.pop(0)
        return True

    def save_waiting(self, outbox: Outbox) -> None:
        """Copy the rest of the outbox to a spool at the end of a run. The copy is needed only if the store (the folder
        of all runs) cannot be written.

        The store thread calls this method. If the store thread hangs, a different thread calls it. If both threads
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
    """Write a batch of encoded data to a spool.

    Raises:
        OSError: The batch was not written completely.
    """
    if isinstance(batch, EncodedPoints):
        spool.write_points(batch.lines)
    else:
        spool.write_medium(batch.line, batch.files)
