"""Validation of a description in a checkpoint, for example of a model or a transform. The description is checked before
anything is built from it.

A check is a function that returns a valid JSON value or raises `WrongValue`. Checks can be combined:
`sequence(number(0, 1), 1, 4)` checks a list. A check never converts a value to another type.

`record/base/schema.py` omits damaged fields, so that the rest of a document can be shown. In contrast, a description
must be completely valid, so the first wrong value is an error.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

Check = Callable[[Any], Any]
"""Function that returns a valid value, and raises `WrongValue` for an invalid value."""
_Described = TypeVar("_Described")

LARGEST_TEXT = 4_096
"""Maximum length of a string in characters."""


class WrongValue(ValueError):  # noqa: N818 - it reports invalid data, not a bug
    """Error for an invalid value. The message contains the field, the value and the allowed values."""

    def __init__(self, problem: str, field: str = "") -> None:
        super().__init__(f"{field} {problem}".lstrip())
        self.problem = problem
        self.field = field

    def inside(self, name: str) -> WrongValue:
        """Return an error that names the enclosing field before the field of this error."""
        return WrongValue(self.problem, f"{name}.{self.field}".rstrip("."))


def integer(lowest: int, highest: int) -> Check:
    """Return a check for integers between two bounds, inclusive."""
    allowed = f"an integer from {lowest:,} to {highest:,}"
    return lambda value: value if type(value) is int and lowest <= value <= highest else _refuse(value, allowed)


def number(lowest: float, highest: float, *, above: bool = False) -> Check:
    """Return a check for finite numbers between two bounds.

    Args:
        above: Exclude the lower bound itself.
    """
    allowed = f"a number {'above' if above else 'from'} {lowest:g} {'and up ' if above else ''}to {highest:g}"

    def check(value: Any) -> float:
        if type(value) not in (int, float) or not lowest <= value <= highest or (above and value == lowest):
            return _refuse(value, allowed)
        return float(value)

    return check


def text(value: Any) -> str:
    """Check that a value is a string of at most `LARGEST_TEXT` characters."""
    is_text = type(value) is str and len(value) <= LARGEST_TEXT
    return value if is_text else _refuse(value, f"a string of at most {LARGEST_TEXT:,} characters")


def choice(*options: Any) -> Check:
    """Return a check that accepts only the given values."""
    allowed = f"one of {', '.join(map(repr, options))}"
    return lambda value: (
        value if any(type(value) is type(option) and value == option for option in options) else _refuse(value, allowed)
    )


def optional(check: Check) -> Check:
    """Return a check that also accepts null."""
    return lambda value: None if value is None else check(value)


def sequence(check: Check, shortest: int, longest: int) -> Check:
    """Return a check that accepts lists and returns them as tuples. The entries must pass `check`."""
    allowed = f"a list of {shortest:,} to {longest:,} entries" if shortest != longest else f"a list of {shortest:,}"

    def check_all(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or not shortest <= len(value) <= longest:
            return _refuse(value, allowed)
        return tuple(_check_field(str(index), check, entry) for index, entry in enumerate(value))

    return check_all


def either(first: Check, second: Check) -> Check:
    """Return a check for values that at least one of two checks accepts. If neither accepts the value, the error comes
    from the second check."""

    def check(value: Any) -> Any:
        try:
            return first(value)
        except WrongValue:
            return second(value)

    return check


def described(
    kind: type[_Described], checks: Mapping[str, Check], keys: Mapping[str, str] | None = None
) -> Callable[[Any], _Described]:
    """Return a check that accepts objects and returns them as instances of a dataclass.

    A missing field gets the default of the dataclass. A missing field without a default is an error. Keys without a
    check are ignored.

    Args:
        checks: Check (function that validates a value) for each field, by the name of the field.
        keys: JSON keys by field name, for fields that have a different name in JSON.
    """
    required = {field.name for field in fields(kind) if field.default is MISSING}  # type: ignore[arg-type] - a dataclass

    def check_all(value: Any) -> _Described:
        if type(value) is not dict:
            return _refuse(value, "an object")
        values: dict[str, Any] = {}
        for name, check in checks.items():
            key = (keys or {}).get(name, name)
            if key in value:
                values[name] = _check_field(key, check, value[key])
            elif name in required:
                raise WrongValue("is missing", key)
        return kind(**values)

    return check_all


def holding(checks: Mapping[str, Check]) -> Check:
    """Return a check that accepts objects with at least the given keys, and returns the values of these keys."""

    def check_all(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            return _refuse(value, "an object")
        if missing := [name for name in checks if name not in value]:
            raise WrongValue("is missing", missing[0])
        return checked(value, checks)

    return check_all


def checked(values: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Check the values of several fields, and return them."""
    return {name: _check_field(name, check, values[name]) for name, check in checks.items()}


def _check_field(name: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except WrongValue as error:
        raise error.inside(name) from None


def _refuse(value: Any, allowed: str) -> Any:
    raise WrongValue(f"is {reprlib.repr(value)}; it must be {allowed}")
