"""Decoder of JSON documents from untrusted sources. The fields of a class declare the content of a document.

A document is a dataclass or a `TypedDict` with annotated fields. An invalid value damages only the field that
contains it. The field gets its default or is left out, and the damage is reported. A dataclass is created from a JSON
object. A `TypedDict` stays a dict and keeps unknown keys.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, Required, TypeVar, Union

from runfolio.record.base.file_names import file_name, writer_id
from runfolio.record.base.files import number_from_json
from runfolio.record.base.flat_names import decode_numbers

Document = TypeVar("Document")


class ValueKind(NamedTuple):
    """Kind of value that a field accepts, declared by `Annotated[type, kind]`."""

    words: str
    """Readable description of the type and its bounds."""
    decode: Callable[[Any, list[str]], Any]
    """Function that returns the decoded value. It appends descriptions of damaged parts to its second argument, a list.
    The function raises ValueError for a value of a different kind."""
    is_leaf: bool = True
    """True if `decode` never appends to the list of damaged parts."""


@dataclass(frozen=True)
class Most:
    """Annotation for a list or an object with at most `entries` entries."""

    entries: int


MANY = 100_000
"""Maximum number of entries in a list or an object that is not annotated with `Most`."""
_MOST_NAMED = 1_000
"""Maximum number of damaged parts that are reported for one value. Each enclosing object adds its key to every report,
so the number of reports is limited."""
KEY_LENGTH = 1_000
"""Maximum length of a key in characters."""
NOT_IN_FILE = {"in file": False}
"""Metadata of the fields `unknown` and `damage`, which are not part of the document. The field `unknown` contains keys
without a field."""


def damaged_as(value: Any, words: str | None = None) -> dict[str, Any]:
    """Return metadata for a field without a default. The metadata contains the value that replaces a missing or damaged
    value.

    Args:
        words: Description of the value in the specification. Default: the value as JSON.
    """
    return {"damaged as": value, "words": json.dumps(value) if words is None else words}


def text(longest: int | None = None, pattern: str | None = None, words: str = "a string") -> ValueKind:
    """Return the kind for strings of at most `longest` characters that `pattern` matches completely."""
    most = sys.maxsize if longest is None else longest
    matches = re.compile(pattern, re.DOTALL).fullmatch if pattern is not None else None

    def decode_text(value: Any, damage: list[str]) -> str:
        if type(value) is not str or len(value) > most or (matches is not None and matches(value) is None):
            raise ValueError
        return value

    bound = "" if longest is None or pattern is not None else f" of at most {longest:,} characters"
    return ValueKind(f"{words}{bound}", decode_text)


def whole(least: int, most: int, words: str) -> ValueKind:
    """Return the kind for integers in a range."""

    def decode_whole_number(value: Any, damage: list[str]) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError
        return value

    return ValueKind(words, decode_whole_number)


def real(least: float, most: float, words: str) -> ValueKind:
    """Return the kind for finite numbers in a range, including integers."""

    def decode_real(value: Any, damage: list[str]) -> float:
        if type(value) not in (float, int) or not least <= value <= most:
            raise ValueError
        return value

    return ValueKind(words, decode_real)


def checked(words: str, check: Callable[[Any], Any]) -> ValueKind:
    """Return the kind for values that the function `check` accepts. For other values, `check` must raise KeyError,
    TypeError or ValueError."""

    def decode_checked(value: Any, damage: list[str]) -> Any:
        try:
            return check(value)
        except (KeyError, TypeError, OverflowError):
            raise ValueError from None

    return ValueKind(words, decode_checked)


def time_from_text(moment_text: str) -> datetime:
    """Parse a time of the record. A time without a time zone is in UTC.

    Times in the first and last year of the calendar are rejected, because they cannot be converted to every time zone.

    Raises:
        ValueError, TypeError: The value is not a time.
    """
    moment = datetime.fromisoformat(moment_text)
    if not 2 <= moment.year <= 9998:
        raise ValueError(f"{moment_text} is not a time of the years 2 to 9998")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def finite(value: Any) -> float:
    """Return a value if it is a finite number. Otherwise, raise ValueError.

    This function is for checks that are passed to `checked`.
    """
    if type(value) not in (float, int) or not -sys.float_info.max <= value <= sys.float_info.max:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if type(value) is bool:
        raise ValueError
    return number_from_json(value)


def _tree(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError
    return {key: decode_numbers(entry) for key, entry in value.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > KEY_LENGTH):
        raise ValueError
    return value


Line = Annotated[str, text(1_000)]
Name = Annotated[str, text(1_000, r"[^\0\n]+", "a string of 1 to 1,000 characters on one line")]
Tags = Annotated[list[Annotated[str, text(1_000)]], Most(10_000)]
Prose = Annotated[str, text()]
"""String of any length, written by a user or taken from an error."""
PathText = Annotated[str, text(4_095, r"[^\0]*", "a path of at most 4,095 characters")]
Word = Annotated[str, text(1_000_000, r"[^\0]*", "a string of at most 1,000,000 characters without NUL")]
"""Command-line argument, or value of an environment variable."""
Count = Annotated[int, whole(0, 2**63 - 1, "a non-negative integer")]
Steps = Annotated[int, whole(1, 2**63 - 1, "a positive integer")]
Integer = Annotated[int, whole(-(2**63), 2**63 - 1, "an integer")]
Small = Annotated[int, whole(-(2**31), 2**31 - 1, "a 32-bit integer")]
AttemptNumber = Annotated[int, whole(0, 999_999_999, "an integer from 0 to 999,999,999")]
Pid = Annotated[int, whole(0, 2**31 - 1, "an integer from 0 to 2,147,483,647")]
Seconds = Annotated[float, real(0.0, 1e10, "a number from 0 to 1e10")]
Number = Annotated[float, real(-sys.float_info.max, sys.float_info.max, "a number")]
AnyNumber = Annotated[float, checked('a number, "NaN", "Infinity" or "-Infinity"', _number)]
Moment = Annotated[datetime, checked("a time", time_from_text)]
Id = Annotated[str, text(64, r"[0-9A-Za-z_-]+", "an id of 1 to 64 letters, digits, `_` and `-`")]
Writer = Annotated[str, checked("a writer id of 1 to 64 letters, digits, `_` and `-`", writer_id)]
FileNameText = Annotated[str, checked("a file name", file_name)]
Sha256 = Annotated[str, text(64, r"[0-9a-f]{64}", "64 hexadecimal digits")]
Fingerprint = Annotated[str, text(32, r"[0-9a-f]{32}", "32 hexadecimal digits")]
Scalar = Annotated[Any, checked("a string, number, boolean or null", _scalar)]
Tree = Annotated[dict[str, Any], checked("an object with values of any type", _tree)]
"""Object with values from the user, including numbers that JSON cannot represent."""


def decode(document: type[Document], value: Any) -> tuple[Document, list[str]]:
    """Decode a JSON document, and return it with a description of each invalid value.

    Raises:
        ValueError: The document is not an object, or a required field is missing or damaged. The message names the
            field.
    """
    damage: list[str] = []
    kind = _kind_of_class(document)
    try:
        return kind.decode(value, damage), damage
    except ValueError:
        raise ValueError("; ".join(damage) or f"it must be {kind.words}") from None


def decode_whole(document: type[Document], value: Any) -> Document:
    """Decode a JSON document. Every value must be valid.

    Raises:
        ValueError: A value is invalid. The message names the value.
    """
    decoded, damage = decode(document, value)
    if damage:
        raise ValueError(shorten_damage(damage))
    return decoded


def shorten_damage(damage: list[str] | tuple[str, ...]) -> str:
    """Return the first descriptions of damage in a document, and the number of the other descriptions."""
    more = len(damage) - 3
    return ", ".join(damage[:3]) + (f", and {more:,} more" if more > 0 else "")


class FieldDescription(NamedTuple):
    """Description of a document's field for the specification."""

    name: str
    words: str
    """Readable description of the type and its bounds."""
    default: str
    """Replacement for a missing or damaged value, as JSON or in words. The text is `required` or `left out` if there is
    no replacement."""


