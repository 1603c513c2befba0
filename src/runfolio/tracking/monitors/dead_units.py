"""Proportion of dead units in a model. A unit of a ReLU-like layer is dead if its output is zero for every item of a
watched step."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from runfolio.tracking.monitors.model_hook import ModelHook
from runfolio.tracking.monitors.tensor_statistics import DeferredValues, Number

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

log = logging.getLogger("runfolio")


class DeadUnits:
    """Watcher of a model's ReLU-like layers during the forward passes of watched steps.

    A unit is a channel (an index along dimension 1 of the output). After a `Linear` or `LayerNorm` layer, a unit is a
    feature (an index along the last dimension). Functions such as `torch.relu` are not layers and are not watched.
    """

    def __init__(self, model: Module, sampled: Callable[[], bool]) -> None:
        """Create a watcher.

        Args:
            sampled: Function that returns whether the next optimizer step is watched.
        """
        self._model = model
        self._sampled = sampled
        self._hooks: list[Any] = []
        self._calls: defaultdict[str, int] = defaultdict(int)
        """Number of calls of each layer in the current forward pass."""
        self._peaks: dict[tuple[str, int], Tensor] = {}
        """Largest magnitude of each unit, keyed by layer and call number. Dead units have a magnitude of 0."""
        self._active = False

    def start(self) -> None:
        layers = list(_relu_layers(self._model))
        if layers:
            self._hooks.append(self._model.register_forward_pre_hook(ModelHook(self._begin)))
        self._hooks += [
            module.register_forward_hook(ModelHook(self._note_call(name, dimension)))
            for name, module, dimension in layers
        ]

    def stop(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self.clear()

    def clear(self) -> None:
        """Discard the results of the earlier forward passes, because their optimizer step has ended."""
        self._peaks = {}
        self._active = False

    def shares(self) -> dict[str, Number]:
        """Return the proportion of dead units in each layer and in the model. The result covers the forward passes
        since the last call of `clear`."""
        import torch

        counts: dict[str, list[Tensor]] = defaultdict(list)
        sizes: dict[str, int] = defaultdict(int)
        for (name, _), peaks in self._peaks.items():
            counts[name].append((peaks == 0).sum())
            sizes[name] += len(peaks)
        if not counts:
            return {}
        device = next(iter(counts.values()))[0].device
        dead = torch.stack([torch.stack(parts).sum().to(device, non_blocking=True) for parts in counts.values()])
        units = torch.tensor([sizes[name] for name in counts]).to(device, non_blocking=True)
        shares = DeferredValues(torch.cat([dead / units, dead.sum()[None] / sum(sizes.values())]).double())
        named = {f"dead_units/{name}": Number(shares, index) for index, name in enumerate(counts)}
        return {**named, "dead_units": Number(shares, len(counts))}

    def _begin(self, model: Module, inputs: Any) -> None:
        import torch

        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return
        self._active = torch.is_grad_enabled() and model.training and self._sampled()
        self._calls.clear()

    def _note_call(self, name: str, dimension: int) -> Callable[[Module, Any, Any], None]:
        import torch

        non_negative = (torch.nn.ReLU, torch.nn.ReLU6)

        def note(module: Module, inputs: Any, output: Any) -> None:
            if torch.compiler.is_compiling() or not self._active:
                return
            try:
                with torch.no_grad():
                    self._note_output(name, dimension, output, has_negatives=not isinstance(module, non_negative))
            except Exception as error:  # the kind of tensor is not supported
                log.warning("dead units are no longer recorded: %s", error)
                self.stop()

        return note

    def _note_output(self, name: str, dimension: int, output: Tensor, *, has_negatives: bool) -> None:
        import torch

        if output.ndim < 2 or not output.numel():
            return
        magnitudes = output.abs() if has_negatives else output
        others = [index for index in range(output.ndim) if index != dimension % output.ndim]
        peaks = magnitudes.amax(dim=others)  # the maximum is many times faster than a norm or a count
        key = name, self._calls[name]
        self._calls[name] += 1
        earlier = self._peaks.get(key)
        # If a step has several forward passes, as with accumulated batches, a unit is dead if its output is zero in all
        # passes.
        self._peaks[key] = peaks if earlier is None or earlier.shape != peaks.shape else torch.maximum(earlier, peaks)


def _relu_layers(model: Module) -> Iterator[tuple[str, Module, int]]:
    """Yield each ReLU-like layer: its name, its module and the dimension of its units."""
    from torch import nn

    before: Module | None = None
    for name, module in model.named_modules():
        if any(module.children()):
            continue
        if isinstance(module, (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish)):
            yield name or type(module).__name__, module, -1 if isinstance(before, (nn.Linear, nn.LayerNorm)) else 1
        before = module
