"""Removal of wrappers around modules (torch.compile, DataParallel, DDP, FSDP and AveragedModel).

Recorded keys do not contain the prefixes that wrappers add. A wrapper is recognised by its type and its position in the
model, so a layer that is called `module` keeps its name. Records of earlier versions contain no description of the
wrappers. For these records, prefixes are recognised by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

_INNER = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
"""Types of wrappers in torch, with the name of the attribute that contains the wrapped module."""
_SHARDED = "FSDPModule"
"""Type of a module that FSDP2 shards in place, without a prefix in its keys."""
_OWN = "n_averaged"
"""Entry that `AveragedModel` adds to the entries of its module."""


class ModuleState(NamedTuple):
    """State of a module, with the keys of the unwrapped module."""

    entries: dict[str, Any]
    """Tensors and results of `get_extra_state`."""
    wrappers: dict[str, list[str]]
    """Types of the wrappers, outermost first, keyed by the path of the wrapped module ('' for the whole model)."""
    wrapper_keys: list[str]
    """Keys of `entries` that belong to a wrapper."""


def module_state(module: Module, name: str) -> ModuleState:
    """Return the state of a module.

    Args:
        name: Name of the module in the checkpoint, for error messages.

    Raises:
        ConfigError: The module is sharded (divided among several processes), or two of its keys become equal when
            prefixes are removed.
    """
    wrappers = _wrappers(module)
    if _is_sharded_over_processes(module):
        raise ConfigError(_sharded_message(name))
    entries: dict[str, Any] = {}
    wrapper_keys: list[str] = []
    for key, value in module.state_dict().items():
        plain = plain_key(module, key)
        if plain.key in entries:
            raise ConfigError(
                f"checkpoint entry {name} contains the key {plain.key} twice, once from a wrapper;"
                " rename the key that is not from the wrapper"
            )
        entries[plain.key] = whole_tensor(value, f"{name}.{plain.key}")
        if plain.is_of_wrapper:
            wrapper_keys.append(plain.key)
    return ModuleState(entries, wrappers, wrapper_keys)


class PlainKey(NamedTuple):
    """Key of a module's state without the prefixes of wrappers."""

    key: str
    is_of_wrapper: bool
    """True if the entry belongs to the wrapper itself."""


def plain_key(module: Module, key: str) -> PlainKey:
    """Return a key of `module.state_dict()` without the prefixes of wrappers."""
    names, is_of_wrapper = _plain_names(module, key.split("."))
    return PlainKey(".".join(names), is_of_wrapper)


def _plain_names(module: Any, names: Sequence[str]) -> tuple[list[str], bool]:
    kind = _wrapper_type(module)
    if kind is not None and names:
        inner = _INNER[kind]
        if names[0] == inner:
            return _plain_names(module._modules[inner], names[1:])
        if names[0] in module._buffers or names[0] in module._parameters:
            return list(names), True
        return _plain_names(module._modules[inner], names)  # the `state_dict` of FSDP omits FSDP's own prefix
    child = module._modules.get(names[0]) if len(names) > 1 else None
    if child is None:
        return list(names), False
    inner_names, is_of_wrapper = _plain_names(child, names[1:])
    return [names[0], *inner_names], is_of_wrapper


def _wrapper_type(module: Any) -> str | None:
    return next((name for name in _torch_types(module) if name in _INNER), None)


def _torch_types(module: Any) -> list[str]:
    return [kind.__name__ for kind in type(module).__mro__ if kind.__module__.partition(".")[0] == "torch"]


def _wrappers(module: Module) -> dict[str, list[str]]:
    wrappers: dict[str, list[str]] = {}
    for path, child in module.named_modules():
        kind = _wrapper_type(child) or (_SHARDED if _SHARDED in _torch_types(child) else None)
        if kind is not None:
            wrappers.setdefault(plain_key(module, path).key if path else "", []).append(kind)
    return wrappers


def _is_sharded_over_processes(module: Module) -> bool:
    """Return whether a module is sharded, with one part of it in each of several processes.

    To gather the state, all processes would have to take part. A single process would wait forever.
    """
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    kinds = {name for child in module.modules() for name in _torch_types(child)}
    return bool(kinds & {"FullyShardedDataParallel", _SHARDED}) and distributed.get_world_size() > 1


def _sharded_message(name: str) -> str:
    return (
        f"checkpoint entry {name} is sharded over several processes; in all processes, call"
        " torch.distributed.checkpoint.state_dict.get_state_dict with full_state_dict=True, and save the result"
    )


def whole_tensor(value: Any, name: str) -> Any:
    """Return the full tensor if a value is a tensor sharded within this process. Return other values unchanged."""
    if not hasattr(value, "full_tensor"):
        return value
    if value.device_mesh.size() > 1:
        raise ConfigError(_sharded_message(name))
    return value.full_tensor()


def sharded_like(value: torch.Tensor, current: Any) -> Any:
    """Divide a tensor among processes in the same way as the current tensor.

    If the current tensor is not sharded, return the tensor unchanged.
    """
    if not hasattr(current, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(current.device), current.device_mesh, current.placements)


def with_expected_keys(entries: Mapping[str, Any], expected: Iterable[str]) -> dict[str, Any]:
    """Rename entries to the expected keys if the keys differ only by prefixes of wrappers.

    Entries that belong to a wrapper are omitted unless they are expected.
    """
    expected = set(expected)
    by_stripped = {_without_prefixes(key): key for key in expected}
    names = {key: key if key in expected else by_stripped.get(_without_prefixes(key), key) for key in entries}
    wanted = [key for key, name in names.items() if name in expected or name.rpartition(".")[2] != _OWN]
    renamed = {names[key]: entries[key] for key in wanted}
    return renamed if len(renamed) == len(wanted) else dict(entries)


def _without_prefixes(key: str) -> str:
    return ".".join(name for name in key.split(".") if name not in _INNER.values())


def common_prefix(keys: Iterable[str], bare_keys: Iterable[str]) -> str | None:
    """Return the prefix that all `keys` have in addition to `bare_keys`.

    Return None if the keys differ in another way.
    """
    keys, bare_keys = set(keys), set(bare_keys)
    shortest = min(bare_keys, key=len, default="")
    prefixes = {key.removesuffix(shortest) for key in keys if key.endswith(f".{shortest}")}
    return next((prefix for prefix in sorted(prefixes) if {prefix + key for key in bare_keys} == keys), None)
