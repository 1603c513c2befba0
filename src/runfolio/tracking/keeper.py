"""The thread that brings what was encoded to the run's folder.

Nothing else of a running run touches the store (checkpoints and artifacts aside, which their callers write), so a store
that hangs, is full or gone holds up nobody: parcels wait in the outbox, and what the writer thread finds too much goes
to the spool. Nothing here ever raises into training.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, cast

from runfolio.record import claims, disk, files, media, tail
from runfolio.record.alive import PRIMARY, Heartbeat
from runfolio.record.append import AppendFile
from runfolio.record.document import RunDocument
from runfolio.record.layout import ALIVE, MEDIA, MEDIA_FILES, METRICS, tail_path
from runfolio.record.spool import Spool
from runfolio.tracking import processes
from runfolio.tracking.encoder import Medium, Parcel, Points
from runfolio.tracking.exits import Ending
from runfolio.tracking.outbox import Outbox
from runfolio.tracking.telling import log

if TYPE_CHECKING:
    from runfolio.tracking.mirror import Mirror

_CAPTURE_WAIT_S = 10.0
"""How long a run's end waits for what surrounds it, such as git on a slow disk, and for fingerprints of data."""
_ONE_WRITE_BYTES = 4 * 1024 * 1024
_SPOOL_BYTES = 1_000_000_000
_SMALL_BYTES = 4 * 1024 * 1024
"""A tail of this size is sealed by the process itself at a run's end: quicker than to start another for it."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often the writer does what."""

    flush_s: float = 0.5
    """Longest time a logged point waits in memory."""
    heartbeat_s: float = 5.0
    system_s: float = 10.0
    """How often the machine's load and the training's speed are sampled; 0 is never."""
    seal_bytes: int = 16 * 1024 * 1024
    """A tail of this size is sealed to Parquet by a helper process, and the next one begun."""
    patience_s: float = 10.0
    """How long a store may fail or hang before what is logged goes to the local spool instead."""
    join_s: float = 25.0
    """How long a process waits for rank 0 to open the run they share, before it does so itself."""
    memory_bytes: int = 32 * 1024 * 1024
    """How much may wait in memory for the store before it goes to the spool."""
    grace_s: float = 25.0
    """How long a process that is told to go (SIGTERM) may go on to its next checkpoint."""


