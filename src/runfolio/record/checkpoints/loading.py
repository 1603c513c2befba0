"""Tensors into a module: keys and shapes are compared, and what does not fit is named."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamagedFile

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

_MOST_NAMED = 4

Tensors = Mapping[str, "torch.Tensor"]


def fill(module: Module, tensors: Tensors, subject: str) -> None:
    """Put exactly these tensors into a module.

    They are said to be of the version that the module itself is of: some architectures refuse or rewrite tensors that
    come without one, as those of a safetensors file do.

    Args:
        subject: What does not fit what, for the error: `checkpoint 'best' does not fit model tinyvgg`.
    Raises:
        DamagedFile: A key is missing, unexpected, or of another shape; nothing was changed.
    """
    expected: Any = module.state_dict()
    compare(expected, tensors, subject)
    ready: Any = OrderedDict(tensors)
    ready._metadata = getattr(expected, "_metadata", None)
    module.load_state_dict(ready)


def compare(expected: Mapping[str, Any], tensors: Tensors, subject: str) -> None:
    """See whether tensors are those of a module's `state_dict`, by name and shape.

    Raises:
        DamagedFile: They are not; it names which.
    """
    refuse_mismatches(
        subject,
        missing=[key for key in expected if key not in tensors],
        unexpected=sorted(tensors.keys() - expected.keys()),
        shapes=shape_mismatches(expected, tensors),
    )


def shape_mismatches(expected: Mapping[str, Any], tensors: Tensors) -> dict[str, str]:
    """What to say of each such key."""
    return {
        key: f"{key} ({_shape_text(tensors[key])} instead of {_shape_text(expected[key])})"
        for key in expected
        if key in tensors and tensors[key].shape != getattr(expected[key], "shape", None)
    }


def refuse_mismatches(subject: str, *, missing: list[str], unexpected: list[str], shapes: Mapping[str, str]) -> None:
    """Raises:
    DamagedFile: There are any.
    """
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes.values()))
    if mismatches := "; ".join(f"{kind}: {_name_some(keys)}" for kind, keys in kinds if keys):
        raise DamagedFile(f"{subject}: {mismatches}")


def _name_some(keys: Iterable[str]) -> str:
    keys = list(keys)
    remaining = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {remaining} more" if remaining > 0 else "")


def _shape_text(tensor: Any) -> str:
    shape = getattr(tensor, "shape", None)
    return "no tensor" if shape is None else "x".join(map(str, shape)) or "one number"
