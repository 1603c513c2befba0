"""Monitor of a model's gradients, weights, updates and dead units. They are read at the steps of the model's
optimizers.

At the time of a step, gradients are already summed over accumulated batches and unscaled by the scaler of torch.amp. A
compiled model or a model wrapped for DDP has the same parameter objects as the original model. Steps that the scaler
skips are not recorded.
"""

from __future__ import annotations

import itertools
import logging
import math
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runfolio.errors import ConfigError, did_you_mean
from runfolio.tracking.monitors.dead_units import DeadUnits
from runfolio.tracking.monitors.monitor import MonitoredRun
from runfolio.tracking.monitors.non_finite import FirstNonFinite
from runfolio.tracking.monitors.tensor_statistics import DeferredValues, Number, count_values, histogram_of, norms
from runfolio.tracking.monitors.weight_updates import WeightUpdate
from runfolio.tracking.pipeline.plain_texts import shorten, text_of
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.pipeline.queue_items import Media, Scalars
from runfolio.tracking.process.exit_hooks import Ending

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

log = logging.getLogger("runfolio")
Logged = Literal["all", "gradients", "weights"]
_KINDS: dict[str, tuple[str, ...]] = {"all": ("grad", "weight"), "gradients": ("grad",), "weights": ("weight",)}


class Watch:
    """Monitor that records the values of one watched model."""

    def __init__(self, model: Module, every: int, logged: Logged, histograms: bool, step: int) -> None:
        """Create a monitor. Raise ConfigError if an argument is invalid."""
        if type(every) is not int or every < 1:
            raise ConfigError(f"every is {shorten(every)}; it must be a number of optimizer steps, at least 1")
        if type(logged) is not str or logged not in _KINDS:
            raise ConfigError(f"log is {shorten(logged)}; {did_you_mean(text_of(logged, 'log'), _KINDS)}")
        self.model = unwrap(model)
        self._every = every
        self._kinds = _KINDS[logged]
        self._logs_all = logged == "all"
        self._histograms = histograms
        self._first_step = self._next_step = whole_step(step)
        self._names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        self._optimizers: weakref.WeakKeyDictionary[Optimizer, _OptimizerState] = weakref.WeakKeyDictionary()
        self._hooks: list[Any] = []
        self._dead_units: DeadUnits | None = None

    def start(self, run: MonitoredRun) -> None:
        import torch
        from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

        self._run = run
        self._nonfinite = FirstNonFinite(self.model, self._is_sampled_next, self._report, self._first_step)
        if not isinstance(self.model, torch.jit.ScriptModule):
            self._nonfinite.start()
            if self._logs_all:
                self._dead_units = DeadUnits(self.model, self._is_sampled_next)
                self._dead_units.start()
        self._hooks = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]

    def stop(self, ending: Ending = "run") -> None:
        if self._hooks:
            for hook in self._hooks:
                hook.remove()
            self._hooks = []
            self._nonfinite.stop()
            if self._dead_units is not None:
                self._dead_units.stop()

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        try:
            state = self._optimizers.get(optimizer)
            if state is None or state.groups != len(optimizer.param_groups):
                self._optimizers[optimizer] = state = self._state_of(optimizer, state)
            if state.is_relevant and not _skipped(optimizer, sampled=state.step % self._every == 0):
                if state.step % self._every == 0:
                    self._sample(optimizer, state)
                state.step += 1
                self._next_step = max(self._next_step, state.step)
                if self._dead_units is not None:
                    self._dead_units.clear()
        except Exception:  # a model may have unsupported properties, but training must continue
            log.exception("run %s: watching ended; training continues", self._run.id)
            self.stop()

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        state = self._optimizers.get(optimizer)
        if state is None or state.update is None:
            return
        try:
            self._log_update(state, state.update)
        except Exception:  # a failed measurement must not stop training
            log.exception("run %s: watching ended; training continues", self._run.id)
            self.stop()
        finally:
            state.update = None

    def _log_update(self, state: _OptimizerState, sampled: _SampledUpdate) -> None:
        import torch

        with torch.no_grad():
            ratios = DeferredValues(sampled.weights.ratios())
        values = {f"update_ratio/{name}": Number(ratios, index) for index, name in enumerate(sampled.names)}
        values[f"update_ratio{state.suffix}"] = Number(ratios, len(sampled.names))
        self._run.record(Scalars(sampled.moment, sampled.step, values, aside=True))

    def _state_of(self, optimizer: Optimizer, known_state: _OptimizerState | None) -> _OptimizerState:
        is_relevant = any(
            id(parameter) in self._names for group in optimizer.param_groups for parameter in group["params"]
        )
        if known_state is not None:
            known_state.is_relevant, known_state.groups = is_relevant, len(optimizer.param_groups)
            return known_state
        other_count = sum(state.is_relevant for state in self._optimizers.values())
        # If the earlier optimizers no longer exist, a new optimizer continues their step count. Otherwise, the new
        # optimizer has a separate count.
        step, suffix = (self._first_step, f"/optimizer_{other_count + 1}") if other_count else (self._next_step, "")
        return _OptimizerState(is_relevant, len(optimizer.param_groups), step, suffix)

    def _is_sampled_next(self) -> bool:
        """Return whether the values of the next step may be recorded. The values of the first step are always
        recorded."""
        steps = [state.step for state in self._optimizers.values() if state.is_relevant]
        return not steps or any(step % self._every == 0 for step in steps)

    def _sample(self, optimizer: Optimizer, state: _OptimizerState) -> None:
        import torch

        moment = self._run.now()
        values: dict[str, Any] = {}
        with torch.no_grad():
            for kind in self._kinds:
                tensors = self._gradients(optimizer) if kind == "grad" else self._weights(optimizer)
                if tensors:
                    values |= self._norms(kind, tensors, state)
                    if self._histograms:
                        self._log_histograms(moment, kind, tensors, state.step)
                    if kind == "weight":  # the weights are copied last, so that the copies exist only briefly
                        update = WeightUpdate(list(tensors.values()))
                        state.update = _SampledUpdate(moment, state.step, list(tensors), update)
            if self._dead_units is not None:
                values |= self._dead_units.shares()
        self._run.record(Scalars(moment, state.step, values, aside=True))

    def _norms(self, kind: str, tensors: Mapping[str, Tensor], state: _OptimizerState) -> dict[str, Any]:
        import torch

        tensor_norms = norms(list(tensors.values()))
        total = torch.linalg.vector_norm(tensor_norms)
        check = self._check(list(tensors), state.step) if kind == "grad" else None
        later = DeferredValues(torch.cat([tensor_norms, total[None]]), check)
        if tensor_norms.device.type == "cpu":
            _ = later.values  # reading the values reports non-finite values at once
        named = {f"{kind}_norm/{name}": Number(later, index) for index, name in enumerate(tensors)}
        return {**named, f"{kind}_norm{state.suffix}": Number(later, len(tensors))}

    def _check(self, names: list[str], step: int) -> Callable[[list[float]], None]:
        read_unread = self._nonfinite.take_unread()

        def check(values: list[float]) -> None:
            read_unread()
            bad = [name for name, value in zip(names, values, strict=False) if not math.isfinite(value)]
            if bad:  # gradients are computed from the last layer to the first
                self._nonfinite.report_once(f"gradient of {bad[-1]} at optimizer step {step}")

        return check

    def _log_histograms(self, moment: float, kind: str, tensors: Mapping[str, Tensor], step: int) -> None:
        import torch

        rows = DeferredValues(torch.stack([count_values(tensor) for tensor in tensors.values()]))
        for index, name in enumerate(tensors):
            self._run.record(
                Media(moment, step, "histogram", f"{kind}/{name}", lambda index=index: histogram_of(rows.values[index]))
            )

    def _gradients(self, optimizer: Optimizer) -> dict[str, Tensor]:
        scale = getattr(optimizer, "grad_scale", None)
        gradients = {}
        for parameter in self._parameters(optimizer):
            gradient = parameter.grad
            if gradient is not None:
                dense = gradient.coalesce().values() if gradient.is_sparse else gradient
                gradients[self._names[id(parameter)]] = dense if scale is None else dense / scale
        return gradients

    def _weights(self, optimizer: Optimizer) -> dict[str, Tensor]:
        return {self._names[id(parameter)]: parameter.detach() for parameter in self._parameters(optimizer)}

    def _parameters(self, optimizer: Optimizer) -> list[Tensor]:
        """Return the parameters that the optimizer updates and that belong to the model, in the model's order."""
        every = itertools.chain.from_iterable(group["params"] for group in optimizer.param_groups)
        optimized = {id(parameter): parameter for parameter in every}
        return [optimized[key] for key in self._names if key in optimized]

    def _report(self, text: str) -> None:
        log.warning("run %s: %s", self._run.id, text)
        self._run.note_trouble(text)


