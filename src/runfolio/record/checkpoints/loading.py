"""Loading of tensors into a module. Keys and shapes are compared first, and mismatches are reported."""

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
"""Suffix of the keys under which the results of `get_extra_state` are stored."""

Tensors = Mapping[str, "torch.Tensor"]


def fill(module: Module, entries: Mapping[str, Any], subject: str) -> None:
    """Load entries, which are values by key as in a `state_dict`, into a module. The module must have exactly these
    keys. Wrappers around the module and around the saved module are ignored.

    Entries from a safetensors file have no version metadata, and some architectures reject or convert entries without a
    version. The entries therefore get the version metadata of the module.

    Args:
        subject: Beginning of the error message, such as `checkpoint 'best' does not fit model tinyvgg`.
    Raises:
        ConfigError: A key is missing or unexpected, or has a different shape. The module is not changed.
    """
    module.load_state_dict(fitting_state(module, entries, subject))


def fitting_state(module: Module, entries: Mapping[str, Any], subject: str) -> Any:
    """Return entries for `module.load_state_dict`.

    The entries have the keys of the module. They are divided among processes (sharded) like the state of the module.

    Raises:
        ConfigError: A key is missing or unexpected, or has a different shape.
    """
    current: Any = module.state_dict()
    keys = {key: plain_key(module, key) for key in current}
    entries = with_expected_keys(entries, (plain.key for plain in keys.values()))
    expected = {plain.key: current[key] for key, plain in keys.items() if not plain.is_of_wrapper}
    of_wrappers = {plain.key for plain in keys.values() if plain.is_of_wrapper}
    compare(expected, {key: value for key, value in entries.items() if key not in of_wrappers}, subject)
    ready: Any = OrderedDict(
        # If the saved model has no entries for a wrapper, the wrapper keeps its current entries.
        (key, sharded_like(entries.get(plain.key, current[key]), current[key]))
        for key, plain in keys.items()
    )
    ready._metadata = getattr(current, "_metadata", None)
    return ready


def compare(expected: Mapping[str, Any], tensors: Mapping[str, Any], subject: str) -> None:
    """Check that tensors match a module's `state_dict` in names and shapes.

    Raises:
        ConfigError: The tensors do not match. The message contains the keys, or the prefix by which all keys differ.
    """
    if prefix := common_prefix(tensors, expected):
        raise ConfigError(
            f"{subject}: the saved keys start with {prefix!r}, but the keys of the module do not; load the checkpoint"
            f" into the module that contains this module as `{prefix.rstrip('.')}`"
        )
    if prefix := common_prefix(expected, tensors):
        raise ConfigError(
            f"{subject}: the keys of the module start with {prefix!r}, but the saved keys do not; load the checkpoint"
            f" into `module.{prefix.rstrip('.')}`"
        )
    refuse_mismatches(
        subject,
        missing=[key for key in expected if key not in tensors],
        unexpected=sorted(tensors.keys() - expected.keys()),
        shapes=shape_mismatches(expected, tensors),
    )


def shape_mismatches(expected: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, str]:
    """Describe each key with a different shape. Extra states have no shape, and lazy parameters accept any shape."""
    return {
        key: f"{key} ({_shape_text(tensors[key])} instead of {_shape_text(expected[key])})"
        for key in expected
        if key in tensors
        and not key.endswith(EXTRA_STATE_SUFFIX)
        and not hasattr(expected[key], "materialize")
        and tensors[key].shape != getattr(expected[key], "shape", None)
    }


def refuse_mismatches(subject: str, *, missing: list[str], unexpected: list[str], shapes: Mapping[str, str]) -> None:
    """Raise an error if there are mismatches.

    Raises:
        ConfigError: There are mismatches.
    """
    kinds = (("missing", missing), ("unexpected", unexpected), ("of a different shape", shapes.values()))
    if mismatches := "; ".join(f"{kind}: {_name_some(keys)}" for kind, keys in kinds if keys):
        raise ConfigError(f"{subject}: {mismatches}")


def _name_some(keys: Iterable[str]) -> str:
    keys = list(keys)
    remaining = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {remaining} more" if remaining > 0 else "")


def _shape_text(tensor: Any) -> str:
    shape = getattr(tensor, "shape", None)
    return "not a tensor" if shape is None else "x".join(map(str, shape)) or "one number"
