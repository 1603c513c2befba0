"""The thread that encodes what `Run` appends, and hands it to the thread that writes it to the store.

Promise: items are taken in the order they were appended; nothing here ever raises into training. It encodes in short
slices and lets the training continue between them, unless somebody waits for it or too much is waiting.
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
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Scalars
from runfolio.tracking.pipeline.spool_transfer import write_batch
from runfolio.tracking.pipeline.store_thread import StoreWriter
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process.exit_hooks import Ending

_LOOK_S = 0.1
_SLICE = 64
"""Number of items that are encoded without a pause: some 50 µs, which a training that wakes up then must wait."""
_PAUSES = 4.0
"""Length of the pause after a slice, relative to the slice."""
_MANY = 20_000
"""Items; so many are not left waiting until the next flush is due, and are taken by large slices: whoever logs so fast
gives up the interpreter's lock every 5 ms at most (`sys.getswitchinterval`), so more would wait than is taken."""
_LARGE_SLICE = 256
_LARGE_SLICES_S = 0.002
"""Longest time that large slices follow each other without a pause."""
_SHORT_PAUSE_S = 0.0005
_HURRY_BYTES = 50_000_000
"""Estimated size of waiting items from which they are encoded without pauses."""
_BRAKE_BYTES = 80_000_000
"""Size from which every call that adds an item waits a little: memory stays bounded, and nothing is dropped."""
_ITEM_BYTES = 200
_BYTES_PER_LINE_BYTE = 1.9
"""Memory that an item takes, estimated from the length of its line, rather too high than too low."""
_HAND_ON_BYTES = 1024 * 1024
_SPOOL_RETRY_S = 10.0
_LOG_WAIT_S = 0.2
"""Longest time to wait for the log before continuing: whoever flushes sees the warnings about it."""
_END_MARGIN_S = 0.5
"""Part of the time for a run's end that is left for the spool, if the store does not answer."""