class _SampledUpdate(NamedTuple):
    """Optimizer step in which the change of the weights is being measured."""

    moment: float
    step: int
    names: list[str]
    """Names of the parameters whose change is measured."""
    weights: WeightUpdate


@dataclass
class _OptimizerState:
    """State of an optimizer that has taken a step."""

    is_relevant: bool
    """True if the optimizer has parameters of the model."""
    groups: int
    """Number of the optimizer's parameter groups at the last check."""
    step: int
    """Number of steps that the optimizer has taken."""
    suffix: str
    """Suffix of the metrics for all parameters of this optimizer. The suffix is empty for the first optimizer."""
    update: _SampledUpdate | None = None
    """Measurement of the current step, or None if the step is not measured."""


def unwrap(model: Module) -> Module:
    """Return the model inside the wrappers of torch.compile and DDP.

    Raises:
        ConfigError: `model` is not a module.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise ConfigError(f"a model must be a torch.nn.Module, not {type(model).__name__}")
    while len(model._modules) == 1 and not model._parameters:
        inner = model._modules.get("_orig_mod", model._modules.get("module"))
        if inner is None:
            break
        model = inner
    return model


def _skipped(optimizer: Optimizer, *, sampled: bool) -> bool:
    """Return whether the scaler of torch.amp makes a fused optimizer skip this step.

    On a GPU, reading the scaler's flag waits for the device. Therefore the flag is read only at steps whose values are
    recorded.
    """
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and (sampled or found_inf.device.type == "cpu") and bool(found_inf)
