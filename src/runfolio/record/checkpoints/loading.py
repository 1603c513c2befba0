"""Tensors into a module: keys and shapes are compared, and what does not fit is named."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamagedFile

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

_NAMED_AT_MOST = 4

Tensors = Mapping[str, "torch.Tensor"]


def fill(module: Module, tensors: Tensors, what: str) -> None:
    """Put exactly these tensors into a module.

    They are said to be of the version that the module itself is of: some architectures refuse or rewrite tensors that
    come without one, as those of a safetensors file do.

    Args:
        what: What does not fit what, for the error: `checkpoint 'best' does not fit model tinyvgg`.
    Raises:
        DamagedFile: A key is missing, unexpected, or of another shape; nothing was changed.
    """
    wanted: Any = module.state_dict()
    compare(wanted, tensors, what)
    ready: Any = OrderedDict(tensors)
    ready._metadata = getattr(wanted, "_metadata", None)
    module.load_state_dict(ready)


def compare(wanted: Mapping[str, Any], tensors: Tensors, what: str) -> None:
    """See whether tensors are those of a module's `state_dict`, by name and shape.

    Raises:
        DamagedFile: They are not; it names which.
    """
    refuse_misfits(
        what,
        missing=[key for key in wanted if key not in tensors],
        unexpected=sorted(tensors.keys() - wanted.keys()),
        shapes=of_another_shape(wanted, tensors),
    )


def of_another_shape(wanted: Mapping[str, Any], given: Tensors) -> dict[str, str]:
    """What to say of each such key."""
    return {
        key: f"{key} ({_size(given[key])} instead of {_size(wanted[key])})"
        for key in wanted
        if key in given and given[key].shape != getattr(wanted[key], "shape", None)
    }


def refuse_misfits(what: str, *, missing: list[str], unexpected: list[str], shapes: Mapping[str, str]) -> None:
    """Raises:
    DamagedFile: There are any.
    """
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes.values()))
    if misfits := "; ".join(f"{kind}: {_some(keys)}" for kind, keys in kinds if keys):
        raise DamagedFile(f"{what}: {misfits}")


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    rest = len(keys) - _NAMED_AT_MOST
    return ", ".join(keys[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def _size(tensor: Any) -> str:
    shape = getattr(tensor, "shape", None)
    return "no tensor" if shape is None else "x".join(map(str, shape)) or "one number"
