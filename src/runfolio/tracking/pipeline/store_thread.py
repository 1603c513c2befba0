"""The thread that writes to the run's folder.

Nothing else in a running process touches the store, apart from checkpoints and artifacts, which their callers write.
So a store that hangs, is full or gone holds up nobody: batches wait in the outbox, and the encoder thread puts into a
spool what is too much for it. Nothing here raises into training.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

from runfolio.record.base.run_document import RunDocument
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.sink import Sink
from runfolio.record.spool import Spool
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.background_tasks import BackgroundTasks
from runfolio.tracking.pipeline.outbox import Outbox
from runfolio.tracking.pipeline.run_folder_writer import RunFolderWriter
from runfolio.tracking.pipeline.run_lifecycle import RunLifecycle
from runfolio.tracking.pipeline.sealing_processes import SealingProcesses
from runfolio.tracking.pipeline.sink_group import SinkGroup
from runfolio.tracking.pipeline.spool_transfer import SpoolTransfer
from runfolio.tracking.pipeline.store_health import StoreHealth
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process.exit_hooks import Ending

_CAPTURE_WAIT_S = 10.0
"""Longest time the run's end waits for background tasks, such as git on a slow disk and fingerprints of data."""
_SMALL_BYTES = 4 * 1024 * 1024
"""Size up to which a run's only tail is sealed by the process itself at the end: quicker than to start another."""


