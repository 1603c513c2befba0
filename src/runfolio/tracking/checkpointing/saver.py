"""Implementation of `Run.checkpoint`, which saves the training state. The saver decides which calls save a checkpoint,
copies the state, and writes the copy on a separate thread.

The training thread waits only until the state is copied in memory. The thread does not wait for the disk. The encoder
thread, which converts log calls to JSON, determines later which log calls come before the checkpoint.
"""

from __future__ import annotations

import contextlib
import copy
import math
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runfolio.errors import ConfigError
from runfolio.record.base.run_document import Attempt
from runfolio.record.checkpoints.manifests import GENERATORS, RESERVED, Checkpoint, Snapshot
from runfolio.record.checkpoints.retention import CheckpointPolicy, CheckpointRetention, Mode, is_better, step_name
from runfolio.record.checkpoints.wrappers import ModuleState, module_state
from runfolio.tracking.checkpointing import random_states
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.encoder_thread import EncoderThread
from runfolio.tracking.pipeline.live_dict import LiveDict
from runfolio.tracking.pipeline.plain_texts import shorten, text_of
from runfolio.tracking.pipeline.plain_values import detach_value, metric_value
from runfolio.tracking.pipeline.queue_items import Mark
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process import exit_hooks
from runfolio.tracking.process.exit_hooks import Ending

_COPIES = 2
"""Maximum number of copies of the state: one that is being written and one that is queued. The memory of the copies is
reused."""
_FLUSH_WAIT_S = 30.0
_SLOT_POLL_S = 0.05
_POLL_S = 0.002
_LOG_WAIT_S = 0.2
_SLOWEST_BYTES_PER_S = 20e6
"""Minimum write speed of a disk. The time limit for writing pending checkpoints at a run's end assumes this speed."""


class SavedRun(Protocol):
    """Attributes and methods of a run that the saver uses."""

    folder: Path

    @property
    def id(self) -> str: ...

    def now(self) -> float:
        """Return the current time by the run's clock, in seconds since 1970."""
        ...

    def note_call(self) -> None:
        """Record that the user has called the run."""
        ...


@dataclass
class _Job:
    """Copy of the state that must be written to a checkpoint."""

    stem: str
    snapshot: Snapshot
    mark: Mark
    """Marker in the queue of log calls. Calls before the marker belong to the checkpoint."""
    details: dict[str, Any]
    mode: Mode
    permanent_name: str | None
    is_best: bool
    is_one_of_the_best: bool
    """True if several best checkpoints are kept and this checkpoint may be one of them."""

    def is_replaced_by(self, newer_is_best: bool) -> bool:
        """Return whether this checkpoint can be skipped because a newer checkpoint is queued."""
        return self.permanent_name is None and not self.is_one_of_the_best and (newer_is_best or not self.is_best)

    @property
    def size_bytes(self) -> int:
        return sum(tensor.nbytes for part in self.snapshot.tensors.values() for tensor in part.values())


