"""Writer of the files with the points and media of one process.

A point is the values of one log call. Points are written as JSON lines to a tail, a file with the newest points. A full
tail is sealed: a separate process converts it to a segment, which is a Parquet file. Media are files, and each file has
a line in a media index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from runfolio.record.base import files
from runfolio.record.base.append_file import AppendFile
from runfolio.record.base.layout import METRICS, tail_path
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import media
from runfolio.record.points import tails
from runfolio.tracking.pipeline.encoder import EncodedBatch, EncodedMedia, EncodedPoints
from runfolio.tracking.pipeline.outbox import Outbox

_ONE_WRITE_BYTES = 4 * 1024 * 1024
_MEDIA_BYTES = 1024**3
"""Size in bytes above which a media index is full and a new index is started."""


class RunFolderWriter:
    """Writer that moves encoded batches from the outbox (the queue of the store thread) to tails and media files.

    A batch is removed from the outbox after it was written.
    """

    def __init__(
        self, folder: Path, writer: str, attempt: int, tail_numbers: Iterator[int], seal_bytes: int, *, sync: bool
    ) -> None:
        """Prepare the writer. No file is created before the first batch.

        Args:
            writer: Id of this process in the record.
            tail_numbers: Numbers for new tails (files with the newest points). No tail of this process has these
                numbers yet.
            seal_bytes: Size in bytes at which a tail is full and is converted to Parquet.
            sync: Flush each write to the physical disk before the written batches are removed from the outbox.
        """
        self._folder = folder
        self._writer = writer
        self._header = tails.header(writer, attempt)
        self._tail_numbers = tail_numbers
        self._seal_bytes = seal_bytes
        self._sync = sync
        self._tail: AppendFile | None = None
        self._tail_number = 0
        self._contiguous_id = 0
        """Id of the sequence to which the batches in the open tail belong (see `Outbox.front`)."""
        self._media: AppendFile | None = None
        self._media_number = 1
        self._folder_synced = False
        self._accepted = 0
        """Number of batches in the outbox (the queue) that were passed to an open file, but are not completely written
        yet."""

    @property
    def tail_size(self) -> int | None:
        """Size in bytes of the open tail (the file with the newest points), or None if no tail is open."""
        return None if self._tail is None else self._tail.size

    def has_points(self) -> bool:
        """Return whether any process has recorded points in the run."""
        return bool(RecordPath(self._folder, METRICS).all_entries())

    def write_front(self, outbox: Outbox) -> list[EncodedBatch]:
        """Write the first batches in the outbox to a file and return these batches. The list is empty if the outbox is
        empty.

        Raises:
            OSError: The batches were not written completely. They remain in the outbox for the next call.
        """
        contiguous_id, batches = outbox.front(_ONE_WRITE_BYTES)
        if not batches:
            return []
        if isinstance(medium := batches[0], EncodedMedia):
            self._write_media(medium)
        else:
            batches = batches[: self._write_points(contiguous_id, cast("list[EncodedPoints]", batches))]
        outbox.drop(len(batches))
        self._accepted = 0
        return batches

    def discard(self, outbox: Outbox) -> None:
        """Remove all batches from the outbox (the queue) without writing them, because another process has taken over
        the run."""
        outbox.drop(len(outbox.waiting_batches()))
        self._accepted = 0

    def close_full_tail(self) -> int | None:
        """Close the tail (the file with the newest points) if it is full. Return its number, or None if it stays open.
        A closed tail must be converted to Parquet.

        The tail is not flushed to the physical disk, because that may be slow. The Parquet file is flushed before the
        tail is deleted.
        """
        if self._tail is None or self._tail.size < self._seal_bytes:
            return None
        self._leave_tail()
        return self._tail_number

    def sync(self) -> None:
        """Flush all written data to the physical disk.

        Raises:
            OSError: The data may not be on the disk.
        """
        for file in (self._tail, self._media):
            if file is not None:
                file.sync()
        self.sync_folder()

    def sync_folder(self) -> None:
        """Flush the run's folder and its parent folders to the physical disk. Otherwise a power failure may lose the
        names of new files."""
        if not self._folder_synced:
            for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
                files.sync_file(folder)
            self._folder_synced = True

    def close_tail(self) -> None:
        """Close the open tail (the file with the newest points) at the run's end, and flush it to the physical disk."""
        if self._tail is not None:
            self._tail.close(sync=True)

    def close_media(self) -> None:
        """Close the open media index (the file that lists the media) at the run's end, and flush it to the physical
        disk."""
        if self._media is not None:
            self._media.close(sync=True)

    def _write_points(self, contiguous_id: int, batches: list[EncodedPoints]) -> int:
        """Append batches to the tail, the file with the newest points. Return the number of appended batches."""
        if self._tail is not None and self._tail.is_lost:
            self._leave_tail()
        if self._accepted:
            batches = batches[: self._accepted]
        elif contiguous_id != self._contiguous_id:
            self._leave_tail()
        if self._tail is None:
            self._tail_number, self._contiguous_id = next(self._tail_numbers), contiguous_id
            self._tail = AppendFile(tail_path(self._folder, self._writer, self._tail_number), self._header)
        self._append(self._tail, [points.lines for points in batches])
        return len(batches)

    def _write_media(self, medium: EncodedMedia) -> None:
        if self._media is not None:
            is_full = self._media.size > _MEDIA_BYTES and not self._accepted
            if is_full or self._media.is_lost:
                self._leave_media()
        if not self._accepted:
            for name, content in medium.files.items():
                media.file_path(self._folder, name).write_bytes(content)
        if self._media is None:
            path = media.index_path(self._folder, self._writer, self._media_number)
            self._media = AppendFile(path, self._header)
        self._append(self._media, [medium.line])

    def _append(self, file: AppendFile, lines: list[bytes]) -> None:
        """Append the lines of batches to a file. After a failure, `file` keeps the lines in memory, and the next call
        writes only the rest."""
        if not self._accepted:
            self._accepted = len(lines)
            file.write(b"".join(lines))
        else:
            file.write()
        if self._sync:
            file.sync()
            self.sync_folder()

    def _leave_tail(self) -> None:
        """Close the open tail, and do not append to it again. Lines that were passed to the file but not written are
        still in the outbox, the queue of batches."""
        file, self._tail, self._accepted = self._tail, None, 0
        if file is not None:
            file.close(sync=False)

    def _leave_media(self) -> None:
        """Close the open media index (the file that lists the media), and do not append to it again (see
        `_leave_tail`)."""
        file, self._media, self._accepted = self._media, None, 0
        self._media_number = next(self._tail_numbers) + 1
        if file is not None:
            file.close(sync=False)
