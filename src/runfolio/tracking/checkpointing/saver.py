"""`Run.checkpoint`: which calls save, what they take, and the thread that writes it.

The training waits for a copy of its state in memory and for nothing else: not for the disk, nor for the points that it
logged before, whose number the writer thread says when it comes to them.
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
"""Of the state, at most: one that is being written, one that waits. One of them stays for the next."""
_FLUSH_WAIT_S = 30.0
_LOOK_S = 0.05
_POLL_S = 0.002
_LOG_WAIT_S = 0.2
_SLOWEST_BYTES_PER_S = 20e6
"""A disk as slow as that is still waited for at a run's end."""


class SavedRun(Protocol):
    """The part of a run that its saver uses."""

    folder: Path

    @property
    def id(self) -> str: ...

    def now(self) -> float:
        """Return the run's time, in seconds since 1970."""
        ...

    def note_call(self) -> None:
        """Note that the run is being used."""
        ...


@dataclass
class _Job:
    """A state that is to be written."""

    stem: str
    snapshot: Snapshot
    mark: Mark
    """What the record holds up to it."""
    details: dict[str, Any]
    mode: Mode
    permanent_name: str | None
    is_best: bool
    is_one_of_the_best: bool
    """Not the best, perhaps, but kept by its metric."""

    def is_replaced_by(self, newer_is_best: bool) -> bool:
        """Whether nothing is lost where a newer one is written instead."""
        return self.permanent_name is None and not self.is_one_of_the_best and (newer_is_best or not self.is_best)

    @property
    def size_bytes(self) -> int:
        return sum(tensor.nbytes for part in self.snapshot.tensors.values() for tensor in part.values())


