"""Record the computation after the frozen part of a network, and replay it on cached features.

A tape is a list of calls of modules and torch functions. It stores modules by name. A replay uses the current weights,
modes and hooks of the modules. A replay repeats all decisions of Python code that were made during the recording, such
as branches on tensor shapes. Therefore, `network_cut.py` tests each tape on different images before the tape is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

_DROPOUTS = frozenset(
    (
        functional.dropout,
        functional.dropout1d,
        functional.dropout2d,
        functional.dropout3d,
        functional.alpha_dropout,
        functional.feature_alpha_dropout,
        torch.dropout,
    )
)


class CutUnavailable(Exception):  # noqa: N818 - not an error: training continues without features
    """Raised if the network cannot be cut after its frozen part. The message is the reason, without a period."""


class _Value(NamedTuple):
    """Placeholder for a tensor that is an input of the tape or the result of an earlier call. The tape numbers such
    tensors."""

    number: int


class _Weight(NamedTuple):
    """Placeholder for a parameter or buffer of the network."""

    name: str


class _Call(NamedTuple):
    """Recorded call of a module or a torch function."""

    target: str | Callable[..., Any]
    """Name of a module, or a function."""
    args: Any
    kwargs: Any
    first: int
    """Number that identifies the first tensor in the result. The other tensors in the result have the next numbers."""


@dataclass(frozen=True)
class Tape:
    """Recorded computation from the features to the output."""

    points: tuple[str, ...]
    """Modules whose inputs are the inputs of the tape. If a dropout precedes such a module, the tape starts before the
    dropout."""
    inputs: tuple[int, ...]
    """Numbers that identify the input tensors in `calls`."""
    calls: tuple[_Call, ...]
    output: int
    """Number that identifies the output tensor."""

    def replay(self, model: nn.Module, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the output of `model` for `features`, a list of the inputs, [b, ...], of the modules in `points`."""
        values = dict(zip(self.inputs, features, strict=True))

        def actual(value: Any) -> Any:
            if isinstance(value, _Value):
                return values[value.number]
            return _weight(model, value.name) if isinstance(value, _Weight) else value

        for call in self.calls:
            function = model.get_submodule(call.target) if isinstance(call.target, str) else call.target
            result = function(*_mapped(call.args, actual), **_mapped(call.kwargs, actual))
            values.update(enumerate(_tensors(result), start=call.first))
        return values[self.output]


def trained_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the outermost modules that have their own trainable parameters, by name."""
    return {name: module for name, module in _leaves(model) if _trains(module)}


def record_tape(
    model: nn.Module, images: torch.Tensor, points: tuple[str, ...] | None = None
) -> tuple[Tape, torch.Tensor]:
    """Record the computation after the features. Return the tape and the output of the model.

    Args:
        model: Model to run.
        images: Images, [b, c, h, w].
        points: Modules whose inputs are the features. The default is the layers that train, or the dropouts before
            these layers.

    Raises:
        CutUnavailable: The computation needs more than the features, or cannot be recorded.
    """
    with ExitStack() as hooks, _Recorder(model, points) as recorder:
        for name, module in _leaves(model):
            before, after = recorder.hooks(name)
            hooks.callback(module.register_forward_pre_hook(before).remove)
            hooks.callback(module.register_forward_hook(after, with_kwargs=True, always_call=True).remove)
        output = model(images)
    return recorder.tape(output), output


def _leaves(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that are recorded as one call. These are modules without submodules, and modules with trainable
    parameters."""
    for name, child in module.named_children():
        if _trains(child) or next(child.children(), None) is None:
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))


class _ObservedCall(NamedTuple):
    """Call of a module or function during the recording, with the actual tensors instead of placeholders."""

    target: str | Callable[..., Any]
    args: Any
    kwargs: Any
    results: list[torch.Tensor]


