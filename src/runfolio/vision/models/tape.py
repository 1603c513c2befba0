"""What a network does behind its frozen part, recorded while it runs, and played again on kept features.

A recording is a list of calls: of the network's own modules, by name, and of torch's functions in between. It is
played with the modules as they are then: their weights, modes and hooks. What Python decides on the way (a branch, a
shape read from a tensor) is as it was while recording, so a recording is to be tried on other images before it is
trusted (`network_cut.py` does).
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


class CutUnavailable(Exception):  # noqa: N818 - a turn in the road, not an error anybody sees
    """The network cannot be cut where its frozen part ends; the message says why, as half a sentence."""


class _Value(NamedTuple):
    """Stands for a tensor that an earlier call gave, or that the tape is played on."""

    number: int


class _Weight(NamedTuple):
    """Stands for a parameter or buffer of the network."""

    name: str


class _Call(NamedTuple):
    target: str | Callable[..., Any]
    """A module's name, or a function."""
    args: Any
    kwargs: Any
    first: int
    """The number of the first tensor it gives; the others follow in order."""


@dataclass(frozen=True)
class Tape:
    """The recorded calls."""

    points: tuple[str, ...]
    """The modules whose inputs, without dropout, are what the tape is played on."""
    inputs: tuple[int, ...]
    calls: tuple[_Call, ...]
    answer: int

    def play(self, model: nn.Module, features: list[torch.Tensor]) -> torch.Tensor:
        """What `model` answers where its `points` get these features, [b, ...] each."""
        values = dict(zip(self.inputs, features, strict=True))

        def real(value: Any) -> Any:
            if isinstance(value, _Value):
                return values[value.number]
            return _weight(model, value.name) if isinstance(value, _Weight) else value

        for call in self.calls:
            function = model.get_submodule(call.target) if isinstance(call.target, str) else call.target
            result = function(*_mapped(call.args, real), **_mapped(call.kwargs, real))
            values.update(enumerate(_tensors(result), start=call.first))
        return values[self.answer]


def trained_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The outermost modules that have parameters of their own which train, by name."""
    return {name: module for name, module in _leaves(model) if _trains(module)}


def record_tape(
    model: nn.Module, images: torch.Tensor, points: tuple[str, ...] | None = None
) -> tuple[Tape, torch.Tensor]:
    """The tape of what follows the features, and what the model answered.

    Args:
        points: Modules whose inputs are the features. Default: the layers that train, or where their inputs are
            dropped first, what is dropped.

    Raises:
        CutUnavailable: What follows needs more than those inputs, or cannot be found out.
    """
    with ExitStack() as hooks, _Recorder(model, points) as recorder:
        for name, module in _leaves(model):
            before, after = recorder.around(name)
            hooks.callback(module.register_forward_pre_hook(before).remove)
            hooks.callback(module.register_forward_hook(after, with_kwargs=True, always_call=True).remove)
        answer = model(images)
    return recorder.tape(answer), answer


def _leaves(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules that are recorded as one call: those without others inside, and whole ones that train."""
    for name, child in module.named_children():
        if _trains(child) or next(child.children(), None) is None:
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))


class _ObservedCall(NamedTuple):
    """A call as it was seen."""

    target: str | Callable[..., Any]
    args: Any
    kwargs: Any
    results: list[torch.Tensor]


class _Recorder(TorchFunctionMode):
    """Sees each call of a function of torch, and by hooks each call of a module; inside of either it looks away."""

    def __init__(self, model: nn.Module, points: tuple[str, ...] | None) -> None:
        super().__init__()
        self._modules = dict(_leaves(model))
        self._begins_at = points if points is not None else tuple(trained_layers(model))
        named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        self._weights = {id(tensor): name for name, tensor in named}
        self._inside = 0
        self._points: list[str] = []
        self._inputs: list[int] = []
        self._calls: list[_Call] = []
        self._values: list[torch.Tensor] = []  # also keeps them alive: an id belongs to one tensor as long as it lives
        self._numbers: dict[int, int] = {}
        self._dropped: dict[int, list[_ObservedCall]] = {}
        """How values came about that were dropped at random before the tape begins: the dropout, and what followed."""

    def tape(self, answer: object) -> Tape:
        """What was recorded of a forward pass that gave `answer`."""
        if not isinstance(answer, torch.Tensor):
            raise CutUnavailable(f"it answers with a {type(answer).__name__} instead of logits alone")
        if id(answer) not in self._numbers:
            raise CutUnavailable("its answer does not come from a layer that trains")
        return Tape(tuple(self._points), tuple(self._inputs), tuple(self._calls), self._numbers[id(answer)])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self._inside:
            self._observe(_ObservedCall(func, args, kwargs, _tensors(result)))
        return result

    def around(self, name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        """Hooks for before and after a call of the module."""

        def before(module: nn.Module, args: Any) -> None:
            self._inside += 1

        def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            self._inside -= 1
            if not self._inside and result is not None:
                self._observe(_ObservedCall(name, args, kwargs, _tensors(result)))

        return before, after

    def _observe(self, call: _ObservedCall) -> None:
        if not call.results and call.target is not torch.Tensor.__setitem__:
            return  # a shape, a number: Python's from here on
        used = _tensors((call.args, call.kwargs))
        if any(id(tensor) in self._numbers for tensor in used):
            self._append(call)
        elif call.target in self._begins_at:
            self._begin_tape(call)
        elif self._drops(call):
            self._keep_dropped([call])
        elif dropped := next((self._dropped[id(tensor)] for tensor in used if id(tensor) in self._dropped), None):
            self._keep_dropped([*dropped, call])

    def _drops(self, call: _ObservedCall) -> bool:
        if isinstance(call.target, str):
            module = self._modules[call.target]
            return isinstance(module, _DropoutNd) and module.training
        # Of functional.dropout and its like: (input, p, training, inplace); they drop unless told otherwise.
        return call.target in _DROPOUTS and bool(call.kwargs.get("training", (*call.args, True, True, True)[2]))

    def _keep_dropped(self, calls: list[_ObservedCall]) -> None:
        self._dropped.update((id(result), calls) for result in calls[-1].results)

    def _begin_tape(self, call: _ObservedCall) -> None:
        """A layer that trains gets its input from the frozen part."""
        layer, (value, *other_tensors) = str(call.target), _tensors((call.args, call.kwargs))
        if other_tensors or not call.args or value is not call.args[0]:
            raise CutUnavailable(f"its layer {layer} takes more than one input")
        calls = [*self._dropped.get(id(value), ()), call]
        # Without dropout the input of the layer is what was to be dropped, unless something is done to it in between.
        point = layer if len(calls) <= 2 else calls[0].target
        if not isinstance(point, str) or point in self._points:
            raise CutUnavailable(f"the input of its layer {layer} is dropped at random where no hook reaches")
        self._points.append(point)
        self._inputs.append(self._number(_tensors((calls[0].args, calls[0].kwargs))[0]))
        for observed in calls:
            self._append(observed)

    def _append(self, call: _ObservedCall) -> None:
        def stand_in(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            if id(value) in self._numbers:
                return _Value(self._numbers[id(value)])
            if id(value) in self._weights:
                return _Weight(self._weights[id(value)])
            raise CutUnavailable(
                "what follows its frozen part uses more of it than the inputs of the layers that train"
            )

        args, kwargs = _mapped(call.args, stand_in), _mapped(call.kwargs, stand_in)
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
    """Nested tuples, lists and dicts with each entry changed; named tuples of ours are entries."""
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
