"""The writer thread: takes what `Run` appends, encodes it, and hands it to the keeper, which brings it to the store.

Promise: items are taken in the order they were appended; nothing here ever raises into training. It encodes in short
slices and lets the training go on between them, unless somebody waits for it or too much is waiting.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.record.alive import Heartbeat
from runfolio.record.document import RunDocument
from runfolio.record.spool import Spool
from runfolio.tracking.encoder import Encoder, Parcel
from runfolio.tracking.exits import Ending
from runfolio.tracking.items import Item
from runfolio.tracking.keeper import Keeper, Pace, put_into
from runfolio.tracking.telling import log

if TYPE_CHECKING:
    from runfolio.tracking.mirror import Mirror

_LOOK_S = 0.1
_SLICE = 64
"""How many items are encoded without a pause: some 50 µs, which a training that wakes up meanwhile must wait."""
_PAUSES = 4.0
"""How much longer than a slice the pause behind it is."""
_MANY = 20_000
"""Items; so many are not left waiting until the next flush is due, and are taken by large slices: whoever logs so fast
gives up the interpreter's lock every 5 ms at most (`sys.getswitchinterval`), so more would wait than is taken."""
_LARGE_SLICE = 256
_LARGE_SLICES_S = 0.002
"""How long large slices may follow each other."""
_SHORT_PAUSE_S = 0.0005
_HURRY_BYTES = 50_000_000
"""Of items, about; from here on they are encoded without pauses."""
_BRAKE_BYTES = 80_000_000
"""From here on every call that adds an item waits a little: memory stays bounded, and nothing is dropped."""
_ITEM_BYTES = 200
_BYTES_PER_LINE_BYTE = 1.9
"""What an item takes in memory, rather more than less: measured beside the length of its line."""
_HAND_ON_BYTES = 1024 * 1024
_SPOOL_RETRY_S = 10.0
_TOLD_S = 0.2
"""How long to wait for what is to be told before going on: whoever flushes sees the warnings about it."""
_END_MARGIN_S = 0.5
"""What is left of a run's end for the spool, where the store does not answer."""


