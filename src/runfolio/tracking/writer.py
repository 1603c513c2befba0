"""The writer thread: takes what `Run` appends and brings it to the run's folder.

Promise: items are written in the order they were appended; nothing here ever raises into training. What cannot be
written waits in memory and is tried again at each flush; what cannot be understood is counted and told once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.errors import ConfigError
from runfolio.record import disk, files, media, tail
from runfolio.record.alive import Heartbeat
from runfolio.record.document import STEPS, RunDocument
from runfolio.record.layout import ALIVE, MEDIA, MEDIA_FILES, METRICS, tail_path
from runfolio.record.tail import LogCall
from runfolio.tracking import plain, processes
from runfolio.tracking.exits import Ending

if TYPE_CHECKING:
    from runfolio.tracking.mirror import Mirror

log = logging.getLogger("runfolio")
_CAPTURE_WAIT_S = 10.0
"""How long a run's end waits for what surrounds it, such as git on a slow disk."""


class Scalars(NamedTuple):
    """One call of `Run.log`."""

    time: float
    step: Any
    values: dict[str, Any]
    aside: bool = False
    """Its step counts something else: automatic steps go on behind the call before."""


class Media(NamedTuple):
    """One image, figure, text or histogram; `content` makes what is stored, on the writer thread."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], bytes | dict[str, Any]]
    caption: str | None = None


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


class AppendFile:
    """A file that only grows. A failed write is kept, from the very byte where it stopped, for the next try."""

    def __init__(self, path: Path, first_line: bytes) -> None:
        self.path = path
        self.size = 0
        self._waiting = bytearray(first_line)
        self._descriptor: int | None = None

    @property
    def waiting(self) -> int:
        """Bytes that could not be written yet."""
        return len(self._waiting)

    def write(self, data: bytes = b"") -> None:
        """Append `data` behind what still waits.

        Raises:
            OSError: It (or a part of it) could not be written; it waits for the next call.
        """
        self._waiting += data
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            self._descriptor = os.open(self.path, flags, 0o666)
        while self._waiting:
            written = os.write(self._descriptor, self._waiting)
            self.size += written
            del self._waiting[:written]

    def close(self, *, sync: bool) -> None:
        if self._descriptor is not None:
            if sync:
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


class Writer:
    """The one thread that writes a run's files. `pending` is what `Run` appends to: lock-free, in order."""

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
    ) -> None:
        """Args:
        capture: Called once, on a thread of its own: what takes a while to find out about the run.
        notice: Called at each heartbeat and before the end: what may have changed about the run.
        mirror: Gets whatever was brought to the record, for TensorBoard.
        """
        self.pending: deque[Scalars | Media] = deque()
        self.seq = 0
        """The last seq given to a log call; exact right after `flush`."""
        self.document_changed = False
        self.refused: dict[str, int] = {}
        """How many values this process was refused, by metric."""
        self._folder = folder
        self._document = document
        self._heartbeat = heartbeat
        self._pace = pace
        self.last_step = last_step
        """The step of the last log call that was taken up."""
        self._notice = notice
        self._mirror = mirror
        self._tail_number = 0
        self._tail: AppendFile | None = None
        self._media: AppendFile | None = None
        self._lines: list[LogCall] = []
        self._media_lines = b""
        self._helpers: list[subprocess.Popen] = []
        self._failing = False
        self._failure = ""
        """Why the store could not be written, the last time it could not."""
        # SimpleQueue.put may be called from a signal handler that interrupted another put; a lock would hang there.
        self._commands: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._ending: Ending = "run"
        self._whole = False
        self._closed = False
        self._capture = threading.Thread(target=self._guard, args=(capture,), daemon=True)
        self._thread = threading.Thread(target=self._run, name=f"runfolio-{document.id}", daemon=True)

    def start(self) -> None:
        """Write the first files and begin.

        Raises:
            OSError: The store cannot be written.
            RuntimeError: There is no thread to be had; nothing was written.
        """
        self._thread.start()
        try:
            for name in (ALIVE, METRICS, f"{MEDIA}/{MEDIA_FILES}"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            self._heartbeat.write(self._folder)
            self._document.without_secrets().write(self._folder)
            self._commands.put(lambda: disk.reserve(self._folder, self._heartbeat.writer))
        except BaseException:
            self._commands.put(self._stop)
            raise
        if self._mirror is not None and len(self._document.attempts) > 1:
            folder = str(self._folder)
            self._commands.put(lambda: self._start_helper("runfolio.record.events.rebuild", folder))

    def capture(self) -> None:
        """Begin to find out what surrounds the run; after the companions have begun.

        Programs that are asked have pipes, which must not take the numbers of streams that the console is to record.
        """
        with contextlib.suppress(RuntimeError):  # no second thread: the record then lacks what surrounds the run
            self._capture.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was appended is handed to the operating system; False if that failed or took longer."""
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._commands.put(lambda: answer.put(self._write_pending()))
        deadline = time.monotonic() + timeout_s
        while not self._closed and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                return answer.get(timeout=min(left, 0.1))
        return self._whole

    def close(self, set_status: Callable[[RunDocument], None], ending: Ending, timeout_s: float) -> bool:
        """Write everything, then the run's end, then seal it to one segment; whether that was done in time.

        May be called again, by a signal handler that interrupted it too: the first call's status counts, all wait.
        """
        self._ending = ending
        self._commands.put(lambda: self._close(set_status))
        deadline = time.monotonic() + timeout_s
        # Neither a lock nor Thread.join survives being interrupted by somebody who waits for the same.
        while not self._closed and time.monotonic() < deadline:
            time.sleep(0.002)
        return self._whole

    def _run(self) -> None:
        next_beat = time.monotonic() + self._pace.heartbeat_s
        while not self._closed:
            try:
                command = self._commands.get(timeout=self._pace.flush_s)
            except queue.Empty:
                command = self._write_pending
            self._guard(command)
            if time.monotonic() >= next_beat:
                self._guard(self._beat)
                next_beat = time.monotonic() + self._pace.heartbeat_s

    def _guard(self, task: Callable[[], object]) -> None:
        try:
            task()
        except OSError as error:
            self._store_fails(error)
        except Exception:
            log.exception("run %s: a background task failed; logging goes on", self._document.id)

    def _beat(self) -> None:
        self._heartbeat.beat += 1
        self._heartbeat.write(self._folder)
        self._notice()
        self._helpers = [process for process in self._helpers if process.poll() is None]

    def _write_pending(self) -> bool:
        written = self._write_record()
        if self._mirror is not None:
            self._mirror.write(self._document)
        return written

    def _write_record(self) -> bool:
        try:
            while self.pending:
                self._take(self.pending[0])
                self.pending.popleft()
            self._write_lines()
            self._write_media()
            self._save_document()
            if self._failing:
                self._heartbeat.write(self._folder)  # the folder itself may be gone, and only open files take more
        except Exception as error:
            self._store_fails(error)
            return False
        if self._failing:
            self._failing = False
            log.warning("run %s: the store can be written again; nothing was lost", self._document.id)
        return True

    def _take(self, item: Scalars | Media) -> None:
        """Bring one item as far as lines.

        Raises:
            OSError: Its picture cannot be written; it must be taken again.
        """
        seq, time_us = self.seq + 1, int(item.time * 1e6)
        if isinstance(item, Media):
            # What comes before the first point belongs to its step, not to one before.
            self._take_media(item, seq, time_us, self._step(item.step, after=0 if self.last_step >= 0 else 1))
        else:
            step = self._step(item.step, after=1)
            if not item.aside:
                self.last_step = step
            if values := self._numbers(item.values):
                self._lines.append(call := LogCall(seq, time_us, step, values))
                if self._mirror is not None:
                    self._mirror.scalars(call)
        self.seq = seq

    def _take_media(self, item: Media, seq: int, time_us: int, step: int) -> None:
        try:
            made = item.content()
        except Exception as error:
            self._refuse(item.name, f"{item.kind} {item.name!r} was not stored: {error}")
            return
        picture = made if isinstance(made, bytes) else None
        content = made if isinstance(made, dict) else self._keep_picture(item, made, seq, step)
        self._media_lines += media.encode(seq, time_us, step, item.kind, item.name, content)
        if self._mirror is not None:
            self._mirror.medium(time_us, step, item.kind, item.name, content, picture)

    def _keep_picture(self, item: Media, picture: bytes, seq: int, step: int) -> dict[str, Any]:
        name = media.file_name(item.name, step, self._heartbeat.writer, seq)
        files.replace(self._folder / MEDIA / MEDIA_FILES / name, lambda path: path.write_bytes(picture))
        return {"file": name, "caption": item.caption}

    def _step(self, step: Any, *, after: int) -> int:
        """The step of a call: as given, or the one `after` the call before."""
        try:
            if step is not None:
                return plain.whole_step(step)
        except ConfigError as error:
            self._refuse(STEPS, f"{error}; the next automatic step is taken")
        return min(self.last_step + after, plain.LARGEST_STEP)

    def _numbers(self, values: dict[str, Any]) -> dict[str, float]:
        numbers, refused = plain.metric_numbers(values)
        for name, why in refused:
            self._refuse(name, f"metric {plain.short(name)} {why}; this value was not stored")
        return numbers

    def _refuse(self, name: str, message: str) -> None:
        """Count what cannot be stored, in the record too, and say so the first time."""
        key = self._document.count_refused(name)
        self.document_changed = True
        self.refused[key] = self.refused.get(key, 0) + 1
        if self.refused[key] == 1:
            log.warning("run %s: %s", self._document.id, message)

    def _write_lines(self) -> None:
        if not self._lines and self._tail is None:
            return
        if self._tail is None:
            self._tail_number += 1
            path = tail_path(self._folder, self._heartbeat.writer, self._tail_number)
            self._tail = AppendFile(path, tail.header(self._heartbeat.writer, self._heartbeat.attempt))
        lines = tail.encode(self._lines)
        self._lines = []
        self._tail.write(lines)
        if self._tail.size >= self._pace.seal_bytes:
            self._seal_tail(self._tail)

    def _seal_tail(self, full: AppendFile) -> None:
        self._tail = None
        full.close(sync=True)
        self._start_sealing("seal", self._tail_number)

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

    def _write_media(self) -> None:
        if not self._media_lines and self._media is None:
            return
        if self._media is None:
            path = media.index_path(self._folder, self._heartbeat.writer)
            self._media = AppendFile(path, tail.header(self._heartbeat.writer, self._heartbeat.attempt))
        lines, self._media_lines = self._media_lines, b""
        self._media.write(lines)

    def _save_document(self) -> None:
        if self.document_changed:
            self.document_changed = False
            try:
                self._document.without_secrets().write(self._folder)
            except BaseException:
                self.document_changed = True
                raise

    def _store_fails(self, error: Exception) -> None:
        self._failure = str(getattr(error, "strerror", None) or error)
        if not self._failing:
            self._failing = True
            if not self._folder.exists():
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
                exc_info=not isinstance(error, OSError),
            )

    def _close(self, set_status: Callable[[RunDocument], None]) -> None:
        try:
            written = self._write_pending()
            self._await_capture()
            self._guard(self._notice)
            self._guard(lambda: set_status(self._document))
            if not written:
                self._note_loss()
            self._end_files()
            self._whole = written
            if written:
                self._guard(self._compact)
        finally:
            self._stop()

    def _note_loss(self) -> None:
        lost = f"its last points could not be written ({self._failure})"
        status = self._document.status
        status.trouble = f"{status.trouble}; {lost}" if status.trouble else lost

    def _stop(self) -> None:
        self._closed = True

    def _await_capture(self) -> None:
        deadline = time.monotonic() + _CAPTURE_WAIT_S
        while self._capture.is_alive() and self._ending != "killed" and time.monotonic() < deadline:
            self._capture.join(0.02)

    def _end_files(self) -> None:
        for opened in (self._tail, self._media):
            if opened is not None:
                self._guard(lambda opened=opened: opened.close(sync=True))
        self._tail = self._media = None
        self._guard(lambda: disk.release(self._folder, self._heartbeat.writer))
        self._guard(lambda: self._document.without_secrets().write(self._folder, sync=True))
        self._heartbeat.end = self._document.status.state
        self._guard(lambda: self._heartbeat.write(self._folder))
        if self._mirror is not None:
            self._mirror.end(self._document)

    def _compact(self) -> None:
        """Seal the run to one segment. Arrow cannot be started by an interpreter that is already ending."""
        if self._ending == "killed":
            return
        in_helper = self._ending == "process"
        if in_helper:
            self._start_sealing("compact", self._tail_number + 1)
        for process in self._helpers:
            process.wait()
        if not in_helper:
            from runfolio.record import seal  # Arrow; not before the training is over

            seal.compact(self._folder, self._heartbeat.writer, self._tail_number + 1)
            seal.sweep(self._folder)
