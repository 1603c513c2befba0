"""Queue between the encoder thread and the store thread."""

from __future__ import annotations

from collections import deque

from runfolio.tracking.pipeline.encoder import EncodedBatch, EncodedMedia, EncodedPoints


class Outbox:
    """Queue of encoded batches that are not in the store yet. The encoder thread adds batches, and the store thread
    removes them. Both threads may read the queue."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, EncodedBatch]] = deque()
        self._put_bytes = 0
        self._taken_bytes = 0
        self._contiguous_id = 0

    @property
    def waiting_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    def put(self, batch: EncodedBatch) -> None:
        self._batches.append((self._contiguous_id, batch))
        self._put_bytes += batch.size

    def mark_gap(self) -> None:
        """Mark a gap before the next batch. The log calls that belong in the gap were stored elsewhere or were lost.

        Later batches are then written to a new file, because the sequence numbers in a file must not have gaps.
        """
        self._contiguous_id += 1

    def front(self, most_bytes: int) -> tuple[int, list[EncodedBatch]]:
        """Return the first batches that can be written together, and the id of their sequence. A new sequence starts at
        each gap (see `mark_gap`).

        The list contains either a single medium, or points without a gap. The list is empty if the outbox is empty.
        """
        batches: list[EncodedBatch] = []
        size, contiguous_id = 0, 0
        for batch_id, batch in self._batches.copy():
            if batches and (batch_id != contiguous_id or size > most_bytes or not isinstance(batch, EncodedPoints)):
                break
            contiguous_id = batch_id
            size += batch.size
            batches.append(batch)
            if isinstance(batch, EncodedMedia):
                break
        return contiguous_id, batches

    def drop(self, count: int) -> None:
        """Remove the first `count` batches."""
        for _ in range(count):
            self._taken_bytes += self._batches.popleft()[1].size

    def waiting_batches(self) -> list[EncodedBatch]:
        """Return all remaining batches."""
        return [batch for _, batch in self._batches.copy()]
