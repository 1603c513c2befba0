"""`Run.checkpoint`: which calls save, and what they take."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record import checkpoints
from runfolio.record.checkpoints import BEST, LAST, Checkpoint
from runfolio.record.document import Attempt
from runfolio.record.keeping import CheckpointPolicy
from runfolio.tracking import generators
from runfolio.tracking.plain import detached, metric_value, plain_config, whole_step
from runfolio.tracking.telling import log
from runfolio.tracking.writer import Writer

if TYPE_CHECKING:
    from runfolio.tracking.run import Run

GENERATORS = "generators"
"""The state entry that holds all random generators' states."""
_FLUSH_WAIT_S = 30.0

Mode = Literal["max", "min"]


class Saver:
    """Saves a run's checkpoints."""

    def __init__(
        self, run: Run, writer: Writer, attempt: Attempt, policy: CheckpointPolicy | None, resumed: Checkpoint | None
    ) -> None:
        """Args:
        resumed: The checkpoint that the run goes on from.
        """
        self._run = run
        self._writer = writer
        self._attempt = attempt
        self._policy = policy or CheckpointPolicy()
        self._calls = 0
        self._saved = 0
        self._saved_step = 0 if resumed is None or resumed.step is None else resumed.step
        """The step of the checkpoint before."""
        self._saved_at = time.monotonic()

    def call(
        self,
        step: int | None,
        metric: Any,
        mode: Mode,
        state: Mapping[str, Any],
        loader: str | None,
        meta: Mapping[str, Any] | None,
    ) -> bool:
        """Save the state if that is due; whether it is the best so far. See `Run.checkpoint`."""
        if mode not in ("max", "min"):
            raise ConfigError(f"mode is {mode!r}; it must be max or min")
        self._calls += 1
        step = None if step is None else whole_step(step)
        counted = self._calls if step is None else step
        if metric is None and not self._is_due(counted):
            return False
        if GENERATORS in state:
            raise ConfigError(f"{GENERATORS!r} is saved by itself; give your own state another name")
        value = None if metric is None else _checked_metric(metric)
        modules, rest = _parts(state)
        if self._writer.keeper.is_superseded():
            return False
        is_best = value is not None and self._is_best(value, mode)
        names = [BEST, LAST] if is_best else [LAST]
        every = self._policy.keep_every
        if every and counted // every > self._saved_step // every:
            names = [f"step-{counted}", *names]
        self._saved_step, self._saved_at = counted, time.monotonic()
        moment = self._run.now()
        self._writer.flush(_FLUSH_WAIT_S, sync=True)
        about = {
            "step": step,
            "metric": value,
            "attempt": self._attempt.attempt,
            "position": {**self._attempt.kept, self._attempt.writer: self._writer.seq},
            "position_us": int(moment * 1e6),
            "loader": loader,
            "meta": plain_config(meta) if meta is not None else {},
        }
        self._saved += 1
        try:
            checkpoints.save(
                self._run.folder,
                # The best first: killed in between, `last` is older and the best is found again on the way.
                names,
                f"{self._attempt.writer}-{self._saved}",
                modules=modules,
                state={**rest, GENERATORS: generators.states()},
                about=about,
            )
        except OSError as error:
            log.error(
                "run %s: checkpoint at step %s was not saved (%s); the one before is whole, training goes on",
                self._run.id,
                step,
                error.strerror or error,
            )
            return False
        return is_best

    def _is_due(self, step: int) -> bool:
        steps, minutes = self._policy.every_steps, self._policy.every_minutes
        if steps is None and minutes is None:
            return True
        if steps is not None and step // steps > self._saved_step // steps:
            return True
        return minutes is not None and time.monotonic() - self._saved_at >= minutes * 60

    def _is_best(self, value: float, mode: Mode) -> bool:
        if value != value:
            return False
        try:
            before = checkpoints.read(self._run.folder, BEST).metric
        except RunfolioError:
            return True
        return before is None or (value > before if mode == "max" else value < before)


def _checked_metric(metric: Any) -> float:
    try:
        return metric_value(detached(metric))
    except ConfigError as error:
        raise ConfigError(f"the checkpoint's metric {error}") from None


def _parts(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """State split into modules' state_dicts and the rest."""
    torch = sys.modules.get("torch")
    modules, rest = {}, {}
    for name, value in state.items():
        has_state = hasattr(value, "state_dict")
        content = value.state_dict() if has_state else value
        if torch is not None and isinstance(value, torch.nn.Module):
            modules[name] = content
        else:
            rest[name] = content
    return modules, rest