class EncoderThread:
    """The one thread that encodes. `pending` is what `Run` appends to: lock-free, in order."""

    def __init__(
        self,
        store_writer: StoreWriter,
        document: RunDocument,
        writer: str,
        config: WriterConfig,
        last_step: int,
        *,
        press: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is encoded before `start`.

        Args:
            store_writer: Writes what is encoded; started and ended here.
            writer: The id of this process in the record.
            last_step: The step before the first automatic one.
            press: Called with True if more is logged than can be encoded, with False when that is over.
        """
        self.pending: deque[Item] = deque()
        self.store_writer = store_writer
        self._document = document
        self._config = config
        self._encoder = Encoder(document, store_writer.save_document, writer, last_step)
        self._press = press
        self._pressed = False
        self._item_bytes = 2.0 * _ITEM_BYTES
        """Estimated size of the latest items."""
        self._deadline = math.inf
        """When the run's end must be over."""
        self._spool: Spool | None = None
        """Receives everything while the store is away."""
        self._next_spool = 0.0
        """When to try again to create one."""
        self._warned_no_spool = False
        self._in_order = True
        """Whether the next batch for the outbox follows the last one that was put there."""
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._called_at: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"runfolio-{document.id}", daemon=True)

    @property
    def last_step(self) -> int:
        """The step of the last log call that was taken up."""
        return self._encoder.last_step

    @property
    def called_at(self) -> float | None:
        """When the newest item was appended, in seconds since 1970; what is logged aside does not count."""
        return _newest_time(self.pending.copy()) or self._called_at

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and begin; `wait` as in `StoreWriter.start`.

        Raises:
            OSError: The store cannot be written.
            RuntimeError: There is no thread to be had; nothing was written.
        """
        self._thread.start()
        try:
            self.store_writer.start(wait=wait)
        except BaseException:
            self._commands.put(self._stop)
            raise

    def flush(self, timeout_s: float, *, sync: bool = False) -> bool:
        """Wait until all that was appended is in the store's files; return False if the store does not take it in time.

        Args:
            sync: Down to the disk itself.
        """
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._commands.put(lambda: self._flush(answer, sync))
        deadline = time.monotonic() + timeout_s
        while not self._closed and (remaining_s := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                written = answer.get(timeout=min(remaining_s, 0.1))
                log.wait(_LOG_WAIT_S)
                return written
            if self.store_writer.away_s > self._config.patience_s:
                return False
        return self.store_writer.is_complete

    def close(self, set_status: Callable[[RunDocument], None], ending: Ending, timeout_s: float) -> bool:
        """Write everything, then the run's end, then seal it to one segment; return whether that was done in time.

        May be called again, by a signal handler that interrupted it too: the first call's status counts, all wait.
        """
        deadline = time.monotonic() + timeout_s
        self._deadline = min(self._deadline, deadline - _END_MARGIN_S)
        self.store_writer.ending = ending
        self._commands.put(lambda: self._close(set_status))
        # Neither a lock nor Thread.join survives being interrupted by somebody who waits for the same.
        while not self._closed and time.monotonic() < deadline:
            time.sleep(0.002)
        log.wait(_LOG_WAIT_S)
        return self.store_writer.is_complete

    def _run(self) -> None:
        next_flush = time.monotonic() + self._config.flush_s
        while not self._closed:
            try:
                command = self._commands.get(timeout=min(_LOOK_S, self._config.flush_s))
            except queue.Empty:
                command = None
            if command is not None:
                self._guard(command)
            elif time.monotonic() >= next_flush or len(self.pending) > _MANY:
                self._guard(self._take_pending)
                next_flush = time.monotonic() + self._config.flush_s

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception:
            log.exception("run %s: a background task failed; logging goes on", self._document.id)

    def _take_pending(self, *, urgent: bool = False) -> None:
        """Encode what is waiting and hand it on; with pauses, unless it is urgent."""
        handed_bytes = self.store_writer.outbox.waiting_bytes
        started = time.perf_counter()
        while count := len(self.pending):
            waiting = count * self._item_bytes
            is_hurried = urgent or waiting > _HURRY_BYTES or not self._commands.empty()
            is_large = is_hurried or count > _MANY
            self._set_pressure(waiting > (_HURRY_BYTES if self._pressed else _BRAKE_BYTES))
            self._hand_over(self._encode(min(count, _LARGE_SLICE if is_large else _SLICE)))
            if urgent:
                self._wait_for_store()
            if self.store_writer.outbox.waiting_bytes - handed_bytes > _HAND_ON_BYTES:
                self.store_writer.do(self.store_writer.write)
                handed_bytes = self.store_writer.outbox.waiting_bytes
            spent = time.perf_counter() - started
            if not is_hurried and (not is_large or spent > _LARGE_SLICES_S):
                time.sleep(_SHORT_PAUSE_S if is_large else spent * _PAUSES)
                started = time.perf_counter()
        self._set_pressure(False)
        if self._spool is not None and self.store_writer.away_s == 0:
            self._give_back(self._spool)
        self.store_writer.do(self.store_writer.write)

    def _set_pressure(self, pressed: bool) -> None:
        if pressed != self._pressed:
            self._pressed = pressed
            self._press(pressed)

    def _encode(self, count: int) -> list[EncodedBatch]:
        items = [self.pending.popleft() for _ in range(count)]
        self._called_at = _newest_time(items) or self._called_at
        try:
            batches = self._encoder.encode(items)
        except MemoryError:
            self.pending.extendleft(reversed(items))
            raise
        self._item_bytes = _ITEM_BYTES + _BYTES_PER_LINE_BYTE * sum(batch.size for batch in batches) / count
        return batches

    def _hand_over(self, batches: Iterable[EncodedBatch]) -> None:
        outbox = self.store_writer.outbox
        for batch in batches:
            if self._is_away() and self._put_into_spool(batch):
                self._in_order = False
            elif outbox.waiting_bytes > 2 * self._config.memory_bytes:
                self._lose(batch)
            else:
                self._close_gap()
                outbox.put(batch)

    def _wait_for_store(self) -> None:
        """Wait while the store catches up: if somebody waits anyway, a slow store is no reason for the spool."""
        outbox = self.store_writer.outbox
        while (
            outbox.waiting_bytes > self._config.memory_bytes // 2
            and self.store_writer.away_s <= self._config.patience_s
        ):
            self.store_writer.do(self.store_writer.write)
            time.sleep(0.002)

    def _is_away(self) -> bool:
        """Return whether the store takes nothing, or less than is logged."""
        return (
            self._spool is not None
            or self.store_writer.away_s > self._config.patience_s
            or self.store_writer.outbox.waiting_bytes > self._config.memory_bytes
        )

    def _close_gap(self) -> None:
        """Start new files if calls went elsewhere since the last batch: no tail lacks a call in its midst."""
        if not self._in_order:
            self._in_order = True
            self.store_writer.outbox.mark_gap()
            if self._spool is not None:
                self._close_spool(self._spool)

    def _close_spool(self, spool: Spool) -> None:
        try:
            spool.close()
        except OSError as error:  # a home on a network disk says only now that it is full
            self._warn(f"nor did the spool {spool.folder} take them all ({error.strerror or error})")

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
                    self._warn(f"nor can a local spool be written ({error.strerror or error}); points wait in memory")
            return False
        if begins:
            self._spool = spool
            self._warn(f"what is logged waits in {spool.folder} until the store takes it")
        return True

    def _give_back(self, spool: Spool) -> None:
        self._close_gap()
        self._close_spool(spool)
        self._spool = None
        self.store_writer.bring_back(spool)

    def _lose(self, batch: EncodedBatch) -> None:
        if self.store_writer.lost == 0:
            self._warn("memory for what waits is used up as well; what is logged from now on is lost, and counted")
        self.store_writer.count_lost(batch.count)
        self._in_order = False

    def _warn(self, text: str) -> None:
        log.warning(
            "run %s: %s does not take points (%s); %s",
            self._document.id,
            self.store_writer.folder,
            self.store_writer.failure,
            text,
        )

    def _flush(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        self._take_pending(urgent=True)
        self.store_writer.do(lambda: self._continue_flush(self.store_writer.write(sync=sync), answer, sync))

    def _continue_flush(self, written: bool, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        """Continue a flush on the store thread: what was in memory is written, or cannot be."""
        if written and self._spool is not None:
            self._commands.put(lambda: self._flush_spool(answer, sync))
        else:
            answer.put(written)

    def _flush_spool(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        if self._spool is not None:
            self._give_back(self._spool)
        self.store_writer.do(lambda: answer.put(self.store_writer.write(sync=sync)))

    def _close(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            self._take_pending(urgent=True)
            if self._spool is not None:
                self._give_back(self._spool)
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
