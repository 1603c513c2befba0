"""A network as an ordered list of stages, from the head to the first layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from torch import nn

from runfolio.vision.models.head import head_modules

_Path = tuple[str, ...]
"""Where a module is in the network: `("features", "3", "block")`."""
_MAX_STAGE_SHARE = 0.5
"""Share of the backbone's layers."""


def stages(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters: those of the head, then the backbone's stages from the last one to the first.

    The backbone is taken apart into modules, children, grandchildren and so on, down to the first level at which none
    holds more than half of its layers; a layer is a weight of two dimensions or more. A module without any (a norm)
    belongs to the stage before it, and parameters of what was taken apart (a class token, position embeddings) to the
    first. So tinyvgg has its two blocks, a ResNet conv1 and layer1 to layer4, mobilenet_v2 its 19 features, a vision
    transformer its patch embedding and its blocks.
    """
    in_head = {id(parameter) for module in head_modules(model) for parameter in module.parameters()}
    by_module: dict[_Path, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if id(parameter) not in in_head:
            by_module.setdefault(tuple(name.split(".")[:-1]), []).append(parameter)
    head = [parameter for parameter in model.parameters() if id(parameter) in in_head]
    return [head, *reversed(_split_into_stages(by_module))]


def _split_into_stages(by_module: Mapping[_Path, list[nn.Parameter]]) -> list[list[nn.Parameter]]:
    """The stages in the order of the network; none where nothing is there."""
    deepest = max(map(len, by_module), default=0)
    depth = next((depth for depth in range(1, deepest) if _is_even(by_module, depth)), deepest)
    opened = {path[:length] for path in by_module for length in range(min(len(path), depth))}
    parts: dict[_Path, list[nn.Parameter]] = {}
    loose: list[nn.Parameter] = []
    for path, parameters in by_module.items():
        (loose if path in opened else parts.setdefault(path[:depth], [])).extend(parameters)
    split: list[list[nn.Parameter]] = []
    for parameters in parts.values():
        if split and not (_layers(parameters) and _layers(split[-1])):
            split[-1].extend(parameters)
        else:
            split.append(parameters)
    return [loose + split[0], *split[1:]] if split else []


def _is_even(by_module: Mapping[_Path, list[nn.Parameter]], depth: int) -> bool:
    layers: Counter[_Path] = Counter()
    for path, parameters in by_module.items():
        layers[path[:depth]] += _layers(parameters)
    return max(layers.values()) <= _MAX_STAGE_SHARE * layers.total()


def _layers(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.ndim > 1 for parameter in parameters)