class _Recorder(TorchFunctionMode):
    """Recorder of module calls (with hooks) and of torch function calls. It does not record calls inside a recorded
    call."""

    def __init__(self, model: nn.Module, points: tuple[str, ...] | None) -> None:
        super().__init__()
        self._modules = dict(_leaves(model))
        self._first_layers = points if points is not None else tuple(trained_layers(model))
        named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        self._weights = {id(tensor): name for name, tensor in named}
        self._depth = 0
        self._points: list[str] = []
        self._inputs: list[int] = []
        self._calls: list[_Call] = []
        self._values: list[torch.Tensor] = []  # ids stay unique, because this list keeps all tensors alive
        self._numbers: dict[int, int] = {}
        self._dropout_calls: dict[int, list[_ObservedCall]] = {}
        """Sequences of calls that begin with a dropout and precede the tape, keyed by the id of the last result."""

    def tape(self, output: object) -> Tape:
        """Return the tape of the recorded forward pass, which returned `output`."""
        if not isinstance(output, torch.Tensor):
            raise CutUnavailable(f"it returns a {type(output).__name__} instead of only logits")
        if id(output) not in self._numbers:
            raise CutUnavailable("its output does not come from a layer that trains")
        return Tape(tuple(self._points), tuple(self._inputs), tuple(self._calls), self._numbers[id(output)])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self._depth:
            self._observe(_ObservedCall(func, args, kwargs, _tensors(result)))
        return result

    def hooks(self, name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        """Return the hooks that run before and after each call of a module."""

        def before(module: nn.Module, args: Any) -> None:
            self._depth += 1

        def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            self._depth -= 1
            if not self._depth and result is not None:
                self._observe(_ObservedCall(name, args, kwargs, _tensors(result)))

        return before, after

    def _observe(self, call: _ObservedCall) -> None:
        if not call.results and call.target is not torch.Tensor.__setitem__:
            return  # the result is a shape or a number, not a tensor
        used = _tensors((call.args, call.kwargs))
        if any(id(tensor) in self._numbers for tensor in used):
            self._append(call)
        elif call.target in self._first_layers:
            self._start_tape(call)
        elif self._is_dropout(call):
            self._remember([call])
        else:
            calls = (self._dropout_calls[id(tensor)] for tensor in used if id(tensor) in self._dropout_calls)
            if dropout_calls := next(calls, None):
                self._remember([*dropout_calls, call])

    def _is_dropout(self, call: _ObservedCall) -> bool:
        if isinstance(call.target, str):
            module = self._modules[call.target]
            return isinstance(module, _DropoutNd) and module.training
        # Arguments of functional.dropout and similar functions: (input, p, training, inplace). `training` is True by
        # default.
        return call.target in _DROPOUTS and bool(call.kwargs.get("training", (*call.args, True, True, True)[2]))

    def _remember(self, calls: list[_ObservedCall]) -> None:
        self._dropout_calls.update((id(result), calls) for result in calls[-1].results)

    def _start_tape(self, call: _ObservedCall) -> None:
        """Start the tape at a layer that trains and gets its input from the frozen part."""
        layer, (value, *other_tensors) = str(call.target), _tensors((call.args, call.kwargs))
        if other_tensors or not call.args or value is not call.args[0]:
            raise CutUnavailable(f"its layer {layer} takes more than one input")
        calls = [*self._dropout_calls.get(id(value), ()), call]
        # The features are the input of the dropout. In evaluation mode, this input equals the input of the layer,
        # unless there are other calls between the dropout and the layer.
        point = layer if len(calls) <= 2 else calls[0].target
        if not isinstance(point, str) or point in self._points:
            raise CutUnavailable(f"the dropout before its layer {layer} is a function, which has no hooks")
        self._points.append(point)
        self._inputs.append(self._number(_tensors((calls[0].args, calls[0].kwargs))[0]))
        for observed in calls:
            self._append(observed)

    def _append(self, call: _ObservedCall) -> None:
        def placeholder(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            if id(value) in self._numbers:
                return _Value(self._numbers[id(value)])
            if id(value) in self._weights:
                return _Weight(self._weights[id(value)])
            raise CutUnavailable("the part that trains uses tensors of the frozen part in addition to its own inputs")

        args, kwargs = _mapped(call.args, placeholder), _mapped(call.kwargs, placeholder)
        self._calls.append(_Call(call.target, args, kwargs, first=len(self._values)))
        for result in call.results:
            self._number(result)

    def _number(self, tensor: torch.Tensor) -> int:
        self._values.append(tensor)
        self._numbers[id(tensor)] = len(self._values) - 1
        return self._numbers[id(tensor)]


def _weight(model: nn.Module, name: str) -> torch.Tensor:
    owner, _, attribute = name.rpartition(".")
    return getattr(model.get_submodule(owner), attribute)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply `change` to the entries of nested tuples, lists and dicts. A placeholder counts as one entry."""
    if isinstance(value, (_Value, _Weight)):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(entry, change) for key, entry in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_mapped(entry, change) for entry in value)
    return change(value)


def _tensors(value: Any) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    _mapped(value, lambda entry: tensors.append(entry) if isinstance(entry, torch.Tensor) else None)
    return tensors
