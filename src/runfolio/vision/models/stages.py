"""Division of a network into stages, from the head to the first layer. Each stage can have its own learning rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from torch import nn

from runfolio.vision.models.head import head_modules

_Path = tuple[str, ...]
"""Path of a module in the network, such as `("features", "3", "block")`."""
_MAX_STAGE_SHARE = 0.5
"""Maximum fraction of the backbone's layers that one stage may contain."""


def stages(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return all parameters by stage. The head is first, followed by the stages of the backbone from last to first.

    The backbone is divided into its modules at one level of nesting. This is the first level at which no module
    contains more than half of the layers. A weight with two or more dimensions counts as a layer. A module without
    layers, such as a norm, belongs to the previous stage. Parameters that belong directly to a divided module, such as
    a class token, are part of the first stage. The stages of tinyvgg are its two blocks. The stages of a ResNet are
    conv1 and layer1 to layer4. The stages of mobilenet_v2 are its 19 features. The stages of a vision transformer are
    the patch embedding and the blocks.
    """
    in_head = {id(parameter) for module in head_modules(model) for parameter in module.parameters()}
    by_module: dict[_Path, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if id(parameter) not in in_head:
            by_module.setdefault(tuple(name.split(".")[:-1]), []).append(parameter)
    head = [parameter for parameter in model.parameters() if id(parameter) in in_head]
    return [head, *reversed(_split_into_stages(by_module))]


def _split_into_stages(by_module: Mapping[_Path, list[nn.Parameter]]) -> list[list[nn.Parameter]]:
    """Return the stages in the order of the network."""
    deepest = max(map(len, by_module), default=0)
    depth = next((depth for depth in range(1, deepest) if _is_even(by_module, depth)), deepest)
    divided = {path[:length] for path in by_module for length in range(min(len(path), depth))}
    parts: dict[_Path, list[nn.Parameter]] = {}
    loose: list[nn.Parameter] = []
    for path, parameters in by_module.items():
        (loose if path in divided else parts.setdefault(path[:depth], [])).extend(parameters)
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
