"""Search for the layer and the batch in which NaN or infinity first occurs.

On a CPU, the output of the model is checked after each forward pass. If the output is not finite, the layers are
checked in call order. On a GPU, such a check would have to wait for the device. Therefore layers are checked only in
some forward passes. A background thread reads the results later.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.tracking.monitors.model_hook import ModelHook
from runfolio.tracking.monitors.tensor_statistics import DeferredValues
from runfolio.tracking.monitors.tensors import tensors

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


log = logging.getLogger("runfolio")


class _Call(NamedTuple):
    """Call of a layer. It is stored until the model's forward pass ends."""

    name: str
    module: Module
    inputs: Any
    output: Any


class _Flags(NamedTuple):
    """Results of the checks in one forward pass, which have not been read yet. For each layer, a flag says whether its
    output was finite."""

    labels: list[str]
    batch: int
    finite: DeferredValues


class FirstNonFinite:
    """Watcher that checks the forward passes of a model in training mode, until it finds the first non-finite value."""

    def __init__(
        self, model: Module, sampled: Callable[[], bool], report: Callable[[str], None], batches_done: int = 0
    ) -> None:
        """Create a watcher.

        Args:
            sampled: Function that returns whether the current forward pass on a GPU must be checked.
            report: Function that is called at most once, with a sentence about the first non-finite value. The training
                thread or the thread that reads the results calls it.
            batches_done: Number of batches in earlier executions of the script, if training is resumed.
        """
        self._model = model
        self._sampled = sampled
        self._report = report
        self._batch = batches_done
        self._active = False
        self._is_reported = False
        self._calls: list[_Call] = []
        self._unread: list[_Flags] = []
        self._hooks: list[Any] = []

    def start(self) -> None:
        leaves = [(name, module) for name, module in self._model.named_modules() if not any(module.children())]
        if leaves == [("", self._model)]:
            leaves = [(type(self._model).__name__, self._model)]
        self._hooks = [
            self._model.register_forward_pre_hook(ModelHook(self._begin)),
            *(module.register_forward_hook(ModelHook(self._note_call(name))) for name, module in leaves),
            # If the model has no submodules, this hook must come after the hook that notes the call of the model
            # itself.
            self._model.register_forward_hook(ModelHook(self._end), always_call=True),
        ]

    def stop(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._calls = []

    def report_once(self, text: str) -> None:
        """Report the first non-finite value. Do nothing if a non-finite value was reported before."""
        if not self._is_reported:
            self._is_reported = True
            self._report(f"first non-finite: {text}")

    def take_unread(self) -> Callable[[], None]:
        """Return a function that reads the pending results of a GPU and reports a non-finite output. Any thread may
        call the returned function."""
        unread, self._unread = self._unread, []

        def read() -> None:
            for flags in unread:
                bad = [label for label, fine in zip(flags.labels, flags.finite.values, strict=True) if not fine]
                if bad:
                    self.report_once(f"output of {bad[0]} at batch {flags.batch}")

        return read

    def _begin(self, model: Module, inputs: Any) -> None:
        import torch

        self._calls = []
        self._active = False
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return
        # The flag may have been set by a different thread, which must not remove hooks during a forward pass.
        if self._is_reported:
            self.stop()
        elif torch.is_grad_enabled() and model.training:
            self._active = True
            self._batch += 1

    def _note_call(self, name: str) -> Callable[[Module, Any, Any], None]:
        import torch

        def note(module: Module, inputs: Any, output: Any) -> None:
            if not torch.compiler.is_compiling() and self._active:
                self._calls.append(_Call(name, module, inputs, output))

        return note

    def _end(self, model: Module, inputs: Any, output: Any) -> None:
        import torch

        if torch.compiler.is_compiling() or not self._active:
            return
        self._active = False
        calls, self._calls = self._calls, []
        try:
            with torch.no_grad():
                self._check_forward(calls, output)
        except Exception as error:  # this kind of tensor is not supported
            log.warning("the search for the origin of NaN was stopped by an error: %s", error)
            self.stop()

    def _check_forward(self, calls: list[_Call], output: Any) -> None:
        first = next(_floats(output), None)
        if first is None:
            return
        if first.device.type != "cpu":
            self._request_flags(calls)
        elif not _finite(output) and (description := self._describe_origin(calls, output)):
            self.report_once(description)
            self.stop()

    def _request_flags(self, calls: list[_Call]) -> None:
        import torch

        if not self._sampled():
            return
        labelled = [(_label(call), tensor) for call in calls for tensor in _floats(call.output)]
        if labelled:
            flags = torch.stack([tensor.isfinite().all() for _, tensor in labelled])
            self._unread.append(_Flags([label for label, _ in labelled], self._batch, DeferredValues(flags)))

    def _describe_origin(self, calls: list[_Call], output: Any) -> str | None:
        """Describe the first non-finite output of a layer. Return None if only the model's output contains -infinity,
        as in masked scores."""
        for call in calls:
            if not _finite(call.output):
                return f"output of {_label(call)} at batch {self._batch}{_why(call)}"
        if all(bool((tensor < math.inf).all()) for tensor in _floats(output)):
            return None
        return f"the model's output at batch {self._batch}; the output of each layer is finite"


def _label(call: _Call) -> str:
    return f"{call.name} ({type(call.module).__name__})"


def _why(call: _Call) -> str:
    if not _finite(list(call.module.parameters(recurse=False))):
        return "; its weights were already not finite, because of the last optimizer step"
    return "" if _finite(call.inputs) else "; its input was not finite either"


def _finite(value: Any) -> bool:
    # A sum is faster than a check of all elements. The sum may overflow, so all elements are checked if it is not
    # finite.
    return all(math.isfinite(tensor.sum().item()) or bool(tensor.isfinite().all()) for tensor in _floats(value))


def _floats(value: Any) -> Iterator[Tensor]:
    """Return the floating-point tensors in `value`, which holds the inputs or outputs of a module."""
    return (tensor for tensor in tensors(value) if tensor.is_floating_point())
