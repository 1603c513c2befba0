"""Graph of a network, which is recorded while the network runs once. The graph has a node for each layer and for each
torch function between layers.

The graph follows the tensors, so Python control flow is supported. It contains only the path that the network takes for
the example.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from runfolio.tracking.monitors.tensors import tensors
from runfolio.tracking.pipeline.plain_texts import describe_error

log = logging.getLogger("runfolio")
Node = dict[str, Any]


def graph_of(model: nn.Module, example: Any) -> list[Node]:
    """Return the graph's nodes (see `docs/format.md`, Media) in call order.

    The model runs in eval mode and without gradients. The model's mode and statistics do not change, nor do the states
    of the random generators. If the model fails on the example, the graph contains only the layers, and a warning is
    logged.

    Args:
        example: Input of the model. Pass a single argument (such as a tensor or a `PackedSequence`), a list or tuple of
            arguments, or a dict of keyword arguments. Pass None if the input is unknown.
    """
    if example is not None:
        try:
            return _trace(model, example)
        except Exception as error:  # the model's own code may raise any error
            log.warning(
                "the graph of %s has only its layers, because the model failed on the example (%s)",
                type(model).__name__,
                describe_error(error),
            )
    return [_node(name, type(module).__name__, [], module.extra_repr()) for name, module in _layers(model).items()]


def _trace(model: nn.Module, example: Any) -> list[Node]:
    recorder = _Recorder()
    # A named tuple is one argument.
    is_single = not isinstance(example, (list, tuple, Mapping)) or hasattr(example, "_fields")
    arguments = (example,) if is_single else () if isinstance(example, Mapping) else example
    named = example if isinstance(example, Mapping) else {}
    for tensor in tensors([*arguments, *named.values()]):
        recorder.add("input", "Input", [], [tensor])
    hooks = [hook for name, module in _scopes(model).items() for hook in recorder.hook(name, module)]
    try:
        with _preserve_state(model), torch.no_grad(), recorder:
            output = model(*arguments, **named)
    finally:
        for hook in hooks:
            hook.remove()
    recorder.add("output", "Output", list(tensors(output)), [])
    return recorder.nodes


class _Recorder(TorchFunctionMode):
    """Recorder of calls to layers, and of calls to torch functions outside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._names: set[str] = set()
        self._makers: dict[int, tuple[str, Tensor]] = {}
        """Name of the node that created each tensor, keyed by the id of the tensor. The tensor is stored too, so that
        its id is not reused."""
        self._scope: list[str] = []
        self._in_layer = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = list(tensors([*args, *kwargs.values()]))
        result = func(*args, **kwargs)
        outputs = list(tensors(result))
        if not self._in_layer and outputs and any(id(tensor) in self._makers for tensor in inputs):
            name = func.__name__.strip("_")
            self.add("/".join([*self._scope[-1:], name]), name, inputs, outputs)
        return result

    def hook(self, name: str, module: nn.Module) -> list[Any]:
        is_layer = not any(module.children())

        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._in_layer += is_layer
            if not is_layer and name:
                self._scope.append(name)

        def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self._in_layer -= is_layer
            if not is_layer and name:
                self._scope.pop()
            elif is_layer:
                inputs = list(tensors([*args, *kwargs.values()]))
                self.add(name or "model", type(module).__name__, inputs, list(tensors(output)), module.extra_repr())

        return [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave, with_kwargs=True),
        ]

    def add(self, name: str, op: str, inputs: list[Tensor], outputs: list[Tensor], arguments: str = "") -> None:
        name = self._unique(name)
        makers = dict.fromkeys(self._makers[id(tensor)][0] for tensor in inputs if id(tensor) in self._makers)
        shown = outputs or inputs
        self.nodes.append(_node(name, op, list(makers), arguments, str(list(shown[0].shape)) if shown else ""))
        self._makers.update({id(tensor): (name, tensor) for tensor in outputs})

    def _unique(self, name: str) -> str:
        """Return `name`. If the name is already used, append `_1`, `_2` and so on."""
        number, unique = 0, name
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique


@contextmanager
def _preserve_state(model: nn.Module) -> Iterator[None]:
    """Switch the model to eval mode. At the end, restore the mode of every module and the states of all random
    generators."""
    modes = {module: module.training for module in model.modules()}
    devices = {parameter.device.index for parameter in model.parameters() if parameter.device.type == "cuda"}
    try:
        model.eval()
        with torch.random.fork_rng(devices=[index for index in devices if index is not None]):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _scopes(model: nn.Module) -> dict[str, nn.Module]:
    return {name.replace(".", "/"): module for name, module in model.named_modules()}


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    return {name or "model": module for name, module in _scopes(model).items() if not any(module.children())}


def _node(name: str, op: str, inputs: list[str], arguments: str = "", shape: str = "") -> Node:
    attributes = {"shape": shape, "arguments": arguments}
    return {
        "name": name,
        "op": op,
        "inputs": inputs,
        "attributes": {key: text for key, text in attributes.items() if text},
    }
