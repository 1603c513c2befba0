"""Thread that writes to the run's folder.

The store is the folder of all runs, which may be on a network disk. Only this thread accesses the store, except for
checkpoints and artifacts. A store that hangs, is full or is missing therefore does not delay other threads. Encoded
data waits in a queue, the outbox. If the outbox is full, the encoder thread writes data to a spool, a folder on a local
disk. No error is raised in the training thread.
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
"""Maximum time for which the end of a run waits for background tasks. Examples are git on a slow disk and fingerprints
of data."""
_SMALL_BYTES = 4 * 1024 * 1024
"""Maximum size in bytes of a run that this process converts to Parquet at the end. A larger run is converted in a new
process, which takes longer to start."""


class StoreWriter:
    """Writer to the store. Its thread executes commands one after another. Between commands, it writes the queued data
    to the store."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        heartbeat: Heartbeat,
        config: WriterConfig,
        capture: Callable[[], None],
        capture_changes: Callable[[], None],
        sinks: Iterable[Sink] = (),
        *,
        sync: bool = False,
    ) -> None:
        """Prepare the writer. Nothing is written before `start`.

        Args:
            capture: Function that records facts about the environment. Collecting the facts takes long, so the function
                is called once, on its own thread.
            capture_changes: Function that records facts that may have changed. It is called periodically and before the
                end.
            sinks: Receivers of a copy of the data that was written to the record.
            sync: Flush each write to the physical disk before the written data is removed from the queue.
        """
        self.folder = folder
        self.outbox = Outbox()
        self.closed = False
        """True once the run's end has been written, or could not be written."""
        self.is_complete = False
        """True once all data is in the store."""
        self.ending: Ending = "run"
        """Reason for ending the run (see `exit_hooks`). The value is valid once the end has begun."""
        self._document = document
        self._config = config
        self._capture_changes = capture_changes
        writer, attempt = heartbeat.writer, document.attempts[-1].attempt
        self._tail_numbers = tail_numbers = count(1)
        self._files = RunFolderWriter(folder, writer, attempt, tail_numbers, config.seal_bytes, sync=sync)
        self._lifecycle = RunLifecycle(folder, document, heartbeat, sync=sync)
        self._sealing = SealingProcesses(folder, writer)
        self._spools = SpoolTransfer(folder, document.id, writer, attempt, tail_numbers)
        self._health = StoreHealth(folder, document.id, config.patience_s)
        self._sinks = SinkGroup(sinks, folder, document, heartbeat)
        self._tasks = BackgroundTasks(self._guard, capture)
        # A signal handler may interrupt `put` and call `put` again. `SimpleQueue` allows this, but a lock would
        # deadlock.
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"runfolio-store-{document.id}", daemon=True)

    @property
    def lost(self) -> int:
        """Number of log calls that neither the store nor a spool (a folder on a local disk) could store."""
        return self._spools.lost

    @property
    def unavailable_s(self) -> float:
        """Seconds since the store began to fail or hang. The value is 0 if the store works."""
        return self._health.unavailable_s

    @property
    def failure(self) -> str:
        """Reason why the store cannot be written."""
        return self._health.failure

    @property
    def left_in_spool(self) -> list[Path]:
        """Folders of spools (on local disks) with data that is not in the store."""
        return self._spools.folders

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and start the thread.

        Args:
            wait: False for a process that joins the run. The first file of such a process is written in the background.
        Raises:
            OSError: The store cannot be written.
            RuntimeError: No thread can be started. Nothing was written.
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
        """Start to capture the environment of the run. Call this after the monitors have started.

        The capture starts programs with pipes. The file descriptors of the pipes must not get the numbers of the
        streams that the console monitor records.
        """
        self._tasks.start_capture()

    def start_task(self, task: Callable[[], object]) -> None:
        """Execute a task on its own thread. The end of the run waits for the task, as it waits for the capture.

        Raises:
            RuntimeError: No thread can be started.
        """
        self._tasks.start(task)

    def do(self, command: Callable[[], object]) -> None:
        """Queue a command for the store thread. The commands are executed in order."""
        self._commands.put(command)

    def save_document(self) -> None:
        """Save the changed document with the next write."""
        self._lifecycle.mark_changed()

    def is_superseded(self) -> bool:
        """Return whether another process has opened the next attempt (execution of the script). If so, this process
        records nothing more."""
        return self._lifecycle.is_superseded()

    def abandon(self) -> None:
        """Record nothing more, and drop the data that is not written yet."""
        self._lifecycle.is_known_superseded = True

    def write(self, *, sync: bool = False) -> bool:
        """Write the queued data (the outbox) on the calling thread, and return whether all data is in the store.

        Args:
            sync: Also flush the data to the physical disk.
        """
        try:
            self._write_outbox()
            self._lifecycle.save_changes()
            if self._health.is_failing:
                # This write fails if the folder was deleted, while open files may still accept data.
                self._lifecycle.write_heartbeat()
            while self._spools.return_next():
                self._sinks.report_loss("points from the spool were not passed on")
            if sync:
                self._files.sync()
        except Exception as error:
            self._health.note_failure(error)
            return False
        self._health.note_success(self.lost)
        self._sinks.save_document()
        return True

    def new_spool(self) -> Spool:
        """Return an empty spool on a local disk."""
        return self._spools.new_spool()

    def bring_back(self, spool: Spool) -> None:
        """Move the data of a closed spool (a folder on a local disk) into the run as soon as possible."""
        self._spools.add(spool)
        self.do(self.write)

    def count_lost(self, calls: int) -> None:
        """Count log calls that were lost."""
        self._spools.lost += calls

    def spool_waiting(self) -> None:
        """Copy the rest of the outbox, the queue of this thread, to a spool, a folder on a local disk. This is needed
        if a run ends and the store cannot be written.

        The store thread calls this method. If the store thread hangs, a different thread calls it.
        """
        try:
            self._spools.save_waiting(self.outbox)
        except OSError as error:
            reason = f"{self.failure}; the local spool failed too: {error.strerror or error}"
            self._health.last_failure = reason

    def end(self, set_status: Callable[[RunDocument], None]) -> None:
        """Write all data and the run's end, merge all points into one Parquet file, and then set `closed`."""
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
            log.exception("run %s: a background task failed; logging continues", self._document.id)

    def _beat(self) -> None:
        if self._lifecycle.beat():
            self._capture_changes()
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
            self._guard(self._capture_changes)
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
            self.is_complete = written and not self.lost  # set before the sinks are closed, which may be slow
            self._sinks.save_document()
            self._sinks.close()
            if written:
                self._guard(self._compact)
        finally:
            self._stop()

    def _compact(self) -> None:
        """Merge all points of the run into one segment (a Parquet file).

        A small run is merged in this process. If the interpreter is ending, a new process is used, because Arrow can no
        longer start here.
        """
        if self.ending == "killed" or not self._lifecycle.is_primary or self._lifecycle.is_known_superseded:
            return
        self._sealing.wait()  # the merged file must include the files that these processes write
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
