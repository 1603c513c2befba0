"""Tensors into a network: keys and shapes are compared, and what does not fit is named."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from runfolio.errors import DamagedFile
from runfolio.vision.models.head import head_keys

_NAMED_AT_MOST = 4

Tensors = Mapping[str, torch.Tensor]


def fill(model: nn.Module, tensors: Tensors, what: str) -> None:
    """Put exactly these tensors into the model.

    Not by `load_state_dict`: some architectures there refuse or rewrite tensors that come without torch's version
    numbers, as those of a safetensors file do.

    Args:
        what: What does not fit what, for the error: `checkpoint 'best' does not fit model tinyvgg`.
    Raises:
        DamagedFile: A key is missing, unexpected, or of another shape.
    """
    places = model.state_dict()
    _refuse_misfits(
        what,
        missing=[key for key in places if key not in tensors],
        unexpected=[key for key in tensors if key not in places],
        shapes=_of_another_shape(places, tensors),
    )
    with torch.no_grad():
        for key, place in places.items():
            place.copy_(tensors[key])


def start_from(model: nn.Module, tensors: Tensors, what: str, *, fresh_head: bool = False) -> None:
    """Put the weights of an earlier training into a model that is to be trained on.

    The head stays as it is where `fresh_head` says so, or where the tensors' has another number of classes. Names of
    older versions of an architecture are brought up to date by the architecture's own loading.

    Raises:
        DamagedFile: As in `fill`, the head excepted.
    """
    wanted: Any = model.state_dict()
    fresh = {
        key
        for key in head_keys(model)
        if key in tensors and (fresh_head or _only_classes_differ(wanted[key], tensors[key]))
    }
    shapes = _of_another_shape(wanted, {key: tensor for key, tensor in tensors.items() if key not in fresh})
    left_out = fresh | shapes.keys()
    ready: Any = OrderedDict((key, tensor) for key, tensor in tensors.items() if key not in left_out)
    ready._metadata = getattr(tensors, "_metadata", None) or wanted._metadata
    loaded = model.load_state_dict(ready, strict=False)
    _refuse_misfits(
        what,
        missing=[key for key in loaded.missing_keys if key not in left_out],
        unexpected=loaded.unexpected_keys,
        shapes=shapes,
    )


def _only_classes_differ(wanted: torch.Tensor, given: torch.Tensor) -> bool:
    return wanted.shape != given.shape and wanted.shape[1:] == given.shape[1:]


def _of_another_shape(wanted: Tensors, given: Tensors) -> dict[str, str]:
    """What to say of each such key."""
    return {
        key: f"{key} ({_size(given[key])} instead of {_size(wanted[key])})"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    }


def _refuse_misfits(what: str, *, missing: list[str], unexpected: list[str], shapes: Mapping[str, str]) -> None:
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes.values()))
    if misfits := "; ".join(f"{kind}: {_some(keys)}" for kind, keys in kinds if keys):
        raise DamagedFile(f"{what}: {misfits}")


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    rest = len(keys) - _NAMED_AT_MOST
    return ", ".join(keys[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
