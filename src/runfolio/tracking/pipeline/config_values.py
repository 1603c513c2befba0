"""Conversion of configs and summaries to JSON values (`docs/limits.md`, Config).

Equal values are stored equally in every process, because memory addresses are removed. Different values are stored
differently, because long values are replaced with digests instead of being cut off.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import PurePath
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline import arrays
from runfolio.tracking.pipeline.object_attributes import (
    attributes_of,
    closure_values,
    code_content,
    generator_state,
    is_array,
    is_function,
    is_instance,
    own_attributes,
    own_text,
    plain_array,
    present_attributes,
    type_name,
)
from runfolio.tracking.pipeline.plain_texts import describe_error
from runfolio.tracking.pipeline.plain_values import count_numbers

MOST_NUMBERS = 1000
"""Maximum number of elements in an array that is stored as lists. Only shape, dtype and digest of a larger array are
stored."""
MOST_VALUES = 100
"""Maximum number of values that are stored for an object. Only type and digest of an object with more values are
stored."""
MOST_VISITED = 10_000
"""Maximum number of containers and objects that are read to describe one object."""
UNREADABLE = "[unreadable]"
"""Placeholder for a value that raises an error when it is read. For an OmegaConf value, the text in the config, such as
`${data.path}`, is stored instead."""
_MAX_DEPTH = 100
"""Maximum nesting depth of dicts and lists."""
_TYPE, _TYPE_IF_TAKEN = "type", "__class__"
"""Keys under which the type of an object is stored. The second key is used if the object has an attribute `type`."""

log = logging.getLogger("runfolio")


def plain_config(config: Any) -> dict[str, Any]:
    """Return a config as nested dicts of JSON values.

    Raises:
        ConfigError: The config has no named values, two keys result in the same string, or the config is nested too
            deeply.
    """
    if not _is_omegaconf(config) and _named_values(config) is None:
        raise ConfigError(
            f"config is a {type(config).__name__}; pass a dict, argparse.Namespace, dataclass or OmegaConf config;"
            " for an object of your own class, pass vars(config)"
        )
    plain = plain_value(config, declared=type(config))
    if not isinstance(plain, dict):
        raise ConfigError("config is an OmegaConf list; pass a dict")
    return plain


def config_defaults(config: Any) -> dict[str, Any]:
    """Return the default values that a dataclass config and its nested dataclasses declare. Return an empty dict for
    other configs.

    Default factories are not called, because they may draw random numbers.
    """
    if not dataclasses.is_dataclass(config):
        return {}
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name, None)
        if dataclasses.is_dataclass(value):
            defaults[field.name] = config_defaults(value)
        elif field.default is not dataclasses.MISSING:
            defaults[field.name] = plain_value(field.default)
    return defaults


def plain_value(value: Any, declared: Any = None) -> Any:
    """Return one value of a config or summary as JSON. For values that raise an error when they are read, a placeholder
    or the text in the config is stored, and one warning is logged.

    Args:
        declared: Expected type. The type of the value is recorded only if it differs from this type.
    Raises:
        ConfigError: Dicts and lists are nested too deeply or contain themselves, or two keys result in the same string.
    """
    reader = _Reader()
    plain = reader.read(value, (), declared)
    if reader.unreadable:
        names = ", ".join(reader.unreadable[:5]) + (" and more" if len(reader.unreadable) > 5 else "")
        log.warning("config: values that cannot be read are stored as written: %s (%s)", names, reader.reason)
    return plain


class _Reader:
    """Reader of one config or value. It also collects the names of values that raise an error when they are read."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []
        """Names of the values that cannot be read."""
        self.reason = ""
        """Reason why the first of these values cannot be read."""
        self._open: list[Any] = []
        """Objects whose attributes are being read, outermost first."""
        self._visited = 0

    def read(self, value: Any, path: tuple[str, ...], declared: Any = None) -> Any:
        """Return a value as JSON.

        Args:
            path: Names of the enclosing containers, outermost first.
            declared: Type that the enclosing dataclass or record declares for the value.
        """
        if value is None or isinstance(value, bool):
            return value
        kind = type(value)  # `isinstance` would call the value's `__class__`, which may be the user's code
        if issubclass(kind, (int, float, str)):
            return _plain_scalar(value)
        self._check_size(path)
        if _is_omegaconf(value):
            return self._omegaconf(value, path)
        if (named := _named_values(value)) is not None:
            return self._mapping(value, named, path, declared)
        if issubclass(kind, (list, tuple, deque)):
            return [self.read(entry, (*path, str(index))) for index, entry in enumerate(value)]
        if issubclass(kind, (set, frozenset)):
            return sorted((self.read(entry, (*path, "")) for entry in value), key=_json)
        if is_array(value):
            return self._array(value, path)
        return self._other(value, path)

    def _check_size(self, path: tuple[str, ...]) -> None:
        if len(path) >= _MAX_DEPTH:
            raise ConfigError(
                f"config or summary: dicts and lists are nested more than {_MAX_DEPTH} levels deep, or contain"
                " themselves"
            )
        if self._open:
            self._visited += 1
            if self._visited > MOST_VISITED:
                raise ConfigError(f"an object with more than {MOST_VISITED} values")

    def _mapping(self, value: Any, named: Mapping[Any, Any], path: tuple[str, ...], declared: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        is_record = not issubclass(type(value), Mapping) and not _is_namespace(value)
        if is_record and declared not in (type(value), type(value).__name__, type(value).__qualname__):
            plain[_type_key(named)] = type_name(type(value))
        annotations = _annotations(type(value)) if is_record else {}
        for key in named:
            name = self._key(key, path)
            if name in plain:
                raise ConfigError(
                    f"config: two keys of {'/'.join(path) or 'the top level'} have the same name {name!r}; rename one"
                )
            plain[name] = self._entry(lambda key=key: named[key], UNREADABLE, (*path, name), annotations.get(key))
        return plain

    def _entry(self, get: Callable[[], Any], written: Any, path: tuple[str, ...], declared: Any = None) -> Any:
        """Convert the value that `get` returns to JSON. If `get` raises an error, convert `written` instead."""
        try:
            value = get()
        except Exception as error:  # a user's config may raise any error
            self._note(path, error)
            value = written
        return self.read(value, path, declared)

    def _note(self, path: tuple[str, ...], error: Exception) -> None:
        self.unreadable.append("/".join(path))
        self.reason = self.reason or describe_error(error).partition(": ")[2] or type(error).__name__

    def _omegaconf(self, value: Any, path: tuple[str, ...]) -> Any:
        from omegaconf import OmegaConf  # type: ignore[import-not-found] - installed, because it created the value

        written = OmegaConf.to_container(value, resolve=False)
        if isinstance(written, list):
            return [
                self._entry(lambda index=index: value[index], entry, (*path, str(index)))
                for index, entry in enumerate(written)
            ]
        if not isinstance(written, dict):  # the value is missing, None, or an interpolation that cannot be resolved
            return written
        return {
            (name := self._key(key, path)): self._entry(lambda key=key: value[key], entry, (*path, name))
            for key, entry in written.items()
        }

    def _key(self, key: Any, path: tuple[str, ...]) -> str:
        plain = self.read(key, (*path, ""))
        if plain is None or isinstance(plain, (bool, int, float)):
            return str(plain)
        return plain if isinstance(plain, str) else _json(plain)

    def _array(self, value: Any, path: tuple[str, ...]) -> Any:
        shape = {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        try:
            array = plain_array(value)
            if (count_numbers(array) or 0) <= MOST_NUMBERS or getattr(array.dtype, "kind", "") in ("O", "V"):
                return self._numbers(array, path)
            return {**shape, "digest": arrays.digest(array)}
        except Exception as error:  # a tensor on the meta device, for example, raises this error
            self._note(path, error)
            return shape

    def _numbers(self, array: Any, path: tuple[str, ...]) -> Any:
        if getattr(array.dtype, "kind", "") in ("m", "M"):
            array = array.astype(str)  # `tolist` converts some datetime values to integers
        numbers = array.tolist()
        # `tolist` does not convert a long double, so the result may still be a NumPy number.
        return str(numbers) if count_numbers(numbers) == 1 else self.read(numbers, path)

    def _other(self, value: Any, path: tuple[str, ...]) -> Any:
        kind = type(value)
        if issubclass(kind, enum.Enum):
            return f"{kind.__qualname__}.{object.__getattribute__(value, '_name_')}"
        if issubclass(kind, PurePath):
            return str(value)
        if issubclass(kind, ModuleType):
            return value.__name__
        if issubclass(kind, type):
            return type_name(value)
        if issubclass(kind, MethodType) and type(value.__func__) is FunctionType:
            return {"method": self._function(value.__func__, path), "self": self.read(value.__self__, (*path, "self"))}
        if is_function(kind):
            return self._function(value, path)
        return self._object(value, path)

    def _function(self, function: Any, path: tuple[str, ...]) -> str:
        """Return a function's full name. For a local function or a lambda, add a digest of its code and of the values
        that it uses."""
        name = type_name(function)
        code = getattr(function, "__code__", None)
        if code is None or "<" not in name:
            return name
        values = [function.__defaults__, function.__kwdefaults__, *closure_values(function)]
        plain = self._attributes(function, values, path)
        return f"{name} {_digest([code_content(code), plain])}"

    def _object(self, value: Any, path: tuple[str, ...]) -> Any:
        """Return the type and attributes of an object. Return the string form of an object without attributes (see
        `own_text`)."""
        kind = type_name(type(value))
        try:
            state = generator_state(value)
        except Exception as error:
            self._note(path, error)
            return {_TYPE: kind}
        if state is not None:
            return {_TYPE: kind, "digest": _digest(self.read(state, path))}
        attributes = attributes_of(value)
        if not attributes:
            text = own_text(value)
            if text is None:
                return {_TYPE: kind}
            return text if len(text) <= MOST_NUMBERS else {_TYPE: kind, "digest": _digest(text)}
        key = _type_key(attributes)
        plain = self._attributes(value, attributes, path)
        if plain is None:
            return {key: kind}
        if _count_values(plain) > MOST_VALUES:
            return {key: kind, "digest": _digest(plain)}
        return {key: kind, **plain}

    def _attributes(self, value: Any, attributes: Any, path: tuple[str, ...]) -> Any:
        """Read the attributes of an object. Return None if the object contains itself or has too many values."""
        if any(value is outer for outer in self._open):
            return None
        if not self._open:
            self._visited = 0
        self._open.append(value)
        try:
            return self.read(attributes, (*path, ""))
        except ConfigError:
            return None
        finally:
            self._open.pop()


def _named_values(value: Any) -> Mapping[Any, Any] | None:
    """Return the values of a mapping, namespace, dataclass, named tuple or similar object by name. Return None for
    other values."""
    kind: Any = type(value)
    if issubclass(kind, Mapping):
        return value
    if _is_namespace(value):
        return own_attributes(value)
    if dataclasses.is_dataclass(kind):
        names: Iterable[str] = (field.name for field in dataclasses.fields(kind))
    elif hasattr(kind, "__attrs_attrs__"):
        names = (attribute.name for attribute in kind.__attrs_attrs__)
    elif issubclass(kind, tuple) and (fields := getattr(kind, "_fields", None)) is not None:
        names = fields
    elif is_instance(value, "pydantic", "BaseModel"):
        return dict(value)
    else:
        return None
    return present_attributes(value, names)


def _is_namespace(value: Any) -> bool:
    # If argparse is not imported, the value cannot be a Namespace.
    return issubclass(type(value), SimpleNamespace) or is_instance(value, "argparse", "Namespace")


def _is_omegaconf(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "omegaconf"


def _plain_scalar(value: float | str) -> int | float | str:
    if issubclass(type(value), str):
        return str.__str__(value)  # type: ignore[arg-type]
    if issubclass(type(value), int):
        integer = int.__int__(value)  # type: ignore[arg-type]
        if -(2**63) <= integer < 2**64:
            return integer
        return str(integer) if abs(integer) < 10**4000 else hex(integer)  # Python prints at most 4,300 digits
    return float.__float__(value)  # type: ignore[arg-type]


def _type_key(attributes: Mapping[Any, Any]) -> str:
    return _TYPE_IF_TAKEN if _TYPE in attributes else _TYPE


def _annotations(kind: type) -> dict[str, Any]:
    annotations: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        annotations |= vars(base).get("__annotations__", {})
    return annotations


def _count_values(plain: Any) -> int:
    entries = plain.values() if isinstance(plain, dict) else plain
    return sum(map(_count_values, entries)) if isinstance(plain, (dict, list)) else 1


def _json(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True)


def _digest(plain: Any) -> str:
    return blake2b(_json(plain).encode(errors="backslashreplace"), digest_size=8).hexdigest()
