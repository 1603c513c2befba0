"""Class `Recorder`, which controls the life cycle of a run in this process and connects `Run` with other modules."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.errors import RunfolioError, StoreError
from runfolio.record.base.clock import Clock
from runfolio.record.base.layout import new_id
from runfolio.record.base.run_document import RunDocument, Status
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.record.liveness.heartbeats import PRIMARY, Heartbeat, Role
from runfolio.record.sink import Sink
from runfolio.tracking.checkpointing.saver import Saver
from runfolio.tracking.environment import seeds
from runfolio.tracking.environment.environment_recorder import EnvironmentRecorder, keep_code
from runfolio.tracking.guard import is_interrupt
from runfolio.tracking.pipeline.encoder_thread import EncoderThread
from runfolio.tracking.pipeline.late_calls import LateCalls
from runfolio.tracking.pipeline.plain_texts import describe_error
from runfolio.tracking.pipeline.plain_values import check_numbers, whole_step
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Scalars
from runfolio.tracking.pipeline.start_again import StartAgain
from runfolio.tracking.pipeline.stop_after import StopAfter
from runfolio.tracking.pipeline.store_thread import StoreWriter
from runfolio.tracking.process import announcements, distributed, exit_hooks
from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.recording_config import RecordingConfig

if TYPE_CHECKING:
    from runfolio.record.content.answer_table import AnswerTable
    from runfolio.tracking.answer_log import AnswerLog
    from runfolio.tracking.data_log import DataLog
    from runfolio.tracking.monitors.monitor import Monitor

log = logging.getLogger("runfolio")
_FLUSH_WAIT_S = 30.0
_PREEMPTION_WAIT_S = 5.0
_BRAKE_S = 0.0005


class Phase(enum.IntEnum):
    """Phase in the life of a recorder. The phase only advances, except in a forked child, which starts again with
    `OPENING`."""

    OPENING = enum.auto()
    """The threads have not been started, so items are queued."""
    ASLEEP = enum.auto()
    """The first item will start the threads. Until then, this process has not written anything to the store."""
    RECORDING = enum.auto()
    STOPPING = enum.auto()
    """The monitors are being stopped, and their last items are still accepted."""
    CLOSING = enum.auto()
    """New items are refused, and queued items are written."""
    CLOSED = enum.auto()


class Recorder:
    """Recorder of one run in this process. It owns the run's threads and monitors, saves checkpoints, and ends with the
    process.

    An attempt is one execution of the training script. A resumed run has several attempts."""

    append: Callable[[Item], None]
    """Function that queues one item for the record. `_route` replaces the function when the phase changes, so that
    `Run.log` does not have to check the phase."""

    def __init__(
        self,
        folder: Path,
        document: RunDocument,
        config: RecordingConfig,
        last_step: int,
        sinks: Sequence[Sink] = (),
        *,
        strict: bool = False,
        role: Role = PRIMARY,
        stop_after: int | None = None,
        policy: CheckpointPolicy | None = None,
        resumed: Checkpoint | None = None,
        restarts: bool = False,
    ) -> None:
        """Prepare the recorder. Call `start` or `sleep` next.

        Args:
            last_step: Last step of earlier log calls. Calls without a step count up from this step.
            sinks: Receivers of a copy of the points and media that were written to the record.
            strict: Raise an error if a logged value cannot be stored.
            role: Role of this process in the run. Only the primary process, which opened the run, records more than log
                calls.
            stop_after: End the process at the first log call with a step after this one (see
                `reproduction.stop_after`).
            policy: Policy that determines when `checkpoint` saves, and which checkpoints are kept.
            resumed: Checkpoint that the run continues from.
            restarts: True if the run continues without a checkpoint. Its script may then start from the beginning.
        """
        self.folder = folder
        self.document = document
        self.config = config
        self.strict = strict
        self.role: Role = role
        self.handle: object = None
        """`Run` object that was returned to the user."""
        self.is_in_with = False
        """True if the run is in a `with` block, which will end the run."""
        self.is_writer_closed = False
        """True if the SummaryWriter of the run was closed. The run then ends when another run is opened."""
        self.ends_as: RunOutcome | None = None
        """Outcome of the run if it is not ended explicitly. If None, the end of the process determines the outcome."""
        self.is_idle = False
        """True if no cell of the notebook is running. A signal then does not change the run's outcome."""
        self.monitors: list[Monitor] = []
        self.add_console_lines: Callable[[str], None] = lambda text: None
        self.clock = Clock()
        self._called_at: float | None = None
        """Time of the last call that used the run but queued no item."""
        self.restarts = restarts
        """True if the run continues without a checkpoint. Its script may then start from the beginning."""
        self._stop_after = stop_after
        self._seconds_before = _seconds_before(document, self.clock.now())
        self._attempt = document.attempts[-1]
        self._phase = Phase.OPENING
        self._is_overloaded = False
        """True if items are logged faster than they are encoded."""
        self._is_started = False
        """True once the threads are being started or have been started."""
        self._is_refusal_logged = False
        self._is_joining_logged = False
        self._data: DataLog | None = None
        self._answers: AnswerLog | None = None
        self._environment: EnvironmentRecorder | None = None
        if role == PRIMARY:
            contents = keep_code(config.code)
            self._environment = EnvironmentRecorder(folder, document, self.save_document, contents=contents)
            self._environment.begin()
        self._connect(last_step, sinks)
        self._resumed = resumed if resumed is not None and resumed.name != LAST else None
        """Checkpoint that `last` refers to until a new checkpoint is saved."""
        self.saver: Saver | None = None
        if role == PRIMARY:
            self.saver = Saver(self, self.encoder_thread, self._attempt, config, policy, resumed)

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def writer(self) -> str:
        """Id of this process in the run's record."""
        return self._heartbeat.writer

    @property
    def store_writer(self) -> StoreWriter:
        return self.encoder_thread.store_writer

    @property
    def last_step(self) -> int:
        """Step of the last call of `Run.log` that the encoder thread has processed, or -1 before the first call."""
        return self.encoder_thread.last_step

    @property
    def has_ended(self) -> bool:
        """True if the run is ending or has ended."""
        return self._phase >= Phase.STOPPING

    # Life cycle of the run

    def start(self, monitors: Sequence[Monitor] = ()) -> None:
        """Start the threads and the monitors.

        Raises:
            StoreError: No thread can be started.
        """
        self._is_started = True
        try:
            self.encoder_thread.start()
        except RuntimeError as error:
            with contextlib.suppress(OSError):
                self.folder.rmdir()  # the folder of a resumed run is not empty and is kept
            raise StoreError(
                f"run {self.id} cannot start its writer thread ({error});"
                " raise the limit on threads and processes (`ulimit -u`, or the limit of the container)"
            ) from None
        self._enter(Phase.RECORDING)
        exit_hooks.register(self)
        for monitor in monitors:
            self.add_monitor(monitor)
        if self.role == PRIMARY:
            self.store_writer.start_capture()

    def sleep(self) -> None:
        """Delay the start of the threads until the first item is logged."""
        self._wakers = iter((self._wake,))  # only one thread gets the element of an iterator, so no lock is needed
        self._enter(Phase.ASLEEP)

    def end(self, outcome: RunOutcome, *, ending: exit_hooks.Ending = "run", at_last_call: bool = False) -> None:
        """End the run, and record its outcome (see `exit_hooks`).

        The run stays registered until its record is complete. If this call is interrupted, the end of the process
        completes the record.

        Args:
            at_last_call: Record the time of the last call as the end of the run. In this case, `ends_as` overrides
                `outcome` unless `ends_as` is None.
        """
        if self._phase is Phase.CLOSED:
            return
        if not self.has_ended:
            self._enter(Phase.STOPPING)
            if self._environment is not None:
                self._environment.note_threads()
            for monitor in reversed(self.monitors):
                self._guard(monitor, lambda monitor: monitor.stop(ending))
        self._enter(Phase.CLOSING)
        is_complete = self._close(outcome, ending, at_last_call) if self._is_started else True
        self._enter(Phase.CLOSED)
        exit_hooks.unregister(self)
        if not is_complete:
            self._log_lost_points()
        if self.role == PRIMARY and self.config.announce:
            announcements.print_end(self.folder, self.document)

    def abandon(self) -> None:
        """End a run whose folder was deleted. Nothing is written to the folder, even if it exists again."""
        self.store_writer.abandon()
        self.end(RunOutcome())

    def reset_after_fork(self) -> None:
        """Reset this recorder in a forked child. The child joins the run as a separate process when it logs its first
        item.

        The items in the parent's queue are not written here, because the parent writes them.
        """
        has_ended = self.has_ended  # another thread of the parent may have ended the run
        self.monitors = []
        self.role = "process"
        self.saver = self._resumed = self._environment = self._data = self._answers = self._stop_after = None
        self._phase, self._is_overloaded, self._is_started = Phase.OPENING, False, False
        self._is_joining_logged, self._is_refusal_logged = False, has_ended
        self._connect(self.last_step)
        if has_ended:
            self._enter(Phase.CLOSED)
        else:
            self.sleep()

    def checkpoint_wait_s(self) -> float:
        """Return how long a process that must stop may wait for its next checkpoint, in seconds (see `exit_hooks`)."""
        return 0.0 if self.saver is None or self.has_ended else self.saver.checkpoint_wait_s()

    def note_preemption(self) -> None:
        """Write all data and the expected outcome to the store after a request to stop (see `exit_hooks`)."""
        outcome = exit_hooks.preemption_outcome()
        if outcome is not None and self.role == PRIMARY and not self.has_ended:
            self.store_writer.do(lambda: self._set_status(outcome))
            self.store_writer.save_document()
        if self._is_started:
            self.encoder_thread.flush(_PREEMPTION_WAIT_S, sync=True)

    def flush(self) -> bool:
        """Wait until all logged values and checkpoints are written. Return False if the store cannot be written."""
        self.note_call()
        is_saved = self.saver is None or self.saver.wait(_FLUSH_WAIT_S)
        return is_saved and (not self._is_started or self.encoder_thread.flush(_FLUSH_WAIT_S))

    # Interface for monitors and other writers of the record

    def now(self) -> float:
        """Return the time by the run's clock, in seconds since 1970. The time never decreases, even if the system clock
        is set back."""
        return self.clock.now()

    def record(self, item: Item) -> None:
        """Queue an item for the record. If the queued arrays take too much memory, wait until some are written."""
        if isinstance(item, Media) and self._phase < Phase.CLOSING and not self.strict:
            self.encoder_thread.announce_media(item)
        self.append(item)

    def note_failure(self, call: str, error: Exception) -> None:
        """Count a call that failed and recorded nothing. Log one warning per cause (see `guard`).

        Raises:
            Exception: The error itself, if the run is strict or the error is an interrupt.
        """
        if self.strict or is_interrupt(error):
            raise error
        reason = describe_error(error)
        if not isinstance(error, RunfolioError):
            reason += "; init(strict=True) raises it from the call"
        message = f"{call} was left out, and training continues: {reason}"
        self.append(FailedCall(f"({call})", f"{call} {_origin(error)}", message))

    def log_system(self, values: Mapping[str, float]) -> None:
        """Record system metrics (`system/...`). Their step is the time in seconds for which the run was active."""
        seconds = int(self._seconds_before + self.clock.elapsed_s())
        # The item is not passed to `append`, which would log a warning if the run has just ended.
        self.encoder_thread.pending.append(Scalars(self.now(), seconds, dict(values), aside=True))

    def note_trouble(self, text: str) -> None:
        """Record the first problem that training has, such as the layer in which NaN first occurred.

        Later problems are not recorded. `runfolio show` prints the problem, even if the run finishes successfully.
        """
        if self.document.status.trouble is None:
            self.document.status.trouble = str(text)
            self.save_document()

    def note_seeds(self, values: Mapping[str, Any]) -> None:
        """Record the seeds that `seed_everything` has set. Only the primary process records seeds, because the seeds of
        other ranks may differ."""
        if self.role == PRIMARY:
            self.document.seeds = {**self.document.seeds, **values, **seeds.torch_seed()}
            self.save_document()

    def add_monitor(self, monitor: Monitor) -> None:
        """Start a monitor, which is stopped at the run's end. If the start fails, a warning is logged and training
        continues."""
        if not self.has_ended and self._guard(monitor, lambda monitor: monitor.start(self)):
            self.monitors.append(monitor)

    # Methods that implement parts of `Run`

    def save_document(self) -> None:
        """Save the document with the next write. A process that has joined the run cannot change the document and logs
        a warning."""
        if self.role != PRIMARY:
            self.log_joining()
        self.store_writer.save_document()

    def note_change(self) -> None:
        """Save the document with the next write, after a change by the user."""
        self.note_call()
        self.save_document()

    def note_edit(self, key: str) -> None:
        """Record the time of an edit. If two edits conflict, the later edit applies (see `run_edits`)."""
        self.document.edited[key] = self.clock.moment()
        self.note_change()

    def note_call(self) -> None:
        """Record the current time as the time of the run's last use."""
        self._called_at = self.clock.now()

    def called_at(self) -> float | None:
        """Return the time of the run's last use, in seconds since 1970. Return None if it was never used."""
        moments = [moment for moment in (self._called_at, self.encoder_thread.called_at) if moment is not None]
        return min(max(moments), self.now()) if moments else None  # a time passed to SummaryWriter may be in the future

    def log_joining(self) -> None:
        """Log a warning once that this process has only joined the run."""
        if not self._is_joining_logged:
            self._is_joining_logged = True
            log.warning(
                "run %s: process %d has joined this run, and its log calls are recorded. Config, summary, tags,"
                " notes, data, answers and checkpoints are recorded only from the primary process (rank 0, which"
                " opened the run)",
                self.id,
                os.getpid(),
            )

    def add_data(self, name: str, data: Any, source: str | None) -> None:
        """Record a fingerprint of data, which a separate thread computes (see `Run.log_data`)."""
        from runfolio.tracking.data_log import DataLog

        if not self._takes_files():
            return
        data_log = self._data = self._data or DataLog(self.folder, self.document, self.save_document)
        data_log.add(name, data, source)

        def measure() -> None:
            data_log.measure()
            self.store_writer.do(data_log.save)

        try:
            self.store_writer.start_task(measure)
        except RuntimeError as error:  # no thread can be started
            log.warning("run %s: data %r has no fingerprint (%s)", self.id, name, error)

    def add_answers(self, split: str, table: Callable[[], AnswerTable]) -> None:
        """Record a model's answers to a split. A separate thread computes the table (see `Run.log_answers`)."""
        from runfolio.tracking.answer_log import AnswerLog

        if not self._takes_files():
            return
        if self.strict:
            computed = table()
            table = lambda: computed  # noqa: E731 - replaces the argument
        if self._answers is None:
            self._answers = AnswerLog(self.folder, self._attempt.attempt, self._note_lost_answers)
        answers = self._answers
        answers.add(split, self.clock.moment(), table)

        def pack() -> None:
            answers.pack()
            self.store_writer.do(answers.save)

        try:
            self.store_writer.start_task(pack)
        except RuntimeError as error:  # no thread can be started
            log.warning("run %s: answers to %r are not recorded (%s)", self.id, split, error)

    def _note_lost_answers(self, split: str, error: Exception) -> None:
        """Count answers that could not be stored, and log a warning. The encoder thread, which counts other losses, may
        have ended."""
        self.document.count_refused("(log_answers)")
        self.save_document()
        log.warning("run %s: the answers to %r were left out: %s", self.id, split, describe_error(error))

    def _takes_files(self) -> bool:
        """Return whether this process can add files to the run. If so, record that the call has used the run."""
        if self.role != PRIMARY:
            self.log_joining()
            return False
        if self.has_ended:
            log.warning("run %s has ended and records nothing more", self.id)
            return False
        self.note_call()
        return True

    def find_checkpoint(self, name: str) -> Checkpoint:
        """Wait for pending checkpoints, and return the checkpoint called `name` (see `Run.restore`)."""
        self.note_call()
        if self.saver is not None:
            self.saver.wait()
        if name == LAST and self._resumed is not None and not (self.saver is not None and self.saver.has_saved):
            return self._resumed
        return manifests.read_intact(self.folder, name, lambda text: log.warning("run %s: %s", self.id, text))

    # Private methods

    def _enter(self, phase: Phase) -> None:
        """Advance to `phase`. A signal handler that interrupted `end` may have advanced further. The current phase is
        then kept."""
        self._phase = max(self._phase, phase)
        self._route()

    def _route(self) -> None:
        """Set `append` to the function for the current phase and load. If another thread or a signal handler changed
        phase or load in the meantime, set `append` again."""
        while True:
            state = self._phase, self._is_overloaded
            self.append = self._append_function(*state)
            if state == (self._phase, self._is_overloaded):
                return

    def _append_function(self, phase: Phase, is_overloaded: bool) -> Callable[[Item], None]:
        if phase >= Phase.CLOSING:
            return self._refuse
        if phase is Phase.ASLEEP:
            return self._take_first
        return self._take_slowly if is_overloaded else self._take

    def _set_overloaded(self, is_overloaded: bool) -> None:
        """Slow down logging if the encoder is overloaded. The encoder thread calls this method."""
        self._is_overloaded = is_overloaded
        self._route()

    def _take_slowly(self, item: Item) -> None:
        self._take(item)
        time.sleep(_BRAKE_S)

    def _take_checked(self, item: Item) -> None:
        """Queue an item of a strict run (`init(strict=True)`). Raise an error if the item cannot be stored."""
        if not isinstance(item, Mark) and item[1] is not None:
            whole_step(item[1])
        if isinstance(item, Media):
            content = item.content()
            item = item._replace(content=lambda: content)
        elif not isinstance(item, Mark):
            check_numbers(item[2])
        self.encoder_thread.pending.append(item)

    def _take_first(self, item: Item) -> None:
        self._take(item)
        for wake in self._wakers:
            wake()

    def _refuse(self, item: Item) -> None:
        self._late_calls.count(item)
        if not self._is_refusal_logged:
            self._is_refusal_logged = True
            log.warning("run %s has ended and records nothing more; further log calls are counted", self.id)

    def _wake(self) -> None:
        self._is_started = True
        self._enter(Phase.RECORDING)
        self._heartbeat.worker = distributed.data_loader_worker()
        self._heartbeat.role = "process" if self._heartbeat.worker is None else "worker"
        try:
            with exit_hooks.hold_signals():
                self.encoder_thread.start(wait=False)
                exit_hooks.register(self)
        except RuntimeError as error:
            log.warning("run %s: the log calls of process %d are not recorded (%s)", self.id, os.getpid(), error)
            self._is_refusal_logged = True
            self._enter(Phase.CLOSED)

    def _connect(self, last_step: int, sinks: Sequence[Sink] = ()) -> None:
        """Create the threads of this process without starting them. Also create the heartbeat, a file that this process
        updates periodically."""
        writer = self._attempt.writer if self.role == PRIMARY else new_id()
        self._heartbeat = Heartbeat.of_this_process(
            writer, self._attempt.attempt, self.config.heartbeat_s, self.role, distributed.rank()
        )
        store_writer = StoreWriter(
            self.folder,
            self.document,
            self._heartbeat,
            self.config,
            self._capture,
            self._capture_changes,
            sinks,
            sync=self.config.durability == "full",
        )
        self.encoder_thread = EncoderThread(
            store_writer, self.document, writer, self.config, last_step, set_overloaded=self._set_overloaded
        )
        self._late_calls = LateCalls(self.folder, writer)
        self._take: Callable[[Item], None] = self._take_checked if self.strict else self.encoder_thread.pending.append
        if self.restarts and self.role == PRIMARY:
            self._take = StartAgain(last_step, self._take, self._drop_points_from)
        if self._stop_after is not None:
            self._take = StopAfter(self._stop_after, self._take, self)
        self._route()

    def _drop_points_from(self, step: int) -> None:
        """Drop the points that earlier attempts logged at `step` or later. The points stay stored, but no longer belong
        to the run's curves."""
        from runfolio.record.checkpoints import resume_points  # imports Arrow, which few runs need here

        earlier = replace(self.document, attempts=self.document.attempts[:-1])
        self._attempt.kept, _ = resume_points.last_seqs_at_step(self.folder, earlier, step - 1)
        self.save_document()

    def _capture(self) -> None:
        if self._environment is not None:
            self._environment.collect()

    def _capture_changes(self) -> None:
        """Record changes to the environment, data and answers. The store thread calls this method periodically."""
        if self._environment is not None:
            self._environment.refresh()
        if self._data is not None:
            self._data.save()
        if self._answers is not None:
            self._answers.save()

    def _close(self, outcome: RunOutcome, ending: exit_hooks.Ending, at_last_call: bool) -> bool:
        """Write all queued items. Return False if an item could not be written."""
        if self.saver is not None:
            self.saver.close(ending)
        run_outcome, preempted = self.ends_as if at_last_call else None, exit_hooks.preemption_outcome()
        outcome = (run_outcome or preempted if self.is_idle else preempted or run_outcome) or outcome
        return self.encoder_thread.close(
            lambda _: self._set_status(outcome, self.called_at() if at_last_call else None),
            ending,
            exit_hooks.seconds_left(ending),
        )

    def _log_lost_points(self) -> None:
        spooled = self.store_writer.left_in_spool
        hint = f"; they are in {spooled[0].parent}, and `runfolio doctor --repair` restores them" if spooled else ""
        log.error("run %s: the last points could not be written to %s%s", self.id, self.folder, hint)

    def _set_status(self, outcome: RunOutcome, ended_at: float | None = None) -> None:
        """Set the run's status. The store thread calls this method and then writes the status. If `ended_at` is None,
        the run ends now."""
        self.document.status = Status(
            outcome.state,
            self.clock.moment(ended_at),
            outcome.reason,
            outcome.exit_code,
            outcome.traceback,
            outcome.cause,
            self.document.status.trouble,
        )
        self._attempt.seconds = self.clock.elapsed_s(ended_at)
        self.document.seeds.update(seeds.torch_seed())

    def _guard(self, monitor: Monitor, task: Callable[[Monitor], None]) -> bool:
        """Execute a task of a monitor. Log a warning and return False if the task fails, because training must
        continue."""
        try:
            task(monitor)
        except Exception as error:
            log.warning("run %s: %s is not recorded (%s)", self.id, type(monitor).__name__.lower(), error)
            return False
        return True


def _origin(error: Exception) -> str:
    """Return the class of an error and the line that raised it."""
    line = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        line = f"{frame.f_code.co_filename}:{number}"
    return f"{type(error).__name__} {line}"


def _seconds_before(document: RunDocument, now: float) -> float:
    """Return the number of seconds for which the run was active until `now`. Pauses between attempts do not count."""
    *earlier, newest = document.attempts
    return sum(entry.seconds or 0.0 for entry in earlier) + max(0.0, now - newest.started.timestamp())