class StoreWriter:
    """Executes commands on the store, one after another, and writes what waits in the outbox in between."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        heartbeat: Heartbeat,
        config: WriterConfig,
        capture: Callable[[], None],
        notice: Callable[[], None],
        sinks: Iterable[Sink] = (),
        *,
        sync: bool = False,
    ) -> None:
        """Prepare; nothing is written before `start`.

        Args:
            capture: Called once, on a thread of its own: finds out about the run what takes a while.
            notice: Called at each heartbeat and before the end: finds out what may have changed about the run.
            sinks: Receive what was written to the record.
            sync: Whether every write is brought to the disk itself before it counts.
        """
        self.folder = folder
        self.outbox = Outbox()
        self.closed = False
        """Whether the run's end is written, as far as that was possible."""
        self.is_complete = False
        """Whether everything is in the store."""
        self.ending: Ending = "run"
        """What ends, once something does."""
        self._document = document
        self._config = config
        self._notice = notice
        writer, attempt = heartbeat.writer, document.attempts[-1].attempt
        self._tail_numbers = tail_numbers = count(1)
        self._files = RunFolderWriter(folder, writer, attempt, tail_numbers, config.seal_bytes, sync=sync)
        self._lifecycle = RunLifecycle(folder, document, heartbeat, sync=sync)
        self._sealing = SealingProcesses(folder, writer)
        self._spools = SpoolTransfer(folder, document.id, writer, attempt, tail_numbers)
        self._health = StoreHealth(folder, document.id, config.patience_s)
        self._sinks = SinkGroup(sinks, folder, document, heartbeat)
        self._tasks = BackgroundTasks(self._guard, capture)
        # SimpleQueue.put may be called from a signal handler that interrupted another put; a lock would hang there.
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"runfolio-store-{document.id}", daemon=True)

    @property
    def lost(self) -> int:
        """Number of log calls that neither the store nor the spool took."""
        return self._spools.lost

    @property
    def away_s(self) -> float:
        """Seconds for which the store has been failing or hanging; 0 if it does neither."""
        return self._health.away_s

    @property
    def failure(self) -> str:
        """The reason why the store cannot be written."""
        return self._health.failure

    @property
    def left_in_spool(self) -> list[Path]:
        """Folders of spools that hold what the store did not take."""
        return self._spools.folders

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and start the thread.

        Args:
            wait: False for a process that joins: its first file is written when that is possible, which holds up
                nobody.
        Raises:
            OSError: The store cannot be written.
            RuntimeError: No thread can be started; nothing was written.
        """
        self._thread.start()
        if wait:
            try:
                self._lifecycle.create_files()
            except BaseException:
                self.do(self._stop)
                raise
            if self._lifecycle.is_primary:
                self.do(self._lifecycle.reserve_space)
        else:
            self.do(self._lifecycle.write_heartbeat)
        self.do(self._sinks.open)

    def start_capture(self) -> None:
        """Begin to find out what surrounds the run; after the monitors have started.

        Programs that are asked have pipes, which must not take the numbers of streams that the console is to record.
        """
        self._tasks.start_capture()

    def start_task(self, task: Callable[[], object]) -> None:
        """Execute a task on a thread of its own; the run's end waits for it as long as for the capture.

        Raises:
            RuntimeError: No thread can be started.
        """
        self._tasks.start(task)

    def do(self, command: Callable[[], object]) -> None:
        """Have the thread execute a command, after those it was given before."""
        self._commands.put(command)

    def save_document(self) -> None:
        """Have the changed document saved with the next write."""
        self._lifecycle.mark_changed()

    def is_superseded(self) -> bool:
        """Return whether another process has opened the next attempt; this one then records nothing more."""
        return self._lifecycle.is_superseded()

    def write(self, *, sync: bool = False) -> bool:
        """Write what waits, on this thread; return whether all of it is in the store now.

        Args:
            sync: Down to the disk itself.
        """
        try:
            self._write_outbox()
            self._lifecycle.save_changes()
            if self._health.is_failing:
                self._lifecycle.write_heartbeat()  # the folder itself may be gone, and only open files take more
            while self._spools.bring_back_next():
                self._sinks.lose("points that waited elsewhere are not in it")
            if sync:
                self._files.sync()
        except Exception as error:
            self._health.note_failure(error)
            return False
        self._health.note_success(self.lost)
        self._sinks.save_document()
        return True

    def new_spool(self) -> Spool:
        """Return an empty spool on a local disk, for what the store does not take."""
        return self._spools.new_spool()

    def bring_back(self, spool: Spool) -> None:
        """Move a spool into the run as soon as that is possible; nothing is written to it any more."""
        self._spools.add(spool)
        self.do(self.write)

    def count_lost(self, calls: int) -> None:
        """Count log calls that nothing took."""
        self._spools.lost += calls

    def spool_waiting(self) -> None:
        """Copy what is left in the outbox to a spool, for the store does not take it any more.

        Called at the end: by this thread, or if it hangs by another.
        """
        try:
            self._spools.save_waiting(self.outbox)
        except OSError as error:
            reason = f"{self.failure}; nor could the local spool: {error.strerror or error}"
            self._health.last_failure = reason

    def end(self, set_status: Callable[[RunDocument], None]) -> None:
        """Write everything, then the run's end, then seal it to one segment; `closed` says when that is done."""
        self.do(lambda: self._end(set_status))

    def _run(self) -> None:
        next_beat = time.monotonic() + self._config.heartbeat_s
        while not self.closed:
            try:
                command = self._commands.get(timeout=self._config.flush_s)
            except queue.Empty:
                command = self.write
            self._health.note_progress()
            self._guard(command)
            if time.monotonic() >= next_beat:
                self._guard(self._beat)
                next_beat = time.monotonic() + self._config.heartbeat_s
            self._health.note_idle()

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except OSError as error:
            self._health.note_failure(error)
        except Exception:
            log.exception("run %s: a background task failed; logging goes on", self._document.id)

    def _beat(self) -> None:
        if self._lifecycle.beat():
            self._notice()
            self._sealing.forget_ended()

    def _write_outbox(self) -> None:
        if self._lifecycle.is_known_superseded:
            self._files.discard(self.outbox)
        while batches := self._files.write_front(self.outbox):
            self._sinks.write(batches)
            if (number := self._files.close_full_tail()) is not None:
                self._sealing.start_seal(number)
            self._health.note_progress()

    def _end(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            self._guard(self._lifecycle.is_superseded)
            written = self.write()
            if not written:
                self.spool_waiting()
            self._tasks.wait(_CAPTURE_WAIT_S, is_hurried=lambda: self.ending == "killed")
            self._guard(self._notice)
            self._guard(lambda: set_status(self._document))
            if self.lost or not written:
                self._lifecycle.add_trouble(self._spools.describe_loss(self._health.last_failure))
            for task in (
                self._files.close_tail,
                self._files.close_media,
                self._files.sync_folder,
                self._lifecycle.release_space,
                self._lifecycle.save_end,
                self._lifecycle.end_heartbeat,
            ):
                self._guard(task)
            self.is_complete = written and not self.lost  # before the sinks, which may take their time
            self._sinks.save_document()
            self._sinks.close()
            if written:
                self._guard(self._compact)
        finally:
            self._stop()

    def _compact(self) -> None:
        """Seal the run to one segment, small ones here. Arrow cannot be started by an interpreter that is ending."""
        if self.ending == "killed" or not self._lifecycle.is_primary or self._lifecycle.is_known_superseded:
            return
        self._sealing.wait()  # what they seal is then one segment of those to be put together
        if not self._files.has_points():
            return
        number, tail_size = next(self._tail_numbers), self._files.tail_size
        is_small = number == 2 and tail_size is not None and tail_size <= _SMALL_BYTES
        if is_small and self.ending != "process":
            self._sealing.compact_here(number)
        else:
            self._sealing.start_compact(number)
            self._sealing.wait()

    def _stop(self) -> None:
        self.closed = True