class Saver:
    """Saves a run's checkpoints. Called by the training thread; a thread of its own does the writing."""

    def __init__(
        self,
        run: SavedRun,
        writer: EncoderThread,
        attempt: Attempt,
        pace: WriterConfig,
        policy: CheckpointPolicy | None,
        resumed: Checkpoint | None,
    ) -> None:
        """Args:
        resumed: The checkpoint that the run goes on from.
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
        """The best metric so far, of what waits to be written too."""
        self._calls = self._retention.last_kept_step
        """Counted on where a run is resumed: what is kept for good is not to be replaced."""
        self._saved = 0
        self._saved_step = self._calls if resumed is None or resumed.step is None else resumed.step
        """The step of the checkpoint before; of a later call, where steps begin anew."""
        self._saved_at = time.monotonic()
        self._called_at = math.nan
        self._gap_s = math.nan
        """How long after the call before it the last one came."""
        self._warned_budget = False
        self._warned_end = False
        # No lock: a signal handler that ends the run may have interrupted a call.
        self._copy_slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One for each further copy of the state that may be taken."""
        for _ in range(_COPIES):
            self._copy_slots.put(None)
        self._copying: list[int] = []
        """The thread of each call that takes its copy or waits to; a signal handler's may have interrupted another."""
        self._spare: Snapshot | None = None
        """What was written last: the next copy is put into its memory."""
        self._waiting: deque[_Job] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._busy: _Job | bool = False
        """What is being written; True for the moment in which it is taken."""
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
        """Save the state if that is due; whether it is the best so far. See `Run.checkpoint`."""
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
        is_best = value is not None and is_better(value, self._best, mode)
        try:
            is_taken = self._copy_and_queue(step, step_or_call, value, mode, is_best, state, loader, meta)
        finally:
            if exit_hooks.is_stopping():
                self.wait(exit_hooks.grace_left_s())
                exit_hooks.send_stop_signal()
        return is_best and is_taken

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
        """Copy the state and have it written; False where that cannot be."""
        if names := [name for name in RESERVED if name in state]:
            raise ConfigError(f"{names[0]!r} is saved by itself; give your own state another name")
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
        except (MemoryError, RuntimeError) as error:  # the latter is torch's
            self._copy_slots.put(None)
            self._log_failure(step, f"no memory for a copy of it: {error}")
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
        """Until everything that was taken is written, or cannot be; False where that takes longer."""
        deadline = time.monotonic() + timeout_s
        while self._waiting or self._busy:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        log.wait(_LOG_WAIT_S)
        return True

    def close(self, ending: Ending) -> None:
        """Wait for what is being saved, for as long as a run's end may take and a slow disk needs; then save no more.

        May be called again, by a signal handler that interrupted it too.
        """
        self._is_closed = True
        remaining_s = exit_hooks.seconds_left(ending)
        started = time.monotonic()
        jobs = [job for job in (self._busy, *self._waiting.copy()) if isinstance(job, _Job)]
        size = sum(job.size_bytes for job in jobs)
        # The points come first where the process is being killed: half the time is theirs.
        if not self.wait(remaining_s / 2 if ending == "killed" else remaining_s + size / _SLOWEST_BYTES_PER_S):
            for job in jobs:
                self._log_failure(job.details["step"], "there was no time left for it")
        elif ending != "killed":
            exit_hooks.extend_deadline(ending, time.monotonic() - started)
        self._wake.put(None)

    def checkpoint_wait_s(self) -> float:
        """How long a process that was told to go may wait for the next call; 0 where none is to be expected in time.

        What tells is how long after each other the last two came.
        """
        since, most = time.monotonic() - self._called_at, self._pace.grace_s
        is_soon = self._gap_s - since <= most and since <= self._gap_s + most  # False while one of them is NaN
        return most if is_soon and not self._is_closed else 0.0

    @property
    def has_saved(self) -> bool:
        """Whether anything was taken since the run was opened."""
        return self._saved > 0

    def _is_due(self, step: int) -> bool:
        steps, minutes = self._policy.every_steps, self._policy.every_minutes
        if (steps is None and minutes is None) or exit_hooks.is_stopping():
            return True
        if steps is not None and step // steps > self._saved_step // steps:
            return True
        return minutes is not None and time.monotonic() - self._saved_at >= minutes * 60

    def _take_copy_slot(self, is_best: bool) -> str | None:
        """Wait until another copy of the state may be taken; why not, where that will not be."""
        while True:
            with contextlib.suppress(queue.Empty):
                self._copy_slots.get_nowait()
                return None
            with contextlib.suppress(IndexError):  # the thread has come to it meanwhile
                if self._waiting[-1].is_replaced_by(is_best):
                    self._spare = self._waiting.pop().snapshot
                    return None
            if self._copying.count(threading.get_ident()) > _COPIES:  # signal handlers that interrupted each other
                return "the calls that it interrupted have not taken their copies yet"
            with contextlib.suppress(queue.Empty):
                self._copy_slots.get(timeout=_LOOK_S)
                return None
            if self._writer.store_writer.away_s > self._pace.patience_s:
                return self._writer.store_writer.failure

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"runfolio-saves-{self._run.id}", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread to be had
                self._thread = None
                self._work_once()

    def _work(self) -> None:
        while not self._is_closed or self._waiting:
            self._wake.get()
            self._work_once()
        self._spare = None

    def _work_once(self) -> None:
        self._busy = True  # before it waits no more: `wait` sees it here or there
        with contextlib.suppress(IndexError):  # a newer one has replaced it
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
                raise OSError("the record has not taken what was logged before")
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
            "run %s: checkpoint at step %s was not saved (%s); the one before is whole, training goes on",
            self._run.id,
            step,
            reason,
        )

    def _warn_ended(self) -> None:
        if not self._warned_end:
            self._warned_end = True
            log.warning("run %s saves no more checkpoints: it has ended", self._run.id)

    def _warn_budget(self, removed_names: list[str]) -> None:
        most = self._policy.budget_mb
        if most is None or self._warned_budget or (not removed_names and self._retention.size_bytes <= most * 1e6):
            return
        self._warned_budget = True
        message = (
            f"{', '.join(removed_names)} had to go, and so will others"
            if removed_names
            else "`last` and `best` alone take more"
        )
        log.warning("run %s: checkpoints may take %g MB; %s", self._run.id, most, message)


def checkpoint_metric(metric: Any) -> float:
    """Return the metric of a checkpoint as a number.

    Raises:
        ConfigError: It is none.
    """
    try:
        return metric_value(detach_value(metric))
    except ConfigError as error:
        raise ConfigError(f"the checkpoint's metric {error}") from None


def _parts(state: Mapping[str, Any]) -> tuple[dict[str, ModuleState], dict[str, Any]]:
    """State split into modules' states and the rest."""
    torch = sys.modules.get("torch")
    modules: dict[str, ModuleState] = {}
    values: dict[str, Any] = {}
    for name, value in state.items():
        if torch is not None and isinstance(value, torch.nn.Module):
            modules[name] = module_state(value, name)
        elif hasattr(value, "state_dict"):
            values[name] = value.state_dict()
        else:
            values[name] = copy.deepcopy(value) if isinstance(value, LiveDict) else value  # copies are plain dicts
    return modules, values
