"""Functions for runs in jobs of Hydra, a framework for configs. One process may run several jobs, and an exception in a
job does not end the process."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from runfolio.record.base.start_folder import hydra_setting
from runfolio.record.content.run_edits import NAME_LENGTH
from runfolio.tracking.process.outcome import RunOutcome


class _Run(Protocol):
    is_in_with: bool

    @property
    def has_ended(self) -> bool: ...

    def end(self, outcome: RunOutcome, *, at_last_call: bool = False) -> None: ...


def job_name() -> str | None:
    """Return the overrides of the current job, such as `lr=0.1,wd=0.01`. Return None if the job has no overrides."""
    return (hydra_setting("job.override_dirname") or "")[:NAME_LENGTH] or None


def end_with_job(run: _Run) -> None:
    """End the run with the outcome of the job that opened it, unless the run ends earlier."""
    if "hydra.core.utils" in sys.modules and (callbacks := _callbacks()) is not None:
        callbacks.append(_JobEnd(run, callbacks))


class _JobEnd:
    """Hydra callback for the end of a job. The callback removes itself after it was called."""

    def __init__(self, run: _Run, callbacks: list[Any]) -> None:
        self._run = run
        self._callbacks = callbacks

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        self._callbacks.remove(self)
        if not self._run.has_ended and not self._run.is_in_with:
            error = job_return._return_value
            outcome = RunOutcome.from_exception(error if isinstance(error, Exception) else None)
            self._run.end(outcome, at_last_call=True)


def _callbacks() -> list[Any] | None:
    """Return the callbacks of Hydra's `run_job`. They are read from the call stack of this thread, because no other
    object refers to them.

    Hydra has supported callbacks since version 1.1.
    """
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run_job" and frame.f_globals.get("__name__") == "hydra.core.utils":
            return getattr(frame.f_locals.get("callbacks"), "callbacks", None)
        frame = frame.f_back
    return None