def describe(document: type) -> list[FieldDescription]:
    """Return descriptions of a document's fields, in order."""
    return [FieldDescription(member.name, member.kind.words, member.default) for member in _members(document)]


class _Member(NamedTuple):
    name: str
    kind: ValueKind
    default: str
    """Description of the replacement, as in `FieldDescription`."""
    fallback: Any
    """Replacement for a missing or damaged value, or one of the markers `_REQUIRED` and `_DEFAULT`."""


_REQUIRED: Any = object()
"""Marker for a required field. If it is missing or damaged, the whole object is damaged."""
_DEFAULT: Any = object()
"""Marker for an optional field. If its value is missing or damaged, a dataclass uses the default, and a `TypedDict`
omits the field."""
_ABSENT: Any = object()
"""Marker for a damaged value."""


def _decode_inner(name: str, kind: ValueKind, value: Any, damage: list[str]) -> Any:
    """Decode a nested value, and return `_ABSENT` if it is damaged."""
    before = len(damage)
    try:
        inner = kind.decode(value, damage)
        if len(damage) == before:
            return inner
    except ValueError:
        inner = _ABSENT
        if len(damage) == before:
            damage.append(f"{name[:40]} must be {kind.words}")
            return inner
    del damage[before + _MOST_NAMED :]
    for index in range(before, len(damage)):
        damage[index] = f"{name[:40]}/{damage[index]}"
    return inner


