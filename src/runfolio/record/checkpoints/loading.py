"""Tensors into a module: keys and shapes are compared, and what does not fit is named."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runfolio.errors import ConfigError
from runfolio.record.checkpoints.wrappers import common_prefix, plain_key, sharded_like, with_expected_keys

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

_MOST_NAMED = 4
EXTRA_STATE_SUFFIX = "_extra_state"
"""End of the key of what a module's `get_extra_state` returned."""

Tensors = Mapping[str, "torch.Tensor"]


def fill(module: Module, entries: Mapping[str, Any], subject: str) -> None:
    """Put exactly these entries into a module, whatever wrappers it has and the saved one had.

    They are said to be of the version that the module itself is of: some architectures refuse or rewrite tensors that
    come without one, as those of a safetensors file do.

    Args:
        subject: What does not fit what, for the error: `checkpoint 'best' does not fit model tinyvgg`.
    Raises:
        ConfigError: A key is missing, unexpected, or of another shape; nothing was changed.
    """
    module.load_state_dict(fitting_state(module, entries, subject))


def fitting_state(module: Module, entries: Mapping[str, Any], subject: str) -> Any:
    """Return entries as `module.load_state_dict` takes them: under its keys, sharded as its own state is.

    Raises:
        ConfigError: As `fill` says.
    """
    current: Any = module.state_dict()
    keys = {key: plain_key(module, key) for key in current}
    entries = with_expected_keys(entries, (plain.key for plain in keys.values()))
    expected = {plain.key: current[key] for key, plain in keys.items() if not plain.is_of_wrapper}
    of_wrappers = {plain.key for plain in keys.values() if plain.is_of_wrapper}
    compare(expected, {key: value for key, value in entries.items() if key not in of_wrappers}, subject)
    ready: Any = OrderedDict(
        # A wrapper keeps its own entries if the saved one had none.
        (key, sharded_like(entries.get(plain.key, current[key]), current[key]))
        for key, plain in keys.items()
    )
    ready._metadata = getattr(current, "_metadata", None)
    return ready


def compare(expected: Mapping[str, Any], tensors: Mapping[str, Any], subject: str) -> None:
    """See whether tensors are those of a module's `state_dict`, by name and shape.

    Raises:
        ConfigError: They are not; it names which, or the prefix in which all keys differ.
    """
    if prefix := common_prefix(tensors, expected):
        raise ConfigError(
            f"{subject}: its keys begin with {prefix!r}, those of the module do not; load it into the module that holds"
            f" this one as `{prefix.rstrip('.')}`"
        )
    if prefix := common_prefix(expected, tensors):
        raise ConfigError(
            f"{subject}: the keys of the module begin with {prefix!r}, those saved do not; load it into"
            f" `module.{prefix.rstrip('.')}`"
        )
    refuse_mismatches(
        subject,
        missing=[key for key in expected if key not in tensors],
        unexpected=sorted(tensors.keys() - expected.keys()),
        shapes=shape_mismatches(expected, tensors),
    )


def shape_mismatches(expected: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, str]:
    """Return a description of each key of another shape. Extra states have none, and lazy parameters take any."""
    return {
        key: f"{key} ({_shape_text(tensors[key])} instead of {_shape_text(expected[key])})"
        for key in expected
        if key in tensors
        and not key.endswith(EXTRA_STATE_SUFFIX)
        and not hasattr(expected[key], "materialize")
        and tensors[key].shape != getattr(expected[key], "shape", None)
    }


def refuse_mismatches(subject: str, *, missing: list[str], unexpected: list[str], shapes: Mapping[str, str]) -> None:
    """Raises:
    ConfigError: There are any.
    """
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes.values()))
    if mismatches := "; ".join(f"{kind}: {_name_some(keys)}" for kind, keys in kinds if keys):
        raise ConfigError(f"{subject}: {mismatches}")


def _name_some(keys: Iterable[str]) -> str:
    keys = list(keys)
    remaining = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {remaining} more" if remaining > 0 else "")


def _shape_text(tensor: Any) -> str:
    shape = getattr(tensor, "shape", None)
    return "no tensor" if shape is None else "x".join(map(str, shape)) or "one number"
