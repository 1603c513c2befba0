"""Typed settings: one frozen dataclass defines the Python arguments, the YAML keys and the flags.

A settings class defines its fields with `setting(default, help, group=...)`. `fields_of` derives the flags from these
fields. `read_yaml` and `build` read YAML with line numbers, and `Settings.__post_init__` checks each value.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from runfolio.errors import ConfigError, did_you_mean, nearest

COMMON = "common"
"""Group of settings that the help text lists first."""
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Definition of one setting, which determines its flag, its YAML key and its validation."""

    name: str
    kind: type
    """Type of the value: int, float, str or bool."""
    optional: bool
    """True if None is allowed."""
    default: Any
    help: str
    group: str
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Words that are allowed in addition to numbers, such as `auto`."""
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    @property
    def key(self) -> str:
        """Name of the setting in YAML files. The command line adds two dashes."""
        return self.name.replace("_", "-")

    @property
    def allowed(self) -> str:
        """Description of the allowed values, such as `a number above 0`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        noun = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}[self.kind]
        bounds = [
            f"{word} {bound}"
            for word, bound in (
                ("above", self.above),
                ("at least", self.at_least),
                ("below", self.below),
                ("at most", self.at_most),
            )
            if bound is not None
        ]
        return " or ".join([" ".join([noun, " and ".join(bounds)]).strip(), *self.words])

    def convert(self, raw: Any) -> Any:
        """Convert the string of a flag or the value of a YAML file to the type of the setting.

        Raises:
            ConfigError: The value has the wrong type or is out of bounds. The message states the allowed values.
        """
        if raw is None or (self.optional and isinstance(raw, str) and raw.lower() == "none"):
            if self.optional:
                return None
            raise self._refuse(raw)
        if isinstance(raw, str) and raw.lower() in self.words:
            return raw.lower()
        try:
            value = self._parse(raw)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._refuse(raw) from None
        if not self._is_allowed(value):
            raise self._refuse(raw)
        return value

    def _parse(self, raw: Any) -> Any:
        if self.kind is bool:
            return _BOOLEANS[str(raw).lower()]
        if isinstance(raw, (bool, list, dict, tuple)):
            raise TypeError(raw)
        if self.kind is int and isinstance(raw, float) and not raw.is_integer():
            raise ValueError(raw)
        return self.kind(raw)

    def _is_allowed(self, value: Any) -> bool:
        if self.choices and value not in self.choices:
            return False
        if self.kind not in (int, float):
            return True
        return (
            math.isfinite(value)
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def _refuse(self, raw: Any) -> ConfigError:
        similar = nearest(str(raw), self.choices)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        if "," in str(raw):
            values = " ".join(str(raw).replace(",", " ").split())
            hint = f"; for several values use `runfolio series --{self.key} {values}`"
        return ConfigError(f"{self.key} is {raw!r}; it must be {self.allowed}{hint}")


def setting(default: Any, help: str, *, group: str, **bounds: Any) -> Any:  # noqa: A002 - the flag's help
    """Return a dataclass field with the help, group and bounds of a setting (see `Field`)."""
    return dataclasses.field(default=default, metadata={"help": help, "group": group, **bounds})


class Settings:
    """Base class of all settings. The values are checked when an instance is created. A subclass is a frozen dataclass
    whose fields are created by `setting`."""

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            object.__setattr__(self, field.name, field.convert(getattr(self, field.name)))

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload] - every subclass is a dataclass

    def identity(self) -> dict[str, Any]:
        """Return the settings that distinguish the runs of a series. Subclasses may leave out irrelevant settings."""
        return self.as_dict()


SettingsType = TypeVar("SettingsType", bound=Settings)


def fields_of(settings: type[Settings]) -> list[Field]:
    """Return the settings of a class, in order of definition."""
    hints = typing.get_type_hints(settings)
    fields = []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type] - every subclass is a dataclass
        hint = hints[field.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kind = next(option for option in options if option is not types.NoneType)
        fields.append(
            Field(
                name=field.name,
                kind=kind,
                optional=types.NoneType in options,
                default=field.default,
                **field.metadata,
            )
        )
    return fields


class LocatedValue(NamedTuple):
    """Value from a YAML file, and its location."""

    value: Any
    location: str
    """`file:line`, or "" if the value does not come from a file."""


def build(settings: type[SettingsType], values: Mapping[str, Any | LocatedValue]) -> SettingsType:
    """Create settings from the values of a YAML file, of flags or of a run's record. Keys may contain `-` or `_`.

    Raises:
        ConfigError: A key is unknown or a value is not allowed. If the value comes from a file, the message contains
            the file and the line.
    """
    fields = {field.name: field for field in fields_of(settings)}
    converted: dict[str, Any] = {}
    for key, entry in values.items():
        value, location = entry if isinstance(entry, LocatedValue) else (entry, "")
        prefix = f"{location}: " if location else ""
        field = fields.get(str(key).replace("-", "_"))
        if field is None:
            keys = [entry.key for entry in fields.values()]
            raise ConfigError(f"{prefix}unknown setting {key!r}; {did_you_mean(str(key), keys)}")
        try:
            converted[field.name] = field.convert(value)
        except ConfigError as error:
            raise ConfigError(f"{prefix}{error}") from None
    return settings(**converted)


def read_yaml(path: Path) -> dict[str, LocatedValue]:
    """Read the top-level mapping of a YAML file. Nested mappings also contain `LocatedValue`s.

    Raises:
        ConfigError: The file is missing, is not valid YAML, is not a mapping, or has a duplicate key. The message
            contains the line number.
    """
    import yaml

    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if node is None:
        return {}
    return _read_mapping(node, path)


def _read_mapping(node: Any, path: Path) -> dict[str, LocatedValue]:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: expected `key: value` lines")
    mapping: dict[str, LocatedValue] = {}
    for key_node, value_node in node.value:
        location = f"{path}:{key_node.start_mark.line + 1}"
        key = key_node.value
        if key in mapping:
            raise ConfigError(f"{location}: {key!r} is given twice")
        if isinstance(value_node, yaml.MappingNode):
            mapping[key] = LocatedValue(_read_mapping(value_node, path), location)
            continue
        loader = yaml.SafeLoader("")
        try:
            mapping[key] = LocatedValue(loader.construct_object(value_node, deep=True), location)
        except yaml.MarkedYAMLError as error:  # the file has a tag such as !!python/object, which would run code
            raise ConfigError(f"{location}: {key!r} is not plain data: {error.problem}") from None
        finally:
            loader.dispose()
    return mapping