class Saver:
    """Saver of a run's checkpoints. The training thread calls its methods, and a separate thread writes the files."""

    def __init__(
        self,
        run: SavedRun,
        writer: EncoderThread,
        attempt: Attempt,
        pace: WriterConfig,
        policy: CheckpointPolicy | None,
        resumed: Checkpoint | None,
    ) -> None:
        """Create a saver.

        Args:
            resumed: Checkpoint that the run continues from.
        """
        self._run = run
        self._writer = writer
        self._attempt = attempt
        self._pace = pace
        self._policy = policy or CheckpointPolicy()
        self._retention = CheckpointRetention(
            run.folder, self._policy, resumed, {**attempt.kept, attempt.writer: math.inf}
        )
        self._best = self._retention.best
        """Best metric of a checkpoint so far. Queued checkpoints count too."""
        self._calls = self._retention.last_kept_step
        """Number of checkpoint calls so far. A resumed run continues the count, so that new permanent checkpoints get
        new names."""
        self._saved = 0
        self._saved_step = self._calls if resumed is None or resumed.step is None else resumed.step
        """Step of the previous checkpoint. If a later call passed a lower step, the value is the lower step."""
        self._saved_at = time.monotonic()
        self._called_at = math.nan
        self._gap_s = math.nan
        """Time between the last two checkpoint calls."""
        self._warned_budget = False
        self._warned_end = False
        self._warned_behind = False
        # A queue is used instead of a lock. A signal handler that ends the run may have interrupted a call that would
        # hold the lock.
        self._copy_slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Queue with one entry for each additional copy of the state that may be made now."""
        for _ in range(_COPIES):
            self._copy_slots.put(None)
        self._copying: list[int] = []
        """Ids of the threads that copy the state or wait to copy it. If a call in a signal handler interrupted another
        call, the id is listed twice."""
        self._spare: Snapshot | None = None
        """Last copy of the state that was written. The next copy reuses its memory."""
        self._waiting: deque[_Job] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._busy: _Job | bool = False
        """Job that is being written, or True while a job is being taken from the queue."""
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def call(
        self,
        step: int | None,
        value: float | None,
        mode: Mode,
        state: Mapping[str, Any],
        loader: str | None,
        meta: Mapping[str, Any] | None,
    ) -> bool:
        """Save the state if a checkpoint is due, and return whether the checkpoint is the best so far. See
        `Run.checkpoint`."""
        if type(mode) is not str or mode not in ("max", "min"):
            raise ConfigError(f"mode is {shorten(mode)}; it must be max or min")
        self._run.note_call()
        now = time.monotonic()
        self._calls += 1
        self._called_at, self._gap_s = now, now - self._called_at
        step_or_call = self._calls if step is None else step
        self._saved_step = min(self._saved_step, step_or_call)
        if value is None and not self._is_due(step_or_call):
            return False
        if self._is_closed:
            self._warn_ended()
            return False
        if step is not None:
            self._warn_if_behind(step)
        is_best = value is not None and is_better(value, self._best, mode)
        try:
            is_queued = self._copy_and_queue(step, step_or_call, value, mode, is_best, state, loader, meta)
        finally:
            if exit_hooks.is_stopping():
                self.wait(exit_hooks.grace_left_s())
                exit_hooks.send_stop_signal()
        return is_best and is_queued

    def _copy_and_queue(
        self,
        step: int | None,
        step_or_call: int,
        metric: float | None,
        mode: Mode,
        is_best: bool,
        state: Mapping[str, Any],
        loader: str | None,
        meta: Mapping[str, Any] | None,
    ) -> bool:
        """Copy the state, and add the copy to the queue of the writing thread. Return False if the state cannot be
        copied."""
        if names := [name for name in RESERVED if name in state]:
            raise ConfigError(f"{names[0]!r} is saved automatically; give your own state another name")
        modules, values = _parts(state)
        restorable = [name for name, value in state.items() if hasattr(value, "load_state_dict")]
        snapshot = Snapshot.capture(modules, {**values, GENERATORS: random_states.capture_states()}, restorable)
        details = {
            "step": step,
            "metric": metric,
            "attempt": self._attempt.attempt,
            "position_us": int(self._run.now() * 1e6),
            "loader": None if loader is None else text_of(loader, "loader"),
            "meta": meta or {},
        }
        every = self._policy.keep_every
        thread_id = threading.get_ident()
        self._copying.append(thread_id)
        try:
            failure = self._take_copy_slot(is_best)
        except BaseException:
            self._copying.remove(thread_id)
            raise
        if failure is not None:
            self._copying.remove(thread_id)
            self._log_failure(step, failure)
            return False
        try:
            spare, self._spare = self._spare, None
            snapshot = snapshot.copy(spare)
        except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError if memory is full
            self._copy_slots.put(None)
            self._log_failure(step, f"no memory for a copy: {error}")
            return False
        except BaseException:
            self._copy_slots.put(None)
            raise
        finally:
            self._copying.remove(thread_id)
        self._saved += 1
        job = _Job(
            f"{self._attempt.writer}-{self._saved}",
            snapshot,
            Mark(),
            details,
            mode,
            step_name(step_or_call) if every and step_or_call // every > self._saved_step // every else None,
            is_best,
            metric is not None and self._policy.keep_best > 1,
        )
        self._writer.pending.append(job.mark)
        if is_best:
            self._best = metric
        self._saved_step, self._saved_at = step_or_call, time.monotonic()
        self._waiting.append(job)
        self._start()
        self._wake.put(None)
        return True

    def wait(self, timeout_s: float = math.inf) -> bool:
        """Wait until all queued checkpoints are written or have failed, and return False on a timeout."""
        deadline = time.monotonic() + timeout_s
        while self._waiting or self._busy:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        log.wait(_LOG_WAIT_S)
        return True

    def close(self, ending: Ending) -> None:
        """Refuse new checkpoints, and wait for pending checkpoints. The time limit suffices for a slow disk, unless the
        process is being killed.

        A signal handler that interrupts this method may call the method again.
        """
        self._is_closed = True
        remaining_s = exit_hooks.seconds_left(ending)
        started = time.monotonic()
        jobs = [job for job in (self._busy, *self._waiting.copy()) if isinstance(job, _Job)]
        size = sum(job.size_bytes for job in jobs)
        # Points have priority if the process is being killed, so half of the time is reserved for them.
        if not self.wait(remaining_s / 2 if ending == "killed" else remaining_s + size / _SLOWEST_BYTES_PER_S):
            for job in jobs:
                self._log_failure(job.details["step"], "there was no time left")
        elif ending != "killed":
            exit_hooks.extend_deadline(ending, time.monotonic() - started)
        self._wake.put(None)

    def checkpoint_wait_s(self) -> float:
        """Return how long a process that must stop may wait for its next checkpoint call, in seconds. The result is 0
        if no call is expected in time.

        The estimate is based on the time between the last two calls.
        """
        since, most = time.monotonic() - self._called_at, self._pace.grace_s
        is_soon = self._gap_s - since <= most and since <= self._gap_s + most  # False if one of the times is NaN
        return most if is_soon and not self._is_closed else 0.0

    @property
    def has_saved(self) -> bool:
        """True if a checkpoint has been queued since the run was opened."""
        return self._saved > 0

    def _is_due(self, step: int) -> bool:
        steps, minutes = self._policy.every_steps, self._policy.every_minutes
        if (steps is None and minutes is None) or exit_hooks.is_stopping():
            return True
        if steps is not None and step // steps > self._saved_step // steps:
            return True
        return minutes is not None and time.monotonic() - self._saved_at >= minutes * 60

    def _take_copy_slot(self, is_best: bool) -> str | None:
        """Wait until another copy of the state may be made. If no copy may be made, return the reason."""
        while True:
            with contextlib.suppress(queue.Empty):
                self._copy_slots.get_nowait()
                return None
            with contextlib.suppress(IndexError):  # the thread has taken the job in the meantime
                if self._waiting[-1].is_replaced_by(is_best):
                    self._spare = self._waiting.pop().snapshot
                    return None
            # A thread waits here several times at once only if signal handlers interrupted each other.
            if self._copying.count(threading.get_ident()) > _COPIES:
                return "the call interrupted other calls that have not copied their state yet"
            with contextlib.suppress(queue.Empty):
                self._copy_slots.get(timeout=_SLOT_POLL_S)
                return None
            if self._writer.store_writer.unavailable_s > self._pace.patience_s:
                return self._writer.store_writer.failure

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"runfolio-saves-{self._run.id}", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread can be started
                self._thread = None
                self._work_once()

    def _work(self) -> None:
        while not self._is_closed or self._waiting:
            self._wake.get()
            self._work_once()
        self._spare = None

    def _work_once(self) -> None:
        self._busy = True  # set before the job leaves the queue, so that `wait` does not miss the job
        with contextlib.suppress(IndexError):  # a newer job has replaced the job
            self._busy = job = self._waiting.popleft()
            self._write(job)
            self._spare, self._busy = job.snapshot, True
            del job
            self._copy_slots.put(None)
        self._busy = False

    def _write(self, job: _Job) -> None:
        try:
            store_writer = self._writer.store_writer
            if store_writer.is_superseded():
                return
            self._writer.flush(_FLUSH_WAIT_S, sync=True)
            if job.mark.seq is None:
                raise OSError("the earlier points could not be written")
            position = {**self._attempt.kept, self._attempt.writer: job.mark.seq}
            removed_names = self._retention.save(
                job.stem,
                job.snapshot,
                {**job.details, "position": position},
                mode=job.mode,
                permanent_name=job.permanent_name,
                is_ours=lambda: not store_writer.is_superseded(),
            )
            self._warn_budget(removed_names)
        except Exception as error:
            self._best = self._retention.best
            self._log_failure(job.details["step"], str(getattr(error, "strerror", None) or error))

    def _log_failure(self, step: int | None, reason: str) -> None:
        log.error(
            "run %s: checkpoint at step %s was not saved (%s); the previous checkpoint is intact; training continues",
            self._run.id,
            step,
            reason,
        )

    def _warn_if_behind(self, step: int) -> None:
        """Log a warning once if the checkpoint's step is far below the last logged step. Usually, the checkpoint's step
        counts epochs, but the step of log calls counts batches."""
        logged = self._writer.last_step
        if not self._warned_behind and logged > 2 * (step + 1):
            self._warned_behind = True
            log.warning(
                "run %s: checkpoint(step=%d), but the last logged step is %d. If the run is resumed, its curves"
                " jump back to step %d. Pass the step of the log calls to checkpoint, and the epoch as a part of"
                " the state",
                self._run.id,
                step,
                logged,
                step,
            )

    def _warn_ended(self) -> None:
        if not self._warned_end:
            self._warned_end = True
            log.warning("run %s has ended and saves no more checkpoints", self._run.id)

    def _warn_budget(self, removed_names: list[str]) -> None:
        most = self._policy.budget_mb
        if most is None or self._warned_budget or (not removed_names and self._retention.size_bytes <= most * 1e6):
            return
        self._warned_budget = True
        message = (
            f"{', '.join(removed_names)} had to be removed, and others will follow"
            if removed_names
            else "`last` and `best` alone exceed the budget"
        )
        log.warning("run %s: the budget of its checkpoints is %g MB; %s", self._run.id, most, message)


def checkpoint_metric(metric: Any) -> float:
    """Return the metric of a checkpoint as a number.

    Raises:
        ConfigError: The metric is not a number.
    """
    try:
        return metric_value(detach_value(metric))
    except ConfigError as error:
        raise ConfigError(f"the checkpoint's metric {error}") from None


def _parts(state: Mapping[str, Any]) -> tuple[dict[str, ModuleState], dict[str, Any]]:
    """Split `state` into the states of its modules and all other values, and return both dicts."""
    torch = sys.modules.get("torch")
    modules: dict[str, ModuleState] = {}
    values: dict[str, Any] = {}
    for name, value in state.items():
        if torch is not None and isinstance(value, torch.nn.Module):
            modules[name] = module_state(value, name)
        elif hasattr(value, "state_dict"):
            values[name] = value.state_dict()
        else:
            values[name] = copy.deepcopy(value) if isinstance(value, LiveDict) else value  # the copies are plain dicts
    return modules, values