class Writer:
    """The one thread that encodes. `pending` is what `Run` appends to: lock-free, in order."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        heartbeat: Heartbeat,
        pace: Pace,
        last_step: int,
        capture: Callable[[], None],
        notice: Callable[[], None],
        mirror: Mirror | None = None,
        *,
        press: Callable[[bool], None] = lambda _: None,
        sync: bool = False,
    ) -> None:
        """Args, beside those of `Keeper`:
        last_step: The one before the first automatic step.
        press: Called with True where more is logged than can be encoded, with False when that is over.
        """
        self.pending: deque[Item] = deque()
        self.keeper = Keeper(folder, document, heartbeat, pace, capture, notice, mirror, sync=sync)
        self._folder = folder
        self._document = document
        self._pace = pace
        self._encoder = Encoder(
            document, self.keeper.save_document, heartbeat.writer, last_step, mirrored=mirror is not None
        )
        self._press = press
        self._pressed = False
        self._item_bytes = 2.0 * _ITEM_BYTES
        """Of the items seen last, about."""
        self._deadline = math.inf
        """When the run's end must be over."""
        self._spool: Spool | None = None
        """Where everything goes while the store is away."""
        self._next_spool = 0.0
        """When to try again to begin one."""
        self._told_no_spool = False
        self._in_order = True
        """Whether what goes to the outbox next follows what went there before."""
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"runfolio-{document.id}", daemon=True)

    @property
    def last_step(self) -> int:
        """The step of the last log call that was taken up."""
        return self._encoder.last_step

    @property
    def refused(self) -> dict[str, int]:
        """How many values this process was refused, by metric."""
        return self._encoder.refused

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and begin; `wait` as of `Keeper.start`.

        Raises:
            OSError: The store cannot be written.
            RuntimeError: There is no thread to be had; nothing was written.
        """
        self._thread.start()
        try:
            self.keeper.start(wait=wait)
        except BaseException:
            self._commands.put(self._stop)
            raise

    def flush(self, timeout_s: float, *, sync: bool = False) -> bool:
        """Wait until all that was appended is in the store's files; False if it does not take it, or takes longer.

        Args:
            sync: Down to the disk itself.
        """
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._commands.put(lambda: self._flush(answer, sync))
        deadline = time.monotonic() + timeout_s
        while not self._closed and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                written = answer.get(timeout=min(left, 0.1))
                log.wait(_TOLD_S)
                return written
            if self.keeper.away_s > self._pace.patience_s:
                return False
        return self.keeper.whole

    def close(self, set_status: Callable[[RunDocument], None], ending: Ending, timeout_s: float) -> bool:
        """Write everything, then the run's end, then seal it to one segment; whether that was done in time.

        May be called again, by a signal handler that interrupted it too: the first call's status counts, all wait.
        """
        deadline = time.monotonic() + timeout_s
        self._deadline = min(self._deadline, deadline - _END_MARGIN_S)
        self.keeper.ending = ending
        self._commands.put(lambda: self._close(set_status))
        # Neither a lock nor Thread.join survives being interrupted by somebody who waits for the same.
        while not self._closed and time.monotonic() < deadline:
            time.sleep(0.002)
        log.wait(_TOLD_S)
        return self.keeper.whole

    def _run(self) -> None:
        next_flush = time.monotonic() + self._pace.flush_s
        while not self._closed:
            try:
                command = self._commands.get(timeout=min(_LOOK_S, self._pace.flush_s))
            except queue.Empty:
                command = None
            if command is not None:
                self._guard(command)
            elif time.monotonic() >= next_flush or len(self.pending) > _MANY:
                self._guard(self._take_pending)
                next_flush = time.monotonic() + self._pace.flush_s

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception:
            log.exception("run %s: a background task failed; logging goes on", self._document.id)

    def _take_pending(self, *, urgent: bool = False) -> None:
        """Encode what is waiting and hand it on; with pauses, unless it is urgent."""
        handed = self.keeper.outbox.waiting_bytes
        began = time.perf_counter()
        while left := len(self.pending):
            waiting = left * self._item_bytes
            hurry = urgent or waiting > _HURRY_BYTES or not self._commands.empty()
            large = hurry or left > _MANY
            self._set_pressure(waiting > (_HURRY_BYTES if self._pressed else _BRAKE_BYTES))
            self._hand_over(self._encode(min(left, _LARGE_SLICE if large else _SLICE)))
            if urgent:
                self._let_keeper_follow()
            if self.keeper.outbox.waiting_bytes - handed > _HAND_ON_BYTES:
                self.keeper.do(self.keeper.write)
                handed = self.keeper.outbox.waiting_bytes
            spent = time.perf_counter() - began
            if not hurry and (not large or spent > _LARGE_SLICES_S):
                time.sleep(_SHORT_PAUSE_S if large else spent * _PAUSES)
                began = time.perf_counter()
        self._set_pressure(False)
        if self._spool is not None and self.keeper.away_s == 0:
            self._give_back(self._spool)
        self.keeper.do(self.keeper.write)

    def _set_pressure(self, pressed: bool) -> None:
        if pressed != self._pressed:
            self._pressed = pressed
            self._press(pressed)

    def _encode(self, count: int) -> list[Parcel]:
        items = [self.pending.popleft() for _ in range(count)]
        try:
            parcels = self._encoder.encode(items)
        except MemoryError:
            self.pending.extendleft(reversed(items))
            raise
        self._item_bytes = _ITEM_BYTES + _BYTES_PER_LINE_BYTE * sum(parcel.size for parcel in parcels) / count
        return parcels

    def _hand_over(self, parcels: Iterable[Parcel]) -> None:
        outbox = self.keeper.outbox
        for parcel in parcels:
            if self._is_away() and self._put_into_spool(parcel):
                self._in_order = False
            elif outbox.waiting_bytes > 2 * self._pace.memory_bytes:
                self._lose(parcel)
            else:
                self._close_gap()
                outbox.put(parcel)

    def _let_keeper_follow(self) -> None:
        """Where somebody waits for the store anyway, a slow one is no reason for the spool."""
        outbox = self.keeper.outbox
        while outbox.waiting_bytes > self._pace.memory_bytes // 2 and self.keeper.away_s <= self._pace.patience_s:
            self.keeper.do(self.keeper.write)
            time.sleep(0.002)

    def _is_away(self) -> bool:
        """Whether the store takes nothing, or less than is logged."""
        return (
            self._spool is not None
            or self.keeper.away_s > self._pace.patience_s
            or self.keeper.outbox.waiting_bytes > self._pace.memory_bytes
        )

    def _close_gap(self) -> None:
        """What went elsewhere since the last parcel parts the files: no tail lacks a call in its midst."""
        if not self._in_order:
            self._in_order = True
            self.keeper.outbox.leave_gap()
            if self._spool is not None:
                self._close_spool(self._spool)

    def _close_spool(self, spool: Spool) -> None:
        try:
            spool.close()
        except OSError as error:  # a home on a network disk says only now that it is full
            self._tell(f"nor did the spool {spool.folder} take them all ({error.strerror or error})")

    def _put_into_spool(self, parcel: Parcel) -> bool:
        begins = self._spool is None
        if begins and time.monotonic() < self._next_spool:
            return False
        spool = self._spool or self.keeper.new_spool()
        try:
            put_into(spool, parcel)
        except OSError as error:
            if begins:
                spool.discard()
                self._next_spool = time.monotonic() + _SPOOL_RETRY_S
                if not self._told_no_spool:
                    self._told_no_spool = True
                    self._tell(f"nor can a local spool be written ({error.strerror or error}); points wait in memory")
            return False
        if begins:
            self._spool = spool
            self._tell(f"what is logged waits in {spool.folder} until the store takes it")
        return True

    def _give_back(self, spool: Spool) -> None:
        self._close_gap()
        self._close_spool(spool)
        self._spool = None
        self.keeper.bring_back(spool)

    def _lose(self, parcel: Parcel) -> None:
        if self.keeper.lost == 0:
            self._tell("memory for what waits is used up as well; what is logged from now on is lost, and counted")
        self.keeper.lost += parcel.count
        self._in_order = False

    def _tell(self, text: str) -> None:
        log.warning(
            "run %s: %s does not take points (%s); %s", self._document.id, self._folder, self.keeper.failure, text
        )

    def _flush(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        self._take_pending(urgent=True)
        self.keeper.do(lambda: self._flushed(self.keeper.write(sync=sync), answer, sync))

    def _flushed(self, written: bool, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        """Called by the keeper: what was in memory is written, or cannot be."""
        if written and self._spool is not None:
            self._commands.put(lambda: self._flush_spool(answer, sync))
        else:
            answer.put(written)

    def _flush_spool(self, answer: queue.SimpleQueue[bool], sync: bool) -> None:
        if self._spool is not None:
            self._give_back(self._spool)
        self.keeper.do(lambda: answer.put(self.keeper.write(sync=sync)))

    def _close(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            self._take_pending(urgent=True)
            if self._spool is not None:
                self._give_back(self._spool)
            self.keeper.end(set_status)
            while not self.keeper.closed and time.monotonic() < self._deadline:
                time.sleep(0.002)
            if not self.keeper.closed:
                self.keeper.spool_rest()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._closed = True
