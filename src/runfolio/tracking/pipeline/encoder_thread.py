"""Thread that encodes the items that `Run` appends. It passes the encoded batches to the store thread through a queue,
the outbox.

Items are encoded in the order of their arrival, and no error is raised in the training thread. The encoder holds the
interpreter lock, so items are encoded in short slices. The training thread can run in the pauses between slices. There
are no pauses while a different thread waits for the encoder or too many items are queued.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from runfolio.record.base.run_document import RunDocument
from runfolio.record.spool import Spool
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.encoder import EncodedBatch, Encoder
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Scalars, held_bytes
from runfolio.tracking.pipeline.spool_transfer import write_batch
from runfolio.tracking.pipeline.store_thread import StoreWriter
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process.exit_hooks import Ending

_POLL_S = 0.1
_SLICE = 64
"""Number of items that are encoded without a pause. Encoding these items takes about 50 µs and delays the training
thread by at most this time."""
_PAUSES = 4.0
"""Length of the pause after a slice, relative to the time that encoding the slice took."""
_LONG_QUEUE = 20_000
"""Queue length above which items are encoded in large slices, without waiting for the next flush. A thread that logs so
often releases the interpreter lock only every 5 ms (`sys.getswitchinterval`). Encoding in small slices would be slower
than such a thread."""
_LARGE_SLICE = 256
_LARGE_SLICES_S = 0.002
"""Maximum time for which large slices are encoded without a pause."""
_SHORT_PAUSE_S = 0.0005
_HURRY_BYTES = 50_000_000
"""Estimated size of the queue, in bytes, above which items are encoded without pauses."""
_BRAKE_BYTES = 80_000_000
"""Estimated size of the queue, in bytes, above which every append waits briefly. The wait limits memory use without
dropping items."""
_MEDIA_HURRY_BYTES = 48_000_000
"""Size of the arrays in the queue, in bytes, above which they are encoded at once and without pauses."""
_MEDIA_BRAKE_BYTES = 80_000_000
"""Size of the arrays in the queue, in bytes, above which the call that logs the next array waits."""
_MEDIA_SLICE_BYTES = 8_000_000
_MEDIA_WAIT_S = 30.0
"""Maximum time for which a call waits until queued arrays are encoded."""
_ITEM_BYTES = 200
_BYTES_PER_LINE_BYTE = 1.9
"""Maximum ratio of the memory that an item occupies to the length of its encoded line."""
_WRITE_BYTES = 1024 * 1024
_SPOOL_RETRY_S = 10.0
_LOG_WAIT_S = 0.2
"""Maximum time for which `flush` and `close` wait until pending log messages are handled."""
_END_MARGIN_S = 0.5
"""Part of the time for a run's end that is reserved for writing a spool, a folder on a local disk. The spool is needed
if the store does not respond."""


class EncoderThread:
    """Thread that encodes all items. `Run` appends items to `pending`, an ordered queue without a lock."""

    def __init__(
        self,
        store_writer: StoreWriter,
        document: RunDocument,
        writer: str,
        config: WriterConfig,
        last_step: int,
        *,
        set_overloaded: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Prepare the thread. Nothing is encoded before `start`.

        Args:
            store_writer: Writer of the encoded batches. This object starts and ends the writer.
            writer: Id of this process in the record.
            last_step: Last step of earlier log calls. Calls without a step count up from this step.
            set_overloaded: Function that is called with True when items are logged faster than they are encoded, and
                with False when the encoder has caught up.
        """
        self.pending: deque[Item] = deque()
        self.store_writer = store_writer
        self._media_sizes: deque[int] = deque()
        """Sizes of the media in `pending` whose content is not encoded yet, in bytes. Small media are not counted."""
        self._document = document
        self._config = config
        self._encoder = Encoder(document, store_writer.save_document, writer, last_step)
        self._report_overload = set_overloaded
        self._is_overloaded = False
        self._item_bytes = 2.0 * _ITEM_BYTES
        """Estimated size of a recent item, in bytes."""
        self._deadline = math.inf
        """Time of the monotonic clock at which the run's end must be complete."""
        self._spool: Spool | None = None
        """Spool (folder on a local disk) that receives the batches while the store cannot be written."""
        self._next_spool = 0.0
        """Time of the next attempt to create a spool (folder on a local disk)."""
        self._warned_no_spool = False
        self._in_order = True
        """True if the next batch for the outbox (the queue of the store thread) directly follows the last batch in it.
        False if batches in between were stored elsewhere or lost."""
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._called_at: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"runfolio-{document.id}", daemon=True)

    @property
    def last_step(self) -> int:
        """Step of the last encoded log call."""
        return self._encoder.last_step

    @property
    def called_at(self) -> float | None:
        """Time at which the newest item was appended, in seconds since 1970. Items with `aside=True`, such as system
        metrics, do not count."""
        return _newest_time(self.pending.copy()) or self._called_at

    def announce_media(self, media: Media) -> None:
        """Count a medium that will be appended next. Wait while the queued media take too much memory."""
        if not (size := held_bytes(media.content)):
            return
        if self._thread.is_alive():
            waiting = self._waiting_media_bytes()
            if waiting <= _MEDIA_HURRY_BYTES < waiting + size:
                self._commands.put(self._take_pending)
            deadline = time.monotonic() + _MEDIA_WAIT_S
            while waiting > _MEDIA_BRAKE_BYTES and not self._closed and time.monotonic() < deadline:
                time.sleep(_SHORT_PAUSE_S)
                waiting = self._waiting_media_bytes()
        self._media_sizes.append(size)

    def _waiting_media_bytes(self) -> int:
        return sum(self._media_sizes.copy())

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and start the thread. `wait` has the same meaning as in `StoreWriter.start`.

        Raises:
            OSError: The store cannot be written.
            RuntimeError: No thread can be started. Nothing was written.
        """
        self._thread.start()
        try:
            self.store_writer.start(wait=wait)
        except BaseException:
            self._commands.put(self._stop)
            raise

    def flush(self, timeout_s: float, *, sync: bool = False) -> bool:
        """Wait until all appended items are in the store. Return False if the store does not accept them in time.

        Args:
            sync: Also flush the data to the physical disk.
        """
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._commands.put(lambda: self._flush(answer, sync))
        deadline = time.monotonic() + timeout_s
        while not self._closed and (remaining_s := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                written = answer.get(timeout=min(remaining_s, 0.1))
                log.wait(_LOG_WAIT_S)
                return written
            if self.store_writer.unavailable_s > self._config.patience_s:
                return False
        return self.store_writer.is_complete

    def close(self, set_status: Callable[[RunDocument], None], ending: Ending, timeout_s: float) -> bool:
        """Write all items and the run's end, then convert the points to Parquet. Return whether all data was written in
        time.

        A signal handler that interrupts this call may call it again. Both calls then wait, and the status of the first
        call applies.
        """
        deadline = time.monotonic() + timeout_s
        self._deadline = min(self._deadline, deadline - _END_MARGIN_S)
        self.store_writer.ending = ending
        self._commands.put(lambda: self._close(set_status))
        # The loop polls instead of waiting for a lock, because a signal handler may interrupt this thread and wait for
        # the same lock.
        while not self._closed and time.monotonic() < deadline:
            time.sleep(0.002)
        log.wait(_LOG_WAIT_S)
        return self.store_writer.is_complete

    def _run(self) -> None:
        next_flush = time.monotonic() + self._config.flush_s
        while not self._closed:
            try:
                command = self._commands.get(timeout=min(_POLL_S, self._config.flush_s))
            except queue.Empty:
                command = None
            if command is not None:
                self._guard(command)
            elif time.monotonic() >= next_flush or len(self.pending) > _LONG_QUEUE:
                self._guard(self._take_pending)
                next_flush = time.monotonic() + self._config.flush_s

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception:
            log.exception("run %s: a background task failed; logging continues", self._document.id)

    def _take_pending(self, *, urgent: bool = False) -> None:
        """Encode the queued items and pass them to the store thread, with pauses unless `urgent` is set."""
        queued_bytes = self.store_writer.outbox.waiting_bytes
        started = time.perf_counter()
        while count := len(self.pending):
            waiting = count * self._item_bytes
            is_hurried = (
                urgent
                or waiting > _HURRY_BYTES
                or not self._commands.empty()
                or self._waiting_media_bytes() > _MEDIA_HURRY_BYTES
            )
            is_large = is_hurried or count > _LONG_QUEUE
            self._set_overloaded(waiting > (_HURRY_BYTES if self._is_overloaded else _BRAKE_BYTES))
            self._enqueue(self._encode(min(count, _LARGE_SLICE if is_large else _SLICE)))
            if urgent:
                self._wait_for_store()
            if self.store_writer.outbox.waiting_bytes - queued_bytes > _WRITE_BYTES:
                self.store_writer.do(self.store_writer.write)
                queued_bytes = self.store_writer.outbox.waiting_bytes
            spent = time.perf_counter() - started
            if not is_hurried and (not is_large or spent > _LARGE_SLICES_S):
                time.sleep(_SHORT_PAUSE_S if is_large else spent * _PAUSES)
                started = time.perf_counter()
        self._set_overloaded(False)
        if self._spool is not None and self.store_writer.unavailable_s == 0:
            self._return_spool(self._spool)
        self.store_writer.do(self.store_writer.write)

    def _set_overloaded(self, is_overloaded: bool) -> None:
        if is_overloaded != self._is_overloaded:
            self._is_overloaded = is_overloaded
            self._report_overload(is_overloaded)

    def _encode(self, count: int) -> list[EncodedBatch]:
        items, media_bytes, sizes = [], 0, 0
        while len(items) < count and media_bytes < _MEDIA_SLICE_BYTES:
            items.append(item := self.pending.popleft())
            if isinstance(item, Media) and (size := held_bytes(item.content)):
                media_bytes += size
                sizes += 1
        self._called_at = _newest_time(items) or self._called_at
        try:
            batches = self._encoder.encode(items)
        except MemoryError:
            self.pending.extendleft(reversed(items))
            raise
        for _ in range(min(sizes, len(self._media_sizes))):
            self._media_sizes.popleft()
        self._item_bytes = _ITEM_BYTES + _BYTES_PER_LINE_BYTE * sum(batch.size for batch in batches) / len(items)
        return batches

    def _enqueue(self, batches: Iterable[EncodedBatch]) -> None:
        outbox = self.store_writer.outbox
        for batch in batches:
            if self._is_store_unavailable() and self._put_into_spool(batch):
                self._in_order = False
            elif outbox.waiting_bytes > 2 * self._config.memory_bytes:
                self._count_lost(batch)
            else:
                self._close_gap()
                outbox.put(batch)

    def _wait_for_store(self) -> None:
        """Wait until the store thread has written most of its queue, the outbox. The caller of `flush` or `close` waits
        anyway, so no spool (folder on a local disk) is needed."""
        outbox = self.store_writer.outbox
        while (
            outbox.waiting_bytes > self._config.memory_bytes // 2
            and self.store_writer.unavailable_s <= self._config.patience_s
        ):
            self.store_writer.do(self.store_writer.write)
            time.sleep(0.002)

    def _is_store_unavailable(self) -> bool:
        """Return whether the store (the folder of all runs) cannot be written, or is slower than the rate of
        logging."""
        return (
            self._spool is not None
            or self.store_writer.unavailable_s > self._config.patience_s
            or self.store_writer.outbox.waiting_bytes > self._config.memory_bytes
        )

    def _close_gap(self) -> None:
        """Start new files if log calls were lost, or stored in a different place, since the last batch. The sequence
        numbers of the log calls in a file must not have gaps."""
        if not self._in_order:
            self._in_order = True
            self.store_writer.outbox.mark_gap()
            if self._spool is not None:
                self._close_spool(self._spool)

    def _close_spool(self, spool: Spool) -> None:
        try:
            spool.close()
        except OSError as error:  # a network disk may not report that it is full until a file is closed
            self._warn(f"the spool {spool.folder} could not store all points either ({error.strerror or error})")

    def _put_into_spool(self, batch: EncodedBatch) -> bool:
        begins = self._spool is None
        if begins and time.monotonic() < self._next_spool:
            return False
        spool = self._spool or self.store_writer.new_spool()
        try:
            write_batch(spool, batch)
        except OSError as error:
            if begins:
                spool.discard()
                self._next_spool = time.monotonic() + _SPOOL_RETRY_S
                if not self._warned_no_spool:
                    self._warned_no_spool = True
                    reason = error.strerror or error
                    self._warn(f"a local spool cannot be written either ({reason}); points stay in memory")
            return False
        if begins:
            self._spool = spool
            self._warn(f"new points are stored in {spool.folder} until the store accepts them")
        return True

    def _return_spool(self, spool: Spool) -> None:
        self._close_gap()
        self._close_spool(spool)
        self._spool = None
        self.store_writer.bring_back(spool)

    def _count_lost(self, batch: EncodedBatch) -> None:
        if self.store_writer.lost == 0:
            self._warn("the memory for queued points is full too; new points are lost and counted")
        self.store_writer.count_lost(batch.count)
        self._in_order = False

    def _warn(self, text: str) -> None:
        log.warning(
            "run %s: %s cannot store points (%s); %s",
            self._document.id,
            self.store_writer.folder,
            self.store_writer.failure,
            text,
        )

    def _flush(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        self._take_pending(urgent=True)
        self.store_writer.do(lambda: self._continue_flush(self.store_writer.write(sync=sync), answer, sync))

    def _continue_flush(self, written: bool, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        """Continue a flush on the store thread, after the points in memory were written or could not be written."""
        if written and self._spool is not None:
            self._commands.put(lambda: self._flush_spool(answer, sync))
        else:
            answer.put(written)

    def _flush_spool(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        if self._spool is not None:
            self._return_spool(self._spool)
        self.store_writer.do(lambda: answer.put(self.store_writer.write(sync=sync)))

    def _close(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            self._take_pending(urgent=True)
            if self._spool is not None:
                self._return_spool(self._spool)
            self.store_writer.end(set_status)
            while not self.store_writer.closed and time.monotonic() < self._deadline:
                time.sleep(0.002)
            if not self.store_writer.closed:
                self.store_writer.spool_waiting()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._closed = True


def _newest_time(items: Sequence[Item]) -> float | None:
    for item in reversed(items):
        if not isinstance(item, FailedCall | Mark) and not (isinstance(item, Scalars) and item.aside):
            return item[0]
    return None