class Keeper:
    """Writes a run's files, on a thread of its own."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        heartbeat: Heartbeat,
        pace: Pace,
        capture: Callable[[], None],
        notice: Callable[[], None],
        mirror: Mirror | None,
        *,
        sync: bool,
    ) -> None:
        """Args:
        capture: Called once, on a thread of its own: what takes a while to find out about the run.
        notice: Called at each heartbeat and before the end: what may have changed about the run.
        mirror: Gets whatever was brought to the record, for TensorBoard.
        sync: Whether every write is brought to the disk itself before it counts.
        """
        self.outbox = Outbox()
        self._document_changed = False
        self.closed = False
        """Whether the run's end is written, as far as it could be."""
        self.whole = False
        """Whether everything is in the store."""
        self.lost = 0
        """How many log calls neither the store nor the spool took."""
        self._folder = folder
        self._document = document
        self._heartbeat = heartbeat
        self._is_primary = heartbeat.role == PRIMARY
        """Else it has joined: `run.json`, the run's end and its compaction are somebody else's."""
        self._superseded = False
        self._pace = pace
        self._notice = notice
        self._mirror = mirror
        self._sync = sync
        self._attempt = document.attempts[-1].attempt
        self._header = tail.header(heartbeat.writer, self._attempt)
        self._numbers = count(1)
        """Of tails; taken by whoever begins one."""
        self._tail: AppendFile | None = None
        self._tail_number = 0
        self._stretch = 0
        """Of the parcels that go to the open tail."""
        self._media: AppendFile | None = None
        self._media_number = 1
        self._place_synced = False
        self._in_hand = 0
        """How many of the outbox's parcels an open file has taken, though not all of their bytes are written."""
        self._spools: list[Spool] = []
        """What is to be brought back."""
        self._helpers: list[subprocess.Popen] = []
        self._busy_since: float | None = None
        self._failing_since: float | None = None
        self._failure = ""
        self.ending: Ending = "run"
        """What ends, once something does."""
        # SimpleQueue.put may be called from a signal handler that interrupted another put; a lock would hang there.
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._capture = threading.Thread(target=self._guard, args=(capture,), daemon=True)
        self._workers = [self._capture]
        self._thread = threading.Thread(target=self._run, name=f"runfolio-store-{document.id}", daemon=True)

    def start(self, *, wait: bool = True) -> None:
        """Write the first files and begin.

        Args:
            wait: False, for a process that joins: its first file is written when that can be, which holds up nobody.
        Raises:
            OSError: The store cannot be written.
            RuntimeError: There is no thread to be had; nothing was written.
        """
        self._thread.start()
        if not wait:
            self.do(lambda: self._heartbeat.write(self._folder))
            return
        try:
            # None of its parents: a run that is gone, with the disk it lies on or for good, is not begun anew.
            for name in (ALIVE, METRICS, MEDIA, f"{MEDIA}/{MEDIA_FILES}"):
                (self._folder / name).mkdir(exist_ok=True)
            self._heartbeat.write(self._folder)
            if self._is_primary:
                self._open_attempt()
        except BaseException:
            self.do(self._stop)
            raise
        if self._mirror is not None and len(self._document.attempts) > 1:
            self.do(lambda: self._start_helper("runfolio.events.rebuild", str(self._folder)))

    def _open_attempt(self) -> None:
        try:
            claims.take(self._folder, self._heartbeat)
        except claims.Taken:
            self._heartbeat.remove(self._folder)
            raise
        self._document.without_secrets().write(self._folder, sync=self._sync or len(self._document.attempts) > 1)
        self.do(lambda: disk.reserve(self._folder, self._heartbeat.writer))

    def is_superseded(self) -> bool:
        """Whether another process has opened the next attempt: this one then records nothing more, which it tells."""
        if not self._superseded and (claim := claims.read(self._folder, self._heartbeat.attempt + 1)) is not None:
            self._superseded = True
            log.error(
                "run %s was taken over by process %d on %s: this process (%d) records nothing more of it; what it has"
                " logged stays readable, and its training goes on",
                self._document.id,
                claim.pid,
                claim.host,
                os.getpid(),
            )
        return self._superseded

    def capture(self) -> None:
        """Begin to find out what surrounds the run; after the companions have begun.

        Programs that are asked have pipes, which must not take the numbers of streams that the console is to record.
        """
        with contextlib.suppress(RuntimeError):  # no second thread: the record then lacks what surrounds the run
            self._capture.start()

    def work(self, task: Callable[[], object]) -> None:
        """Have a thread of its own do what takes a while; a run's end waits for it as long as for the capture."""
        thread = threading.Thread(target=self._guard, args=(task,), daemon=True)
        thread.start()
        self._workers.append(thread)

    def do(self, command: Callable[[], object]) -> None:
        """Have the thread do something, after what it was told before."""
        self._commands.put(command)

    def save_document(self) -> None:
        """Have the changed document saved with the next write."""
        self._document_changed = True

    def write(self, *, sync: bool = False) -> bool:
        """Bring what waits to the store, on this thread; whether all of it is there now.

        Args:
            sync: Down to the disk itself.
        """
        try:
            self._write_parcels()
            self._save_document()
            if self._failing_since is not None:
                self._heartbeat.write(self._folder)  # the folder itself may be gone, and only open files take more
            self._bring_back()
            if sync:
                self._sync_files()
        except Exception as error:
            self._store_fails(error)
            return False
        if self._failing_since is not None:
            self._failing_since = None
            log.warning(
                "run %s: the store can be written again; %s",
                self._document.id,
                f"{self.lost} log calls were lost" if self.lost else "nothing was lost",
            )
        if self._mirror is not None:
            self._mirror.write(self._document)
        return True

    def new_spool(self) -> Spool:
        """A place on a local disk for what the store does not take."""
        writer = self._heartbeat.writer
        return Spool(self._folder, self._document.id, writer, self._attempt, self._numbers, _SPOOL_BYTES)

    def bring_back(self, spool: Spool) -> None:
        """Move what a spool holds into the run as soon as that can be; nothing is written to it any more."""
        self._spools.append(spool)
        self.do(self.write)

    @property
    def away_s(self) -> float:
        """For how many seconds the store has been failing or hanging; 0 where it does neither."""
        since = [moment for moment in (self._busy_since, self._failing_since) if moment is not None]
        return time.monotonic() - min(since) if since else 0.0

    @property
    def failure(self) -> str:
        """Why the store could not be written, the last time it could not."""
        if self._failing_since is not None:
            return self._failure
        return "it does not answer" if self.away_s > self._pace.patience_s else "it is slower than what is logged"

    def end(self, set_status: Callable[[RunDocument], None]) -> None:
        """Write everything, then the run's end, then seal it to one segment; `closed` says when that is done."""
        self.do(lambda: self._end(set_status))

    def spool_rest(self) -> bool:
        """Move what is left in the outbox to a spool, for the store will not take it any more; whether that went well.

        Called at the end: by this thread, or where it hangs by another. What both move is there twice and read once.
        """
        rest = self.outbox.rest()
        spool = self.new_spool()
        try:
            for parcel in rest:
                put_into(spool, parcel)
            spool.close()
        except OSError as error:
            self._failure = f"{self.failure}; nor could the local spool: {error.strerror or error}"
            return False
        if rest:
            self._spools.append(spool)
        return True

    @property
    def left_in_spool(self) -> list[Path]:
        """Spools that hold what the store did not take."""
        return [spool.folder for spool in self._spools if spool.folder is not None and spool.folder.exists()]

    def _run(self) -> None:
        next_beat = time.monotonic() + self._pace.heartbeat_s
        while not self.closed:
            try:
                command = self._commands.get(timeout=self._pace.flush_s)
            except queue.Empty:
                command = self.write
            self._busy_since = time.monotonic()
            self._guard(command)
            if time.monotonic() >= next_beat:
                self._guard(self._beat)
                next_beat = time.monotonic() + self._pace.heartbeat_s
            self._busy_since = None

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except OSError as error:
            self._store_fails(error)
        except Exception:
            log.exception("run %s: a background task failed; logging goes on", self._document.id)

    def _beat(self) -> None:
        if self.is_superseded():
            if self._heartbeat.end is None:
                self._heartbeat.end = "interrupted"
                self._heartbeat.write(self._folder)
            return
        self._heartbeat.beat += 1
        self._heartbeat.write(self._folder)
        self._notice()
        self._helpers = [process for process in self._helpers if process.poll() is None]

    def _write_parcels(self) -> None:
        if self._superseded:
            self.outbox.drop(len(self.outbox.rest()))
            self._in_hand = 0
        while True:
            stretch, parcels = self.outbox.front(_ONE_WRITE_BYTES)
            if not parcels:
                return
            if isinstance(medium := parcels[0], Medium):
                self._write_medium(medium)
            else:
                self._write_points(stretch, cast("list[Points]", parcels))
            self._busy_since = time.monotonic()  # what goes on does not hang, however much there is

    def _write_points(self, stretch: int, parcels: list[Points]) -> None:
        if self._tail is not None and self._tail.is_lost:
            self._leave_tail()
        if self._in_hand:
            parcels = parcels[: self._in_hand]
        elif stretch != self._stretch:
            self._leave_tail()
        if self._tail is None:
            self._tail_number, self._stretch = next(self._numbers), stretch
            path = tail_path(self._folder, self._heartbeat.writer, self._tail_number)
            self._tail = AppendFile(path, self._header)
        self._append(self._tail, [parcel.lines for parcel in parcels])
        if self._mirror is not None:
            for call in chain.from_iterable(parcel.calls for parcel in parcels):
                self._mirror.scalars(call)
        if self._tail.size >= self._pace.seal_bytes:
            # Not synced here, which may take a disk long: its segment is, before the tail may go.
            self._leave_tail()
            self._start_sealing("seal", self._tail_number)

    def _write_medium(self, medium: Medium) -> None:
        if self._media is not None and self._media.is_lost:
            self._leave_media()
        if medium.picture is not None and not self._in_hand:
            name, content = medium.picture
            files.replace(self._folder / MEDIA / MEDIA_FILES / name, lambda path: path.write_bytes(content))
        if self._media is None:
            path = media.index_path(self._folder, self._heartbeat.writer, self._media_number)
            self._media = AppendFile(path, self._header)
        self._append(self._media, [medium.line])
        if self._mirror is not None:
            picture = medium.picture[1] if medium.picture else None
            self._mirror.medium(medium.time_us, medium.step, medium.kind, medium.name, medium.content, picture)

    def _append(self, file: AppendFile, lines: list[bytes]) -> None:
        """Append parcels; tried again after a failure, the file has them already and only writes on."""
        if not self._in_hand:
            self._in_hand = len(lines)
            file.write(b"".join(lines))
        else:
            file.write()
        if self._sync:
            file.sync()
            self._sync_place()
        self.outbox.drop(self._in_hand)
        self._in_hand = 0

    def _leave_tail(self) -> None:
        """Close the open tail for good; what it has taken without writing it is still in the outbox."""
        left, self._tail, self._in_hand = self._tail, None, 0
        if left is not None:
            left.close(sync=False)

    def _leave_media(self) -> None:
        """As `_leave_tail`, for the media."""
        left, self._media, self._in_hand = self._media, None, 0
        self._media_number = next(self._numbers) + 1
        if left is not None:
            left.close(sync=False)

    def _start_sealing(self, task: str, number: int) -> None:
        """Have another process seal. Its failure costs nothing: tails stay and are read as they are."""
        self._start_helper("runfolio.record.seal", task, str(self._folder), self._heartbeat.writer, str(number))

    def _start_helper(self, module: str, *arguments: str) -> None:
        """Run a module as a program beside the training, without Arrow, its memory and its hold on the interpreter."""
        with contextlib.suppress(OSError):
            self._helpers.append(
                processes.start(
                    [sys.executable, "-m", module, *arguments],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C in the terminal is not meant for it
                )
            )

    def _save_document(self) -> None:
        if self._document_changed and self._is_primary and not self.is_superseded():
            self._document_changed = False
            try:
                self._document.without_secrets().write(
                    self._folder, sync=True
                )  # half of it after a power cut would hide the run
            except BaseException:
                self._document_changed = True
                raise

    def _bring_back(self) -> None:
        while self._spools:
            self._spools[0].bring_back()
            self._spools.pop(0)
            if self._mirror is not None:
                self._mirror.give_up("points that waited elsewhere are not in it")

    def _sync_files(self) -> None:
        for opened in (self._tail, self._media):
            if opened is not None:
                opened.sync()
        self._sync_place()

    def _sync_place(self) -> None:
        """Bring the run's folder to the disk, and the folders it lies in: names are lost in a power cut as well."""
        if not self._place_synced:
            for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
                files.sync_file(folder)
            self._place_synced = True

    def _store_fails(self, error: Exception) -> None:
        self._failure = str(getattr(error, "strerror", None) or error)
        if self._failing_since is not None:
            return
        self._failing_since = time.monotonic()
        # Not `Path.exists`, which raises where the folder cannot even be looked for.
        if isinstance(error, FileNotFoundError) and not os.path.exists(self._folder):  # noqa: PTH110
            log.warning(
                "run %s: its folder %s is gone, deleted or moved; training goes on, and is recorded again"
                " once the folder is back",
                self._document.id,
                self._folder,
            )
            return
        log.warning(
            "run %s: cannot write %s (%s); training goes on, what is logged waits in memory and is tried again",
            self._document.id,
            self._folder,
            self._failure,
            exc_info=None if isinstance(error, OSError) else error,
        )

    def _end(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            self._guard(self.is_superseded)
            written = self.write()
            if not written:
                self.spool_rest()
            self._await_workers()
            self._guard(self._notice)
            self._guard(lambda: set_status(self._document))
            if self.lost or not written:
                self._note_loss()
            self._end_files()
            self.whole = written and not self.lost
            if written:
                self._guard(self._compact)
        finally:
            self._stop()

    def _note_loss(self) -> None:
        left = self.left_in_spool
        if left:
            told = f"its last points could not be written ({self._failure}); they wait in {left[0].parent}"
        elif self.lost:
            told = f"{self.lost} log calls were lost, which neither the store nor the local spool took"
        else:
            told = f"its last points could not be written ({self._failure})"
        status = self._document.status
        status.trouble = f"{status.trouble}; {told}" if status.trouble else told

    def _stop(self) -> None:
        self.closed = True

    def _await_workers(self) -> None:
        deadline = time.monotonic() + _CAPTURE_WAIT_S
        for worker in self._workers:
            while worker.is_alive() and self.ending != "killed" and time.monotonic() < deadline:
                worker.join(0.02)

    def _end_files(self) -> None:
        for opened in (self._tail, self._media):
            if opened is not None:
                self._guard(lambda opened=opened: opened.close(sync=True))
        self._guard(self._sync_place)
        self._guard(lambda: disk.release(self._folder, self._heartbeat.writer))
        if self._is_primary and not self._superseded:
            self._guard(lambda: self._document.without_secrets().write(self._folder, sync=True))
        self._heartbeat.end = "interrupted" if self._superseded else self._document.status.state
        self._guard(lambda: self._heartbeat.write(self._folder))
        if self._mirror is not None:
            self._mirror.end(self._document)

    def _compact(self) -> None:
        """Seal the run to one segment, small ones here. Arrow cannot be started by an interpreter that is ending."""
        if self.ending == "killed" or not self._is_primary or self._superseded:
            return
        for process in self._helpers:  # what they seal is then one segment of those to be put together
            process.wait()
        if not any((self._folder / METRICS).glob("*")):  # nothing was logged
            return
        number = next(self._numbers)
        is_small = self._tail is not None and number == 2 and self._tail.size <= _SMALL_BYTES
        in_helper = self.ending == "process" or not is_small
        if in_helper:
            self._start_sealing("compact", number)
            for process in self._helpers:
                process.wait()
        else:
            from runfolio.record import seal  # Arrow; not before the training is over

            seal.compact(self._folder, self._heartbeat.writer, number)
            seal.sweep(self._folder)


def put_into(spool: Spool, parcel: Parcel) -> None:
    """Keep a parcel in a spool.

    Raises:
        OSError: It is not there, or not whole.
    """
    if isinstance(parcel, Points):
        spool.write_points(parcel.lines)
    else:
        spool.write_medium(parcel.line, parcel.picture)
