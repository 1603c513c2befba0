"""Turning what users hand in (configs, metric values) into plain data."""

from __future__ import annotations

import argparse
import dataclasses
import math
import operator
from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError


def plain_config(config: Any) -> dict[str, Any]:
    """A config as nested dicts of JSON values: from a Namespace, mapping, dataclass or OmegaConf config.

    Raises:
        ConfigError: It is none of these.
    """
    value = _unwrap(config)
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"config is a {type(config).__name__}; give a dict, argparse.Namespace, dataclass or OmegaConf config"
        )
    return {str(key): plain_value(entry) for key, entry in value.items()}


def plain_value(value: Any) -> Any:
    """One value of a config or summary as JSON; what JSON cannot say (a device, a path) as its text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if value is None or isinstance(value, bool) else _plain_scalar(value)
    value = _unwrap(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(entry) for entry in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain_value, value), key=str)
    if _count(value) == 1:
        item = value.item()
        return str(item) if _count(item) == 1 else plain_value(item)  # a long double gives itself
    return str(value)


def _plain_scalar(value: float | str) -> int | float | str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        whole = int(value)
        return whole if -(2**63) <= whole < 2**64 else str(whole)
    return float(value)


def _unwrap(value: Any) -> Any:
    if isinstance(value, argparse.Namespace):
        return vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if type(value).__module__.partition(".")[0] == "omegaconf":
        from omegaconf import OmegaConf  # type: ignore[import-not-found] - it is there: it made the value

        return OmegaConf.to_container(value, resolve=True)
    return value


def _count(value: Any) -> int | None:
    """How many numbers a NumPy or torch value holds; None for anything else."""
    if not hasattr(value, "item"):
        return None
    return value.numel() if hasattr(value, "numel") else getattr(value, "size", None)


def detached(value: Any) -> Any:
    """One number as it is now, cheap to keep: later changes in place do not reach it, no graph hangs on it.

    A tensor on a device is copied there, on its stream, and read by the writer thread: nothing is waited for.
    """
    if _count(value) != 1:
        return value
    if not hasattr(value, "detach"):
        return value.item()
    tensor = value.detach()
    return tensor.item() if tensor.device.type == "cpu" else tensor.clone()


def metric_value(value: Any) -> float:
    """A metric's value as float64.

    Raises:
        ConfigError: It is not one number, or a whole number that float64 cannot hold.
    """
    if isinstance(value, str) or value is None:
        raise ConfigError(f"is {value!r}, not a number")
    try:
        number: Any = value.item() if hasattr(value, "item") else value
        result = float(number)
    except Exception:  # whatever somebody's own `__float__` raises
        raise ConfigError(f"is not one number but {_described(value)}") from None
    if isinstance(number, int) and math.isfinite(result) and int(result) != number:
        raise ConfigError(f"is {number}, a whole number that float64 cannot hold exactly")
    return result


def whole_step(step: Any) -> int:
    """A step as a whole number; 9.0 and one-element arrays and tensors are.

    Raises:
        ConfigError: It is none, or has more than 64 bits.
    """
    try:
        exact: Any = int(step) if isinstance(step, float) and step.is_integer() else step
        whole = operator.index(exact)
    except Exception:  # whatever somebody's own `__index__` raises
        raise ConfigError(f"step {step!r} is not a whole number") from None
    if not -(2**63) <= whole < 2**63:
        raise ConfigError(f"step {step!r} has more than 64 bits")
    return whole


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {tuple(shape)}" if shape is not None else type(value).__name__