@functools.cache
def _kind_of_class(document: type) -> ValueKind:
    decode_object = functools.partial(_decode_object, document, typing.is_typeddict(document))
    return ValueKind(f"an object ({document.__name__})", decode_object, is_leaf=False)


@functools.cache
def _members(document: type) -> tuple[_Member, ...]:
    hints = typing.get_type_hints(document, include_extras=True)
    if not typing.is_typeddict(document):
        return tuple(
            _Member(entry.name, _kind(hints[entry.name]), _default(entry), _fallback(entry))
            for entry in dataclasses.fields(document)
            if entry.metadata.get("in file", True)
        )
    # `__required_keys__` ignores `Required` if annotations are strings.
    required = {name for name, hint in hints.items() if typing.get_origin(hint) is Required}
    return tuple(
        _Member(name, _kind(hint), "required", _REQUIRED)
        if name in required
        else _Member(name, _kind(hint), "left out", _DEFAULT)
        for name, hint in hints.items()
    )


@functools.cache
def names(document: type) -> tuple[str, ...]:
    """Return the names of a document's fields, in order."""
    return tuple(member.name for member in _members(document))


def _default(entry: dataclasses.Field[Any]) -> str:
    if entry.default_factory is not dataclasses.MISSING:
        return "[]" if entry.default_factory is list else "{}"
    return (
        entry.metadata.get("words", "required") if entry.default is dataclasses.MISSING else json.dumps(entry.default)
    )


def _fallback(entry: dataclasses.Field[Any]) -> Any:
    has_default = not (entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING)
    return _DEFAULT if has_default else entry.metadata.get("damaged as", _REQUIRED)


def _decode_object(document: type, is_dict: bool, value: Any, damage: list[str]) -> Any:
    if type(value) is not dict:
        raise ValueError
    fields: dict[str, Any] = dict(value) if is_dict else {}
    for name, kind, _, fallback in _members(document):
        if name in value:
            fields[name] = inner = _decode_inner(name, kind, value[name], damage)
            if inner is not _ABSENT:
                continue
        elif fallback is _DEFAULT:
            continue
        else:
            damage.append(f"{name} is missing")
        if fallback is _REQUIRED:
            raise ValueError
        if fallback is _DEFAULT:
            del fields[name]
        else:
            fields[name] = copy.copy(fallback)
    return fields if is_dict else document(**fields)


def encode(document: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as a JSON object."""
    values = dataclasses.asdict(document)
    return {name: values[name] for name in names(type(document))}


def unknown_keys(document: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of an object that the document does not declare as fields."""
    known = set(names(document))
    return {name: entry for name, entry in value.items() if name not in known}


def _kind(hint: Any) -> ValueKind:
    """Return the kind that an annotation describes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return ValueKind("a value of any type", lambda value, _: value)
    if origin is Required:
        return _kind(arguments[0])
    if origin is Annotated:
        base, mark = arguments[0], arguments[1]
        return mark if isinstance(mark, ValueKind) else _container(base, mark.entries)
    if origin in (Union, types.UnionType):
        (inner,) = (_kind(argument) for argument in arguments if argument is not type(None))
        return _optional(inner)
    if origin is Literal:
        return _one_of(arguments)
    if origin in (list, dict):
        return _container(hint, MANY)
    if hint is bool:
        return ValueKind("a boolean", _decode_bool)
    if isinstance(hint, type):
        return _kind_of_class(hint)
    raise TypeError(f"{hint!r} is not an annotation of a document")


def _decode_bool(value: Any, damage: list[str]) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _optional(inner: ValueKind) -> ValueKind:
    decode_inner = inner.decode
    return ValueKind(
        f"{inner.words} or null",
        lambda value, damage: None if value is None else decode_inner(value, damage),
        inner.is_leaf,
    )


def _one_of(values: tuple[str, ...]) -> ValueKind:
    def decode_word(value: Any, damage: list[str]) -> str:
        if type(value) is not str or value not in values:
            raise ValueError
        return value

    return ValueKind("one of " + ", ".join(f'"{value}"' for value in values), decode_word)


def _container(hint: Any, most: int) -> ValueKind:
    """Return the kind for a list or an object. Damaged entries of the list or object are omitted."""
    key, inner = None, _kind(typing.get_args(hint)[-1])
    if typing.get_origin(hint) is list:
        decode_list = functools.partial(_decode_list, inner, most)
        return ValueKind(f"a list of at most {most:,} entries, each {inner.words}", decode_list, is_leaf=False)
    if typing.get_args(hint)[0] is not str:
        key = _kind(typing.get_args(hint)[0])
    words = f"an object with at most {most:,} entries, each {inner.words}"
    if key is not None:
        words += f"; each key is {key.words}"
    return ValueKind(words, functools.partial(_decode_map, key, inner, most), is_leaf=False)


def _decode_list(inner: ValueKind, most: int, value: Any, damage: list[str]) -> list[Any]:
    if type(value) is not list or len(value) > most:
        raise ValueError
    if inner.is_leaf:
        try:
            return [inner.decode(entry, damage) for entry in value]
        except ValueError:
            pass  # the damaged entries are omitted below
    entries = [_decode_inner(str(index), inner, entry, damage) for index, entry in enumerate(value)]
    return [entry for entry in entries if entry is not _ABSENT]


def _decode_map(key: ValueKind | None, inner: ValueKind, most: int, value: Any, damage: list[str]) -> dict[str, Any]:
    if type(value) is not dict or len(value) > most or max(map(len, value), default=0) > KEY_LENGTH:
        raise ValueError
    names = value if key is None else [name for name in value if _decode_inner(name, key, name, damage) is not _ABSENT]
    if inner.is_leaf:
        try:
            return {name: inner.decode(value[name], damage) for name in names}
        except ValueError:
            pass  # the damaged entries are omitted below
    entries = {name: _decode_inner(name, inner, value[name], damage) for name in names}
    return {name: entry for name, entry in entries.items() if entry is not _ABSENT}
